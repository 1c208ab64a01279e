"""Survival forests on a time grid: random survival forests and extremely randomised trees."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.baselines.columns import FeatureColumns, columns_tried, require_events
from survkit.baselines.survival_trees import SurvivalTrees
from survkit.system import MemoryNeed
from survkit.types import (
    BoolArray,
    FitMonitor,
    FitSummary,
    Knots,
    SurvivalData,
    SurvivalPrediction,
    TimeGrid,
)

_LOG = logging.getLogger(__name__)

MIN_SAMPLES_LEAF = 3
"""Training rows, each drawn once or more, that a leaf needs at least."""

IN_BAG = 1 - np.exp(-1)
"""Share of the training rows that a bootstrap sample holds."""


PARAMETERS = ("n_estimators", "min_samples_split", "max_features", "seed")


class RandomSurvivalForest:
    """Trees that split by the log-rank statistic, averaged (Ishwaran et al. 2008).

    scikit-survival grows the trees on times brought to the cuts of the grid (see
    `times_on_grid`), since a node keeps two numbers for every distinct training time. A
    prediction is the mean of the leaves' Kaplan-Meier curves at the cuts; it stays constant
    beyond the last training event.

    Parameters
    ----------
    grid : TimeGrid
        The cuts at which survival is predicted.
    n_estimators : int
        Number of trees.
    min_samples_split : int
        Training rows that a node needs to be split.
    max_features : str
        How many of the columns are tried at each split: "sqrt", "log2", "all" or a whole number;
        categories count as one column each.
    seed : int
        Seed of the bootstrap samples and of the columns tried.
    """

    name: ClassVar[str] = "rsf"
    title: ClassVar[str] = "random survival forest"
    _forest: ClassVar[str] = "RandomSurvivalForest"

    def __init__(
        self,
        *,
        grid: TimeGrid,
        n_estimators: int = 100,
        min_samples_split: int = 6,
        max_features: str = "sqrt",
        seed: int = 42,
    ) -> None:
        self.grid = grid
        self.n_estimators = n_estimators
        self.min_samples_split = min_samples_split
        self.max_features = max_features
        self.seed = seed
        self.fit_summary = FitSummary()

    def fit(
        self, train: SurvivalData, validation: SurvivalData, *, monitor: FitMonitor | None = None
    ) -> Self:
        """Print the memory estimate, then grow the trees on all processors.

        Raises
        ------
        InputError
            For fewer events than a leaf has rows, or more `max_features` than columns.
        """
        from sksurv import ensemble
        from sksurv.util import Surv

        require_events(train, MIN_SAMPLES_LEAF, self.name)
        self.columns = FeatureColumns.of(train)
        matrix = self.columns.one_hot(train.features)
        _LOG.info("%s: %s", self.title, memory_need(vars(self), train, self.grid))
        event, time = times_on_grid(train, self.grid)
        forest = getattr(ensemble, self._forest)(
            self.n_estimators,
            min_samples_split=self.min_samples_split,
            min_samples_leaf=MIN_SAMPLES_LEAF,
            max_features=columns_tried("--rsf_max_features", self.max_features, matrix.shape[1]),
            n_jobs=-1,
            random_state=self.seed,
        )
        forest.fit(matrix, Surv.from_arrays(event, time))
        self.trees = SurvivalTrees.take_from(forest, self.grid.cuts)
        if monitor and len(self.trees.survival) == self.n_estimators:
            monitor.warn(
                f"{self.name}: no tree was split, so all subjects get the same curve; {len(train)} "
                f"training rows may be too few for --rsf_min_samples_split {self.min_samples_split}"
            )
        return self

    @property
    def knots(self) -> Knots:
        """The cuts of the grid."""
        return self.grid.knots

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict survival for features of shape (n, p), at the grid's cuts or at other times."""
        survival = self.trees.predict(self.columns.one_hot(features))
        return SurvivalPrediction(self.grid.cuts, survival).read(times)

    def state(self) -> dict[str, Any]:
        """Return the fitted model as arrays and plain values."""
        return {
            "model": self.name,
            "cuts": self.grid.cuts,
            "floor": self.grid.floor,
            **{name: getattr(self, name) for name in PARAMETERS},
            "columns": self.columns.state(),
            "trees": self.trees.state(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a fitted model from what `state` returned."""
        grid = TimeGrid(np.asarray(state["cuts"]), state["floor"])
        model = cls(grid=grid, **{name: state[name] for name in PARAMETERS})
        model.columns = FeatureColumns.from_state(state["columns"])
        model.trees = SurvivalTrees.from_state(state["trees"])
        return model


class ExtraSurvivalTrees(RandomSurvivalForest):
    """Trees that split at random thresholds (Geurts, Ernst and Wehenkel 2006).

    At each node one threshold is drawn for each of the columns tried, and the best of these splits
    by the log-rank statistic is made. All else is as in `RandomSurvivalForest`, bootstrap samples
    included, as scikit-survival's `ExtraSurvivalTrees` does by default.
    """

    name = "extra_survival_trees"
    title = "extremely randomised survival trees"
    _forest = "ExtraSurvivalTrees"


def times_on_grid(data: SurvivalData, grid: TimeGrid) -> tuple[BoolArray, NDArray[np.float64]]:
    """Bring outcomes to the cuts of a grid.

    A time becomes the cut of its class. An event beyond the horizon becomes a censoring at the
    horizon: all that the grid shows of it is that it came later.

    Returns
    -------
    event : array, shape (n,), bool
    time : array, shape (n,), float64
        Each one of the cuts.
    """
    classes = grid.classify(data.time)
    beyond = classes == len(grid.cuts)
    return data.event & ~beyond, grid.cuts[np.where(beyond, len(grid.cuts) - 1, classes)]


def memory_need(parameters: Mapping[str, Any], train: SurvivalData, grid: TimeGrid) -> MemoryNeed:
    """Estimate what a forest needs while it is fitted.

    Parameters
    ----------
    parameters : mapping
        Values for `n_estimators` and `min_samples_split`.
    train : SurvivalData
        The training rows.
    grid : TimeGrid
        Its cuts are the distinct training times.
    """
    rows, trees = len(train), parameters["n_estimators"]
    columns = train.features.shape[1] + sum(c.cardinality - 1 for c in train.categorical)
    of_trees = forest_memory(
        rows,
        num_times=len(grid.cuts),
        n_estimators=trees,
        min_samples_split=parameters["min_samples_split"],
    )
    return MemoryNeed(
        (of_trees + 2 * 4 * rows * columns) / 1e9,
        f"{trees} trees on {rows:,} rows at {len(grid.cuts)} times",
        "a larger --rsf_min_samples_split, or fewer --rsf_n_estimators or --time_bins, need less",
    )


def forest_memory(
    num_rows: int, *, num_times: int, n_estimators: int, min_samples_split: int
) -> int:
    """Estimate the bytes that the trees of a forest take while it is fitted.

    The number of leaves is what trees on real data were seen to have at most; a node holds two
    doubles for each time, and the arrays read from a leaf one float.

    Parameters
    ----------
    num_rows : int
        Training rows n.
    num_times : int
        Distinct training times.
    n_estimators, min_samples_split : int
        As in `RandomSurvivalForest`.
    """
    most = min(IN_BAG * num_rows / MIN_SAMPLES_LEAF, 2 * num_rows / min_samples_split)
    leaves = max(1, int(most))
    nodes = 2 * leaves - 1
    return n_estimators * num_times * (nodes * 2 * 8 + leaves * 4)
