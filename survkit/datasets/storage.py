"""Files that many processes share: downloaded or built once, complete or not there at all."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from survkit.types import InputError

Arrays = dict[str, NDArray[Any]]


def write_atomically(
    path: Path, write: Callable[[Path], None], check: Callable[[Path], object] | None = None
) -> None:
    """Write a file under a temporary name in the same folder, check it, then rename it.

    A process that dies, a full disk or a failed check leaves `path` as it was.

    Parameters
    ----------
    path : Path
        The file to write; its folder must exist.
    write : callable
        Writes the file to the path it is given.
    check : callable, optional
        Reads the file at the path it is given, and raises where it is not right.
    """
    # Ends in the same suffix, as some writers add one of their own.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        write(temporary)
        if check is not None:
            check(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def ensure_file(
    path: Path, fetch: Callable[[Path], None], check: Callable[[Path], object] | None = None
) -> Path:
    """Return `path`, fetching the file first where it is not there.

    Of several processes that ask at once one fetches; the others wait and find the file.

    Raises
    ------
    InputError
        Where the folder or the file cannot be written.
    """
    if path.exists():
        return path
    try:
        lock = _lock(path)
        try:
            if not path.exists():
                write_atomically(path, fetch, check)
        finally:
            lock.release()
    except OSError as error:
        raise InputError(f"cannot write {path.absolute()}: {error.strerror or error}") from error
    return path


def load_cached(
    path: Path, build: Callable[[], Mapping[str, NDArray[Any]]], *, key: str
) -> tuple[Arrays, tuple[str, ...]]:
    """Return arrays from an npz cache, building them where it is absent, stale or damaged.

    Parameters
    ----------
    path : Path
        The cache, an .npz file without Python objects.
    build : callable
        Returns the arrays by name.
    key : str
        What the arrays depend on (a digest of sources and settings); a cache with another key is
        stale and rebuilt.

    Returns
    -------
    tuple
        The arrays, and a warning where a damaged cache was rebuilt or a cache could not be kept.
    """
    found, damage = _read_cache(path, key)
    if found is not None:
        return found, ()
    try:
        lock = _lock(path)
    except OSError as error:
        return dict(build()), (f"no cache is kept at {path}: {error.strerror}",)
    try:
        found, damage = _read_cache(path, key)
        if found is not None:
            return found, ()
        arrays = dict(build())
        return arrays, (*damage, *_keep(path, arrays, key))
    finally:
        lock.release()


def _lock(path: Path) -> FileLock:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    lock.acquire()
    return lock


def _keep(path: Path, arrays: Arrays, key: str) -> tuple[str, ...]:
    contents: dict[str, Any] = {**arrays, "cache_key": key}
    try:
        write_atomically(path, lambda temporary: np.savez(temporary, **contents))
    except OSError as error:
        return (f"no cache is kept at {path}: {error.strerror}",)
    return ()


def _read_cache(path: Path, key: str) -> tuple[Arrays | None, tuple[str, ...]]:
    if not path.exists():
        return None, ()
    try:
        # Opened here, as numpy leaves a file open that turns out not to be an archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays: Arrays = {name: archive[name] for name in archive.files}
        stored = str(arrays.pop("cache_key"))
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        return None, (f"the cache {path} was damaged ({error}) and is built anew",)
    return (arrays if stored == key else None), ()
