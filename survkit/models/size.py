"""Refuses a run that would not fit on this machine, before it takes any memory or time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from survkit.datasets.assemble import Dataset
from survkit.models.registry import MODELS
from survkit.system import MemoryNeed, check_memory
from survkit.types import InputError

BYTES_A_CUT = 150
"""Memory for each evaluated subject, cut and curve: predictions, weights, what they are made of."""

SECONDS_A_RESAMPLE = 1e-3
SECONDS_A_RESAMPLED_SUBJECT = 2e-6
"""Measured on one slow core; other machines differ."""

MAX_HOURS = 48
"""Longest time that the resamples may take."""


def check_size(settings: Mapping[str, Any], dataset: Dataset, *, num_seeds: int = 1) -> None:
    """Refuse a run whose training or evaluation needs more memory than there may be.

    Parameters
    ----------
    settings : mapping
        The configuration, by flag.
    dataset : Dataset
        The loaded data.
    num_seeds : int
        Runs that differ in their seeds only, made by one process.

    Raises
    ------
    InputError
        With the estimate, the limit and what to lower.
    """
    entry, limit = MODELS[settings["model"]], settings["max_memory_gb"]
    need = entry.memory_need(settings, dataset.splits, dataset.grid, seeds=num_seeds)
    if need is not None:
        check_memory(need, limit)
    check_memory(evaluation_need(dataset), limit)
    check_bootstrap(settings["bootstrap"], len(dataset.splits.test))


def evaluation_need(dataset: Dataset) -> MemoryNeed:
    """Estimate the memory of the predictions and metrics of a run."""
    rows = len(dataset.splits.validation) + len(dataset.splits.test)
    cuts, causes = len(dataset.grid.cuts), dataset.splits.train.num_causes
    curves = 1 if causes == 1 else 1 + causes  # survival, and each cumulative incidence
    of_causes = "" if causes == 1 else f" and {causes} causes"
    return MemoryNeed(
        rows * cuts * curves * BYTES_A_CUT / 1e9,
        f"the predictions for {rows:,} validation and test rows at {cuts:,} cuts{of_causes}",
        "fewer --time_bins need less",
    )


def check_bootstrap(resamples: int, rows: int, *, models: int = 1) -> None:
    """Refuse a number of resamples of the test rows that takes longer than anybody waits.

    Raises
    ------
    InputError
        With the estimate, the limit and what to lower.
    """
    each = models * (SECONDS_A_RESAMPLE + rows * SECONDS_A_RESAMPLED_SUBJECT)
    hours = resamples * each / 3600
    if hours > MAX_HOURS:
        raise InputError(
            f"{resamples:,} bootstrap samples of {rows:,} test rows take about {hours:,.0f} hours, "
            f"more than {MAX_HOURS}; lower --bootstrap, 1000 is enough for intervals"
        )
