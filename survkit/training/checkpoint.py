"""Torch files that are either whole or absent, and never hold code.

Torch does not compare the checksums in its files. Each file therefore ends in the SHA-256 of all
that is before it, as the comment of the zip archive that it is, which other readers skip.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from survkit.checked_files import check_member, read_bytes
from survkit.files import write_bytes
from survkit.types import InputError

_MARK = b"survkit sha256 "
_DIGEST_LENGTH = 64
_COMMENT_LENGTH = len(_MARK) + _DIGEST_LENGTH
_ARCHIVE_END = b"PK\x05\x06"
_END_LENGTH = 22


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Save a nested dict of tensors, numpy arrays and plain values.

    Arrays are stored as tensors; `load_checkpoint` gives tensors back.

    Raises
    ------
    InputError
        Where the file cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(_as_tensors(state), buffer)
    _append_digest(buffer)
    write_bytes(path, buffer.getvalue())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load what `save_checkpoint` wrote, onto the CPU; the file cannot run code.

    Raises
    ------
    InputError
        Where the file is missing or damaged.
    """
    content = read_bytes(path)
    if content is None:
        raise InputError(f"there is no checkpoint {path}")
    return parse_checkpoint(content, path)


def parse_checkpoint(content: bytes, path: Path) -> dict[str, Any]:
    """Return what the content of a checkpoint holds, as `load_checkpoint`.

    Raises
    ------
    InputError
        Where it is damaged; the path is for the message.
    """
    try:
        _check_bytes(content)
        state: Any = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
            raise ValueError(f"it holds a {type(state).__name__}, not values by name")
    except Exception as error:  # torch raises many kinds of error for a damaged file
        first_line = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(
            f"the checkpoint {path} is damaged ({first_line}); train again with --overwrite"
        ) from None
    return state


def _append_digest(archive: io.BytesIO) -> None:
    """Give a zip archive without a comment its SHA-256 as the comment."""
    archive.seek(-2, io.SEEK_END)  # where the length of the comment is
    archive.write(_COMMENT_LENGTH.to_bytes(2, "little") + _MARK)
    with archive.getbuffer() as content:
        digest = hashlib.sha256(content).hexdigest()
    archive.write(digest.encode())


def _check_bytes(content: bytes) -> None:
    """Compare the content with its digest; that of an earlier version with the zip's checksums."""
    split = max(len(content) - _DIGEST_LENGTH, 0)
    hashed, digest = content[:split], content[split:]
    if hashed.endswith(_MARK):
        if digest != hashlib.sha256(hashed).hexdigest().encode():
            raise ValueError("its SHA-256 is not the one at its end")
    elif content[-_END_LENGTH:].startswith(_ARCHIVE_END):
        _check_members(content)
    else:
        raise ValueError("its end is not that of a checkpoint")


def _check_members(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist():
            check_member(member)
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"its member {member.filename!r} is compressed")
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"the checksum of its member {damaged!r} is wrong")


def _as_tensors(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.array(value))
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {key: _as_tensors(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_tensors(item) for item in value]
    return value
