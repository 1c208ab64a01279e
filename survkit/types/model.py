"""What every model offers, and what it tells while it is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.types.data import SurvivalData
from survkit.types.grid import Knots, TimeGrid
from survkit.types.prediction import SurvivalPrediction


class FitMonitor(Protocol):
    """What a model tells while it is fitted, and where it may keep its state for a resume."""

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """Note the values of one epoch (epochs count from 1)."""

    def save(self, state: Mapping[str, Any], *, always: bool = False) -> None:
        """Keep the state of an unfinished fit in place of those before it, or leave it be.

        Where states follow close upon each other, some may be left out, unless `always`.
        """

    def load(self) -> Mapping[str, Any] | None:
        """Return the state kept by an interrupted fit, or None where there is none."""

    def warn(self, message: str) -> None:
        """Note a warning that belongs in the run's record."""


class FitSummary(NamedTuple):
    """How large a fitted model is, how it was trained, and whether its fit is an optimum.

    Parameters
    ----------
    num_parameters : int, optional
        Numbers learned; None where a model has no such count.
    epochs_trained, best_epoch : int, optional
        Epochs count from 1; None for a model that is not trained in epochs.
    converged : bool, optional
        Whether the fit reached an optimum, or its chains agree; None where that has no meaning.
    convergence_reason : str
        Why, in one sentence without a full stop; "" where `converged` is None.
    """

    num_parameters: int | None = None
    epochs_trained: int | None = None
    best_epoch: int | None = None
    converged: bool | None = None
    convergence_reason: str = ""


class SurvivalModel(Protocol):
    """What every model of survkit offers."""

    grid: TimeGrid
    fit_summary: FitSummary

    @property
    def knots(self) -> Knots:
        """The times that decide its curves: `predict(features, knots.times)` loses nothing."""

    def fit(
        self, train: SurvivalData, validation: SurvivalData, *, monitor: FitMonitor | None = None
    ) -> Self:
        """Fit the model; validation rows serve early stopping only."""

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict survival curves for features of shape (n, p).

        They are given at the cuts of the time grid, or at increasing `times` up to the horizon:
        exactly, where the model knows more than its curves at the cuts.
        """

    def state(self) -> dict[str, Any]:
        """Return the fitted model as a dict of arrays and plain values."""

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a fitted model from what `state` returned."""
