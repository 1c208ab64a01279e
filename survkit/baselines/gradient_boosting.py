"""Gradient boosting of the Cox partial likelihood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.baselines.columns import FeatureColumns, columns_tried, require_events
from survkit.baselines.proportional_hazards import CumulativeHazard
from survkit.baselines.regression_trees import RegressionTrees
from survkit.types import (
    FitMonitor,
    FitSummary,
    InputError,
    Knots,
    SurvivalData,
    SurvivalPrediction,
    TimeGrid,
)

PARAMETERS = (
    "n_estimators",
    "learning_rate",
    "max_depth",
    "min_samples_leaf",
    "subsample",
    "max_features",
    "seed",
)


class GradientBoosting:
    """Regression trees whose sum is the log hazard ratio (Ridgeway 1999; Friedman 2001).

    scikit-survival's `GradientBoostingSurvivalAnalysis` fits each tree to the gradient of the
    partial likelihood of the raw times; the baseline hazard is Breslow's.

    Parameters
    ----------
    grid : TimeGrid
        The cuts at which survival is predicted by default; its horizon is the last time.
    n_estimators : int
        Number of trees.
    learning_rate : float
        Share of each tree that is added to the sum.
    max_depth, min_samples_leaf : int
        Levels of splits in a tree, and training rows that a leaf needs.
    subsample : float
        Share of the training rows that is drawn for each tree.
    max_features : str
        How many of the columns are tried at each split, as in `RandomSurvivalForest`.
    seed : int
        Seed of the rows and columns drawn.
    """

    def __init__(
        self,
        *,
        grid: TimeGrid,
        n_estimators: int = 100,
        learning_rate: float = 0.1,
        max_depth: int = 3,
        min_samples_leaf: int = 1,
        subsample: float = 1.0,
        max_features: str = "all",
        seed: int = 42,
    ) -> None:
        self.grid = grid
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.subsample = subsample
        self.max_features = max_features
        self.seed = seed
        self.fit_summary = FitSummary()

    def fit(
        self, train: SurvivalData, validation: SurvivalData, *, monitor: FitMonitor | None = None
    ) -> Self:
        """Grow the trees one after the other.

        Raises
        ------
        InputError
            For training rows without an event, more `max_features` than columns, or trees whose
            predictions are not finite.
        """
        from sksurv.util import Surv

        from survkit.baselines.cox_boosting import CoxBoosting

        require_events(train, 1, "gbsa")
        self.columns = FeatureColumns.of(train)
        matrix = self.columns.one_hot(train.features)
        model = CoxBoosting(
            n_estimators=self.n_estimators,
            learning_rate=self.learning_rate,
            max_depth=self.max_depth,
            min_samples_leaf=self.min_samples_leaf,
            subsample=self.subsample,
            max_features=columns_tried("--gbsa_max_features", self.max_features, matrix.shape[1]),
            random_state=self.seed,
        )
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # checked below
            model.fit(matrix, Surv.from_arrays(train.event, self.grid.snap(train.time)))
        self.trees = RegressionTrees.of(
            {
                "left": tree.tree_.children_left,
                "right": tree.tree_.children_right,
                "feature": np.where(tree.tree_.children_left < 0, -1, tree.tree_.feature),
                "threshold": tree.tree_.threshold,
                "value": self.learning_rate * tree.tree_.value[:, 0, 0],
            }
            for tree in model.estimators_[:, 0]
        )
        log_risk = self.trees.predict(matrix)
        if not np.isfinite(log_risk).all():
            raise InputError(
                "gbsa: the trees' predictions are not finite; a smaller --gbsa_learning_rate than "
                f"{self.learning_rate} may help"
            )
        time = self.grid.snap(train.time)
        self.baseline = CumulativeHazard.breslow(log_risk, train.event, time)
        return self

    @property
    def knots(self) -> Knots:
        """The training event times, at which curves fall, and the horizon."""
        return self.baseline.knots(self.grid)

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict survival for features of shape (n, p), at the grid's cuts or at other times."""
        log_risk = self.trees.predict(self.columns.one_hot(features))
        return self.baseline.survival(log_risk, self.grid, times)

    def state(self) -> dict[str, Any]:
        """Return the fitted model as arrays and plain values."""
        return {
            "model": "gbsa",
            "cuts": self.grid.cuts,
            "floor": self.grid.floor,
            **{name: getattr(self, name) for name in PARAMETERS},
            "columns": self.columns.state(),
            "trees": self.trees.state(),
            "baseline": self.baseline.state(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a fitted model from what `state` returned."""
        grid = TimeGrid(np.asarray(state["cuts"]), state["floor"])
        model = cls(grid=grid, **{name: state[name] for name in PARAMETERS})
        model.columns = FeatureColumns.from_state(state["columns"])
        model.trees = RegressionTrees.from_state(state["trees"])
        model.baseline = CumulativeHazard.from_state(state["baseline"], grid.cuts)
        return model
