"""Reads run folders into one tidy frame."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from survkit.model_registry import MODELS
from survkit.records import RunFolder
from survkit.types import InputError


def load_runs(log_dir: str | Path, group: str | None = None) -> pd.DataFrame:
    """Read every finished run below a log folder into one frame, one row a run.

    Parameters
    ----------
    log_dir : path
        Folder of all records.
    group : str, optional
        Read this group only.

    Returns
    -------
    DataFrame
        Columns as in `result.json`: run_id, dataset, model, group, seed, ..., with nested values
        joined by an underscore (test_concordance, validation_loss, timing_total_seconds), and
        `path`, the run's folder. Sorted by dataset, model (as in the registry) and seed.

    Raises
    ------
    InputError
        Where there is no finished run.
    """
    root = Path(log_dir)
    pattern = f"{group or '*'}/*/result.json"
    rows = []
    for path in sorted(root.glob(pattern)):
        folder = RunFolder(path.parent)
        result = folder.result()
        if result is None:
            warnings.warn(f"left out: {folder.warnings[0]}", stacklevel=2)
        else:
            rows.append({**_flat(result), "path": str(path.parent)})
    if not rows:
        raise InputError(f"no finished run in {root / (group or '*')}")
    frame = pd.DataFrame(rows)
    models = pd.Categorical(frame["model"], [*MODELS, *sorted(set(frame["model"]) - set(MODELS))])
    order = pd.DataFrame({"dataset": frame["dataset"], "model": models, "seed": frame["seed"]})
    return frame.loc[order.sort_values(["dataset", "model", "seed"]).index].reset_index(drop=True)


def _flat(result: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Join the keys of nested dicts; lists (intervals, expert loads) stay one value."""
    flat: dict[str, Any] = {}
    for key, value in result.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}_")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
