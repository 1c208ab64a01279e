"""What `--subgroups` may say, before there are data to compare it with."""

from __future__ import annotations

from collections.abc import Sequence

from survkit.types import InputError


def check_subgroup_names(subgroups: Sequence[str]) -> None:
    """Refuse subgroups that are empty or named twice.

    Raises
    ------
    InputError
        Naming them.
    """
    if not all(subgroups):
        raise InputError("--subgroups has an empty name; it names columns, as in sex age:50,65")
    if len(set(subgroups)) < len(subgroups):
        raise InputError(f"--subgroups names a column twice: {' '.join(subgroups)}")
