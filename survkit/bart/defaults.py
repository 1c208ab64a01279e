"""How long a fit samples, where that was not said: by the rows of person-period data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.bart.chains import SamplerSettings
from survkit.bart.size import count_rows, memory_bytes
from survkit.system import MemoryNeed, available_cores
from survkit.types import BoolArray, SurvivalData, TimeGrid

LARGE_ROWS = 20_000
"""Rows above which single moves no longer bring the chains together in reasonable time."""

SETTINGS = frozenset(field.name for field in fields(SamplerSettings))

REGROWN_SHARE = 0.24
"""Of the trees, regrown in every iteration on many rows: 12 of 50."""

SMALL = {"tune": 200, "draws": 200, "sweeps": 10, "regrow": 0, "max_rows": 200_000}
LARGE = {"tune": 90, "draws": 130, "sweeps": 1, "max_rows": 65_000}
"""Chosen for SUPPORT2, which takes about 8 minutes on two cores by `estimate_size`."""


class GridOutcomes(NamedTuple):
    """Outcomes (n,) on a time grid: events, intervals counted from 1, and how many are at time 0.

    What lies beyond the horizon is a censoring in the last interval: all that the grid shows of it
    is that it came later. Whoever has time 0 counts in the first interval.
    """

    event: BoolArray
    interval: NDArray[np.float64]
    at_zero: int


def on_grid(data: SurvivalData, grid: TimeGrid) -> GridOutcomes:
    """Return the outcomes of the data on the grid."""
    interval = grid.classify(data.time) + grid.floor
    last = len(grid.cuts) - 1 + int(grid.floor)
    event = data.event & (interval <= last)
    clipped = np.clip(interval, 1, last).astype(np.float64)
    return GridOutcomes(event, clipped, int(np.count_nonzero(interval == 0)))


def data_defaults(given: Mapping[str, Any], train: SurvivalData, grid: TimeGrid) -> dict[str, int]:
    """Return `tune`, `draws`, `sweeps`, `regrow` and `max_rows`, with values for those not given.

    With stochtree and more than `LARGE_ROWS` rows, every iteration regrows trees and moves each
    tree once, and neighbouring intervals are merged sooner.

    Parameters
    ----------
    given : mapping
        The arguments of `BartBaseline` by name; missing or None where not given.
    train : SurvivalData
        All training subjects, before a subsample is drawn.
    grid : TimeGrid
        The cuts at which the model predicts.
    """
    known = {name: value for name, value in given.items() if value is not None}
    rows, _ = count_rows(on_grid(train, grid).interval)
    rows = round(rows * min(1.0, known.get("subsample", len(train)) / len(train)))
    defaults = SMALL
    if known.get("backend", SamplerSettings.backend) == "stochtree" and rows > LARGE_ROWS:
        trees = known.get("trees", SamplerSettings.trees)
        defaults = {**LARGE, "regrow": max(1, round(REGROWN_SHARE * trees))}
    return {name: known.get(name, value) for name, value in defaults.items()}


def memory_need(given: Mapping[str, Any], train: SurvivalData, grid: TimeGrid) -> MemoryNeed:
    """Estimate what a fit needs, from the most person-period rows that it may have.

    Parameters are those of `data_defaults`.
    """
    known = {**given, **data_defaults(given, train, grid)}
    rows, _ = count_rows(on_grid(train, grid).interval)
    subjects = min(given["subsample"] or len(train), len(train))
    rows = min(known["max_rows"], round(rows * subjects / len(train)))
    columns = 1 + train.features.shape[1] + sum(c.cardinality - 1 for c in train.categorical)
    settings = SamplerSettings(**{n: v for n, v in known.items() if n in SETTINGS})
    jobs = min(settings.chains, given["cores"] or available_cores())
    return MemoryNeed(
        memory_bytes(rows, columns, settings, jobs=jobs) / 1e9,
        f"{settings.chains} chains, {jobs} at a time, of {settings.draws:,} draws of "
        f"{settings.trees:,} trees on {rows:,} rows",
        "fewer --bart_trees, --bart_draws, --bart_chains, --bart_cores or --bart_max_rows need "
        "less",
    )
