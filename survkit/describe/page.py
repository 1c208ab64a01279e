"""A description as one HTML page, and as text for the screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from survkit.datasets.card import UNKNOWN_UNIT
from survkit.describe.cohort import Cohort
from survkit.describe.numbers import SPACE, percent
from survkit.pages.document import Box, Section, render_page
from survkit.pages.text_tables import TextTable
from survkit.runs.metric_text import short_unit

MOST_LINES = 60
"""Longer tables are cut on the screen; the page has all of them."""


def facts(cohort: Cohort) -> list[str]:
    """Return what a reader must know first: how many subjects, events and censored."""
    n, events = len(cohort), int(cohort.event.sum())
    who = f"{n:,} {cohort.who}"
    if cohort.repeated:
        who += f" of {cohort.num_subjects:,} subjects"
    unit = "a unit that was not given" if cohort.unit == UNKNOWN_UNIT else short_unit(cohort.unit)
    return [
        f"{who}: {events:,} with the event ({percent(events, n)}), {n - events:,} censored "
        f"({percent(n - events, n)}); time in {unit}."
    ]


def page(cohort: Cohort, sections: Sequence[Section]) -> str:
    """Return a description as HTML."""
    card, boxes = cohort.dataset.card, []
    if warnings := cohort.dataset.warnings:
        boxes.append(Box("Warnings", "of reading the data:", tuple(warnings)))
    if card.known_leaks and cohort.dataset.schema is None:
        boxes.append(Box("Known leaks", "of these data:", tuple(card.known_leaks)))
    title = cohort.dataset.schema.source if cohort.dataset.schema is not None else card.name
    return render_page(title, sections, kind="description", facts=facts(cohort), boxes=boxes)


def screen(cohort: Cohort, sections: Sequence[Section]) -> str:
    """Return a description as text."""
    lines = facts(cohort)
    if warnings := cohort.dataset.warnings:
        lines += ["", "Warnings", *(f"- {warning}" for warning in warnings)]
    for section in sections:
        lines += ["", section.title.upper(), *section.paragraphs]
        for table in section.tables:
            lines += ["", table.caption, *_table_lines(table), *table.notes]
    return "\n".join(lines).replace(SPACE, " ")


def _table_lines(table: TextTable) -> Iterator[str]:
    columns = [
        [str(table.text.index.name or ""), *map(str, table.text.index)],
        *([str(name), *map(str, table.text[name])] for name in table.text),
    ]
    left = [True, *(name in table.words for name in table.text)]
    widths = [max(map(len, column)) for column in columns]
    lines = list(zip(*columns, strict=True))
    for line in lines[: MOST_LINES + 1]:
        cells = [
            cell.ljust(width) if to_left else cell.rjust(width)
            for cell, width, to_left in zip(line, widths, left, strict=True)
        ]
        yield "  ".join(cells).rstrip()
    if len(lines) > MOST_LINES + 1:
        yield f"... and {len(lines) - MOST_LINES - 1:,} more lines, which the page has"
