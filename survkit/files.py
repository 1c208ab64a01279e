"""Files that are either whole or absent, and the end of a log."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from survkit.checked_files import read_bytes
from survkit.types import InputError


def write_atomically(
    path: Path, write: Callable[[Path], object], check: Callable[[Path], object] | None = None
) -> None:
    """Write a file under a temporary name in the same folder, check it, then rename it.

    A process that dies, a full disk or a failed check leaves `path` as it was.

    Parameters
    ----------
    path : Path
        The file to write; its folder is made where there is none.
    write : callable
        Writes the file to the path it is given.
    check : callable, optional
        Reads the file at the path it is given, and raises where it is not right.

    Raises
    ------
    InputError
        Where the file cannot be written (a full disk, say).
    """
    # Ends in the same suffix, as some writers add one of their own.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)  # it may be a link to another file
            write(temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())  # renamed before it is on the disk, it could be lost
            if check is not None:
                check(temporary)
            temporary.replace(path)
    finally:
        with suppress(OSError):  # the folder itself may not be there
            temporary.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file's content with `write_atomically`.

    Raises
    ------
    InputError
        Where the file cannot be written.
    """
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an error of the system into one that says which file could not be written.

    Raises
    ------
    InputError
        In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error) from error


def remove_leftovers(folder: Path, names: Collection[str]) -> None:
    """Remove the temporary files that killed processes left when they wrote files of these names.

    Parameters
    ----------
    folder : Path
        A folder in which no other process writes these files now.
    names : collection of str
        The names of the files.
    """
    for path in folder.glob(".*.tmp*"):
        parts = re.fullmatch(r"\.(.+)\.\d+\.tmp(\.[^.]+)?", path.name)
        if parts and f"{parts[1]}{parts[2] or ''}" in names:
            with suppress(OSError):
                path.unlink()


def cannot_write(path: Path, error: OSError) -> InputError:
    """Return the error that says which file could not be written, why, and what to do."""
    with suppress(OSError):  # the working folder itself may be gone
        path = path.absolute()
    return InputError(
        f"cannot write {path}: {error.strerror or error}; make room or choose another "
        "folder, then run the same command to go on"
    )


def last_line(log: Path) -> str:
    """Return the last line of a log that is not empty, or '' where there is none."""
    try:
        lines = (read_bytes(log) or b"").decode("utf-8", "replace").splitlines()
    except InputError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
