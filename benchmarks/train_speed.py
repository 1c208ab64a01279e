"""Epochs and subjects a second of a network's training, as JSON.

python -m benchmarks.train_speed --experiment_args args/support2.args --epochs 10
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from survkit.configs.args_file import parse_configs
from survkit.configs.train import TrainConfig
from survkit.datasets import load_dataset, load_parameters
from survkit.training.neural_model import NeuralSurvivalModel


class EpochClock:
    """Notes when each epoch ends."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        self.ends.append(time.perf_counter())

    def save(self, state: Mapping[str, Any]) -> None:
        pass

    def load(self) -> None:
        return None

    def warn(self, message: str) -> None:
        print(message, file=sys.stderr)


def main() -> None:
    (config,) = parse_configs(
        (TrainConfig,), sys.argv[1:], prog="benchmarks.train_speed", description=str(__doc__)
    )
    torch.set_num_threads(1)
    names = load_parameters(config.dataset)
    dataset = load_dataset(config.dataset, **{name: getattr(config, name) for name in names})
    clock = EpochClock()
    model = NeuralSurvivalModel(
        config.model,
        grid=dataset.grid,
        parameters=asdict(config),
        seed=config.seed,
        device=config.device or "cpu",
    )
    model.fit(dataset.splits.train, dataset.splits.validation, monitor=clock)
    # The first epoch warms up; its end starts the clock.
    seconds = [end - start for start, end in zip(clock.ends, clock.ends[1:], strict=False)]
    median = statistics.median(seconds)
    print(
        json.dumps(
            {
                "dataset": config.dataset,
                "model": config.model,
                "n_train": len(dataset.splits.train),
                "batch_size": config.batch_size,
                "num_parameters": model.fit_summary.num_parameters,
                "epochs_timed": len(seconds),
                "seconds_per_epoch_median": median,
                "seconds_per_epoch_min_max": [min(seconds), max(seconds)],
                "epochs_per_second": 1 / median,
                "subjects_per_second": len(dataset.splits.train) / median,
                "torch": torch.__version__,
                "threads": torch.get_num_threads(),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
