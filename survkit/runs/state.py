"""What a table of a group must be read with: runs that failed, are missing or did not converge."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from survkit.files import last_line
from survkit.models.registry import MODELS
from survkit.runs.folder import RunFolder
from survkit.runs.table import read_config

LAUNCHER_FOLDER = "launcher"
"""Subfolder of a group for what its runs printed and how each ended."""

_STOPPING = ("epochs_trained", "best_epoch", "config_epochs", "config_early_stopping_patience")
_DID_NOT_CONVERGE = ("not converge", "diverged", "the optimisation ended at")
"""What a warning of a fit without an optimum says (it "did not converge", or "not converged")."""


class OpenRun(NamedTuple):
    """A run of a group that has no finished record.

    Parameters
    ----------
    run_id : str
        Its identifier.
    name : str
        Model and seed, as far as they are known.
    status : str
        "unfinished", "damaged" (its record cannot be read), or how the launcher says it ended:
        failed, blocked, stopped, submitted.
    note : str
        The last line of its log, or how far it came.
    """

    run_id: str
    name: str
    status: str
    note: str


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
                identifier, OpenRun(identifier, "", "unfinished", last_line(log) or "no output yet")
            )
    for path in sorted((group_folder / LAUNCHER_FOLDER).glob("*.json")):
        identifier = path.stem
        if not (group_folder / identifier / "result.json").exists():  # finished, or damaged
            found[identifier] = _launched(path, found.get(identifier))
    return sorted(found.values(), key=lambda run: (run.name, run.run_id))


def missing_seeds(runs: pd.DataFrame, labels: pd.Series, begun: Iterable[OpenRun]) -> list[str]:
    """Return what to say of the seeds that some models of a group have and others lack.

    Models that no seed changes lack nothing; runs that were begun are not missing.

    Parameters
    ----------
    runs : DataFrame
        From `load_runs`.
    labels : Series
        From `variant_labels`.
    begun : iterable of OpenRun
        From `open_runs`.
    """
    names = {run.name for run in begun}
    seeds = sorted({int(seed) for seed in runs["seed"].dropna()})
    sentences = []
    for label, group in runs.groupby(labels, sort=False):
        model = str(group["model"].iloc[0])
        if group["seed"].isna().any() or (model in MODELS and MODELS[model].is_deterministic):
            continue
        present = {int(seed) for seed in group["seed"]}
        absent = [s for s in seeds if s not in present and _run_name(model, s) not in names]
        if absent:
            numbers = ", ".join(map(str, absent))
            sentences.append(f"{label}: no run with seed {numbers}, which other models have")
    return sentences


def convergence_problems(run: Mapping[Any, Any]) -> list[str]:
    """Return why a run's fit is no optimum, nothing where it converged.

    Parameters
    ----------
    run : mapping
        A row of `load_runs`.
    """
    warnings = run.get("warnings")
    problems = [
        str(message)
        for message in (warnings if isinstance(warnings, list) else [])
        if any(words in str(message) for words in _DID_NOT_CONVERGE)
    ]
    trained, best, limit, patience = (_number(run.get(name)) for name in _STOPPING)
    if trained >= limit and trained - best < patience:  # False where one is unknown
        problems.append(
            f"training ended at --epochs {limit:.0f}, while the validation metric still "
            f"improved (best epoch {best:.0f})"
        )
    return problems


def _launched(path: Path, begun: OpenRun | None) -> OpenRun:
    """Read a launcher's note on a run; `begun` is what is known of it otherwise."""
    identifier = path.stem
    try:
        report = json.loads(path.read_text("utf-8"))
        status, words = str(report["status"]), [str(word) for word in report["command"]]
    except (OSError, ValueError, KeyError, TypeError):
        return OpenRun(identifier, begun.name if begun else "", "unknown", f"{path} is damaged")
    flags = dict(word[2:].split("=", 1) for word in words if word.startswith("--") and "=" in word)
    log = path.with_name(str(report.get("log", f"{identifier}.log")))
    note = str(report.get("note") or last_line(log) or "")
    if note == "" and begun:
        note = begun.note
    return OpenRun(identifier, _name(flags), status, note)


def _begun(folder: Path) -> OpenRun:
    name = _name(read_config(folder) or {})
    if (folder / "result.json").exists():
        return OpenRun(folder.name, name, "damaged", "result.json is damaged; train it again")
    return OpenRun(folder.name, name, "unfinished", _progress(folder))


def _progress(folder: Path) -> str:
    """Return how many epochs an unfinished run has come."""
    try:
        epochs = len((folder / "history.jsonl").read_text("utf-8").splitlines())
    except OSError:
        return "no epoch yet"
    return f"{epochs} epochs"


def _name(settings: Mapping[str, Any]) -> str:
    model, seed = settings.get("model"), settings.get("seed")
    return "" if model is None else _run_name(str(model), seed)


def _run_name(model: str, seed: Any) -> str:
    return model if seed is None else f"{model} seed={seed}"


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
