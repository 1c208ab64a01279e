"""The networks of pycox (DeepSurv, DeepHit, logistic hazard) on survkit's backbone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from survkit.baselines.pycox_losses import OBJECTIVES
from survkit.training.neural_model import NeuralSurvivalModel
from survkit.training.objective import Objective

OLD_PREFIXES = {"0": "backbone", "1": "head"}
"""How the names of weights began in earlier versions, and how they begin now."""


class PycoxModel(NeuralSurvivalModel):
    """A backbone with one linear layer, trained with one of pycox's losses.

    `deepsurv` predicts a log hazard ratio, which a Breslow baseline of the training rows on their
    raw times turns into survival; `deephit` the probability of each class of the grid, one of
    them beyond the horizon; `logistic_hazard` the hazard at each cut. The parameters are those of
    `NeuralSurvivalModel`.
    """

    objectives: ClassVar[Mapping[str, Objective]] = OBJECTIVES

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a fitted model, on the CPU, from what `state` returned, in any version."""
        return super().from_state(state if "model" in state else _of_earlier_version(state))


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
