"""The difference of two models' Brier scores over assumed dependences of event and censoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.bootstrap import bootstrap_interval, resample_chunks, weighted_ratio
from survkit.metrics.brier import integration_weights
from survkit.metrics.copulas import Family
from survkit.metrics.dependent_censoring import (
    ScoredPair,
    bounds_without_assumption,
    difference_contributions,
    turning_point,
)
from survkit.metrics.outcomes import Outcomes
from survkit.types import FloatArray, SurvivalData

TAUS: Mapping[Family, NDArray[np.float64]] = {
    "frank": np.arange(-10, 11) / 20,
    "clayton": np.arange(11) / 20,
}
"""The dependences that are tried with each copula."""

_CHUNK_ELEMENTS = 10_000_000
"""Most counts (resamples x subjects) handled at once: bounds the memory."""


class Curve(NamedTuple):
    """By how much the best model is ahead over assumed dependences, with 95 % intervals.

    Parameters
    ----------
    taus : array, shape (r,)
        Kendall's tau between event and censoring time.
    ahead, low, high : array, shape (r, q)
        Of each of q scores, above 0 where the best model is better.
    """

    taus: NDArray[np.float64]
    ahead: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def turns_at(self, score: int) -> float | None:
        """Return the weakest dependence that turns the verdict round, None where none does."""
        return turning_point(self.taus, self.ahead[:, score])

    def settled_between(self, score: int) -> tuple[float, float] | None:
        """Return the taus around 0 between which the interval excludes zero; None where not at 0.

        Ends are those of the taus that were tried where it excludes zero up to them.
        """
        start = int(np.flatnonzero(self.taus == 0)[0])
        near = self.low if self.ahead[start, score] > 0 else self.high
        values = near[:, score]
        if np.isnan(values[start]) or values[start] * self.ahead[start, score] <= 0:
            return None
        ends = []
        for way in (slice(None, start + 1), slice(start, None)):
            end = turning_point(self.taus[way], values[way])
            ends.append(self.taus[0 if way.start is None else -1] if end is None else end)
        return float(ends[0]), float(ends[1])


@dataclass(frozen=True, eq=False)
class Dependence:
    """What dependent censoring would do to the difference of two models.

    Parameters
    ----------
    metrics : tuple of str, length q
        The integrated score, then those at single times.
    curves : dict of family to Curve
        Of each copula.
    bounds : array, shape (2, q)
        Least and largest by which the best model is ahead, for any fate of the censored.
    censored : int
        Test subjects censored before `last`.
    last : float
        The last time of the integrated score.
    """

    metrics: tuple[str, ...]
    curves: dict[Family, Curve]
    bounds: NDArray[np.float64]
    censored: int
    last: float


def dependence_of(
    best: FloatArray,
    second: FloatArray,
    outcomes: Outcomes,
    train: SurvivalData,
    resamples: int,
) -> Dependence | str:
    """Compare two models over assumed dependences, or say why that cannot be done.

    Parameters
    ----------
    best, second : array, shape (n, m)
        Survival that they predict at the grid's cuts.
    outcomes : Outcomes
        Of the test subjects.
    train : SurvivalData
        The rows from which censoring is estimated.
    resamples : int
        Bootstrap samples of the test subjects; 0 for no intervals.
    """
    if outcomes.convention != "standard":
        return (
            "What dependent censoring would do is not shown: it extends the weights of the "
            "standard conventions, and these runs follow the published ones"
        )
    if outcomes.why_no_cuts is not None:
        return f"What dependent censoring would do is not known: {outcomes.why_no_cuts}"
    metrics, pair = _scored_pair(best, second, outcomes)
    train_time = outcomes.grid.snap(np.asarray(train.time, dtype=np.float64))
    curves = {
        family: _curve(pair, outcomes.data, train_time, train.event, family, resamples)
        for family in TAUS
    }
    last = float(pair.cuts[-1])
    low, high = bounds_without_assumption(pair)
    censored = int(np.count_nonzero(~pair.event & (pair.time < last)))
    return Dependence(metrics, curves, np.stack([-high, -low]), censored, last)


def _scored_pair(
    best: FloatArray, second: FloatArray, outcomes: Outcomes
) -> tuple[tuple[str, ...], ScoredPair]:
    """Return the two models up to the last usable cut, and the names of the scores."""
    cuts = outcomes.grid.cuts[: outcomes.weights.last_cut + 1]
    usable = {
        f"brier@{point.suffix}": point.cut
        for point in outcomes.points
        if point.reason is None and point.cut is not None and 0 < point.cut < len(cuts)
    }
    scores = np.column_stack(
        [integration_weights(cuts), *(np.eye(len(cuts))[cut] for cut in usable.values())]
    )
    own = [curves[:, : len(cuts)] for curves in (best, second)]
    pair = ScoredPair(own[0], own[1], outcomes.time, outcomes.data.event, cuts, scores)
    return ("integrated_brier", *usable), pair


def _curve(
    pair: ScoredPair,
    test: SurvivalData,
    train_time: FloatArray,
    train_event: NDArray[np.bool_],
    family: Family,
    resamples: int,
) -> Curve:
    taus = TAUS[family]
    of_each = [
        -difference_contributions(pair, train_time, train_event, family=family, tau=float(tau))
        for tau in taus
    ]
    contributions = np.concatenate(of_each, axis=1)
    shape = len(taus), pair.scores.shape[1]
    interval = _intervals(contributions, test, resamples)
    return Curve(
        taus,
        contributions.mean(axis=0).reshape(shape),
        interval[:, 0].reshape(shape),
        interval[:, 1].reshape(shape),
    )


def _intervals(
    contributions: NDArray[np.float64], test: SurvivalData, resamples: int
) -> NDArray[np.float64]:
    """Return the 95 % intervals of means over subjects, shape (columns, 2); NaN where unknown."""
    everybody = np.ones_like(contributions)
    drawn = [
        weighted_ratio(contributions, everybody, counts)
        for counts in resample_chunks(
            len(contributions),
            resamples=resamples,
            seed=0,
            subject_id=test.subject_id,
            at_once=max(1, _CHUNK_ELEMENTS // len(contributions)),
        )
    ]
    if not drawn:
        return np.full((contributions.shape[1], 2), np.nan)
    intervals = [bootstrap_interval(own) for own in np.concatenate(drawn).T]
    return np.array([(np.nan, np.nan) if own is None else own for own in intervals])
