"""Torch files that are either whole or absent, and never hold code."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from survkit.files import write_bytes
from survkit.types import InputError


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
    write_bytes(path, buffer.getvalue())


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
