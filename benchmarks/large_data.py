"""Subjects a second and peak memory as the data grow to a million patients, as JSON.

python -m benchmarks.large_data [--tiny]

50 features, one epoch of the Personalized MoE in batches of 1,024, then predictions and all
metrics of a tenth of the rows. Each size has a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict
from typing import Any

import numpy as np

SIZES = (10_000, 100_000, 1_000_000)
FEATURES = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one)))
        return
    for rows in (1000,) if arguments.tiny else SIZES:
        command = [sys.executable, "-m", "benchmarks.large_data", "--one", str(rows)]
        print(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout, end="")


def measure(rows: int) -> dict[str, Any]:
    import torch

    from survkit.configs.train import TrainConfig
    from survkit.memory import peak_memory_mb
    from survkit.metrics import evaluate
    from survkit.training.neural_model import NeuralSurvivalModel
    from survkit.types import SurvivalData, TimeGrid

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    features = rng.standard_normal((rows, FEATURES), np.float32)
    event_time = rng.exponential(4 * np.exp(-features[:, 0]))
    data = SurvivalData(features, event_time <= 10, np.minimum(event_time, 10.0))
    order = rng.permutation(rows)
    train, test = data.subset(np.sort(order[rows // 10 :])), data.subset(order[: rows // 10])
    grid = TimeGrid.evenly_spaced(10.0, 100)
    parameters = asdict(TrainConfig(epochs=1, batch_size=1024, mixture_components=8))
    model = NeuralSurvivalModel("personalized_moe", grid=grid, parameters=parameters)
    started = time.perf_counter()
    model.fit(train, test.subset(np.arange(min(1000, len(test)))))
    fitted = time.perf_counter()
    evaluate(
        model.predict(test.features),
        test,
        train_time=train.time,
        train_event=train.event,
        grid=grid,
        bootstrap=100,
    )
    return {
        "what": "fit one epoch, evaluate a tenth",
        "rows": rows,
        "fit_seconds": fitted - started,
        "subjects_per_second": len(train) / (fitted - started),
        "evaluate_seconds": time.perf_counter() - fitted,
        "peak_memory_mb": peak_memory_mb(),
    }


if __name__ == "__main__":
    main()
