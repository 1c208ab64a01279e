"""The Kaplan-Meier curve of the training rows, the same for everybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from survkit.baselines.columns import FeatureColumns
from survkit.types import FitMonitor, FitSummary, SurvivalData, SurvivalPrediction, TimeGrid


class KaplanMeier:
    """Predicts the Kaplan-Meier curve of the training rows for every subject.

    The baseline that every table of survival models needs: it ranks nobody, and a model that uses
    features is worth no more than what it gains over this curve. scikit-survival estimates the
    curve on the raw times, and it is read at the cuts of the grid; beyond the last training time
    it stays where it is.

    Parameters
    ----------
    grid : TimeGrid
        The cuts at which survival is predicted.

    References
    ----------
    Kaplan & Meier (1958), Journal of the American Statistical Association 53:457.
    """

    def __init__(self, *, grid: TimeGrid) -> None:
        self.grid = grid
        self.fit_summary = FitSummary()

    def fit(
        self, train: SurvivalData, validation: SurvivalData, *, monitor: FitMonitor | None = None
    ) -> Self:
        """Estimate the curve on the training rows, with or without events."""
        from sksurv.nonparametric import kaplan_meier_estimator

        self.columns = FeatureColumns.of(train)
        times, survival = kaplan_meier_estimator(train.event, train.time)
        steps = np.concatenate([[1.0], survival])
        self.survival = steps[np.searchsorted(times, self.grid.cuts, side="right")]
        return self

    def predict(self, features: NDArray[np.float32]) -> SurvivalPrediction:
        """Predict survival at the grid's cuts for features of shape (n, p)."""
        self.columns.check(features)
        return SurvivalPrediction(self.grid.cuts, np.tile(self.survival, (len(features), 1)))

    def state(self) -> dict[str, Any]:
        """Return the fitted model as arrays and plain values."""
        return {
            "model": "kaplan_meier",
            "cuts": self.grid.cuts,
            "floor": self.grid.floor,
            "columns": self.columns.state(),
            "survival": self.survival,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a fitted model from what `state` returned."""
        model = cls(grid=TimeGrid(np.asarray(state["cuts"]), state["floor"]))
        model.columns = FeatureColumns.from_state(state["columns"])
        model.survival = np.asarray(state["survival"])
        return model
