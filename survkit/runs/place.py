"""The folder of a run while one process holds it, and what that process may leave or remove."""

from __future__ import annotations

import glob
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from survkit.cli import RunsElsewhereError
from survkit.files import remove_leftovers
from survkit.types import InputError

LOCK = ".lock"

KEPT = ("last.pt", "checkpoint.pt", "result.json")
"""A run with one of these files has something to keep; a failure leaves its folder alone."""

RECORD_FILES = (
    *KEPT,
    "config.json",
    "history.jsonl",
    "model_card.md",
    "tripod_ai.md",
    "predictions_validation.npz",
    "predictions_test.npz",
)
"""All files that a run writes; everything else in its folder belongs to someone else."""


class RunPlace:
    """A folder that one process at a time may write a record into.

    Parameters
    ----------
    path : Path
        The folder, or a link to one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Make the folder and keep other processes out of it; remove it if nothing came of the run.

        Raises
        ------
        RunsElsewhereError
            Where another process holds the folder.
        InputError
            Where the folder cannot be made, or something else has the name of a file of the record.
        """
        new_group = not os.path.exists(self.path.parent)
        lock = self._lock()
        try:
            self._check_files()
            remove_leftovers(self.path, RECORD_FILES)
            yield
        except InputError:
            self._remove_if_nothing_is_kept(new_group)
            raise
        finally:
            self._close()
            lock.release()

    def _lock(self) -> FileLock:
        """Return the lock, acquired, and open the folder."""
        lock = FileLock(self.path / LOCK, timeout=0)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire()
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except Timeout:
            raise RunsElsewhereError(f"another process is training {self.path} now") from None
        except (OSError, ValueError) as error:  # a ValueError for a path with a null byte
            lock.release()
            reason = _not_a_folder(self.path) or getattr(error, "strerror", None) or error
            raise InputError(
                f"cannot write to {self.path}: {reason}; choose another --log_dir"
            ) from None
        return lock

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None

    def check(self) -> None:
        """Make sure that the folder is still the one that was locked.

        Raises
        ------
        InputError
            Where it was removed, moved away or replaced: a new one would hold half a record.
        """
        if not self._is_the_same():
            raise InputError(
                f"{self.path} was removed or replaced during the run; run the same command to "
                "start it again"
            )

    def _is_the_same(self) -> bool:
        if self._descriptor is None:
            return True
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._descriptor))
        except OSError:
            return False

    def _check_files(self) -> None:
        """Refuse a folder, a pipe or a broken link that has the name of a file of the record."""
        for path in (self.path / name for name in RECORD_FILES):
            if os.path.lexists(path) and not os.path.isfile(path):
                raise InputError(
                    f"{path} is {_kind(path)}, and a file of the record has that name; move it "
                    "away or choose another --log_dir"
                )

    def _remove_if_nothing_is_kept(self, new_group: bool) -> None:
        """Remove what this run wrote, and its folders where nothing else is in them."""
        if not self._is_the_same() or any(os.path.lexists(self.path / name) for name in KEPT):
            return
        for path in (self.path / name for name in (*RECORD_FILES, LOCK)):
            if os.path.isfile(path) and not os.path.islink(path):  # a run makes no links
                with suppress(OSError):
                    path.unlink()
        self._remove_tracking()
        for folder in (self.path, self.path.parent) if new_group else (self.path,):
            with suppress(OSError):  # it holds something else, or is a link
                folder.rmdir()

    def _remove_tracking(self) -> None:
        """Remove what Weights & Biases wrote for this run; it names its folders after the run."""
        folder = self.path / "wandb"
        if folder.is_symlink():
            return
        for tracked in folder.glob(f"*run-*-{glob.escape(self.path.name)}"):
            shutil.rmtree(tracked, ignore_errors=True)
        for name in ("debug.log", "debug-internal.log", "latest-run"):
            with suppress(OSError):
                (folder / name).unlink()
        with suppress(OSError):
            folder.rmdir()


def _not_a_folder(path: Path) -> str | None:
    """Return which part of a path is in the way of a folder; None where none is."""
    for part in (*reversed(path.parents), path):
        if os.path.lexists(part) and not os.path.isdir(part):
            return f"{part} is {_kind(part)}, not a folder"
    return None


def _kind(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except OSError:
        return "a link that leads nowhere"
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a file" if stat.S_ISREG(mode) else "no ordinary file"
