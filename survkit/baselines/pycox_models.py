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
    `logistic_hazard` the hazard at each cut, and `deepsurv` (see `DeepSurv`) a log hazard ratio.
    The parameters are those of `NeuralSurvivalModel`.
    """

    objectives: ClassVar[Mapping[str, Objective]] = OBJECTIVES

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a fitted model, on the CPU, from what `state` returned, in any version."""
        return super().from_state(state if "model" in state else _of_earlier_version(state))


class DeepSurv(PycoxModel):
    """A network whose output is a log hazard ratio, on a Breslow baseline of the training rows.

    The baseline is a step function of their raw times, so `predict` knows survival at any time.
    """

    baseline: CumulativeHazard

    def _learn_from_rows(self, train: SurvivalData) -> None:
        time = self.grid.snap(train.time)
        self.baseline = CumulativeHazard.breslow(self._log_risk(train.features), train.event, time)

    def _log_risk(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the log hazard ratios, shape (n,)."""
        outputs = torch.cat([output[:, 0] for output in self._outputs(features)])
        return np.asarray(outputs.double().cpu().numpy())

    @property
    def knots(self) -> Knots:
        """The training event times, at which curves fall, and the horizon."""
        return self.baseline.knots(self.grid)

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict survival; parameters and errors are those of `NeuralSurvivalModel.predict`."""
        return self.baseline.survival(self._log_risk(features), self.grid, times)

    def state(self) -> dict[str, Any]:
        """Return the fitted model as arrays and plain values."""
        return {**super().state(), "baseline": self.baseline.state()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a fitted model, on the CPU, from what `state` returned, in any version."""
        model = super().from_state(state)
        model.baseline = CumulativeHazard.from_state(state["baseline"], model.grid.cuts)
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
