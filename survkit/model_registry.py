"""Every model by name, and how each is built and rebuilt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from survkit.configs.options import nearest
from survkit.training.neural_model import NeuralSurvivalModel
from survkit.types import InputError, SurvivalModel


class ModelEntry(NamedTuple):
    """How a model is built (keywords grid, parameters, seed, device) and rebuilt from a state."""

    build: Callable[..., SurvivalModel]
    from_state: Callable[[Mapping[str, Any]], SurvivalModel]


MODELS: dict[str, ModelEntry] = {
    "mtlr": ModelEntry(partial(NeuralSurvivalModel, "mtlr"), NeuralSurvivalModel.from_state),
    "fixed_moe": ModelEntry(
        partial(NeuralSurvivalModel, "fixed_moe"), NeuralSurvivalModel.from_state
    ),
    "adjustable_moe": ModelEntry(
        partial(NeuralSurvivalModel, "adjustable_moe"), NeuralSurvivalModel.from_state
    ),
    "personalized_moe": ModelEntry(
        partial(NeuralSurvivalModel, "personalized_moe"), NeuralSurvivalModel.from_state
    ),
}

ALIASES = {
    "FFNet": "mtlr",
    "FFNetMixture": "fixed_moe",
    "FFNetTimeWarpMoE": "adjustable_moe",
    "FFNetMixtureMTLR": "personalized_moe",
}


def model_name(name: str) -> str:
    """Return a model's name in `MODELS`, given that name or an alias.

    Raises
    ------
    InputError
        For an unknown name, with the nearest known one.
    """
    name = ALIASES.get(name, name)
    if name not in MODELS:
        known = [*MODELS, *ALIASES]
        raise InputError(
            f"unknown model '{name}'{nearest(name, known)}; models are {', '.join(MODELS)}"
        )
    return name
