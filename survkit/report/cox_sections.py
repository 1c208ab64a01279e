"""The part of a report on the hazard ratios of Cox regressions."""

from __future__ import annotations

import pandas as pd

from survkit.pages.document import Section
from survkit.pages.text_tables import TextTable
from survkit.report.material import Material
from survkit.runs.hazard_text import hazard_ratio_cells

TITLE = "Hazard ratios"


def hazard_ratios_section(material: Material) -> Section | None:
    """Return the part on hazard ratios, one table for each Cox regression; None without any.

    Runs that differ only in their seeds have one fit, unless each leaves out other rows: the
    table is that of the first one.
    """
    tables = [table for model in material.models if (table := _table(material, model))]
    if not tables:
        return None
    if len(tables) == 1:
        return Section(TITLE, tables=tuple(tables))
    parts = tuple(Section(table.caption, tables=(table,)) for table in tables)
    return Section(TITLE, parts=parts)


def _table(material: Material, model: str) -> TextTable | None:
    """Return the table of the first run of a model that has one."""
    runs = material.runs_of(model)
    if "hazard_ratios" not in runs:
        return None
    recorded = runs[runs["hazard_ratios"].map(lambda rows: isinstance(rows, list))]
    if recorded.empty:
        return None
    first = {str(name): value for name, value in recorded.iloc[0].items()}
    header, rows, notes = hazard_ratio_cells(first)
    if recorded["hazard_ratios"].map(repr).nunique() > 1:
        seed = recorded["seed"].iloc[0]
        notes.insert(0, f"The fits differ between seeds; these are those of seed {seed:.0f}.")
    text = pd.DataFrame(
        [row[1:] for row in rows],
        index=pd.Index([row[0] for row in rows], name=header[0]),
        columns=list(header[1:]),
    )
    words = ("reference",)
    return TextTable(f"Hazard ratios of {model}", text, notes=tuple(notes), words=words)
