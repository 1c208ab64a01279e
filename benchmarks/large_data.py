"""Subjects a second and peak memory as the data grow to a million patients, as JSON.

python -m benchmarks.large_data [--tiny]

50 features, one epoch of the Personalized MoE in batches of 1,024, then predictions and all
metrics of a tenth of the rows. Each size has a process of its own. The floors are those of
benchmarks.training_speed, and the bytes of the predicted curves, written and read once.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.machine import measured_rates, seconds_of, timing

SIZES = (10_000, 100_000, 1_000_000)
FEATURES = 50
CUTS = 100
BATCH = 1024
REPEATS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        for row in measure(arguments.one):
            print(json.dumps(row))
        return
    for rows in (1000,) if arguments.tiny else SIZES:
        command = [sys.executable, "-m", "benchmarks.large_data", "--one", str(rows)]
        print(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout, end="")


def measure(rows: int) -> list[dict[str, Any]]:
    import torch

    from benchmarks.training_speed import floor_of_a_step
    from survkit.configs.train import TrainConfig
    from survkit.metrics import evaluate
    from survkit.system import peak_memory_mb
    from survkit.training.neural_model import NeuralSurvivalModel
    from survkit.types import SurvivalData, TimeGrid

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    features = rng.standard_normal((rows, FEATURES), np.float32)
    event_time = rng.exponential(4 * np.exp(-features[:, 0]))
    data = SurvivalData(features, event_time <= 10, np.minimum(event_time, 10.0))
    order = rng.permutation(rows)
    train, test = data.subset(np.sort(order[rows // 10 :])), data.subset(order[: rows // 10])
    validation = test.subset(np.arange(min(1000, len(test))))
    grid = TimeGrid.evenly_spaced(10.0, CUTS)
    parameters = asdict(TrainConfig(epochs=1, batch_size=BATCH, mixture_components=8))
    model = NeuralSurvivalModel("personalized_moe", grid=grid, parameters=parameters)

    def predict_and_evaluate() -> None:
        prediction = model.predict(test.features)
        outcomes = {"train_time": train.time, "train_event": train.event}
        evaluate(prediction, test, grid=grid, bootstrap=100, **outcomes)

    epochs = seconds_of(lambda: model.fit(train, validation), REPEATS)
    evaluations = seconds_of(predict_and_evaluate, REPEATS)
    peak = peak_memory_mb()
    rates = measured_rates()  # takes memory of its own
    steps = -(-len(train) // BATCH)
    fitted = timing(epochs, steps * floor_of_a_step(model, rates, BATCH, FEATURES))
    evaluated = timing(evaluations, rates.floor(bytes_moved=2 * 8 * CUTS * len(test)))
    throughput = {"subjects_per_second": len(train) / fitted["seconds"]}
    return [
        {"what": "one epoch", "rows": rows, **fitted, **throughput},
        {
            "what": "predict and evaluate a tenth",
            "rows": rows,
            **evaluated,
            "peak_memory_mb": peak,
        },
    ]


if __name__ == "__main__":
    main()
