"""Small models of the registry, unfitted and fitted."""

from __future__ import annotations

from typing import Any

import numpy as np

from survkit.configs.train import TrainConfig
from survkit.models.registry import MODELS
from survkit.types import SurvivalModel, TimeGrid
from tests.conftest import make_data

GRID = TimeGrid.evenly_spaced(3.0, 10)
PARAMETERS: dict[str, Any] = {
    **{name: field.default for name, field in TrainConfig.__dataclass_fields__.items()},
    "hidden_dim": 12,
    "mixture_components": 3,
    "epochs": 2,
    "rsf_n_estimators": 3,
    "bart_trees": 5,
    "bart_tune": 10,
    "bart_draws": 10,
    "bart_chains": 1,
    "bart_cores": 1,
}
TRAIN, VALIDATION = make_data(200, seed=0), make_data(150, seed=1)


def unfitted(name: str, seed: int = 42) -> SurvivalModel:
    return MODELS[name].build(
        grid=GRID,
        parameters=PARAMETERS,
        seed=seed,
        device="cpu",
        validation_metrics=lambda prediction: {},
    )


def fitted(name: str, seed: int = 42) -> SurvivalModel:
    return unfitted(name, seed).fit(TRAIN, VALIDATION)


def survival(model: SurvivalModel) -> np.ndarray[Any, Any]:
    return model.predict(VALIDATION.features).survival
