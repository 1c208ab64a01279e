"""The names that groups of runs may have."""

from __future__ import annotations

import os
from pathlib import Path

from survkit.text import one_line, shown
from survkit.types import InputError

LONGEST_NAME = 255
"""Longest name of a file or folder on common file systems, in bytes."""


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
        or one_line(group) != group
        or len(os.fsencode(group)) > LONGEST_NAME
    ):
        raise InputError(
            f"--group is {shown(group)}; it must be the name of one folder in --log_dir"
        )
