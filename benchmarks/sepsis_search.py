"""Compares settings of a head on the sepsis data by their validation patients alone.

python -m benchmarks.sepsis_search --data_dir data --out search              # published setting
python -m benchmarks.sepsis_search --data_dir data --out search --landmark_hours 6
python -m benchmarks.sepsis_search --out search --summary

Test patients are not read. A fold keeps a tenth of the training and validation patients for
validation: fold 0 the split's own, further folds other patients. Every fit is one row of
search.csv; run it again to go on.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from survkit.configs.train import TrainConfig
from survkit.datasets import load_configured
from survkit.metrics import Outcomes, evaluate_against
from survkit.models.fitting import use_device
from survkit.models.registry import MODELS
from survkit.training.neural_model import NeuralSurvivalModel, fit_together
from survkit.types import SurvivalData, TimeGrid

PERSONALIZED = {
    "model": "personalized_moe",
    "hidden_dim": 128,
    "num_hidden_layers": 1,
    "mixture_components": 8,
}

SCORES = {"numeric_inputs": "normal_scores"}
LARGER_BATCHES = {"batch_size": 256, "lr": 1e-3}

CHANGES: tuple[dict[str, Any], ...] = (
    {},
    SCORES,
    {"dropout": 0.5, **LARGER_BATCHES},
    *(
        {**SCORES, **LARGER_BATCHES, **change}
        for change in (
            {"dropout": 0.3},
            {"dropout": 0.5},
            {"dropout": 0.7},
            {"dropout": 0.5, "hidden_dim": 32},
            {"dropout": 0.7, "hidden_dim": 512},
            {"dropout": 0.5, "num_hidden_layers": 2},
            {"dropout": 0.5, "mixture_components": 2},
            {"dropout": 0.5, "batch_size": 1024, "lr": 2e-3},
            {"dropout": 0.5, "model": "mtlr", "mixture_components": 10},
            {"dropout": 0.5, "model": "fixed_moe"},
        )
    ),
)
"""What differs from the published Personalized MoE."""

METRICS = ("loss", "concordance", "integrated_brier")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of search.csv")
    parser.add_argument("--data_dir", help="folder of the sepsis data")
    parser.add_argument("--landmark_hours", type=int)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43])
    parser.add_argument("--summary", action="store_true", help="only print the table")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "search.csv"
    if not arguments.summary:
        search(path, arguments)
    print(summary(pd.read_csv(path)).to_string(index=False))


def search(path: Path, arguments: argparse.Namespace) -> None:
    """Append a row for every fit that the file lacks."""
    task = {"data_dir": arguments.data_dir, "landmark_hours": arguments.landmark_hours}
    base = TrainConfig(dataset="sepsis", device=use_device("cpu"), **task)
    dataset = load_configured(asdict(base))
    done = set()
    if path.exists():
        known = pd.read_csv(path, keep_default_na=False)
        done = set(known[["task", "fold", "change", "seed"]].itertuples(index=False, name=None))
    name = f"hour {arguments.landmark_hours}" if arguments.landmark_hours else "published"
    for change in CHANGES:
        for fold, (train, validation) in enumerate(
            folds(dataset.splits.train, dataset.splits.validation, arguments.folds)
        ):
            keys = [(name, fold, json.dumps(change), seed) for seed in arguments.seeds]
            if done.issuperset(keys):
                continue
            settings = asdict(base) | PERSONALIZED | change
            rows = measure(settings, arguments.seeds, train, validation, dataset.grid)
            with path.open("a", newline="") as file:
                writer = csv.writer(file)
                if file.tell() == 0:
                    header = ("task", "fold", "change", "seed", *METRICS, "best_epoch", "seconds")
                    writer.writerow(header)
                writer.writerows([*key, *row] for key, row in zip(keys, rows, strict=True))


def folds(
    train: SurvivalData, validation: SurvivalData, count: int
) -> Iterator[tuple[SurvivalData, SurvivalData]]:
    """Yield training and validation patients: the split's own, then others of the same size."""
    yield train, validation
    order = np.random.default_rng(0).permutation(len(train))
    for part in np.array_split(order, round(len(train) / len(validation)))[: count - 1]:
        held_out = np.isin(np.arange(len(train)), part)
        yield joined(train.subset(~held_out), validation), train.subset(held_out)


def joined(one: SurvivalData, other: SurvivalData) -> SurvivalData:
    """Return the rows of both."""
    pairs = (
        (getattr(data, name) for data in (one, other)) for name in ("features", "event", "time")
    )
    return SurvivalData(*map(np.concatenate, map(tuple, pairs)), one.feature_names, one.categorical)


def measure(
    settings: dict[str, Any],
    seeds: list[int],
    train: SurvivalData,
    validation: SurvivalData,
    grid: TimeGrid,
) -> list[list[float]]:
    """Return metrics of the validation patients, the best epoch and seconds of each seed."""
    outcomes = Outcomes(
        validation, train.time, train.event, grid, "standard", settings["min_at_risk"], ()
    )

    def evaluated(prediction: Any) -> dict[str, Any]:
        scored = evaluate_against(
            prediction, outcomes, point_error="absolute", bootstrap=0, null_draws=0
        )
        return {name: scored.values[name] for name in METRICS}

    started = time.perf_counter()
    models: list[Any] = [
        MODELS[settings["model"]].build(
            grid=grid,
            parameters=settings,
            seed=seed,
            device="cpu",
            validation_metrics=evaluated,
        )
        for seed in seeds
    ]
    assert all(isinstance(model, NeuralSurvivalModel) for model in models)
    fit_together(models, train, validation, monitors=[None] * len(models))
    seconds = round((time.perf_counter() - started) / len(models), 1)
    rows = []
    for model in models:
        values = evaluated(model.predict(validation.features))
        rows.append([*values.values(), model.fit_summary.best_epoch, seconds])
    return rows


def summary(fits: pd.DataFrame) -> pd.DataFrame:
    """Return means over folds and seeds, the smallest loss first."""
    names = [*METRICS, "best_epoch", "seconds"]
    means = fits.groupby(["task", "change"])[names].mean().reset_index()
    return means.sort_values(["task", "loss"]).round(4)


if __name__ == "__main__":
    main()
