"""What the tests of the further baselines share."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from survkit.configs.train import TrainConfig
from survkit.models.registry import MODELS
from survkit.types import SurvivalData, SurvivalModel, TimeGrid

NAMES = [
    "coxnet",
    "weibull_aft",
    "extra_survival_trees",
    "gbsa",
    "xgb_cox",
    "xgb_aft",
    "survivalboost",
]
QUICK = {
    "rsf_n_estimators": 10,
    "gbsa_n_estimators": 10,
    "xgb_n_estimators": 20,
    "survivalboost_n_iter": 5,
    "coxnet_alphas": 15,
}


class Warnings:
    """A monitor that keeps the warnings of a fit."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def warn(self, message: str) -> None:
        self.messages.append(message)


def fitted(
    name: str,
    train: SurvivalData,
    validation: SurvivalData | None = None,
    *,
    seed: int = 42,
    monitor: Any = None,
    grid: TimeGrid | None = None,
    **flags: Any,
) -> SurvivalModel:
    """Return a small model of the registry, fitted."""
    grid = TimeGrid.evenly_spaced(float(train.time.max()), 20) if grid is None else grid
    parameters = {**asdict(TrainConfig()), **QUICK, **flags}
    model = MODELS[name].build(grid=grid, parameters=parameters, seed=seed)
    return model.fit(train, train if validation is None else validation, monitor=monitor)


def assert_curves(model: SurvivalModel, features: Any) -> np.ndarray[Any, Any]:
    """Assert that survival is finite and falls, and return it."""
    survival = model.predict(features).survival
    assert np.isfinite(survival).all()
    assert (np.diff(survival, axis=1) <= 0).all()
    assert ((survival >= 0) & (survival <= 1)).all()
    return survival
