"""Writes run folders: what was configured, how it was fitted, what came out.

A folder `<log_dir>/<group>/<run_id>/` is a complete record once it holds `result.json`, which is
written last. Every file is written under a temporary name and renamed into place.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import math
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

import survkit
from survkit.checked_files import DamagedError
from survkit.files import write_bytes, writing
from survkit.runs.digests import with_digests
from survkit.runs.place import RunPlace
from survkit.runs.record_files import history_up_to, read_result
from survkit.training.checkpoint import load_checkpoint, save_checkpoint
from survkit.types import InputError, SurvivalData, SurvivalPrediction

UNFINISHED_FORM = 3
"""What `last.pt` holds; one of another form cannot be gone on with."""

SAVE_SECONDS = 1.0
"""How often the state of an unfinished fit is kept: writing it takes as long as a short epoch."""

RECORDED_PACKAGES = ("numpy", "pandas", "scikit-learn", "scikit-survival", "scipy", "torch")


class RunFolder:
    """The record of one run; it is also the monitor that a model is fitted under.

    Parameters
    ----------
    path : Path
        The folder, made when the first file is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._place = RunPlace(path)
        self._last_path, self._history_path = path / "last.pt", path / "history.jsonl"
        self._run_id: str | None = None
        self._epochs: float = math.inf  # at most
        self._last_logged: int | None = None
        self._saved_at = -math.inf
        self.listeners: list[Callable[[int, Mapping[str, float]], None]] = []
        """Called with (epoch, values) after every epoch."""
        self.warnings: list[str] = []
        self.seeds_together = 1
        """Among how many seeds the run was trained, in the largest stack if there were several."""
        self._config: bytes | None = None

    @property
    def checkpoint_path(self) -> Path:
        """The fitted model, for prediction in another process."""
        return self.path / "checkpoint.pt"

    def lock(self) -> AbstractContextManager[None]:
        """Keep other processes from training the same run at the same time.

        What killed processes left half written is removed. A failure (an InputError) before there
        is anything to keep removes what the run wrote, and nothing else.

        Raises
        ------
        RunsElsewhereError
            Where another process holds the lock.
        InputError
            Where the folder cannot be made, or something else has the name of a file of the record.
        """
        return self._place.hold()

    def result(self) -> dict[str, Any] | None:
        """Return the finished record, or None where it is missing or, with a warning, damaged."""
        try:
            return read_result(self.path)
        except DamagedError as error:
            self.warn(f"{error}; the run is made again")
            return None

    def warn(self, message: str) -> None:
        """Note a warning for the record."""
        if message not in self.warnings:
            self.warnings.append(message)

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """Append one epoch to the history, in place of what an interrupted fit may have there."""
        self._place.check()
        if self._last_logged != epoch - 1:
            self._cut_history(epoch - 1)
        with writing(self._history_path), self._history_path.open("a", encoding="utf-8") as file:
            file.write(to_json({"epoch": epoch, **values}) + "\n")
        self._last_logged = epoch
        for listener in self.listeners:
            listener(epoch, values)

    def _cut_history(self, epochs: int) -> str | None:
        """Keep the lines of so many epochs; return what cannot be read of them."""
        kept, lost = history_up_to(self.path, epochs)
        if kept or self._history_path.exists():
            self.write(self._history_path.name, kept)
        return lost

    def save(self, state: Mapping[str, Any], *, always: bool = False) -> None:
        """Keep the state of an unfinished fit: the first, what must be kept, else one a second.

        Epochs after the state that was kept last are trained again after a kill.
        """
        self._place.check()
        now = time.monotonic()
        if now - self._saved_at < SAVE_SECONDS and not always:
            return
        self._saved_at = now
        own = {
            "form": UNFINISHED_FORM,
            "run_id": self._run_id,
            "seeds_together": self.seeds_together,
            "warnings": self.warnings,
        }
        save_checkpoint(self._last_path, {**state, **own})

    def load(self) -> Mapping[str, Any] | None:
        """Return the state of an interrupted fit and cut the history back to its epoch.

        Where it is damaged, of another version or of another run, a warning says so and the fit
        starts again from the beginning.
        """
        state = self._unfinished() if self._last_path.exists() else None
        diverged = state is not None and state.get("diverged") is True
        lost = self._cut_history(state["epoch"] - diverged if state else 0)
        if state:
            if lost:
                self.warn(lost)
            self.seeds_together = max(self.seeds_together, state["seeds_together"])
            for message in state["warnings"]:
                self.warn(message)
        return state

    def _unfinished(self) -> Mapping[str, Any] | None:
        """Return what `last.pt` holds, or None where this run cannot go on from it."""
        try:
            state = load_checkpoint(self._last_path)
        except InputError:
            trouble = "was damaged"
        else:
            trouble = self._why_not_its_own(state)
            if not trouble:
                return state
        self.warn(f"{self._last_path.name} {trouble}; training started again")
        return None

    def _why_not_its_own(self, state: Any) -> str:
        """Return why this run cannot go on from a state; '' where it can."""
        if not isinstance(state, Mapping):
            return "holds no state of a training"
        if not _equal(state.get("form"), UNFINISHED_FORM):
            return "is of another version"
        if not _equal(state.get("run_id"), self._run_id):
            return "is of another run"
        epoch, warnings = state.get("epoch"), state.get("warnings")
        if not (isinstance(epoch, int) and 1 <= epoch <= self._epochs):
            return f"has no epoch from 1 to {self._epochs:g}"
        texts = isinstance(warnings, list) and all(isinstance(text, str) for text in warnings)
        if not (texts and isinstance(state.get("seeds_together"), int)):
            return "holds no state of a training"
        return ""

    def start(
        self, config: Mapping[str, Any], *, warnings: Sequence[str] = (), resume: bool = True
    ) -> None:
        """Begin the record: write the configuration, and drop unfinished state unless resuming.

        A finished record stays until the new one replaces it.
        """
        self._place.check()
        self._run_id, self._epochs = config.get("run_id"), config.get("epochs", math.inf)
        if not resume:
            self.drop_unfinished()
        with writing(self._history_path):
            if not self._last_path.exists():
                self._history_path.unlink(missing_ok=True)
        for message in warnings:
            self.warn(message)
        self._config = to_json(config, indent=2).encode()
        if not (self.path / "result.json").exists():
            self._write_config()

    def _write_config(self) -> None:
        if self._config is not None:
            self.write("config.json", self._config)

    def write(self, name: str, content: bytes) -> None:
        """Write a file of the record.

        Raises
        ------
        InputError
            Where it cannot be written, or the folder was removed while it was locked.
        """
        self._place.check()
        write_bytes(self.path / name, content)

    def drop_unfinished(self) -> None:
        """Remove the state of an unfinished fit: it is finished, or would end badly again."""
        with writing(self._last_path):
            self._last_path.unlink(missing_ok=True)

    def write_checkpoint(self, content: Mapping[str, Any]) -> None:
        """Write the fitted model with all that a prediction needs."""
        self._place.check()
        save_checkpoint(self.checkpoint_path, content)

    def write_predictions(
        self, split: str, prediction: SurvivalPrediction, data: SurvivalData
    ) -> None:
        """Write the predictions of a split beside its outcomes, as arrays."""
        arrays = {
            "times": prediction.times,
            "survival": prediction.survival,
            "expert_weights": prediction.expert_weights,
            "event": data.event,
            "time": data.time,
            "label": data.label,
            "true_time": data.true_time,
            "subject_id": data.subject_id,
            "cumulative_incidence": prediction.cumulative_incidence,
            "cause": data.cause,
            "cause_names": np.array(data.cause_names) if data.cause_names else None,
            "entry": data.entry,
        }
        buffer = io.BytesIO()
        present: dict[str, Any] = {name: a for name, a in arrays.items() if a is not None}
        np.savez_compressed(buffer, **present)
        self.write(f"predictions_{split}.npz", buffer.getvalue())

    def write_result(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Write the result, which makes the record complete, and drop the unfinished state.

        Returns the result as it reads from the file: NaN is None there.
        """
        self._write_config()
        plain = plain_values({**result, "warnings": self.warnings})
        content = to_json(with_digests(plain, self.path), indent=2)
        self.write("result.json", content.encode())
        self.drop_unfinished()
        written: dict[str, Any] = json.loads(content)
        return written


def _equal(found: Any, expected: Any) -> bool:
    # Tensors, which a file may hold, have no one truth value.
    return type(found) is type(expected) and bool(found == expected)


@cache
def provenance() -> Mapping[str, Any]:
    """Return the git commit (None outside a checkout) and the versions that a run is made with.

    Found once for a process: what it has imported stays the same.
    """
    root = Path(survkit.__file__).parent.parent
    versions = {name: importlib.metadata.version(name) for name in RECORDED_PACKAGES}
    return {
        "git_commit": _git_commit(root),
        "survkit_version": survkit.__version__,
        "package_versions": versions,
    }


def peak_gpu_memory_mb(device: str) -> float | None:
    """Return the largest memory allocated on a GPU, in MiB; None for another device."""
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.startswith("cuda") else None


def _git_commit(root: Path) -> str | None:
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        git = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # no git on this machine
        return None
    return git.stdout.strip() or None


def to_json(value: Any, indent: int | None = None) -> str:
    """Return nested values as strict JSON; NaN and infinities, which it lacks, become null."""
    return json.dumps(plain_values(value), indent=indent, allow_nan=False)


def plain_values(value: Any) -> Any:
    """Turn numpy values into plain ones, and NaN and infinities, which JSON lacks, into None."""
    if isinstance(value, Mapping):
        return {str(key): plain_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain_values(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
