"""Writes run folders: what was configured, how it was fitted, what came out.

A folder `<log_dir>/<group>/<run_id>/` is a complete record once it holds `result.json`, which is
written last. Every file is written under a temporary name and renamed into place.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import math
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

import survkit
from survkit.cli import RunsElsewhereError
from survkit.files import write_bytes
from survkit.training.checkpoint import load_checkpoint, save_checkpoint
from survkit.types import InputError, SurvivalData, SurvivalPrediction

UNFINISHED_FORM = 2
"""What `last.pt` holds; one of another form cannot be gone on with."""

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
        self._last_path, self._history_path = path / "last.pt", path / "history.jsonl"
        self.listeners: list[Callable[[int, Mapping[str, float]], None]] = []
        """Called with (epoch, values) after every epoch."""
        self.warnings: list[str] = []

    @property
    def checkpoint_path(self) -> Path:
        """The fitted model, for prediction in another process."""
        return self.path / "checkpoint.pt"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from training the same run at the same time.

        Raises
        ------
        RunsElsewhereError
            Where another process holds the lock.
        InputError
            Where the folder cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock", timeout=0)
            lock.acquire()
        except Timeout:
            raise RunsElsewhereError(f"another process is training {self.path} now") from None
        except OSError as error:
            raise InputError(
                f"cannot write to {self.path}: {error.strerror}; choose another --log_dir"
            ) from None
        with lock:
            try:
                yield
            except InputError:
                self._remove_if_empty()
                raise

    def _remove_if_empty(self) -> None:
        """Leave nothing behind of a run that failed before it had anything to keep."""
        kept = (self.checkpoint_path, self._last_path, self.path / "result.json")
        if not any(path.exists() for path in kept):
            shutil.rmtree(self.path)
            with suppress(OSError):  # the group's folder holds other runs
                self.path.parent.rmdir()

    def result(self) -> dict[str, Any] | None:
        """Return the finished record, or None where it is missing or, with a warning, damaged."""
        try:
            result: dict[str, Any] = json.loads((self.path / "result.json").read_text("utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError:
            result = {}
        if not (isinstance(result, dict) and "run_id" in result):
            self.warn(f"{self.path / 'result.json'} is damaged; the run is made again")
            return None
        return result

    def warn(self, message: str) -> None:
        """Note a warning for the record."""
        if message not in self.warnings:
            self.warnings.append(message)

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """Append one epoch to the history."""
        try:
            with self._history_path.open("a", encoding="utf-8") as file:
                file.write(_to_json({"epoch": epoch, **values}) + "\n")
        except OSError as error:
            raise InputError(
                f"cannot write {self._history_path}: {error.strerror}; make room, then run the "
                "same command to go on"
            ) from None
        for listener in self.listeners:
            listener(epoch, values)

    def save(self, state: Mapping[str, Any]) -> None:
        """Keep the state of an unfinished fit."""
        own = {"warnings": self.warnings, "form": UNFINISHED_FORM}
        save_checkpoint(self._last_path, {**state, **own})

    def load(self) -> Mapping[str, Any] | None:
        """Return the state of an interrupted fit and cut the history back to its epoch.

        A state that is damaged or of another version is warned of, and the fit starts again from
        the beginning.
        """
        state, trouble = None, ""
        if self._last_path.exists():
            try:
                state = load_checkpoint(self._last_path)
                if state.get("form") != UNFINISHED_FORM:
                    state, trouble = None, "is of another version"
            except InputError:
                trouble = "was damaged"
        if trouble:
            self.warn(f"{self._last_path.name} {trouble}; training started again")
        if self._history_path.exists():
            lines = self._history_path.read_text("utf-8").splitlines(keepends=True)
            kept = lines[: state["epoch"] if state else 0]
            write_bytes(self._history_path, "".join(kept).encode())
        for message in state["warnings"] if state else []:
            self.warn(message)
        return state

    def start(
        self, config: Mapping[str, Any], *, warnings: Sequence[str] = (), resume: bool = True
    ) -> None:
        """Begin the record: write the configuration, and drop unfinished state unless resuming.

        A finished record stays until the new one replaces it.
        """
        if not resume:
            self._last_path.unlink(missing_ok=True)
        if not self._last_path.exists():
            self._history_path.unlink(missing_ok=True)
        for message in warnings:
            self.warn(message)
        write_bytes(self.path / "config.json", _to_json(config, indent=2).encode())

    def drop_unfinished(self) -> None:
        """Drop the state of a fit that is of no use: going on from it would end in the same way."""
        self._last_path.unlink(missing_ok=True)

    def write_checkpoint(self, content: Mapping[str, Any]) -> None:
        """Write the fitted model with all that a prediction needs."""
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
        }
        buffer = io.BytesIO()
        present: dict[str, Any] = {name: a for name, a in arrays.items() if a is not None}
        np.savez_compressed(buffer, **present)
        write_bytes(self.path / f"predictions_{split}.npz", buffer.getvalue())

    def write_result(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Write the result, which makes the record complete, and drop the unfinished state.

        Returns the result as it reads from the file: NaN is None there.
        """
        content = _to_json({**result, "warnings": self.warnings}, indent=2)
        write_bytes(self.path / "result.json", content.encode())
        self._last_path.unlink(missing_ok=True)
        written: dict[str, Any] = json.loads(content)
        return written


def provenance() -> dict[str, Any]:
    """Return the git commit (None outside a checkout) and the versions that a run is made with."""
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


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(_plain(value), indent=indent, allow_nan=False)


def _plain(value: Any) -> Any:
    """Turn numpy values into plain ones, and NaN and infinities, which JSON lacks, into None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
