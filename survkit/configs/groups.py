"""The names that groups of runs may have."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from survkit.types import InputError

LONGEST_NAME = 255
"""Longest name of a file or folder on common file systems, in bytes."""

_REFUSED = ("Cc", "Cs", "Zl", "Zp")
"""Control characters, bytes that are not UTF-8, and ends of lines."""


def check_group(group: str) -> None:
    """Refuse a group that is not the name of one folder in the log folder.

    Raises
    ------
    InputError
        Naming it.
    """
    if (
        group in ("", ".", "..")
        or Path(group).name != group
        or any(unicodedata.category(letter) in _REFUSED for letter in group)
        or len(os.fsencode(group)) > LONGEST_NAME
    ):
        raise InputError(f"--group is {group!r}; it must be the name of one folder in --log_dir")
