"""Files that many processes share: downloaded or built once, complete or not there at all."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from survkit.checked_files import open_regular, parse_arrays
from survkit.files import cannot_write, write_atomically
from survkit.types import InputError

Arrays = dict[str, NDArray[Any]]

_KINDS = "biufU"
"""Kinds of arrays in a cache: numbers and text."""

DOWNLOAD_TIMEOUT = 60.0
"""Seconds of silence after which a download counts as failed."""


@contextmanager
def download_timeout() -> Iterator[None]:
    """Let downloads that hear nothing for a minute fail: many libraries set no limit.

    A firewall that drops packets would block them forever.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def cache_folder(data_dir: Path | str) -> Path:
    """Return the folder for caches of what is in a data directory.

    It is `cache` in the data directory; where that may not be written, a folder of its own for
    this data directory in `$XDG_CACHE_HOME/survkit` (`~/.cache/survkit`).
    """
    data_dir = Path(data_dir).resolve()
    # A superuser may write anywhere, but a folder without write permission is meant to stay.
    if os.access(data_dir, os.W_OK) and data_dir.stat().st_mode & 0o222:
        return data_dir / "cache"
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return user / "survkit" / hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]


def ensure_file(
    path: Path, fetch: Callable[[Path], None] | None, check: Callable[[Path], object] | None = None
) -> Path:
    """Return `path`, fetching the file first where it is not there.

    Of several processes that ask at once one fetches; the others wait and find the file.

    Parameters
    ----------
    path : Path
        The file.
    fetch : callable, optional
        Writes the file to the path it is given; None where a file that is not there is an error.
    check : callable, optional
        As in `write_atomically`.

    Raises
    ------
    InputError
        Where the folder or the file cannot be written, or the file is not there.
    """
    if path.exists():
        return path
    if fetch is None:
        raise InputError(f"{path.absolute()} is not there")
    try:
        with _lock(path):
            if not path.exists():
                write_atomically(path, fetch, check)
    except OSError as error:
        raise cannot_write(path, error) from error
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
    with lock:
        found, damage = _read_cache(path, key)
        if found is not None:
            return found, ()
        arrays = dict(build())
        contents: dict[str, Any] = {**arrays, "cache_key": key}
        try:
            write_atomically(path, lambda temporary: np.savez(temporary, **contents))
        except InputError as error:
            damage = (*damage, f"no cache is kept: {error}")
        return arrays, damage


def _lock(path: Path) -> AbstractContextManager[object]:
    """Acquire the lock on a file; to be released by `with`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.with_name(f".{path.name}.lock")).acquire()


def _read_cache(path: Path, key: str) -> tuple[Arrays | None, tuple[str, ...]]:
    try:
        with open_regular(path) as file:
            arrays: Arrays = parse_arrays(file, path, kinds=_KINDS)
        stored = str(arrays.pop("cache_key"))
    except (FileNotFoundError, NotADirectoryError):
        return None, ()
    except (KeyError, InputError) as error:
        return None, (f"the cache {path} was damaged ({error}) and is built anew",)
    return (arrays if stored == key else None), ()
