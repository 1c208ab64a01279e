"""The Kaplan-Meier curve of the training rows, the same for everybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.baselines.columns import FeatureColumns
from survkit.baselines.late_entry import warn_of_early_end
from survkit.metrics.censoring import SurvivalStep, kaplan_meier
from survkit.types import (
    FitMonitor,
    FitSummary,
    Knots,
    SurvivalData,
    SurvivalPrediction,
    TimeGrid,
    as_times,
    holds_steps,
)


class KaplanMeier:
    """Predicts the Kaplan-Meier curve of the training rows for every subject.

    The baseline that every table of survival models needs: it ranks nobody, and a model that uses
    features is worth no more than what it gains over this curve. scikit-survival estimates the
    curve on the raw times, and `kaplan_meier` where subjects come under observation late. It is a
    step function, which `predict` reads at any time: at the cuts of the grid by default. Beyond the
    last training time it stays where it is.

    Parameters
    ----------
    grid : TimeGrid
        The cuts at which survival is predicted by default; its horizon is the last time.

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

        self.columns = FeatureColumns.of(train, takes_entry=True)
        time = self.grid.snap(train.time)
        entry = self.grid.snap_entry(train.entry, time)
        if entry is None:
            times, survival = kaplan_meier_estimator(train.event, time)
        else:
            curve = kaplan_meier(time, train.event, entry)
            times, survival = curve.times, curve.values
            warn_of_early_end(time, train.event, entry, "kaplan_meier", monitor)
        falls = np.diff(survival, prepend=1.0) < 0
        self.curve, self.exact = SurvivalStep(times[falls], survival[falls]), True
        return self

    @property
    def knots(self) -> Knots:
        """The training event times, at which the curve falls, and the horizon."""
        if not self.exact:
            return self.grid.knots
        times = self.curve.times
        return Knots(self.grid.cuts[-1:], times[times <= self.grid.horizon])

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict survival for features of shape (n, p), at the grid's cuts or at other times."""
        self.columns.check(features)
        if times is None or not self.exact:
            at_cuts = np.tile(self.curve.at(self.grid.cuts), (len(features), 1))
            return SurvivalPrediction(self.grid.cuts, at_cuts).read(times)
        asked = as_times(times, self.grid.horizon)
        survival = np.tile(self.curve.at(asked), (len(features), 1))
        return SurvivalPrediction(asked, survival, step=holds_steps(asked, self.curve.times))

    def state(self) -> dict[str, Any]:
        """Return the fitted model as arrays and plain values."""
        return {
            "model": "kaplan_meier",
            "cuts": self.grid.cuts,
            "floor": self.grid.floor,
            "columns": self.columns.state(),
            "times": self.curve.times,
            "survival": self.curve.values,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a fitted model from what `state` returned."""
        model = cls(grid=TimeGrid(np.asarray(state["cuts"]), state["floor"]))
        model.columns = FeatureColumns.from_state(state["columns"])
        # Earlier versions kept the curve at the cuts alone.
        times, model.exact = state.get("times", state["cuts"]), "times" in state
        model.curve = SurvivalStep(np.asarray(times), np.asarray(state["survival"]))
        return model
