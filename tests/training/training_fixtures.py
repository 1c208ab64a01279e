"""Small models and a monitor for the tests of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from survkit.configs.train import TrainConfig
from survkit.training.neural_model import NeuralSurvivalModel
from survkit.types import SurvivalData, TimeGrid


class RecordingMonitor:
    """Keeps the history and the last state; stops the fit after an epoch if told to."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.history: list[dict[str, float]] = []
        self.state: Mapping[str, Any] | None = None
        self.warnings: list[str] = []
        self.stop_after = stop_after

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        self.history.append({"epoch": epoch, **values})

    def save(self, state: Mapping[str, Any], *, always: bool = False) -> None:
        self.state = state
        if state["epoch"] == self.stop_after:
            raise KeyboardInterrupt

    def load(self) -> Mapping[str, Any] | None:
        return self.state

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def settings(**changes: Any) -> dict[str, Any]:
    small = {"hidden_dim": 8, "mixture_components": 4, "epochs": 6, "batch_size": 16, "lr": 0.01}
    return asdict(TrainConfig(**(small | changes)))


def build(head: str = "personalized_moe", seed: int = 42, **changes: Any) -> NeuralSurvivalModel:
    grid = TimeGrid.evenly_spaced(3.0, 12)
    return NeuralSurvivalModel(head, grid=grid, parameters=settings(**changes), seed=seed)


def halves(data: SurvivalData) -> tuple[SurvivalData, SurvivalData]:
    rows = np.arange(len(data))
    return data.subset(rows < 90), data.subset(rows >= 90)
