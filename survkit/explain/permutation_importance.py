"""Permutation importance over time: how much worse a model predicts with one feature shuffled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.explain.players import Players
from survkit.metrics.bootstrap import once_each
from survkit.metrics.brier import brier_contributions, integration_weights
from survkit.metrics.concordance_groups import concordance_groups
from survkit.metrics.mean_metrics import no_mean_over_cuts
from survkit.metrics.outcomes import Outcomes
from survkit.metrics.problem import Problem, problem_of
from survkit.types import Float64Array, InputError, IntArray, SurvivalPrediction

PredictFeatures = Callable[[NDArray[np.float32]], SurvivalPrediction]
"""Takes features (n, p) and predicts curves up to the horizon of the grid."""


class Scores(NamedTuple):
    """Scores of one prediction.

    Parameters
    ----------
    brier : array, shape (K + 1,)
        The Brier score at cuts 0..K, weighted by the inverse probability of censoring.
    integrated_brier, concordance_td : float
        Its trapezoid mean over these cuts, and Antolini's concordance.
    reasons : dict of str to str
        Why a score is NaN.
    """

    brier: Float64Array
    integrated_brier: float
    concordance_td: float
    reasons: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class PermutationImportance:
    """What shuffling each of d features R times costs.

    Parameters
    ----------
    feature_names : tuple of str, length d
        The features.
    times : array, shape (K + 1,)
        The cuts 0..K at which Brier scores stand.
    brier : array, shape (d, R, K + 1)
        Increase of the Brier score at each cut.
    integrated_brier : array, shape (d, R)
        Increase of the integrated Brier score.
    concordance_td : array, shape (d, R)
        Decrease of the time-dependent concordance.
    unshuffled : Scores
        The scores of the model as it is.
    """

    feature_names: tuple[str, ...]
    times: Float64Array
    brier: Float64Array
    integrated_brier: Float64Array
    concordance_td: Float64Array
    unshuffled: Scores

    def to_frame(self) -> pd.DataFrame:
        """Return a table with one row per feature, the most important one first.

        Columns: `integrated_brier` (increase) and `concordance_td` (decrease), means over the
        repeats, each with its standard deviation `..._sd` over them, NaN for a single one. The
        order is that of the integrated Brier score, of the concordance where that is undefined.
        """
        columns = {}
        for name in ("integrated_brier", "concordance_td"):
            columns[name], columns[f"{name}_sd"] = _mean_and_deviation(getattr(self, name))
        table = pd.DataFrame(columns, index=pd.Index(self.feature_names, name="feature"))
        by = "integrated_brier"
        if table[by].isna().all():
            by = "concordance_td"
        return table.sort_values(by, ascending=False, kind="stable")

    def over_time(self) -> pd.DataFrame:
        """Return a table with one row per feature and cut: time, brier (increase) and brier_sd."""
        mean, deviation = _mean_and_deviation(self.brier)
        d, k = mean.shape
        return pd.DataFrame(
            {
                "time": np.tile(self.times, d),
                "brier": mean.ravel(),
                "brier_sd": deviation.ravel(),
            },
            index=pd.Index(np.repeat(self.feature_names, k), name="feature"),
        )


def permutation_importance(
    predict: PredictFeatures,
    outcomes: Outcomes,
    players: Players,
    *,
    repeats: int = 5,
    seed: int = 0,
    cause: int = 0,
) -> PermutationImportance:
    """Shuffle each feature among the subjects, several times, and score the predictions again.

    All columns of a feature are shuffled alike, and so are all rows of a subject
    (`SurvivalData.subject_id`). A repeat shuffles every feature in the same way, so that features
    are compared under equal conditions and one feature's result does not depend on the others'.

    Parameters
    ----------
    predict : callable
        The model; shuffling changes its input, it is not fitted again.
    outcomes : Outcomes
        The outcomes of the subjects, their features, and what weighs the scores.
    players : Players
        The features, and the columns that belong to each.
    repeats : int
        Times that each feature is shuffled.
    seed : int
        Seed of the shuffles.
    cause : int
        0 for an event of any cause; else the cause, 1 to C, whose cumulative incidence is scored.

    Returns
    -------
    PermutationImportance
        A score that is undefined for these outcomes is NaN with a reason.

    Raises
    ------
    InputError
        For fewer than 1 repeat, a prediction that does not fit the outcomes, or a cause that it
        does not predict.

    References
    ----------
    Breiman (2001), Machine Learning 45:5; Fisher, Rudin & Dominici (2019), Journal of Machine
    Learning Research 20:177, equation 3 (difference). Over time, with the Brier score: Spytek et
    al. (2023), Bioinformatics 39:btad723.
    """
    if repeats < 1:
        raise InputError(f"repeats is {repeats}; it must be a whole number of at least 1")
    data = outcomes.data
    random = np.random.default_rng(seed)
    donors = [shuffled_rows(len(data), data.subject_id, random) for _ in range(repeats)]
    return importance_of_shuffles(predict, outcomes, players, donors, cause=cause)


def importance_of_shuffles(
    predict: PredictFeatures,
    outcomes: Outcomes,
    players: Players,
    donors: list[IntArray],
    *,
    cause: int = 0,
) -> PermutationImportance:
    """Return what `permutation_importance` does, for given shuffles.

    Each of `donors` has, for each row, the row (n,) whose values it takes.
    """
    features = outcomes.data.features
    before = scores(predict(features), outcomes, cause)
    d, shape = len(players.names), (len(players.names), len(donors))
    brier = np.empty((*shape, len(before.brier)))
    integrated, concordance = np.empty(shape), np.empty(shape)
    for player in range(d):
        columns = np.flatnonzero(players.of_column == player)
        for repeat, rows in enumerate(donors):
            shuffled = features.copy()
            shuffled[:, columns] = features[np.ix_(rows, columns)]
            after = scores(predict(shuffled), outcomes, cause)
            brier[player, repeat] = after.brier - before.brier
            integrated[player, repeat] = after.integrated_brier - before.integrated_brier
            concordance[player, repeat] = before.concordance_td - after.concordance_td
    times = outcomes.grid.cuts[: len(before.brier)]
    return PermutationImportance(players.names, times, brier, integrated, concordance, before)


def shuffled_rows(n: int, subject_id: IntArray | None, random: np.random.Generator) -> IntArray:
    """Return for each of n rows the row whose values it takes, shape (n,).

    Of several rows a subject, all take those of one other subject, in their order; where that one
    has more or fewer rows, they are spread evenly over them.
    """
    if subject_id is None:
        return random.permutation(n)
    _, subject = np.unique(subject_id, return_inverse=True)
    rows = np.split(np.argsort(subject, kind="stable"), np.cumsum(np.bincount(subject))[:-1])
    donors = np.empty(n, dtype=np.int64)
    for own, donor in zip(rows, random.permutation(len(rows)), strict=True):
        theirs = rows[donor]
        donors[own] = theirs[np.arange(len(own)) * len(theirs) // len(own)]
    return donors


def scores(prediction: SurvivalPrediction, outcomes: Outcomes, cause: int = 0) -> Scores:
    """Score a prediction of the outcomes of any cause, 0, or of one, 1 to C.

    Raises
    ------
    InputError
        Where prediction and outcomes do not fit, or the prediction does not have the cause.
    """
    problem = problem_of(prediction, outcomes)
    if cause:
        if not 1 <= cause <= len(problem.causes):
            raise InputError(f"cause is {cause}; the prediction has {len(problem.causes)} causes")
        problem = problem.causes[cause - 1]
    reasons = {}
    last = problem.last_cut
    brier, integrated = np.full(last + 1, np.nan), np.nan
    if reason := no_mean_over_cuts(problem):
        reasons["integrated_brier"] = reason
    else:
        brier = brier_contributions(
            problem.survival[:, : last + 1], problem.happened, problem.at_cuts
        ).mean(axis=0)
        integrated = float(brier @ integration_weights(problem.cuts[: last + 1]))
    concordance, reason = _concordance_td(problem)
    if np.isnan(concordance):
        reasons["concordance_td"] = reason
    return Scores(brier, integrated, concordance, reasons)


def _concordance_td(problem: Problem) -> tuple[float, str]:
    """Return Antolini's concordance, and the reason if it is NaN."""
    for group in concordance_groups(problem):
        for place, metric in enumerate(group.metrics):
            if metric.name == "concordance_td":
                value = group.compute(once_each(len(problem.time)))[0, place]
                return float(value), metric.if_undefined
    raise AssertionError("no group has concordance_td")


def _mean_and_deviation(values: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return mean and standard deviation over the repeats, the second axis."""
    mean = values.mean(axis=1)
    if values.shape[1] == 1:
        return mean, np.full_like(mean, np.nan)
    return mean, values.std(axis=1, ddof=1)
