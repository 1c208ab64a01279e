"""What a table of a group must be read with: runs that failed, are missing or did not converge."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from survkit.checked_files import read_bytes
from survkit.files import last_line
from survkit.models.registry import MODELS
from survkit.runs.record_files import (
    HISTORY,
    HISTORY_LIMIT,
    read_config,
    read_note,
    read_result,
    read_unchecked_config,
)
from survkit.runs.table import TRAIN_AGAIN
from survkit.types import InputError

LAUNCHER_FOLDER = "launcher"
"""Subfolder of a group for what its runs printed and how each ended."""

_STOPPING = ("epochs_trained", "best_epoch", "config_epochs", "config_early_stopping_patience")


class OpenRun(NamedTuple):
    """A run of a group that has no finished record.

    Parameters
    ----------
    run_id : str
        Its identifier.
    model : str, optional
        Its model, where that is known.
    seed : int, optional
        Its seed; None for an ensemble, or where it is not known.
    status : str
        "unfinished", "damaged" (its record cannot be read), or how the launcher says it ended:
        failed, blocked, stopped, submitted.
    note : str
        The last line of its log, or how far it came.
    """

    run_id: str
    model: str | None
    seed: int | None
    status: str
    note: str

    @property
    def name(self) -> str:
        """Model and seed as text, as far as they are known."""
        if self.model is None:
            return ""
        return self.model if self.seed is None else f"{self.model} seed={self.seed}"


def open_runs(group_folder: Path) -> list[OpenRun]:
    """Return the runs of a group that were begun, or launched, and have no finished record.

    Parameters
    ----------
    group_folder : Path
        Holds a folder for each run, and `launcher/` where a launcher made them.
    """
    found: dict[str, OpenRun] = {}
    files = [*group_folder.glob("*/config.json"), *group_folder.glob("*/result.json")]
    for folder in sorted({path.parent for path in files}):
        run = _begun(folder)
        if run is not None:
            found[folder.name] = run
    for log in sorted((group_folder / LAUNCHER_FOLDER).glob("*.log")):
        identifier = log.stem
        if not (group_folder / identifier / "result.json").exists():
            found.setdefault(
                identifier,
                OpenRun(identifier, None, None, "unfinished", last_line(log) or "no output yet"),
            )
    for path in sorted((group_folder / LAUNCHER_FOLDER).glob("*.json")):
        identifier = path.stem
        if not (group_folder / identifier / "result.json").exists():  # finished, or damaged
            found[identifier] = _launched(path, found.get(identifier))
    return sorted(found.values(), key=lambda run: (run.name, run.run_id))


def damaged_run(run: Mapping[Any, Any], why: str) -> OpenRun:
    """Return a run of `load_runs` as one whose record turned out to be damaged.

    Parameters
    ----------
    run : mapping
        A row of `load_runs`.
    why : str
        What is damaged, and in what way.
    """
    seed = run["seed"]
    known = None if seed is None or math.isnan(seed) else int(seed)
    name = Path(run["path"]).name
    return OpenRun(name, str(run["model"]), known, "damaged", f"{why}; {TRAIN_AGAIN}")


def missing_seeds(
    runs: pd.DataFrame, labels: pd.Series, begun: Iterable[OpenRun]
) -> dict[str, list[int]]:
    """Return the seeds that some models of a group have and others lack.

    Models that no seed changes lack nothing; runs that were begun are not missing.

    Parameters
    ----------
    runs : DataFrame
        From `load_runs`.
    labels : Series
        From `variant_labels`.
    begun : iterable of OpenRun
        From `open_runs`.

    Returns
    -------
    dict of str to list of int
        The missing seeds, by label; without the labels that lack none.
    """
    begun_seeds = {(run.model, run.seed) for run in begun}
    seeds = sorted({int(seed) for seed in runs["seed"].dropna()})
    missing = {}
    for label, group in runs.groupby(labels, sort=False):
        model = str(group["model"].iloc[0])
        if group["seed"].isna().any() or (model in MODELS and MODELS[model].is_deterministic):
            continue
        present = {int(seed) for seed in group["seed"]}
        absent = [s for s in seeds if s not in present and (model, s) not in begun_seeds]
        if absent:
            missing[str(label)] = absent
    return missing


def missing_seeds_text(label: str, seeds: Iterable[int]) -> str:
    """Return a sentence on the seeds that `missing_seeds` found for a label."""
    return f"{label}: no run with seed {', '.join(map(str, seeds))}, which other models have"


def why_not_converged(run: Mapping[Any, Any]) -> str | None:
    """Return why a run's fit is no optimum; None where it converged, or nothing is known.

    A record from before the field `converged` is judged by its epochs: `--epochs` must not have
    ended the training while the monitored metric still improved.

    Parameters
    ----------
    run : mapping
        A row of `load_runs`.
    """
    converged = run.get("converged")
    if isinstance(converged, bool | np.bool_):
        return None if converged else str(run.get("convergence_reason", "the record says no more"))
    trained, best, limit, patience = (_number(run.get(name)) for name in _STOPPING)
    if trained >= limit and trained - best < patience:  # False where one is unknown
        return (
            f"training ended at --epochs {limit:.0f}, while the validation metric still "
            f"improved (best epoch {best:.0f})"
        )
    return None


def _launched(path: Path, begun: OpenRun | None) -> OpenRun:
    """Read a launcher's note on a run; `begun` is what is known of it otherwise."""
    run = begun or OpenRun(path.stem, None, None, "unknown", "")
    try:
        report = read_note(path) or {}
    except InputError as error:
        return run._replace(status="unknown", note=str(error))
    run = run._replace(status=report.get("status", "unknown"))
    if run.model is None:
        run = run._replace(model=report.get("model"), seed=report.get("seed"))
    log = path.parent / Path(report.get("log") or f"{path.stem}.log").name
    return run._replace(note=report.get("note") or last_line(log) or run.note)


def _begun(folder: Path) -> OpenRun | None:
    """Return what is known of a run without a finished record, None where it has one."""
    damage = ""
    try:
        if read_result(folder) is not None:
            read_config(folder)
            return None
    except InputError as error:
        damage = str(error)
    try:
        config = read_unchecked_config(folder) or {}
    except InputError as error:
        config, damage = {}, damage or str(error)
    run = OpenRun(folder.name, config.get("model"), config.get("seed"), "unfinished", "")
    if damage:
        return run._replace(status="damaged", note=f"{damage}; {TRAIN_AGAIN}")
    return run._replace(note=_progress(folder))


def _progress(folder: Path) -> str:
    """Return how many epochs an unfinished run has come."""
    try:
        history = read_bytes(folder / HISTORY, HISTORY_LIMIT)
    except InputError as error:
        return str(error)
    return "no epoch yet" if history is None else f"{len(history.splitlines())} epochs"


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
