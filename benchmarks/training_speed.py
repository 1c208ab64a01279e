"""Seconds of an epoch with its validation, of one seed and of five at once, as JSON.

python -m benchmarks.training_speed [--tiny]

On random data of SUPPORT2's size and columns (7,283 rows, 96 columns, 101 classes, batches of 64),
then with more rows, experts and time classes. The floor is that of the matrix products, forward and
twice backward, and of moving once what a step cannot but read or write.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from itertools import pairwise
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import Rates, measured_rates, timing
from survkit.configs.train import TrainConfig
from survkit.models.registry import MODELS
from survkit.training.neural_model import NeuralSurvivalModel, fit_together
from survkit.types import SurvivalData, TimeGrid

COLUMNS, BATCH = 96, 64
PUBLISHED: dict[str, dict[str, Any]] = {
    "mtlr": {"hidden_dim": 176},
    "fixed_moe": {"hidden_dim": 208, "mixture_components": 10},
    "adjustable_moe": {"hidden_dim": 186, "mixture_components": 10},
    "personalized_moe": {"hidden_dim": 128, "num_hidden_layers": 1, "mixture_components": 8},
    "deepsurv": {"hidden_dim": 128},
    "deephit": {"hidden_dim": 128},
    "logistic_hazard": {"hidden_dim": 128},
}


class Case(NamedTuple):
    """One training to be timed."""

    model: str
    seeds: int = 1
    rows: int = 7283
    cuts: int = 100
    experts: int | None = None


CASES = (
    *(Case(model, seeds) for model in PUBLISHED for seeds in (1, 5)),
    *(Case("personalized_moe", rows=rows) for rows in (1000, 30_000, 100_000)),
    *(Case("personalized_moe", experts=experts) for experts in (2, 32)),
    *(Case("personalized_moe", cuts=cuts) for cuts in (25, 400)),
)
TINY = tuple(Case(model, 2, 200, 10) for model in PUBLISHED)


class EpochClock:
    """Notes when each epoch ends."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        self.ends.append(time.perf_counter())

    def save(self, state: Mapping[str, Any], *, always: bool = False) -> None:
        pass

    def load(self) -> None:
        return None

    def warn(self, message: str) -> None:
        print(message, file=sys.stderr)


def measure(*, tiny: bool) -> list[dict[str, Any]]:
    """Time every case; of a few epochs the first only warms up."""
    torch.set_num_threads(1)
    rates = measured_rates()
    cases, epochs = (TINY, 3) if tiny else (CASES, 6)
    return [measure_case(case, rates, epochs=epochs) for case in cases]


def measure_case(case: Case, rates: Rates, *, epochs: int) -> dict[str, Any]:
    sizes = PUBLISHED[case.model] | (
        {} if case.experts is None else {"mixture_components": case.experts}
    )
    parameters = asdict(TrainConfig(epochs=epochs, early_stopping_patience=epochs, **sizes))
    grid = TimeGrid.evenly_spaced(10.0, case.cuts)
    models = [
        cast(
            NeuralSurvivalModel,
            MODELS[case.model].build(grid=grid, parameters=parameters, seed=seed, device="cpu"),
        )
        for seed in range(case.seeds)
    ]
    clocks = [EpochClock() for _ in models]
    fit_together(models, random_data(case.rows), random_data(911), monitors=clocks)
    ends = clocks[-1].ends
    seconds = [end - start for start, end in pairwise(ends)]
    floor = floor_of_a_step(models[0], rates, BATCH, COLUMNS) * -(-case.rows // BATCH) * case.seeds
    timed = timing(seconds, floor)
    return {
        "what": f"epoch of {case.model}, {case.seeds} seed{'s' * (case.seeds > 1)}",
        "rows": case.rows,
        "experts": sizes.get("mixture_components"),
        "classes": grid.num_classes,
        **timed,
        "subjects_per_second": case.rows * case.seeds / timed["seconds"],
    }


def floor_of_a_step(
    model: NeuralSurvivalModel, rates: Rates, batch_size: int, columns: int
) -> float:
    """Return the least seconds of a step: its matrix products, its weights and class scores."""
    features = torch.rand(batch_size, columns)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        output = model.network(features)
    scores = output if isinstance(output, torch.Tensor) else output.class_scores
    weights = sum(weight.numel() for weight in model.network.parameters())
    # Adam reads weights, gradients and two moments and writes all but the gradients.
    moved = 4 * (7 * weights + 2 * scores.numel() + features.numel())
    return rates.floor(flops=3 * counter.get_total_flops(), bytes_moved=moved)


def random_data(rows: int) -> SurvivalData:
    rng = np.random.default_rng(rows)
    features = rng.normal(size=(rows, COLUMNS)).astype(np.float32)
    event_time = rng.exponential(4 * np.exp(-features[:, 0]))
    return SurvivalData(features, event_time <= 10, np.minimum(event_time, 10.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="small sizes, to see that it runs")
    for row in measure(tiny=parser.parse_args().tiny):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
