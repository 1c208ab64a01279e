"""What a cell of text means: a missing value, a number, a date."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import TypeVar

import pandas as pd

T = TypeVar("T")

MISSING_VALUES = (
    *("", "NA", "N/A", "<NA>", "NaN", "NULL", "None"),
    *(".", "?", "#N/A", "-"),
)
"""Cells that count as missing where the user does not say otherwise."""

_EXACT = frozenset({"None"})
"""Markers that count only as they are written: "none" is a category more often than not."""

_COMMA_NUMBER = re.compile(r"[+-]?(?:\d*|\d{1,3}(?:\.\d{3})+),\d+", re.ASCII)
_POINT_NUMBER = re.compile(r"[+-]?(?:\d*|\d{1,3}(?:,\d{3})+)\.\d+", re.ASCII)
_THREE_AFTER_COMMA = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
_BOUND = re.compile(r"(?:<=|>=|[<>≤≥])\s*")
_THOUSANDS = {
    ".": re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII),
    ",": re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d+)?", re.ASCII),
}
_SPACES_IN_NUMBER = re.compile(r"(?<=\d)[ \u00a0\u202f'](?=\d{3}(?!\d))", re.ASCII)
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)?", re.ASCII)
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_OTHER_DATE = re.compile(
    r"(?:\d{1,2}([./-])\d{1,2}\1(?:\d{4}|\d{2})|\d{4}([./])\d{1,2}\2\d{1,2}"
    rf"|\d{{1,2}}[ -]?{_MONTH}[ -]?\d{{2,4}}|{_MONTH} \d{{1,2}},? \d{{4}})"
    r"(?:[T ]\d{1,2}:\d{2}(?::\d{2})?(?: ?[ap]m)?)?",
    re.ASCII | re.IGNORECASE,
)
AMBIGUOUS_DATE = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-]\d{2,4}.*", re.ASCII)


class Markers:
    """Tells which cells count as missing.

    Parameters
    ----------
    given : collection of str
        The markers; an empty cell counts besides, and letter case does not, except in "None".
    """

    def __init__(self, given: Collection[str]) -> None:
        self._exact = {text.strip() for text in given}
        self._folded = {text.casefold() for text in self._exact if text not in _EXACT} | {""}
        self._longest = max(map(len, self._exact), default=0)

    def __contains__(self, cell: str) -> bool:
        if len(cell) > self._longest:  # most cells, at once
            return False
        return cell in self._exact or cell.casefold() in self._folded


def number(cell: str, decimal: str = ".") -> float | None:
    """Return the number that a cell is, the nearest double; None for any other text."""
    if decimal == ",":
        if "." in cell:
            return None
        cell = cell.replace(",", ".", 1)
    try:
        value = float(cell)
    except ValueError:
        return None
    # Python takes these for numbers too.
    return None if value != value or "_" in cell or not cell.isascii() else value


def is_whole(cell: str) -> bool:
    """Whether a cell is a whole number of digits alone."""
    return cell.isascii() and cell.isdigit()


def forced_number(cell: str, decimal: str = ".") -> float | None:
    """Return the number in a cell such as <5, 98,099 or 50.2%, None where there is none.

    A bound counts as its number, separators of thousands are left out, and so is a percent sign.
    """
    text = _BOUND.sub("", cell, count=1) if _BOUND.match(cell) else cell
    text = _SPACES_IN_NUMBER.sub("", text.removesuffix("%").strip())
    if _THOUSANDS[decimal].fullmatch(text):
        text = text.replace("," if decimal == "." else ".", "")
    return number(text, decimal)


def reads_as_number_only_by_rule(cell: str, decimal: str = ".") -> bool:
    """Whether a cell would be a number without thousands separators or a percent sign."""
    almost = not _BOUND.match(cell) and number(cell, decimal) is None
    if almost and decimal == "." and _COMMA_NUMBER.fullmatch(cell):
        return True
    return almost and forced_number(cell, decimal) is not None


def iso_date(cell: str) -> datetime | None:
    """Return the date, or date and time, that a cell is in ISO 8601; None for other text."""
    if not _ISO_DATE.fullmatch(cell):
        return None
    try:
        return datetime.fromisoformat(cell)
    except ValueError:
        return None


def looks_like_date(cell: str) -> bool:
    """Whether a cell is written like a date, with the day or the month first."""
    return bool(_ISO_DATE.fullmatch(cell) or _OTHER_DATE.fullmatch(cell))


def meanings(cells: pd.Series, meaning: Callable[[str], T]) -> list[T]:
    """Return what each cell means."""
    return [meaning(cell) for cell in cells.tolist()]


def find_decimal(columns: Sequence[Sequence[str]]) -> tuple[str | None, str]:
    """Return the decimal mark of a table without commas between cells, or None and why not.

    Parameters
    ----------
    columns : sequence of sequence of str
        The different cells of each column that are not missing.
    """
    votes: dict[str, list[str]] = {".": [], ",": []}
    for cells in columns:
        for mark, pattern in ((",", _COMMA_NUMBER), (".", _POINT_NUMBER)):
            marked = [cell for cell in cells if pattern.fullmatch(cell)]
            if marked and all(forced_number(cell, mark) is not None for cell in cells):
                votes[mark] += marked
    thousands = all(_THREE_AFTER_COMMA.fullmatch(cell) for cell in votes[","])
    if votes[","] and votes["."] and not thousands:
        return None, (
            f"some numbers have a decimal comma ({votes[','][0]}) and some a decimal point "
            f"({votes['.'][0]}); say which is right with --csv_decimal comma or point"
        )
    if votes[","] and not votes["."] and thousands:
        return None, (
            f"{votes[','][0]} may have a decimal comma or a separator of thousands; say which with "
            "--csv_decimal comma or point"
        )
    return ("," if votes[","] and not votes["."] else "."), ""
