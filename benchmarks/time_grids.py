"""Compares time grids on small tables by the integrated Brier score on one dense time axis.

pip install --no-deps SurvSet
python -m benchmarks.time_grids --output time_grids.csv

Grids: even cuts, quantiles of the event times, and their union (half of each), with several numbers
of cuts. Each table is split into 64 % training, 16 % validation and 20 % test rows, several times,
stratified by the event. The score is an integral over 200 times up to the last one with 10 test
rows at risk, the same for all grids. The table that is printed has mean ranks over the grids (1 is
the best), and the score divided by that of the Kaplan-Meier curve, averaged over tables.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from survkit.configs.train import TrainConfig
from survkit.datasets.assemble import SplitRows, preprocess
from survkit.datasets.tables import RawTable
from survkit.metrics import Outcomes
from survkit.metrics.brier import brier_contributions, integration_weights
from survkit.metrics.problem import problem_of
from survkit.models.registry import MODELS
from survkit.types import InputError, Splits, SurvivalPrediction, TimeGrid

TABLES = """
    veteran pharmacoSmoking cgd burn stagec d.oropha.rec Melanoma hepatoCellular cancer mgus e1684
    pbc Pbc3 ova zinc Unemployment whas500 prostate cost vlbw uis GBSG2 colon LeukSurv rdata TRACE
    Aids2 rott2
""".split()  # noqa: SIM905
KINDS = ("even", "quantiles", "union")
COUNTS = ("10", "sqrt", "20", "50", "100")
DENSE = 200
FLAGS: dict[str, dict[str, Any]] = {
    "mtlr": {},
    "personalized_moe": {"hidden_dim": 160},
    "rsf": {},
}


class Grid(NamedTuple):
    """A kind of grid, and its number of cuts: a number, or the square root of the events."""

    kind: str
    count: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", default="time_grids.csv", help="scores, continued if there")
    parser.add_argument("--tables", nargs="+", default=TABLES, choices=TABLES, metavar="TABLE")
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--summary_only", action="store_true", help="print the table of a file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path = Path(arguments.output)
    if not arguments.summary_only:
        with threadpool_limits(1, user_api="blas"):
            for split in range(arguments.splits):
                for table in arguments.tables:
                    add_scores(path, table, split)
    print(summary(pd.read_csv(path)))


def add_scores(path: Path, table: str, split: int) -> None:
    """Append the scores of one split of one table, unless the file has them."""
    if path.exists():
        known = pd.read_csv(path)
        if ((known["table"] == table) & (known["split"] == split)).any():
            return
    rows = list(scores(read(table), table, split))
    begun = path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        if not begun:
            writer.writeheader()
        writer.writerows(rows)
    print(table, split, file=sys.stderr, flush=True)


def read(name: str) -> RawTable:
    """Return a table of SurvSet."""
    from SurvSet.data import SurvLoader

    frame = SurvLoader().load_dataset(name)["df"]
    event = frame["event"].to_numpy() == 1
    time = frame["time"].to_numpy(dtype=np.float64)
    features = frame.drop(columns=["pid", "event", "time"])
    categorical = tuple(column for column in features if str(column).startswith("fac_"))
    return RawTable(features.reset_index(drop=True), event, time, categorical=categorical)


def scores(table: RawTable, name: str, split: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each grid and model."""
    splits = split_table(table, split)
    train, _, test = splits
    horizon = float(train.time.max())
    end = min(last_usable_time(splits), horizon * (1 - 1e-9))
    dense = TimeGrid(np.linspace(0.0, end, DENSE))
    outcomes = Outcomes(test, train.time, train.event, dense)
    about = {"table": name, "split": split, "n": len(table), "events": int(table.event.sum())}
    without = MODELS["kaplan_meier"].build(grid=dense, parameters={}, seed=0).fit(*splits[:2])
    reference = score(without.predict(test.features, dense.cuts), outcomes)
    for grid in (Grid(kind, count) for kind in KINDS for count in COUNTS):
        cuts = lay(grid, train.time, train.event)
        for model, flags in FLAGS.items():
            parameters = {**vars(TrainConfig()), **flags}
            fitted = MODELS[model].build(grid=cuts, parameters=parameters, seed=42)
            try:
                fitted.fit(*splits[:2])
                value = score(fitted.predict(test.features, dense.cuts), outcomes)
            except InputError as error:
                print(f"{name} {grid} {model}: {error}", file=sys.stderr)
                value = math.nan
            how = {"grid": grid.kind, "count": grid.count, "cuts": len(cuts.cuts), "model": model}
            yield {**about, **how, "score": value, "kaplan_meier": reference}


def split_table(table: RawTable, seed: int) -> Splits:
    """Split by 64/16/20, stratified by the event."""
    rest, test = train_test_split(
        np.arange(len(table)), test_size=0.2, random_state=seed, stratify=table.event
    )
    train, validation = train_test_split(
        rest, test_size=0.2, random_state=seed, stratify=table.event[rest]
    )
    return preprocess(table, SplitRows(train, validation, test))[0]


def last_usable_time(splits: Splits) -> float:
    """Return the last training time that metrics may use."""
    times = np.unique(np.append(0.0, splits.train.time))
    train = splits.train
    outcomes = Outcomes(splits.test, train.time, train.event, TimeGrid(times))
    return float(times[outcomes.weights.last_cut])


def lay(grid: Grid, time: np.ndarray, event: np.ndarray) -> TimeGrid:
    """Lay a grid by the training rows."""
    bins = max(2, round(math.sqrt(event.sum()))) if grid.count == "sqrt" else int(grid.count)
    even = {"even": bins, "quantiles": 0, "union": (bins + 1) // 2}[grid.kind]
    parts = [TimeGrid.evenly_spaced(float(time.max()), even).cuts] if even >= 2 else []
    if bins - even >= 2:
        parts.append(TimeGrid.event_quantiles(time, event, bins - even).cuts)
    return TimeGrid(np.unique(np.concatenate(parts)))


def score(prediction: SurvivalPrediction, outcomes: Outcomes) -> float:
    """Return the integrated Brier score."""
    problem = problem_of(prediction, outcomes)
    upto = slice(problem.last_cut + 1)
    squares = brier_contributions(problem.survival[:, upto], problem.happened, problem.at_cuts)
    return float(squares.mean(axis=0) @ integration_weights(problem.cuts[upto]))


def summary(rows: pd.DataFrame) -> str:
    """Return mean ranks and relative scores, by model and grid."""
    rows = rows.assign(relative=rows["score"] / rows["kaplan_meier"])
    tables = rows.groupby(["model", "grid", "count", "table"])["relative"].mean().reset_index()
    tables["rank"] = tables.groupby(["model", "table"])["relative"].rank()
    keys = ["model", "grid", "count"]
    everything = pd.concat([tables, tables.assign(model="all")])
    means = everything.groupby(keys)[["relative", "rank"]].mean()
    return means.unstack("count").round(4).to_string()


if __name__ == "__main__":
    main()
