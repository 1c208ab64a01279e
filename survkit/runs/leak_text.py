"""What the checks of a user's own table for leaks found, as text for cards and pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from survkit.datasets.card import Finding, used_findings

OWNERS_TASK = (
    "Nobody has examined this table for leaks. Whether a column holds what is not yet known at the "
    "time of prediction is for its owner to check. These checks were made on the training rows; "
    "they do not find every leak, and what they find need not be one."
)


def leak_check_rows(
    checks: Sequence[Mapping[str, Any]],
    *,
    code: Callable[[str], str] = str,
    text: Callable[[str], str] = str,
) -> list[list[str]]:
    """Return of each check its title, what it found ("none" without findings), and its rule.

    Parameters
    ----------
    checks : sequence of mapping
        The `leak_checks` of a record.
    code, text : callable
        How to write the name of a column, and what was found of it.
    """
    return [
        [
            check["title"],
            "; ".join(f"{code(f['column'])} ({text(f['detail'])})" for f in check["found"])
            or "none",
            check["rule"],
        ]
        for check in checks
    ]


def suspicious_columns(checks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the columns in use that a check found, each with why."""
    details = used_findings(Finding(**found) for check in checks for found in check["found"])
    return [f"{column}: {'; '.join(found)}" for column, found in details.items()]
