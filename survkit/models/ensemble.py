"""Ensembles of fitted models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.metrics.problem import incidence_at_cuts, survival_at_cuts
from survkit.models.states import rebuild_registered
from survkit.types import (
    FitMonitor,
    FitSummary,
    InputError,
    Knots,
    SurvivalData,
    SurvivalModel,
    SurvivalPrediction,
    TimeGrid,
    as_times,
)

ENSEMBLE = "ensemble"
"""The kind of model that the state of an ensemble names."""


class EnsembleModel:
    """A weighted mean of its members' curves: the mixture of their distributions.

    Parameters
    ----------
    members : sequence of SurvivalModel
        At least one. All are models of the registry: an ensemble is calibrated as a whole.
    grid : TimeGrid
        Predictions are made at its cuts by default; every member predicts up to its horizon.
    weights : sequence of float, optional
        Positive weights of the members that sum to 1; equal weights by default.

    Raises
    ------
    InputError
        For no members, or for weights of another number, sign or sum.

    References
    ----------
    Lakshminarayanan, Pritzel & Blundell (2017), NeurIPS, section 2.4.
    """

    def __init__(
        self,
        members: Sequence[SurvivalModel],
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
            member.fit(train, validation)
        self.fit_summary = self._summary()
        return self

    def _summary(self) -> FitSummary:
        members = [member.fit_summary for member in self.members]
        sizes = [member.num_parameters for member in members if member.num_parameters is not None]
        size = sum(sizes) if len(sizes) == len(members) else None
        failed = [member for member in members if member.converged is False]
        if failed:
            reasons = "; ".join(dict.fromkeys(member.convergence_reason for member in failed))
            reason = f"{len(failed)} of {len(members)} members did not converge: {reasons}"
            return FitSummary(size, converged=False, convergence_reason=reason)
        if all(member.converged for member in members):
            return FitSummary(size, converged=True, convergence_reason="every member converged")
        return FitSummary(size)

    @property
    def knots(self) -> Knots:
        """The cuts and the steps of all members."""
        own = [member.knots for member in self.members]
        cuts = np.unique(np.concatenate([knots.cuts for knots in own]))
        steps = np.unique(np.concatenate([knots.steps for knots in own]))
        return Knots(cuts[cuts <= self.grid.horizon], steps[steps <= self.grid.horizon])

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict the mean survival and cumulative incidences, at the grid's cuts or other times.

        Each member's curve is read in its own way: linearly, or as a step function. There are no
        expert weights: the experts of one member have nothing to do with those of another.
        Parameters and errors are those of the members.

        Raises
        ------
        InputError
            For members that predict different numbers of causes.
        """
        asked = self.grid.cuts if times is None else as_times(times, self.grid.horizon)
        survival, step = np.zeros((len(features), len(asked))), times is not None
        incidences: list[NDArray[np.float64]] = []
        for member, weight in zip(self.members, self.weights, strict=True):
            prediction = member.predict(features, None if times is None else asked)
            step = step and prediction.step
            at, of_causes = prediction.survival, prediction.cumulative_incidence
            if times is None:
                at = survival_at_cuts(prediction, self.grid)
                of_causes = incidence_at_cuts(prediction, self.grid)
            survival += weight * at
            if of_causes is not None:
                incidences.append(weight * of_causes)
        return SurvivalPrediction(
            asked,
            np.minimum(survival, 1.0),  # rounding
            step=step,
            cumulative_incidence=self._sum(incidences),
        )

    def _sum(self, incidences: Sequence[NDArray[np.float64]]) -> NDArray[np.float64] | None:
        if not incidences:
            return None
        causes = {each.shape[1] for each in incidences}
        if len(causes) > 1 or len(incidences) < len(self.members):
            raise InputError("the members predict different numbers of causes")
        return np.asarray(sum(incidences))

    def state(self) -> dict[str, Any]:
        """Return the fitted members and their weights as arrays and plain values."""
        return {
            "model": ENSEMBLE,
            "members": [member.state() for member in self.members],
            "weights": self.weights,
            "cuts": self.grid.cuts,
            "floor": self.grid.floor,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild an ensemble from what `state` returned."""
        return cls(
            [rebuild_registered(member) for member in state["members"]],
            grid=TimeGrid(np.asarray(state["cuts"]), state["floor"]),
            weights=state["weights"],
        )
