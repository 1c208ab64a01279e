"""The part of a report on the checks of a user's own table for leaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from survkit.pages.document import Box, Section
from survkit.pages.text_tables import TextTable
from survkit.report.material import Material
from survkit.runs.leak_text import OWNERS_TASK, leak_check_rows, suspicious_columns

TITLE = "Checks for leaks"


def leak_section(material: Material) -> Section | None:
    """Return the part on what was checked and found; None for data that somebody examined."""
    checks = _checks(material)
    if not checks:
        return None
    rows = leak_check_rows(checks)
    text = pd.DataFrame(
        [[found] for _, found, _ in rows],
        index=pd.Index([title for title, _, _ in rows], name="what was looked for"),
        columns=["found"],
    )
    notes = tuple(f"{title}: {rule}." for title, _, rule in rows if rule)
    table = TextTable("Columns that may know the outcome", text, notes=notes, words=("found",))
    return Section(TITLE, (OWNERS_TASK,), (table,))


def leak_box(material: Material) -> Box | None:
    """Return the warning that names columns in use which a check found; None without any."""
    found = suspicious_columns(_checks(material))
    if not found:
        return None
    sentence = "checks of this table found columns that may give the outcome away"
    return Box("Possible leaks:", sentence, tuple(found), see=TITLE)


def _checks(material: Material) -> list[Mapping[str, Any]]:
    """Return the checks of the first run that has them: all runs have the same data."""
    recorded = [c for c in material.runs.get("leak_checks", ()) if isinstance(c, list)]
    return recorded[0] if recorded else []
