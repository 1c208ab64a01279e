"""Data with two competing causes from a known process, and small models of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from survkit.configs.train import TrainConfig
from survkit.metrics import Outcomes
from survkit.models.fitting import build_model
from survkit.types import SurvivalData, SurvivalModel, TimeGrid
from tests.baselines.further_models import QUICK

CAUSES = ("relapse", "death")
GRID = TimeGrid.evenly_spaced(3.0, 16)
EFFECTS = np.array([[1.0, 0.0, 0.0], [-0.5, 1.0, 0.0]])
"""Log hazard ratios of three features for each cause; the hazards are constant over time."""


def make_competing(n: int, seed: int) -> SurvivalData:
    """Constant hazards of two causes, independent censoring, no ties."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 3)).astype(np.float32)
    latent = rng.exponential(np.exp(-features @ EFFECTS.T))
    censoring = rng.uniform(0, 3, n)
    time = np.minimum(latent.min(axis=1), censoring)
    cause = np.where(latent.min(axis=1) <= censoring, 1 + latent.argmin(axis=1), 0)
    return SurvivalData(features, cause > 0, time, cause=cause, cause_names=CAUSES)


def true_incidences(features: Any, times: Any) -> Any:
    """Return the cumulative incidences of the process, (n, C, T)."""
    hazards = np.exp(np.asarray(features, np.float64) @ EFFECTS.T)[:, :, None]
    every = hazards.sum(axis=1, keepdims=True)
    return hazards / every * -np.expm1(-every * np.asarray(times))


TRAIN, VALIDATION = make_competing(300, 0), make_competing(150, 1)


def built(
    name: str, data: SurvivalData = VALIDATION, grid: TimeGrid = GRID, **flags: Any
) -> SurvivalModel:
    """Return a small model of the registry as the training command builds it, not fitted."""
    settings = {
        **asdict(TrainConfig()),
        **QUICK,
        "survivalboost_n_iter": 20,
        "model": name,
        "device": "cpu",
        **flags,
    }
    return build_model(settings, Outcomes(data, data.time, data.event, grid))


def fitted(name: str, train: SurvivalData = TRAIN, monitor: Any = None, **flags: Any) -> Any:
    return built(name, train, **flags).fit(train, VALIDATION, monitor=monitor)
