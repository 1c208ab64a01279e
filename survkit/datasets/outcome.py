"""The outcome of a table: whether each event was seen, and the time to it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.datasets.problems import Problems, in_rows, row_count, shown_values
from survkit.datasets.values import AMBIGUOUS_DATE, Markers, iso_date, meanings, number
from survkit.text import nearest
from survkit.types import LARGEST, SMALLEST, BoolArray

DAYS = {"days": 1.0, "weeks": 7.0, "months": 365.25 / 12, "years": 365.25}
"""Days in each unit of a time between dates."""

_PAIRS = (
    {"true": True, "false": False},
    {"yes": True, "no": False},
    {"t": True, "f": False},
)
_EVERY_ROW = "every row needs an outcome"


def read_events(
    cells: pd.Series, missing: Markers, value: str | None, problems: Problems, warnings: list[str]
) -> tuple[BoolArray, dict[str, Any]]:
    """Return whether each row's event was seen, and how the column codes events.

    Parameters
    ----------
    cells : Series
        The column, as text, indexed by data row.
    missing : Markers
        What counts as missing.
    value : str, optional
        What means that the event was seen; every other value then means that it was not.
    problems, warnings
        What is found is added to them.
    """
    present = present_cells(cells, missing, problems)
    counts = Counter(present)
    if value is None:
        meaning = _understood(counts)
        if meaning is None:
            # Of two values one is the event.
            several = "--causes names each cause, as 1=relapse 2=death; " if len(counts) > 2 else ""
            problems.add(
                f"column '{cells.name}' has the values {with_counts(counts)}; events are 1 (seen) "
                f"or 0 (censored), true/false, yes/no or t/f; {several}--event_value names the "
                "value that means the event was seen"
            )
    else:
        meaning = _named(str(cells.name), counts, value, problems)
        censored = {text: c for text, c in counts.items() if meaning and not meaning[text]}
        if len(censored) > 1:
            warnings.append(
                f"column '{cells.name}': {with_counts(censored)} count as censored, as "
                f"--event_value is {value}"
            )
    meaning = meaning or {}
    coding = {
        "column": str(cells.name),
        "seen": sorted(text for text, seen in meaning.items() if seen),
        "censored": sorted(text for text, seen in meaning.items() if not seen),
    }
    return np.array([meaning.get(cell, False) for cell in cells], dtype=np.bool_), coding


def _understood(counts: Counter[str]) -> dict[str, bool] | None:
    numbers = {text: number(text, "," if "," in text else ".") for text in counts}
    if set(numbers.values()) <= {0.0, 1.0}:  # 1, 1.0, 1,00, 1.000e+00
        return {text: value == 1.0 for text, value in numbers.items()}
    for pair in _PAIRS:
        if all(text.casefold() in pair for text in counts):
            return {text: pair[text.casefold()] for text in counts}
    return None


def _named(
    column: str, counts: Counter[str], value: str, problems: Problems
) -> dict[str, bool] | None:
    value = value.strip()
    seen = {text for text in counts if text == value}
    if not seen and number(value) is not None:
        seen = {text for text in counts if number(text) == number(value)}
    if not seen:
        problems.add(
            f"--event_value is '{value}'{nearest(value, counts)}, but column '{column}' has "
            f"the values {with_counts(counts)}"
        )
        return None
    return {text: text in seen for text in counts}


def with_counts(counts: Counter[str] | dict[str, int]) -> str:
    """Return the most frequent values, each with its number of rows."""
    common = Counter(counts).most_common(10)
    shown = ", ".join(f"{text!r} ({row_count(c)})" for text, c in common)
    return shown + (f" and {len(counts) - 10} more" if len(counts) > 10 else "")


def read_times(
    cells: pd.Series, missing: Markers, decimal: str, problems: Problems
) -> NDArray[np.float64]:
    """Return a column's times, float64, at least 0; note problems."""
    name = cells.name
    present = present_cells(cells, missing, problems)
    values = meanings(present, lambda cell: number(cell, decimal))
    text = present[[value is None for value in values]]
    if len(text):
        date = ""
        if any(AMBIGUOUS_DATE.fullmatch(cell) or iso_date(cell) for cell in text):
            date = "; --start_column and --end_column measure times between dates"
        problems.add(
            f"column '{name}' has {shown_values(text)} {in_rows(list(text.index))}; "
            f"times are numbers{date}"
        )
    numbers = pd.Series([np.nan if v is None else v for v in values], present.index, dtype=float)
    tiny = (numbers > 0) & (numbers < SMALLEST)
    for bad, right in (
        (numbers < 0, "at least 0"),
        (np.isinf(numbers), "finite"),
        (tiny | ((numbers > LARGEST) & ~np.isinf(numbers)), f"0, or {SMALLEST:g} to {LARGEST:g}"),
    ):
        if bad.any():
            problems.add(
                f"column '{name}' is {present[bad].iloc[0]} {in_rows(list(numbers[bad].index))}; "
                f"times are {right}"
            )
    time = numbers.reindex(cells.index).fillna(0.0)
    return time.to_numpy(dtype=np.float64)


def times_between(
    start: pd.Series,
    end: pd.Series,
    missing: Markers,
    unit: str,
    date_format: str | None,
    problems: Problems,
) -> NDArray[np.float64]:
    """Return the times from the dates of one column to those of another; note problems."""
    dates = [_read_dates(each, missing, date_format, problems) for each in (start, end)]
    elapsed = [
        None if one is None or other is None else (other - one).total_seconds() / 86400
        for one, other in zip(*dates, strict=True)
    ]
    before = [i for i, days in zip(start.index, elapsed, strict=True) if days and days < 0]
    if before:
        problems.add(
            f"column '{end.name}' ({end[before[0]]}) is before column '{start.name}' "
            f"({start[before[0]]}) {in_rows(before)}; times are at least 0"
        )
    time = np.array([0.0 if days is None else days for days in elapsed])
    return time / DAYS[unit]


def _read_dates(
    cells: pd.Series, missing: Markers, date_format: str | None, problems: Problems
) -> list[datetime | None]:
    def read(cell: str) -> datetime | None:
        if date_format is None:
            return iso_date(cell)
        try:
            return datetime.strptime(cell, date_format).replace(tzinfo=None)
        except ValueError:
            return None

    present = present_cells(cells, missing, problems)
    dates = dict(zip(present.index, meanings(present, read), strict=True))
    bad = present[[date is None for date in dates.values()]]
    if len(bad):
        if date_format is not None:
            right = f"--date_format is {date_format}"
        elif any(_either_order(cell) for cell in bad):
            right = (
                "the order of day and month is not certain; --date_format says how dates are "
                "written, such as %d/%m/%Y or %m/%d/%Y"
            )
        else:
            right = (
                "dates are written as 2020-12-31, or as --date_format says, such as %d.%m.%Y or "
                "%d%b%Y"
            )
        problems.add(
            f"column '{cells.name}' has {shown_values(bad)} {in_rows(list(bad.index))}; {right}"
        )
    return [dates.get(row) for row in cells.index]


def _either_order(cell: str) -> bool:
    found = AMBIGUOUS_DATE.fullmatch(cell)
    return found is not None and int(found[1]) <= 12 and int(found[2]) <= 12


def present_cells(cells: pd.Series, missing: Markers, problems: Problems) -> pd.Series:
    """Return the cells that have a value; those that have none are a problem."""
    absent = pd.Series(meanings(cells, missing.__contains__), cells.index, dtype=bool)
    if absent.any():
        rows = list(cells.index[absent])
        problems.add(f"column '{cells.name}' has no value {in_rows(rows)}; {_EVERY_ROW}")
    return cells[~absent]
