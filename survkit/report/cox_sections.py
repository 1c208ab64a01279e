"""The part of a report on the hazard ratios of Cox regressions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    tables = [table for model in material.models for table in _tables(material, model)]
    if not tables:
        return None
    if len(tables) == 1:
        return Section(TITLE, tables=tuple(tables))
    parts = tuple(Section(table.caption, tables=(table,)) for table in tables)
    return Section(TITLE, parts=parts)


def _tables(material: Material, model: str) -> list[TextTable]:
    """Return the tables of the first run of a model that has any, one for each cause."""
    runs, tables = material.runs_of(model), []
    for column in ("hazard_ratios", "cause_hazard_ratios"):
        if column not in runs:
            continue
        recorded = runs[runs[column].map(lambda rows: isinstance(rows, list))]
        if recorded.empty:
            continue
        differ = recorded[column].map(repr).nunique() > 1
        seed = recorded["seed"].iloc[0] if differ else None
        first = {str(name): value for name, value in recorded.iloc[0].items()}
        of_causes = first[column] if column == "cause_hazard_ratios" else [first]
        tables += [_table(model, each, seed) for each in of_causes]
    return tables


def _table(model: str, record: Mapping[str, Any], seed: float | None) -> TextTable:
    """Return the table of a record; `seed` is that of the run where fits differ between seeds."""
    header, rows, notes = hazard_ratio_cells(record)
    if seed is not None:
        notes.insert(0, f"The fits differ between seeds; these are those of seed {seed:.0f}.")
    cause = record.get("cause")
    if cause is not None:
        notes.insert(
            0, f"Of the cause-specific hazard of {cause}: the rate among those without any event."
        )
    text = pd.DataFrame(
        [row[1:] for row in rows],
        index=pd.Index([row[0] for row in rows], name=header[0]),
        columns=list(header[1:]),
    )
    words = ("reference",)
    caption = f"Hazard ratios of {model}{'' if cause is None else f', {cause}'}"
    return TextTable(caption, text, notes=tuple(notes), words=words)
