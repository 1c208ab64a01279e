"""How large a fit will be: rows, seconds and memory, known before anything is sampled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.bart.chains import ChainProblem, SamplerSettings
from survkit.bart.person_period import MAX_TIMES, downscale
from survkit.types import FloatArray, InputError

MIN_TIMES = 5
"""Fewest distinct times that a scale chosen to save rows may leave."""

SAFETY = 3.0
"""Standard deviations by which the rows of subjects drawn at random may exceed their mean."""

# Seconds of one processor, measured by benchmarks/bart_speed.py; other machines differ.
SECONDS_PER_ROW_AND_TREE = {"stochtree": 2e-8, "pymc": 2e-7}
"""Of one sweep of stochtree, and of one iteration of pymc."""
SECONDS_PER_CELL_GROWN = 1.4e-8
"""Of one tree that stochtree grows anew; a cell is a row of one column."""
START_SECONDS = {"stochtree": 5.0, "pymc": 15.0}
"""Until a process has loaded the engine."""
BYTES_PER_CELL = {"stochtree": 40, "pymc": 32}
BYTES_PER_ROW_AND_TREE = {"stochtree": 16, "pymc": 16}
BYTES_PER_TREE = 100
"""Of a tree of a few nodes that is kept."""
BASE_BYTES = {"stochtree": 3.0e8, "pymc": 5.0e8}
"""Of a process that has loaded the engine."""


class Size(NamedTuple):
    """What a fit will take: person-period rows, wall time, memory of all processes (10^9 bytes)."""

    rows: int
    subjects: int
    times: int
    seconds: float
    gigabytes: float

    def __str__(self) -> str:
        return (
            f"{self.rows:,} rows ({self.subjects:,} subjects at up to {self.times} times); "
            f"about {self.seconds:,.0f} s and {self.gigabytes:.1f} GB"
        )


def estimate_size(problem: ChainProblem, settings: SamplerSettings, *, jobs: int) -> Size:
    """Estimate what a fit will take that runs `jobs` chains at a time."""
    num_columns = _count_columns(problem)
    rows, backend, trees = len(problem.rows.subject), settings.backend, settings.trees
    iterations = settings.tune + settings.draws
    seconds = rows * trees * iterations * SECONDS_PER_ROW_AND_TREE[backend]
    if backend == "stochtree":
        grown = trees * settings.warm_sweeps + settings.regrow * iterations
        seconds = seconds * settings.sweeps + rows * num_columns * grown * SECONDS_PER_CELL_GROWN
    rounds = -(-settings.chains // jobs)
    memory = memory_bytes(rows, num_columns, settings, jobs=jobs)
    wall = rounds * (seconds + START_SECONDS[backend])
    return Size(rows, len(problem.features), len(problem.rows.times), wall, memory / 1e9)


def memory_bytes(rows: int, num_columns: int, settings: SamplerSettings, *, jobs: int) -> float:
    """Estimate the memory of all processes, and of the trees that they hand over."""
    backend, trees = settings.backend, settings.trees
    cells = num_columns * BYTES_PER_CELL[backend] + trees * BYTES_PER_ROW_AND_TREE[backend]
    if backend == "pymc":
        cells += 8 * settings.draws  # pymc keeps the sum of the trees of every draw
    kept = settings.chains * settings.draws * trees * BYTES_PER_TREE
    return jobs * (BASE_BYTES[backend] + rows * cells) + kept


def _count_columns(problem: ChainProblem) -> int:
    """Return the number of columns, time included, each value of a one_hot column counted."""
    ruled = zip(problem.features.T, problem.rules[1:], strict=True)
    return 1 + sum(len(np.unique(x)) if rule == "one_hot" else 1 for x, rule in ruled)


def count_rows(time: FloatArray, scale: float = 1.0) -> tuple[int, int]:
    """Return the rows of the training augmented dataset, and its distinct times."""
    times, last = np.unique(downscale(time, scale), return_inverse=True)
    return int((last + 1).sum()), len(times)


def choose_scale(time: NDArray[np.float64], max_rows: int) -> int:
    """Return the smallest whole scale that brings the rows of times (n,), from 1, to `max_rows`.

    Raises an InputError where even `MIN_TIMES` distinct times make more rows.
    """
    scale = 1
    while True:
        rows, times = count_rows(time, scale)
        if scale > 1 and times < MIN_TIMES:
            break
        if rows <= max_rows and times <= MAX_TIMES:
            return scale
        scale += 1
    each = np.unique(downscale(time, scale - 1), return_inverse=True)[1] + 1
    fewest, subjects = int(each.sum()), _random_subjects(each, max_rows)
    raise InputError(
        f"{len(time):,} subjects make {fewest:,} rows even with times as coarse as they may be "
        f"(at least {MIN_TIMES}), more than --bart_max_rows {max_rows:,}; "
        f"--bart_subsample {max(subjects, 1)} would do"
    )


def _random_subjects(rows: NDArray[np.integer], max_rows: int) -> int:
    """Return how many subjects drawn at random almost certainly stay within the rows.

    The root n of mean * n + SAFETY * deviation * sqrt(n) = max_rows.
    """
    mean, margin = float(rows.mean()), SAFETY * float(rows.std())
    root = (np.sqrt(margin**2 + 4 * mean * max_rows) - margin) / (2 * mean)
    return int(root**2)
