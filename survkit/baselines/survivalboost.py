"""SurvivalBoost: gradient boosting of the survival function itself, without a hazard model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax

from survkit.baselines.columns import FeatureColumns, require_events_of_causes
from survkit.baselines.regression_trees import BoostedScore, RegressionTrees
from survkit.system import MemoryNeed
from survkit.types import (
    FitMonitor,
    FitSummary,
    Float64Array,
    InputError,
    Knots,
    SurvivalData,
    SurvivalPrediction,
    TimeGrid,
)

PARAMETERS = (
    "n_iter",
    "learning_rate",
    "max_leaf_nodes",
    "min_samples_leaf",
    "horizons",
    "ipcw",
    "seed",
)
COPIES = 4
"""Copies of the sampled rows that hazardous and scikit-learn hold at once."""
PREDICTION_ROWS = 4096
"""Subjects whose curves are computed at once."""


class SurvivalBoost:
    """Boosted trees classify at random times who has had the event (Alberge et al. 2025).

    hazardous draws times for each training row, weights it by the inverse probability of being
    uncensored, and scikit-learn's histogram trees learn P(T <= t | x) with t as one more column.
    Nothing there makes survival fall with time. The values at the cuts are therefore sorted, which
    never moves them away from a curve that falls (Chernozhukov, Fernandez-Val and Galichon 2010);
    between the cuts a curve is linear.

    With several competing causes the trees learn the probability that each cause has come first,
    P(T <= t, cause = c | x), all together by a softmax. Survival and each of these curves are
    sorted. Sorted curves need not sum to 1 with survival: the cumulative incidences at a time are
    the sorted curves where their sum is 1 minus survival. Curves that rise already stay as they
    are.

    The trees are grown by one thread, as sums of several threads depend on their number.

    Parameters
    ----------
    grid : TimeGrid
        The cuts at which survival is predicted.
    n_iter : int
        Number of trees.
    learning_rate : float
        Share of each tree that is added.
    max_leaf_nodes, min_samples_leaf : int
        Leaves of a tree at most, and rows that a leaf needs; a training row counts once for each
        time drawn.
    horizons : int
        Times drawn for each training row and tree.
    ipcw : {"alternating", "kaplan-meier"}
        Whether the distribution of censoring times depends on the features.
    seed : int
        Seed of the times drawn.
    """

    def __init__(
        self,
        *,
        grid: TimeGrid,
        n_iter: int = 100,
        learning_rate: float = 0.05,
        max_leaf_nodes: int = 31,
        min_samples_leaf: int = 50,
        horizons: int = 3,
        ipcw: Literal["alternating", "kaplan-meier"] = "alternating",
        seed: int = 42,
    ) -> None:
        self.grid = grid
        self.n_iter = n_iter
        self.learning_rate = learning_rate
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.horizons = horizons
        self.ipcw = ipcw
        self.seed = seed
        self.fit_summary = FitSummary()

    def fit(
        self, train: SurvivalData, validation: SurvivalData, *, monitor: FitMonitor | None = None
    ) -> Self:
        """Grow the trees one after the other.

        Raises
        ------
        InputError
            For so few events, of one of the causes, that times are drawn at which nobody has had
            one.
        """
        from survkit.baselines.hazardous_trees import grow

        require_events_of_causes(train, "survivalboost")
        self.columns = FeatureColumns.of(train)
        try:
            self.scores = grow(
                self.columns.one_hot(train.features),
                train.event.astype(np.int64) if train.cause is None else train.cause,
                train.time,
                seed=self.seed,
                n_iter=self.n_iter,
                learning_rate=self.learning_rate,
                max_leaf_nodes=self.max_leaf_nodes,
                min_samples_leaf=self.min_samples_leaf,
                n_horizons_per_observation=self.horizons,
                ipcw_strategy=self.ipcw,
            )
        except ValueError as error:
            if "unobserved in the training data" not in str(error):
                raise
            raise _too_few_events(train) from None
        return self

    @property
    def knots(self) -> Knots:
        """The cuts of the grid."""
        return self.grid.knots

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict for features of shape (n, p), at the grid's cuts or at other times."""
        matrix, cuts = self.columns.one_hot(features), self.grid.cuts
        survival = np.empty((len(matrix), len(cuts)))
        num_causes = max(len(self.scores) - 1, 1)
        incidence = np.empty((len(matrix), num_causes, len(cuts))) if num_causes > 1 else None
        for begin in range(0, len(matrix), PREDICTION_ROWS):
            rows = slice(begin, begin + PREDICTION_ROWS)
            scores = [score.at(matrix[rows], cuts) for score in self.scores]
            if incidence is None:
                survival[rows] = np.sort(expit(-scores[0]), axis=1)[:, ::-1]
            else:
                probability = softmax(np.stack(scores, axis=1), axis=1)
                survival[rows], incidence[rows] = curves_of_causes(probability)
        return SurvivalPrediction(cuts, survival, cumulative_incidence=incidence).read(times)

    def state(self) -> dict[str, Any]:
        """Return the fitted model as arrays and plain values."""
        scores = [{"start": score.start, "trees": score.trees.state()} for score in self.scores]
        return {
            "model": "survivalboost",
            "cuts": self.grid.cuts,
            "floor": self.grid.floor,
            **{name: getattr(self, name) for name in PARAMETERS},
            "columns": self.columns.state(),
            **(scores[0] if len(scores) == 1 else {"scores": scores}),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a fitted model from what `state` returned."""
        grid = TimeGrid(np.asarray(state["cuts"]), state["floor"])
        model = cls(grid=grid, **{name: state[name] for name in PARAMETERS})
        model.columns = FeatureColumns.from_state(state["columns"])
        model.scores = [
            BoostedScore(score["start"], RegressionTrees.from_state(score["trees"]))
            for score in state.get("scores", [state])
        ]
        return model


def _too_few_events(train: SurvivalData) -> InputError:
    events, which = f"{int(train.event.sum())} events", "the event"
    if train.cause is not None:
        of_causes = zip(np.bincount(train.cause)[1:], train.cause_names, strict=True)
        events += f" ({', '.join(f'{count} {name}' for count, name in of_causes)})"
        which = "one of these"
    return InputError(
        f"survivalboost cannot be fitted to {events} among {len(train)} training rows: at the "
        f"times drawn for one tree before the last time nobody has had {which}; more "
        "--survivalboost_horizons may help"
    )


def curves_of_causes(probability: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return survival and incidences that do not rise and fall, and sum to 1, as in the class.

    Parameters
    ----------
    probability : array, shape (n, 1 + C, m)
        Of no event by each of m times, and of each cause; they sum to 1 over axis 1.

    Returns
    -------
    survival : array, shape (n, m), float64
    incidence : array, shape (n, C, m), float64
    """
    survival = np.sort(probability[:, 0], axis=1)[:, ::-1]
    sorted_causes = np.sort(probability[:, 1:], axis=2)
    # From 0 on; the largest total is at least that of the unsorted curves, 1 minus survival.
    causes = np.concatenate([np.zeros_like(sorted_causes[:, :, :1]), sorted_causes], axis=2)
    total = causes.sum(axis=1)
    incidence = np.empty_like(sorted_causes)
    for row, (happened, totals) in enumerate(zip(1.0 - survival, total, strict=True)):
        for cause, values in enumerate(causes[row]):
            incidence[row, cause] = np.interp(happened, totals, values)
    return survival, incidence


def memory_need(parameters: Mapping[str, Any], train: SurvivalData, grid: TimeGrid) -> MemoryNeed:
    """Estimate what a fit needs: every training row once for each time drawn, in doubles.

    Parameters
    ----------
    parameters : mapping
        Values for `horizons`, `n_iter` and `max_leaf_nodes`.
    train : SurvivalData
        The training rows.
    grid : TimeGrid
        Not used.
    """
    scores = 1 if train.num_causes == 1 else 1 + train.num_causes
    rows, trees = len(train) * parameters["horizons"], scores * parameters["n_iter"]
    columns = 1 + train.features.shape[1] + sum(c.cardinality - 1 for c in train.categorical)
    leaves = min(rows / parameters["min_samples_leaf"], parameters["max_leaf_nodes"])
    needed = COPIES * 8 * rows * columns + trees * 2 * leaves * 100 + columns * leaves * 256 * 20
    return MemoryNeed(
        needed / 1e9,
        f"{trees} trees on {rows:,} rows and {columns:,} columns",
        "fewer --survivalboost_horizons or --survivalboost_n_iter need less",
    )
