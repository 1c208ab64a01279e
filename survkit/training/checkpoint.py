"""Torch files that are either whole or absent, and never hold code."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from survkit.types import InputError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name in the same folder, then rename it into place.

    Raises
    ------
    InputError
        Where the file cannot be written (a full disk, say); what was there before is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(
            f"cannot write {path}: {error.strerror}; make room or choose another --log_dir, "
            "then run the same command to go on"
        ) from None


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
    write_atomically(path, buffer.getvalue())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load what `save_checkpoint` wrote, onto the CPU; the file cannot run code.

    Raises
    ------
    InputError
        Where the file is missing or damaged.
    """
    if not path.exists():
        raise InputError(f"there is no checkpoint {path}")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds of error for a damaged file
        first_line = str(error).partition("\n")[0]
        raise InputError(
            f"the checkpoint {path} is damaged ({first_line}); train again with --overwrite"
        ) from None
    return state


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
