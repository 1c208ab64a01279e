"""Table 1: what the subjects are like, all of them and by group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.datasets.tables import as_numbers, values_of
from survkit.describe.cohort import Cohort
from survkit.describe.differences import of_categories, of_numbers
from survkit.describe.numbers import DASH, SPACE, count_text, number_texts, share_text
from survkit.pages.text_tables import TextTable
from survkit.types import BoolArray, InputError

MOST_CATEGORIES = 12
"""Of a column with more, the less frequent categories share a line."""

FEW_NUMBERS = 2
"""A column of so few different numbers (0 and 1) is counted like categories."""

_INDENT = SPACE * 4
_BALANCE = "difference"

# No p values: they test whether groups differ by chance, which in a randomised trial they do by
# design, and they depend on the number of subjects more than on the size of a difference
# (Vandenbroucke et al. 2007, STROBE, PLoS Medicine 4:e297, item 14a).


class _Column(NamedTuple):
    """A column, and the lines that show it for any rows."""

    name: str
    numbers: NDArray[np.float64] | None
    codes: NDArray[np.int64]
    values: list[str]

    @property
    def missing(self) -> BoolArray:
        return np.asarray(self.codes < 0 if self.numbers is None else np.isnan(self.numbers))


def table_one(cohort: Cohort) -> TextTable:
    """Return Table 1 of all rows, of those with an event, by cause, and of those censored."""
    events = {f"event {name}": rows for name, rows in cohort.by_cause.items()}
    parts = {
        "all": np.ones(len(cohort), dtype=np.bool_),
        **(events or {"event seen": cohort.event}),
        "censored": ~cohort.event,
    }
    return _table("All, and by event", cohort, parts, balance=False)


def table_one_by_group(cohort: Cohort) -> TextTable:
    """Return Table 1 by the cohort's groups, with standardised differences between them."""
    groups = cohort.groups
    if groups is None:
        raise InputError("the cohort has no groups")
    parts = {name: groups.rows(number) for number, name in enumerate(groups.names)}
    return _table(f"By {groups.column}", cohort, parts, balance=True)


def _table(
    caption: str, cohort: Cohort, parts: Mapping[str, BoolArray], *, balance: bool
) -> TextTable:
    heads = [f"{name}, n = {rows.sum():,}" for name, rows in parts.items()]
    lines: list[tuple[str, ...]] = []
    compared = list(parts.values())[: cohort.groups.num_known if cohort.groups else None]
    skipped = cohort.groups.column if balance and cohort.groups is not None else None
    for column in _columns(cohort):
        if column.name == skipped:  # it says nothing within its own groups
            continue
        difference = _largest_difference(column, compared) if balance else None
        lines += _lines(column, parts, difference)
    names, *cells = zip(*lines, strict=True) if lines else ((), *[()] * (len(heads) + 1 + balance))
    columns = ["missing", *heads, *([_BALANCE] if balance else [])]
    frame = pd.DataFrame(dict(zip(columns, cells, strict=True)), index=pd.Index(names))
    return TextTable(caption, frame, notes=_notes(cohort, balance))


def _columns(cohort: Cohort) -> Iterator[_Column]:
    raw = cohort.raw
    if raw is None:
        raise InputError(f"dataset {cohort.dataset.name} has no table of columns")
    for name in raw.features:
        own, categorical = raw.features[name], name in raw.categorical
        if not categorical:
            numbers = as_numbers(own)
            if not 0 < len(np.unique(numbers[~np.isnan(numbers)])) <= FEW_NUMBERS:
                yield _Column(str(name), numbers, np.empty(0, dtype=np.int64), [])
                continue
        yield _Column(str(name), None, *values_of(own, categorical=categorical))


def _lines(
    column: _Column, parts: Mapping[str, BoolArray], difference: float | None
) -> Iterator[tuple[str, ...]]:
    """Yield the lines of a column: name, missing, a cell for each part, and the difference."""
    missing = count_text(int(column.missing.sum()))
    last = () if difference is None else (_difference_text(difference),)
    blank = () if difference is None else ("",)
    rows = list(parts.values())
    if column.numbers is not None:
        text = number_texts(column.numbers)
        cells = [_quartiles(column.numbers[own], text) for own in rows]
        yield (f"{column.name}, median{SPACE}[quartiles]", missing, *cells, *last)
        return
    yield (f"{column.name}, n{SPACE}(%)", missing, *[""] * len(rows), *last)
    totals = [int((column.codes[own] >= 0).sum()) for own in rows]
    for label, members in _shown_values(column):
        inside = np.isin(column.codes, members)
        counts = [int(inside[own].sum()) for own in rows]
        cells = [share_text(count, total) for count, total in zip(counts, totals, strict=True)]
        yield (f"{_INDENT}{label}", "", *cells, *blank)


def _shown_values(column: _Column) -> Iterator[tuple[str, list[int]]]:
    """Yield each value with its code; the rare ones of many are together."""
    if len(column.values) <= MOST_CATEGORIES:
        for code, value in enumerate(column.values):
            yield value, [code]
        return
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.values))
    order = np.argsort(-counts, kind="stable").tolist()
    for code in order[: MOST_CATEGORIES - 1]:
        yield column.values[code], [code]
    rest = order[MOST_CATEGORIES - 1 :]
    yield f"{len(rest)} others", rest


def _quartiles(numbers: NDArray[np.float64], text: Callable[[float], str]) -> str:
    known = numbers[~np.isnan(numbers)]
    if not len(known):
        return DASH
    low, median, high = map(text, np.quantile(known, [0.25, 0.5, 0.75]).tolist())
    return f"{median}{SPACE}[{low}{SPACE}to{SPACE}{high}]"


def _largest_difference(column: _Column, parts: list[BoolArray]) -> float:
    """Return the largest standardised difference between two of the parts."""
    if column.numbers is not None:
        return of_numbers([column.numbers[own & ~column.missing] for own in parts])
    counts = [
        np.bincount(column.codes[own & ~column.missing], minlength=len(column.values))
        for own in parts
    ]
    return of_categories(counts)


def _difference_text(difference: float) -> str:
    return DASH if np.isnan(difference) else f"{difference:.2f}"


def _notes(cohort: Cohort, balance: bool) -> tuple[str, ...]:
    who = f"{len(cohort):,} {cohort.who}"
    notes = [f"About all {who}, not only the rows that a model would be trained on."]
    if cohort.repeated:
        notes = [
            f"About all {who}, which are several for a subject ({cohort.num_subjects:,} subjects): "
            "subjects with more rows count more."
        ]
    notes.append(
        "Percentages are of the rows that have a value in the column; quartiles are of these rows, "
        "with linear interpolation."
    )
    if balance:
        known = cohort.groups is None or not cohort.groups.num_missing
        which = "two groups" if known else "two groups (not that of missing values)"
        notes.append(
            f"Difference: the largest standardised difference between {which}. For numbers it is "
            "the difference of means over the root of the two variances' mean (Austin 2009), for "
            f"categories that of Yang and Dalton (2012); {DASH} where it is not defined. Below 0.1 "
            "groups are commonly called balanced."
        )
    return tuple(notes)
