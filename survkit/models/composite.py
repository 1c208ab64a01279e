"""Models made of models: ensembles and calibrated ones, and how any saved model is rebuilt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.problem import survival_at_cuts
from survkit.models.calibration import Calibration, fit_calibration
from survkit.models.registry import MODELS
from survkit.training.neural_model import NeuralSurvivalModel, fit_together
from survkit.types import (
    FitMonitor,
    FitSummary,
    InputError,
    SurvivalData,
    SurvivalModel,
    SurvivalPrediction,
    TimeGrid,
)

CALIBRATED = "calibrated"
ENSEMBLE = "ensemble"


class NamedModel(NamedTuple):
    """A model and the name that it is rebuilt by: a key of `MODELS`, or one of the two above."""

    name: str
    model: SurvivalModel

    def saved(self) -> dict[str, Any]:
        """Return what `rebuild` takes."""
        return {"model": self.name, "state": self.model.state()}


def rebuild(saved: Mapping[str, Any]) -> NamedModel:
    """Rebuild a fitted model from what `NamedModel.saved` returned.

    Raises
    ------
    KeyError
        For a name that this version does not know.
    """
    name, state = saved["model"], saved["state"]
    if name == CALIBRATED:
        return NamedModel(name, CalibratedModel.from_state(state))
    if name == ENSEMBLE:
        return NamedModel(name, EnsembleModel.from_state(state))
    return NamedModel(name, MODELS[name].from_state(state))


def without_calibration(model: SurvivalModel) -> SurvivalModel:
    """Return the model that a calibrated one maps the predictions of; any other as it is."""
    return model.inner.model if isinstance(model, CalibratedModel) else model


def fit_models(
    models: Sequence[SurvivalModel],
    train: SurvivalData,
    validation: SurvivalData,
    *,
    monitors: Sequence[FitMonitor | None],
) -> list[InputError | None]:
    """Fit models that differ in their seeds only: networks as one stack, others one by one.

    Parameters
    ----------
    models : sequence of SurvivalModel
        Models, calibrated or not, that are equal but for their seeds.
    train, validation : SurvivalData
        The rows of all models.
    monitors : sequence of FitMonitor or None
        One for each model.

    Returns
    -------
    list of InputError or None
        For each model that could not be fitted, why; the others are fitted.
    """
    inner = map(without_calibration, models)
    networks = [model for model in inner if isinstance(model, NeuralSurvivalModel)]
    if len(networks) < len(models):
        return [
            _attempt(partial(model.fit, train, validation, monitor=monitor))
            for model, monitor in zip(models, monitors, strict=True)
        ]
    errors = fit_together(networks, train, validation, monitors=monitors)
    for model, error in zip(models, errors, strict=True):
        if error is None and isinstance(model, CalibratedModel):
            model.calibrate(validation)
    return errors


def _attempt(fit: Callable[[], object]) -> InputError | None:
    try:
        fit()
    except InputError as error:
        return error
    return None


class EnsembleModel:
    """A weighted mean of its members' survival curves: the mixture of their distributions.

    Parameters
    ----------
    members : sequence of NamedModel
        At least one.
    grid : TimeGrid
        Its cuts are the times of the predictions; every member predicts up to its horizon.
    weights : sequence of float, optional
        Of each member, positive, with sum 1; equal ones where not given.

    Raises
    ------
    InputError
        For no members, or weights that are not as said.

    References
    ----------
    Lakshminarayanan, Pritzel & Blundell (2017), NeurIPS, section 2.4.
    """

    def __init__(
        self,
        members: Sequence[NamedModel],
        *,
        grid: TimeGrid,
        weights: Sequence[float] | None = None,
    ) -> None:
        if not members:
            raise InputError("an ensemble needs at least one member")
        self.members = list(members)
        self.grid = grid
        self.weights = [1 / len(members)] * len(members) if weights is None else list(weights)
        if len(self.weights) != len(members) or min(self.weights) <= 0:
            raise InputError(f"weights must be {len(members)} positive numbers, not {weights}")
        if not np.isclose(sum(self.weights), 1.0):
            raise InputError(f"weights must sum to 1, not to {sum(self.weights):g}")
        self.fit_summary = self._summary()

    def fit(
        self, train: SurvivalData, validation: SurvivalData, *, monitor: FitMonitor | None = None
    ) -> Self:
        """Fit every member on the same rows; a monitor's one history cannot hold several fits."""
        for member in self.members:
            member.model.fit(train, validation)
        self.fit_summary = self._summary()
        return self

    def _summary(self) -> FitSummary:
        sizes = [member.model.fit_summary.num_parameters for member in self.members]
        known = [size for size in sizes if size is not None]
        return FitSummary(sum(known) if len(known) == len(sizes) else None)

    def predict(self, features: NDArray[np.float32]) -> SurvivalPrediction:
        """Predict the mean survival at the grid's cuts.

        There are no expert weights: the experts of one member have nothing to do with those of
        another. Parameters and errors are those of the members.
        """
        survival = np.zeros((len(features), len(self.grid.cuts)))
        for member, weight in zip(self.members, self.weights, strict=True):
            survival += weight * survival_at_cuts(member.model.predict(features), self.grid)
        return SurvivalPrediction(self.grid.cuts, np.minimum(survival, 1.0))  # rounding

    def state(self) -> dict[str, Any]:
        """Return the fitted members and their weights as arrays and plain values."""
        return {
            "members": [member.saved() for member in self.members],
            "weights": self.weights,
            "cuts": self.grid.cuts,
            "floor": self.grid.floor,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild an ensemble from what `state` returned."""
        return cls(
            [rebuild(member) for member in state["members"]],
            grid=TimeGrid(np.asarray(state["cuts"]), state["floor"]),
            weights=state["weights"],
        )


class CalibratedModel:
    """A model whose predictions are calibrated on the validation rows.

    Parameters
    ----------
    inner : NamedModel
        The model.
    grid : TimeGrid
        The classes of the likelihood that the calibration is fitted by.
    calibration : Calibration, optional
        From an earlier fit; predictions stay as they are where not given.
    """

    def __init__(
        self,
        inner: NamedModel,
        *,
        grid: TimeGrid,
        calibration: Calibration | None = None,
    ) -> None:
        self.inner = inner
        self.grid = grid
        self.calibration = calibration or Calibration(applied=False)
        self.fit_summary = inner.model.fit_summary

    def fit(
        self, train: SurvivalData, validation: SurvivalData, *, monitor: FitMonitor | None = None
    ) -> Self:
        """Fit the model, then its calibration."""
        self.inner.model.fit(train, validation, monitor=monitor)
        return self.calibrate(validation)

    def calibrate(self, validation: SurvivalData) -> Self:
        """Fit the calibration of a fitted model on validation rows."""
        self.fit_summary = self.inner.model.fit_summary
        prediction = self.inner.model.predict(validation.features)
        self.calibration = fit_calibration(prediction, validation, self.grid)
        return self

    def predict(self, features: NDArray[np.float32]) -> SurvivalPrediction:
        """Predict as the model does, then calibrate."""
        return self.calibration.apply(self.inner.model.predict(features))

    def state(self) -> dict[str, Any]:
        """Return the fitted model and its calibration as arrays and plain values."""
        return {
            "inner": self.inner.saved(),
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
