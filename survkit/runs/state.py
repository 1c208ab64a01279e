"""What a table of a group must be read with: runs that failed, are missing or did not converge."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from survkit.files import last_line
from survkit.models.registry import MODELS
from survkit.runs.folder import RunFolder
from survkit.runs.read import read_config

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
        if RunFolder(folder).result() is None:
            found[folder.name] = _begun(folder)
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
        return None if converged else str(run["convergence_reason"])
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
        report = json.loads(path.read_text("utf-8"))
        run = run._replace(status=str(report["status"]))
    except (OSError, ValueError, KeyError, TypeError):
        return run._replace(status="unknown", note=f"{path} is damaged")
    if run.model is None:
        run = run._replace(model=report.get("model"), seed=report.get("seed"))
    log = path.with_name(str(report.get("log", f"{path.stem}.log")))
    return run._replace(note=str(report.get("note") or last_line(log) or run.note))


def _begun(folder: Path) -> OpenRun:
    config = read_config(folder) or {}
    run = OpenRun(folder.name, config.get("model"), config.get("seed"), "unfinished", "")
    if (folder / "result.json").exists():
        return run._replace(status="damaged", note="result.json is damaged; train it again")
    return run._replace(note=_progress(folder))


def _progress(folder: Path) -> str:
    """Return how many epochs an unfinished run has come."""
    try:
        epochs = len((folder / "history.jsonl").read_text("utf-8").splitlines())
    except OSError:
        return "no epoch yet"
    return f"{epochs} epochs"


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
