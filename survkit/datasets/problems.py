"""Collects everything that is wrong with a file, so that one message names it all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from survkit.text import one_line
from survkit.types import InputError

SHOWN_ROWS = 5


class Problems:
    """The problems found in one file.

    Parameters
    ----------
    source : str
        The file, as messages name it.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._found: list[str] = []
        self.columns: set[str] = set()

    @property
    def count(self) -> int:
        """How many there are so far."""
        return len(self._found)

    def add(self, problem: str, *, column: str | None = None) -> None:
        """Note a problem, once, and the column whose values cannot be used for it."""
        problem = one_line(problem)
        if problem not in self._found:
            self._found.append(problem)
        if column is not None:
            self.columns.add(column)

    def check(self) -> None:
        """Raise an InputError that lists every problem, if there is one."""
        if len(self._found) == 1:
            raise InputError(f"{self._source}: {self._found[0]}")
        if self._found:
            listed = "; ".join(f"({i}) {text}" for i, text in enumerate(self._found, 1))
            raise InputError(f"{self._source} has {len(self._found)} problems: {listed}")


def in_rows(rows: Sequence[int]) -> str:
    """Return how many rows these are and the first of them, as data rows counted from 1."""
    if len(rows) == 1:
        return f"in data row {rows[0]}"
    shown = ", ".join(map(str, rows[:SHOWN_ROWS])) + (", ..." if len(rows) > SHOWN_ROWS else "")
    return f"in {row_count(len(rows))} (data rows {shown})"


def row_count(count: int) -> str:
    """Return a number of rows in words: 1 row, 2 rows."""
    return f"{count} row" if count == 1 else f"{count:,} rows"


def shown_values(values: Iterable[str], most: int = 5) -> str:
    """Return the first different values, quoted."""
    different = list(dict.fromkeys(values))
    return ", ".join(map(repr, different[:most])) + (", ..." if len(different) > most else "")
