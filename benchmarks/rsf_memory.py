"""Time and memory of the random survival forest, on the time grid and on raw times, as JSON.

python -m benchmarks.rsf_memory                          # 10,000 rows, 10 trees, grid and raw
python -m benchmarks.rsf_memory --rows 55000 --trees 100 --min_samples_split 100 --times grid

The floor is one pass a level of each tree over its candidate columns, the square root of all.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from typing import Any

import numpy as np

from benchmarks.machine import measured_rates, timing
from survkit.baselines.random_survival_forest import RandomSurvivalForest
from survkit.baselines.survival_trees import SurvivalTrees
from survkit.datasets import load_dataset
from survkit.system import peak_memory_mb
from survkit.types import SurvivalData, TimeGrid


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000, help="training rows")
    parser.add_argument("--columns", type=int, default=784, help="of generated data")
    parser.add_argument("--trees", type=int, default=10)
    parser.add_argument("--min_samples_split", type=int, default=6)
    parser.add_argument("--times", nargs="+", choices=("grid", "raw"), default=["grid", "raw"])
    parser.add_argument(
        "--data_dir", help="folder of MNIST: use Survival MNIST instead of generated data"
    )
    parser.add_argument("--in_this_process", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.in_this_process:
        print(json.dumps(measure(arguments)))
        return
    for times in arguments.times:
        row = in_fresh_process(arguments, times)
        # Every tree reads each of its rows' candidate columns at least once a level.
        levels = math.log2(max(row["leaves_per_tree"], 2))
        moved = 4 * row["rows"] * math.sqrt(row["columns"]) * levels * row["trees"]
        timed = timing([row.pop("fit_seconds")], measured_rates().floor(bytes_moved=moved))
        print(json.dumps({"what": f"fit on {row.pop('times')} times", **row, **timed}), flush=True)


def in_fresh_process(arguments: argparse.Namespace, times: str) -> dict[str, Any]:
    """Measure one configuration where no other has raised the peak memory before."""
    command = [sys.executable, "-m", "benchmarks.rsf_memory", "--in_this_process", "--times", times]
    for name in ("rows", "columns", "trees", "min_samples_split", "data_dir"):
        value = getattr(arguments, name)
        command += [] if value is None else [f"--{name}", str(value)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    train, test, grid, source = load(arguments)
    import sksurv.ensemble  # noqa: F401, so that its import is not in the times below

    before = peak_memory_mb()
    started = time.perf_counter()
    fit = fit_on_grid if arguments.times == ["grid"] else fit_on_raw_times
    trees = fit(train, grid, arguments.trees, arguments.min_samples_split)
    fitted = time.perf_counter()
    trees.predict(test.features)
    return {
        "data": source,
        "rows": len(train),
        "columns": train.features.shape[1],
        "trees": arguments.trees,
        "min_samples_split": arguments.min_samples_split,
        "times": arguments.times[0],
        "leaves_per_tree": round(len(trees.survival) / arguments.trees),
        "fit_seconds": fitted - started,
        "predict_rows": len(test),
        "predict_seconds": round(time.perf_counter() - fitted, 1),
        "memory_before_mb": before,
        "peak_memory_mb": peak_memory_mb(),
        "state_mb": sum(array.nbytes for array in trees) / 2**20,
    }


def fit_on_grid(
    train: SurvivalData, grid: TimeGrid, trees: int, min_samples_split: int
) -> SurvivalTrees:
    forest = RandomSurvivalForest(
        grid=grid, n_estimators=trees, min_samples_split=min_samples_split
    )
    return forest.fit(train, train).trees


def fit_on_raw_times(
    train: SurvivalData, grid: TimeGrid, trees: int, min_samples_split: int
) -> SurvivalTrees:
    from sksurv.ensemble import RandomSurvivalForest as Forest
    from sksurv.util import Surv

    forest = Forest(trees, min_samples_split=min_samples_split, n_jobs=-1, random_state=42)
    forest.fit(train.features, Surv.from_arrays(train.event, train.time))
    return SurvivalTrees.take_from(forest, grid.cuts)


def load(arguments: argparse.Namespace) -> tuple[SurvivalData, SurvivalData, TimeGrid, str]:
    """Return training rows, test rows, the time grid and the name of the data."""
    if arguments.data_dir:
        dataset = load_dataset("mnist", data_dir=arguments.data_dir)
        train = dataset.splits.train.subset(np.arange(arguments.rows))
        return train, dataset.splits.test, dataset.grid, "mnist"
    everyone = digit_like(arguments.rows + 10_000, arguments.columns)
    is_train = np.arange(len(everyone)) < arguments.rows
    grid = TimeGrid.evenly_spaced(float(everyone.time.max()), 100)
    return everyone.subset(is_train), everyone.subset(~is_train), grid, "generated"


def digit_like(rows: int, columns: int) -> SurvivalData:
    """Ten noisy sparse patterns, each with its own log-normal event time; 15 % censored."""
    rng = np.random.default_rng(0)
    patterns = rng.random((10, columns)) * (rng.random((10, columns)) < 0.3)
    label = rng.integers(0, 10, rows)
    features = patterns[label].astype(np.float32)
    features *= rng.random((rows, columns), dtype=np.float32)
    event_time = (1 + 4 * label) * rng.lognormal(0, 0.15, rows)
    event = rng.random(rows) >= 0.15
    time_seen = np.where(event, event_time, event_time * rng.random(rows))
    return SurvivalData(features, event, time_seen)


if __name__ == "__main__":
    main()
