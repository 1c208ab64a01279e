"""What dependent censoring would do to the difference of two models' Brier scores.

Inverse-probability-of-censoring weights take censoring to be independent of the event time. The
data cannot tell whether it is. So the dependence is assumed, as an Archimedean copula with a given
Kendall's tau between event and censoring time, and the scores are weighted for it: an event at t by
1 / P(C >= t | T = t), a subject still at risk at t by 1 / P(C > t | T > t). At tau 0 these are the
ordinary weights, 1 / G(t-) and 1 / G(t), and the scores the ordinary ones. Over a range of tau the
difference of two models becomes a curve, which shows how strong a dependence would turn it round.

Bounds need no assumption at all: every censored subject may have had the event at any later time.

References
----------
Rivest & Wells (2001), Journal of Multivariate Analysis 79:138, on the margins.
Lillelund, Qi & Greiner (2025), arXiv:2502.19460, who score models under such copulas by imputing
times; the weights here need no model of the censored subjects' own risk.
Manski (1990), American Economic Review 80:319, on bounds without assumptions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.censoring import CensoringWeights, weights_at_cuts
from survkit.metrics.copulas import CopulaGraphic, Family, copula_graphic
from survkit.types import BoolArray, FloatArray, InputError


@dataclass(frozen=True, eq=False)
class ScoredPair:
    """Two models' predictions at the first cuts of a grid, and what happened to the subjects.

    Parameters
    ----------
    first, second : array, shape (n, k)
        Survival that each predicts at the cuts.
    time, event : array, shape (n,)
        Times of event or censoring, and whether the event (of any cause) was seen.
    cuts : array, shape (k,)
        The times.
    scores : array, shape (k, q)
        Each of q scores as weights of the Brier scores at the cuts: a column of zeros and a single
        1 is the score at that cut, `integration_weights` the integrated score.

    Raises
    ------
    InputError
        For shapes that do not fit each other.
    """

    first: FloatArray
    second: FloatArray
    time: FloatArray
    event: BoolArray
    cuts: FloatArray
    scores: FloatArray

    def __post_init__(self) -> None:
        shape = len(self.time), len(self.cuts)
        for name, known, expected in (
            ("first", self.first.shape, shape),
            ("second", self.second.shape, shape),
            ("event", self.event.shape, shape[:1]),
            ("scores", self.scores.shape[:1], shape[1:]),
        ):
            if known != expected:
                raise InputError(
                    f"{name} has the shape {known}, but time and cuts ask for {expected}"
                )

    @cached_property
    def if_event(self) -> NDArray[np.float64]:
        """Difference of the squared errors, first less second, after an event, shape (n, k)."""
        return np.asarray(self.first**2 - self.second**2, dtype=np.float64)

    @cached_property
    def if_free(self) -> NDArray[np.float64]:
        """Difference of the squared errors while free of the event, shape (n, k)."""
        return np.asarray((1 - self.first) ** 2 - (1 - self.second) ** 2, dtype=np.float64)


def copula_weights(
    time: FloatArray, event: BoolArray, cuts: FloatArray, margins: CopulaGraphic
) -> NDArray[np.float64]:
    """Weights that make up for dependent censoring at each cut, shape (n, k).

    Parameters
    ----------
    time, event : array, shape (n,)
        The evaluated subjects.
    cuts : array, shape (k,)
        Times of the score.
    margins : CopulaGraphic
        Under the assumed copula, from the training rows.

    Returns
    -------
    array, shape (n, k), float64
        That of the event once it happened, that of those at risk before, 0 after censoring. NaN
        where no training row is still at risk.
    """
    by_last = event & (time <= cuts[-1])
    at_event = np.zeros(len(time))
    at_event[by_last] = margins.weight_of_event(np.asarray(time)[by_last])
    weights = CensoringWeights(
        len(cuts) - 1, at_event, margins.weight_at_risk(cuts), margins.weight_of_event(cuts)
    )
    return weights_at_cuts(time, cuts, weights)


def difference_contributions(
    pair: ScoredPair,
    train_time: FloatArray,
    train_event: BoolArray,
    *,
    family: Family,
    tau: float,
) -> NDArray[np.float64]:
    """Return what each subject adds to the difference of two models' scores at an assumed tau.

    Parameters
    ----------
    pair : ScoredPair
        The predictions and outcomes.
    train_time, train_event : array, shape (n_train,)
        The subjects from whom the margins are estimated.
    family, tau
        As in `survkit.metrics.copulas.generator`.

    Returns
    -------
    array, shape (n, q), float64
        Their mean is the difference, first less second: below 0 the first is better. NaN where no
        training row is still at risk.

    Raises
    ------
    InputError
        As `copula_graphic`.
    """
    margins = copula_graphic(train_time, train_event, family, tau)
    weights = copula_weights(pair.time, pair.event, pair.cuts, margins)
    happened = pair.event[:, None] & (pair.time[:, None] <= pair.cuts)
    contributions = np.where(happened, pair.if_event, pair.if_free) * weights
    unknown = np.isnan(contributions).any(axis=0)
    contributions[:, unknown] = 0.0  # for the scores that do not use those cuts
    differences = np.asarray(contributions @ pair.scores)
    differences[:, (pair.scores[unknown] != 0).any(axis=0)] = np.nan
    return differences


def bounds_without_assumption(pair: ScoredPair) -> NDArray[np.float64]:
    """Least and largest difference of two models' scores over all that may have happened later.

    A censored subject may have had the event at any time after its censoring, or never; which time
    favours a model is chosen for each subject, one time for all cuts of an integrated score. The
    scores are those of the subjects themselves, none of them weighted.

    Parameters
    ----------
    pair : ScoredPair
        The predictions and outcomes.

    Returns
    -------
    array, shape (2, q), float64
        First less second: if everything had gone well for the first model, and for the second.

    References
    ----------
    Manski (1990), American Economic Review 80:319.
    """
    n, k = pair.first.shape
    # An event between cuts j - 1 and j leaves a subject free of it at the first j cuts.
    earliest = np.searchsorted(pair.cuts, pair.time, side="right")
    exact = np.searchsorted(pair.cuts, pair.time, side="left")
    free_at_first = np.arange(k + 1)
    possible = np.where(
        pair.event[:, None], free_at_first == exact[:, None], free_at_first >= earliest[:, None]
    )
    gain, after = pair.if_free - pair.if_event, pair.if_event
    bounds = np.empty((2, pair.scores.shape[1]))
    for score, weights in enumerate(pair.scores.T):
        of_each = np.zeros((n, k + 1))
        np.cumsum(gain * weights, axis=1, out=of_each[:, 1:])
        of_each += (after @ weights)[:, None]
        bounds[0, score] = np.where(possible, of_each, np.inf).min(axis=1).mean()
        bounds[1, score] = np.where(possible, of_each, -np.inf).max(axis=1).mean()
    return bounds


def turning_point(taus: Sequence[float] | FloatArray, values: FloatArray) -> float | None:
    """Find the weakest dependence at which a curve over tau leaves its side of 0.

    Parameters
    ----------
    taus : sequence of float, length r
        Increasing, with 0 among them.
    values : array, shape (r,)
        The curve, read linearly between those of them at which it is known.

    Returns
    -------
    float or None
        The tau next to 0 (the positive one of two as near) at which the curve is 0; None where it
        stays on its side throughout, or is unknown at 0.

    Raises
    ------
    InputError
        Where 0 is not among the taus.
    """
    at, known = np.asarray(taus, np.float64), ~np.isnan(values)
    if np.count_nonzero(at == 0) != 1:
        raise InputError("0 must be among the taus, once: the curve begins there")
    if not known[at == 0].all():
        return None
    at, curve = at[known], np.asarray(values, np.float64)[known]
    start = int(np.flatnonzero(at == 0)[0])
    ways = (slice(start, None), slice(start, None, -1))
    found = [_first_zero(at[way], curve[way]) for way in ways]
    turning = [tau for tau in found if tau is not None]
    return min(turning, key=abs) if turning else None


def _first_zero(taus: NDArray[np.float64], values: NDArray[np.float64]) -> float | None:
    """Return where values first reach 0, on the way from their first."""
    if values[0] == 0:
        return float(taus[0])
    beyond = np.flatnonzero(values * np.sign(values[0]) <= 0)
    if len(beyond) == 0:
        return None
    after = beyond[0]
    share = values[after - 1] / (values[after - 1] - values[after])
    return float(taus[after - 1] + share * (taus[after] - taus[after - 1]))
