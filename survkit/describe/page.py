"""A description as one HTML page, and as text for the screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from survkit.datasets.card import UNKNOWN_UNIT, counts_text
from survkit.describe.cohort import Cohort
from survkit.describe.numbers import SPACE, percent
from survkit.pages.document import Box, Section, render_page
from survkit.pages.labels import display_width, one_line, shortened
from survkit.pages.text_tables import TextTable
from survkit.runs.metric_text import short_unit

MOST_LINES = 60
"""Longer tables are cut on the screen; the page has all of them."""

LONGEST_CELL = 60
"""Longer cells are cut on the screen, too."""


def facts(cohort: Cohort) -> list[str]:
    """Return what a reader must know first: how many subjects, events and censored."""
    n, events = len(cohort), int(cohort.event.sum())
    who = f"{n:,} {cohort.who}"
    if cohort.repeated:
        who += f" of {cohort.num_subjects:,} subjects"
    unit = "a unit that was not given" if cohort.unit == UNKNOWN_UNIT else short_unit(cohort.unit)
    counts = {name: int(rows.sum()) for name, rows in cohort.by_cause.items()}
    causes = f" ({counts_text(counts)})" if counts else ""
    return [
        f"{who}: {events:,} with the event ({percent(events, n)}){causes}, {n - events:,} censored "
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
    return "\n".join([*map(_plain, lines), sections_as_text(sections)])


def sections_as_text(sections: Sequence[Section]) -> str:
    """Return sections as text for the screen, without their figures and their parts that fold."""
    lines = []
    for section in sections:
        lines += ["", section.title.upper(), *section.paragraphs]
        for table in section.tables:
            lines += ["", table.caption, *_table_lines(table), *table.notes]
    return "\n".join(_plain(line) for line in lines)


def _plain(line: str) -> str:
    """Return a line that stays one line: names and values may have line breaks in them."""
    indent = line[: len(line) - len(line.lstrip())]
    return indent.replace(SPACE, " ") + "".join(
        character if character.isprintable() else " " for character in line.strip()
    )


def _cell(text: str) -> str:
    """Return a cell on one line with its indent, cut where it would push the others away."""
    indent = len(text) - len(text.lstrip())
    return " " * indent + shortened(text, LONGEST_CELL - indent)


def _padded(cell: str, width: int, to_left: bool) -> str:
    blank = " " * (width - display_width(cell))
    return cell + blank if to_left else blank + cell


def _table_lines(table: TextTable) -> Iterator[str]:
    columns = [
        [str(table.text.index.name or ""), *map(str, table.text.index)],
        *([str(name), *map(str, table.text[name])] for name in table.text),
    ]
    left = [True, *(name in table.words for name in table.text)]
    # The last column may hold sentences, which push nothing away.
    *most, last = columns
    shown = one_line if left[-1] else _cell
    columns = [*([_cell(text) for text in column] for column in most), list(map(shown, last))]
    widths = [max(map(display_width, column)) for column in columns]
    lines = list(zip(*columns, strict=True))
    for line in lines[: MOST_LINES + 1]:
        cells = [
            _padded(cell, width, to_left)
            for cell, width, to_left in zip(line, widths, left, strict=True)
        ]
        yield "  ".join(cells).rstrip()
    if len(lines) > MOST_LINES + 1:
        yield f"... and {len(lines) - MOST_LINES - 1:,} more lines, which the page has"
