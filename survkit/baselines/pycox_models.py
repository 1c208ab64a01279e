"""The networks of pycox (DeepSurv, DeepHit, logistic hazard) on survkit's backbone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from survkit.baselines.proportional_hazards import CumulativeHazard
from survkit.baselines.pycox_losses import OBJECTIVES
from survkit.training.neural_model import NeuralSurvivalModel
from survkit.training.objective import Objective
from survkit.types import Knots, SurvivalData, SurvivalPrediction

OLD_PREFIXES = {"0": "backbone", "1": "head"}
"""How the names of weights began in earlier versions, and how they begin now."""


class PycoxModel(NeuralSurvivalModel):
    """A backbone with one linear layer, trained with one of pycox's losses.

    `deephit` predicts the probability of each class of the grid, one of them beyond the horizon,
    and of each cause where several compete. `logistic_hazard` predicts the hazard at each cut, and
    `deepsurv` a log hazard ratio, which a Breslow baseline of the training rows turns into
    survival: a step function of their raw times, so that `predict` knows it at any time. The
    parameters are those of `NeuralSurvivalModel`.
    """

    objectives: ClassVar[Mapping[str, Objective]] = OBJECTIVES

    baseline: CumulativeHazard | None = None
    """The baseline hazard of `deepsurv`."""

    def _learn_from_rows(self, train: SurvivalData) -> None:
        if self.objective.survival is None:
            log_risk, time = self._log_risk(train.features), self.grid.snap(train.time)
            self.baseline = CumulativeHazard.breslow(log_risk, train.event, time)

    def _log_risk(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the log hazard ratios of `deepsurv`, shape (n,)."""
        outputs = torch.cat([output[:, 0] for output in self._outputs(features)])
        return np.asarray(outputs.double().cpu().numpy())

    @property
    def knots(self) -> Knots:
        """The cuts of the grid; for `deepsurv` the training event times, and the horizon."""
        return super().knots if self.baseline is None else self.baseline.knots(self.grid)

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict survival; parameters and errors are those of `NeuralSurvivalModel.predict`."""
        if self.baseline is None:
            return super().predict(features, times)
        return self.baseline.survival(self._log_risk(features), self.grid, times)

    def state(self) -> dict[str, Any]:
        """Return the fitted model as arrays and plain values."""
        baseline = None if self.baseline is None else self.baseline.state()
        return {**super().state(), "baseline": baseline}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a fitted model, on the CPU, from what `state` returned, in any version."""
        model = super().from_state(state if "model" in state else _of_earlier_version(state))
        baseline = state.get("baseline")
        if baseline is not None:
            model.baseline = CumulativeHazard.from_state(baseline, model.grid.cuts)
        return model


def _of_earlier_version(state: Mapping[str, Any]) -> dict[str, Any]:
    names = {name: name.partition(".") for name in state["weights"]}
    return {
        **state,
        "model": state["name"],
        "num_features": len(state["columns"]["names"]),
        "categorical": state["columns"]["categorical"],
        "weights": {
            f"{OLD_PREFIXES[first]}.{rest}": state["weights"][name]
            for name, (first, _, rest) in names.items()
        },
    }
