"""Digests of the files of a record, kept in its `result.json`, which has one of its own.

A record of an earlier version has none, and is read as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from survkit.checked_files import DamagedError, open_regular
from survkit.runs.place import RECORD_FILES
from survkit.types import InputError

DIGESTED = tuple(sorted({*RECORD_FILES} - {"result.json", "last.pt"}))
"""The files of a finished record beside `result.json`."""

FILES, OWN = "files", "sha256"
"""The keys of `result.json` for the digests of the other files, and for its own."""


def with_digests(result: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a result with the size and SHA-256 of the files in its folder, and its own SHA-256.

    Parameters
    ----------
    result : mapping
        Plain values, as JSON has them.
    folder : Path
        The run's folder, with all other files of the record.

    Raises
    ------
    InputError
        Where a file cannot be read.
    """
    files = {name: _digest_of(folder / name) for name in DIGESTED}
    listed = {**result, FILES: {name: own for name, own in files.items() if own is not None}}
    return {**listed, OWN: _own_digest(listed)}


def check_own_digest(result: Mapping[str, Any], path: Path) -> None:
    """Compare a result with the digest that it has of itself.

    Raises
    ------
    DamagedError
        Where they differ, or digests are there in part.
    """
    if FILES not in result and OWN not in result:
        return
    if FILES not in result or result.get(OWN) != _own_digest(result):
        raise DamagedError(path, "its content is not what its SHA-256 was made of")


def check_digest(content: bytes, path: Path, files: Mapping[str, Any]) -> None:
    """Compare the content of a file with the digest that `result.json` has of it.

    Parameters
    ----------
    content : bytes
        What the file holds.
    path : Path
        The file.
    files : mapping
        The digests in `result.json`; empty for a record of an earlier version.

    Raises
    ------
    DamagedError
        Where they differ.
    """
    known = files.get(path.name)
    if files and known is None:
        raise DamagedError(path, "result.json does not list it")
    if known and known["size"] != len(content):
        raise DamagedError(
            path, f"it has {len(content):,} bytes, and result.json says {known['size']:,}"
        )
    if known and known["sha256"] != hashlib.sha256(content).hexdigest():
        raise DamagedError(path, "its SHA-256 is not the one in result.json")


def _digest_of(path: Path) -> dict[str, Any] | None:
    try:
        with open_regular(path) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return {"size": file.tell(), "sha256": digest}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


def _own_digest(result: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a result's values, whatever the layout of its text."""
    rest = {key: value for key, value in result.items() if key != OWN}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
