"""Calibrated models, and how a saved model of any kind is rebuilt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.models.calibration import Calibration, fit_calibration
from survkit.models.conformal import CONFORMAL, ConformalModel
from survkit.models.ensemble import ENSEMBLE, EnsembleModel
from survkit.models.states import rebuild_registered, with_kind
from survkit.types import (
    FitMonitor,
    Knots,
    SurvivalData,
    SurvivalModel,
    SurvivalPrediction,
    TimeGrid,
)

CALIBRATED = "calibrated"
"""The kind of model that the state of a calibrated model names."""


class CalibratedModel:
    """A model whose predictions are calibrated on the validation rows.

    Parameters
    ----------
    inner : SurvivalModel
        The model: an ensemble, or a model of the registry.
    grid : TimeGrid
        The classes of the likelihood that the calibration is fitted by.
    calibration : Calibration, optional
        From an earlier fit; without it predictions stay as they are.
    """

    def __init__(
        self, inner: SurvivalModel, *, grid: TimeGrid, calibration: Calibration | None = None
    ) -> None:
        self.inner = inner
        self.grid = grid
        self.calibration = calibration or Calibration(applied=False)
        self.fit_summary = inner.fit_summary

    def fit(
        self, train: SurvivalData, validation: SurvivalData, *, monitor: FitMonitor | None = None
    ) -> Self:
        """Fit the model, then its calibration."""
        self.inner.fit(train, validation, monitor=monitor)
        return self.calibrate(validation)

    def calibrate(self, validation: SurvivalData) -> Self:
        """Fit the calibration of a fitted model on validation rows."""
        self.fit_summary = self.inner.fit_summary
        prediction = self.inner.predict(validation.features)
        self.calibration = fit_calibration(prediction, validation, self.grid)
        return self

    @property
    def knots(self) -> Knots:
        """Those of the model."""
        return self.inner.knots

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict as the model does, then calibrate.

        The map moves the values at the knots; between the cuts of a grid a calibrated curve is
        linear again.
        """
        if times is None:
            return self.calibration.apply(self.inner.predict(features))
        whole = self.inner.predict(features, self.knots.times)
        return self.calibration.apply(whole).read(times)

    def state(self) -> dict[str, Any]:
        """Return the fitted model and its calibration as arrays and plain values."""
        return {
            "model": CALIBRATED,
            "inner": self.inner.state(),
            "cuts": self.grid.cuts,
            "floor": self.grid.floor,
            "calibration": self.calibration._asdict(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a calibrated model from what `state` returned."""
        return cls(
            rebuild(state["inner"]),
            grid=TimeGrid(np.asarray(state["cuts"]), state["floor"]),
            calibration=Calibration(**state["calibration"]),
        )


def without_calibration(model: SurvivalModel) -> SurvivalModel:
    """Return the model inside a calibrated or conformal one; any other model as it is."""
    return model.inner if isinstance(model, CalibratedModel | ConformalModel) else model


def rebuild(saved: Mapping[str, Any]) -> SurvivalModel:
    """Rebuild a fitted model from what its `state` returned.

    Parameters
    ----------
    saved : mapping
        A state, which names its kind under "model": a key of `MODELS`, `CAUSE_SPECIFIC`,
        `ENSEMBLE`, `CALIBRATED` or `CONFORMAL`; or what an earlier version saved, see `with_kind`.

    Raises
    ------
    KeyError
        For a kind that this version does not know.
    """
    state = with_kind(saved)
    if state["model"] == CALIBRATED:
        return CalibratedModel.from_state(state)
    if state["model"] == CONFORMAL:
        return ConformalModel.from_state(state)
    if state["model"] == ENSEMBLE:
        return EnsembleModel.from_state(state)
    return rebuild_registered(state)
