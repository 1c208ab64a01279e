"""Finds out what each column of a table is: number, category, date, identifier, row number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from survkit.datasets.problems import Problems, in_rows, row_count, shown_values
from survkit.datasets.values import (
    Markers,
    forced_number,
    is_whole,
    looks_like_date,
    meanings,
    number,
    reads_as_number_only_by_rule,
)

Kind = Literal["number", "category", "identifier", "date", "row number", "dropped"]

MOSTLY = 0.5
"""From this share of numbers on, a column is meant to be one of numbers."""

DATES = 0.9
NEARLY_ALL_DIFFERENT = 0.95
MANY_TEXTS = 0.25
FEW = 20
"""So few different values are no identifier, as a small table has few rows."""

NOT_A_FEATURE = "name it in {flags} to use it, or in --drop_columns to leave it out quietly"


@dataclass(frozen=True)
class Column:
    """What a column is.

    Parameters
    ----------
    name : str
        Its name.
    kind : str
        What it holds.
    forced : bool
        Whether its numbers are read by the rule of `forced_number`.
    left_out : str
        Why it is no feature; empty for a feature.
    categories : tuple of str
        The different texts of a category, sorted.
    """

    name: str
    kind: Kind
    forced: bool = False
    left_out: str = ""
    categories: tuple[str, ...] = ()


def feature_columns(
    frame: pd.DataFrame,
    unnamed: Collection[str],
    missing: Markers,
    decimal: str,
    *,
    categorical: Sequence[str],
    numeric: Sequence[str],
    problems: Problems,
    warnings: list[str],
) -> list[Column]:
    """Return what each column is; note problems and warnings.

    Parameters
    ----------
    frame : DataFrame
        The columns that may be features, as text, indexed by data row.
    unnamed : collection of str
        Names given to columns that have none in the file.
    missing : Markers
        What counts as missing.
    decimal : str
        The decimal mark.
    categorical, numeric : sequence of str
        Columns that the user says are categories, or numbers.
    problems, warnings
        What is found is added to them.
    """
    found = []
    for name in map(str, frame.columns):
        cells = frame[name][[not each for each in meanings(frame[name], missing.__contains__)]]
        if name in categorical:
            column = _category(name, cells)
        elif name in numeric:
            column = _forced(name, cells, decimal, problems, warnings)
        else:
            column = _find(name, cells, name in unnamed, decimal, problems)
        if column.left_out:
            warnings.append(f"column '{name}' left out: {column.left_out}")
        _warn_of_meaning(column, frame[name], cells, missing, warnings)
        found.append(column)
    return found


def _category(name: str, cells: pd.Series) -> Column:
    return Column(name, "category", categories=tuple(sorted(set(cells))))


def _find(
    name: str, cells: pd.Series, is_unnamed: bool, decimal: str, problems: Problems
) -> Column:
    measured = not (is_unnamed or all(map(is_whole, cells)))
    if measured and all(number(cell, decimal) is not None for cell in cells):
        return Column(name, "number")
    counts = Counter(cells)
    n, different = len(cells), len(counts)
    if _numbers_the_rows(cells, is_unnamed):
        return Column(name, "row number", left_out="it numbers the rows")
    if is_unnamed:
        return Column(name, "dropped", left_out="it has no name; name it in the file to use it")
    whole = sum(c for cell, c in counts.items() if is_whole(cell))
    if different > FEW and whole >= MOSTLY * n and different >= NEARLY_ALL_DIFFERENT * n:
        others = [cell for cell in counts if not is_whole(cell)]
        # Some identifiers have a letter: 1001, 1001a.
        if all(forced_number(cell, decimal) is None for cell in others):
            return _identifier(name, different, n)
    if all(number(cell, decimal) is not None for cell in counts):
        return Column(name, "number")
    if sum(c for cell, c in counts.items() if looks_like_date(cell)) >= DATES * n:
        use = "--start_column and --end_column can measure time from it; "
        return Column(name, "date", left_out=f"it holds dates; {use}{_use('categorical')}")
    if _meant_as_numbers(counts, decimal):
        _not_numbers(name, cells, decimal, problems)
        return Column(name, "number")
    if different > FEW and different > MANY_TEXTS * n:
        return _identifier(name, different, n)
    return _category(name, cells)


def _use(kind: str) -> str:
    return NOT_A_FEATURE.format(flags=f"--{kind}_columns")


def _identifier(name: str, different: int, n: int) -> Column:
    why = f"{different} different values in {n} rows, so it looks like an identifier or free text; "
    how = NOT_A_FEATURE.format(flags="--numeric_columns or --categorical_columns")
    return Column(name, "identifier", left_out=f"{why}name it in --id_column if it is one; {how}")


def _meant_as_numbers(counts: Mapping[str, int], decimal: str) -> bool:
    """Whether half of the cells, or of many different ones, are numbers or nearly so."""
    numbers = [
        count
        for cell, count in counts.items()
        if number(cell, decimal) is not None or reads_as_number_only_by_rule(cell, decimal)
    ]
    most_different = len(counts) > FEW and len(numbers) >= MOSTLY * len(counts)
    return most_different or sum(numbers) >= MOSTLY * sum(counts.values())


def _numbers_the_rows(cells: pd.Series, is_unnamed: bool) -> bool:
    if len(cells) < (2 if is_unnamed else 10):
        return False
    first = cells.iloc[0]
    if first not in ("0", "1"):
        return False
    start = int(first)
    return all(cell == str(i) for i, cell in enumerate(cells, start))


def _not_numbers(name: str, cells: pd.Series, decimal: str, problems: Problems) -> None:
    bad = cells[[number(cell, decimal) is None for cell in cells]]
    rule = [cell for cell in bad if forced_number(cell, decimal) is not None]
    example = f" ({rule[0]} becomes {forced_number(rule[0], decimal):.15g})" if rule else ""
    plain = len(cells) - len(bad)
    found = f"{shown_values(bad)} {in_rows(list(bad.index))}"
    what = f"is numbers in {row_count(plain)}, but {found}"
    if not plain:
        what = f"has {found}, which are not plain numbers"
    problems.add(
        f"column '{name}' {what}; name it in --numeric_columns to read such cells by a rule"
        f"{example}, in --categorical_columns if it is a column of categories, or in "
        "--drop_columns to leave it out; --missing_values names what means a missing value",
        column=name,
    )


def _forced(
    name: str, cells: pd.Series, decimal: str, problems: Problems, warnings: list[str]
) -> Column:
    plain = meanings(cells, lambda cell: number(cell, decimal) is not None)
    by_rule = cells[[not each for each in plain]]
    values = meanings(by_rule, lambda cell: forced_number(cell, decimal))
    unread = by_rule[[value is None for value in values]]
    if len(unread):
        problems.add(
            f"column '{name}', which --numeric_columns names, has {shown_values(unread)} "
            f"{in_rows(list(unread.index))}, which no rule reads as a number; name what means a "
            "missing value in --missing_values",
            column=name,
        )
    elif len(by_rule):
        pairs = zip(by_rule, values, strict=True)
        counts = Counter(f"{cell} becomes {value:.15g}" for cell, value in pairs)
        shown = ", ".join(f"{text} ({row_count(c)})" for text, c in counts.most_common(3))
        more = ", ..." if len(counts) > 3 else ""
        warnings.append(
            f"column '{name}': {len(by_rule)} of {len(cells)} values are not plain numbers and are "
            f"read by a rule: {shown}{more}"
        )
    return Column(name, "number", forced=True)


def _warn_of_meaning(
    column: Column,
    all_cells: pd.Series,
    cells: pd.Series,
    missing: Markers,
    warnings: list[str],
) -> None:
    """Warn where the text of the file may mean something else than it is taken for."""
    if column.left_out:
        return
    if column.kind == "number":
        zeros = [c for c in cells if c[0] == "0" and len(c) > 1 and is_whole(c)]
        if zeros:
            warnings.append(
                f"column '{column.name}' is read as numbers, although {min(zeros)} begins with 0; "
                "name codes in --categorical_columns"
            )
        return
    spellings: dict[str, Counter[str]] = {}
    for cell, count in Counter(cells).items():
        spellings.setdefault("".join(cell.split()).casefold(), Counter())[cell] = count
    for texts in spellings.values():
        if len(texts) > 1:
            shown = ", ".join(f"{text!r} ({row_count(c)})" for text, c in texts.most_common())
            warnings.append(
                f"column '{column.name}': {shown} differ only in case or spaces and count as "
                "different categories; correct the file if they are one"
            )
    for word in ("None", "-", "?"):
        count = int((all_cells == word).sum())
        if word in missing and count:
            warnings.append(
                f"column '{column.name}': {word!r} counts as missing ({row_count(count)}); "
                "--missing_values says otherwise"
            )
