"""What the checks of a user's own table for leaks found, as text for cards and pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

OWNERS_TASK = (
    "Nobody has examined this table for leaks. Whether a column holds what is not yet known at the "
    "time of prediction is for its owner to check. These checks were made on the training rows; "
    "they do not find every leak, and what they find need not be one."
)


def leak_check_rows(checks: Sequence[Mapping[str, Any]], *, code: str = "") -> list[list[str]]:
    """Return of each check its title, what it found ("none" without findings), and its rule.

    Parameters
    ----------
    checks : sequence of mapping
        The `leak_checks` of a record.
    code : str
        What stands on both sides of the name of a column.
    """
    return [
        [
            check["title"],
            "; ".join(_finding(f, code) for f in check["found"]) or "none",
            check["rule"],
        ]
        for check in checks
    ]


def suspicious_columns(checks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the columns in use that a check found, each with why."""
    details: dict[str, list[str]] = {}
    for finding in (finding for check in checks for finding in check["found"]):
        if finding["used"]:
            details.setdefault(finding["column"], []).append(finding["detail"])
    return [f"{column}: {'; '.join(found)}" for column, found in details.items()]


def _finding(finding: Mapping[str, Any], code: str) -> str:
    return f"{code}{finding['column']}{code} ({finding['detail']})"
