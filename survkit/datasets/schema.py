"""What was understood of a table: kept with a run, and used unchanged for new patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd

from survkit.datasets.columns import Column
from survkit.datasets.problems import Problems, in_rows, shown_values
from survkit.datasets.values import Markers, forced_number, meanings, number
from survkit.text import one_line
from survkit.types import LARGEST

_MARKS = {".": "point", ",": "comma"}


@dataclass(frozen=True)
class Schema:
    """How a table is read; plain values, so that a record can hold them.

    Parameters
    ----------
    source : str
        Name of the file.
    separator, encoding : str or None
        As in `Cells`; a file of new patients may have others.
    decimal : str
        The decimal mark.
    missing_values : tuple of str
        What counts as missing, besides an empty cell.
    columns : tuple of Column
        Every column that is not the outcome, in the order of the file.
    event : mapping
        The "column" and the texts that mean the event was "seen" or "censored"; with several
        causes also "causes", the texts of each by its name, in the order of their numbers.
    time : mapping
        The "column", or "start", "end" and "date_format", and the "unit" (None where not given);
        where subjects come under observation late, the column of the "entry".
    id_column, group_column : str, optional
        What names a row, and the subject of several rows.
    """

    source: str
    separator: str | None
    encoding: str | None
    decimal: str
    missing_values: tuple[str, ...]
    columns: tuple[Column, ...]
    event: Mapping[str, Any] = field(default_factory=dict)
    time: Mapping[str, Any] = field(default_factory=dict)
    id_column: str | None = None
    group_column: str | None = None

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns that features are made from."""
        return tuple(column for column in self.columns if not column.left_out)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Names of the columns of the training file that are no features, outcome included."""
        times = [self.time.get(key) for key in ("column", "start", "end", "entry")]
        outcome = (self.event.get("column"), *times)
        names = [column.name for column in self.columns if column.left_out]
        return tuple(dict.fromkeys(name for name in (*outcome, *names) if name))

    def read(
        self, frame: pd.DataFrame, problems: Problems, names: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return columns of text as numbers (float64) and categories (text, None where missing).

        Parameters
        ----------
        frame : DataFrame
            Text, indexed by data row, with the columns to read.
        problems : Problems
            What is found is added to it.
        names : sequence of str, optional
            Which of the features to read; all where not given.
        """
        missing = Markers(self.missing_values)
        read = {
            column.name: self._number(column, frame[column.name], missing, problems)
            if column.kind == "number"
            else _category(frame[column.name], missing)
            for column in self.features
            if names is None or column.name in names
        }
        return pd.DataFrame(read, index=pd.RangeIndex(len(frame)))

    def _number(
        self, column: Column, cells: pd.Series, missing: Markers, problems: Problems
    ) -> pd.Series:
        meaning = forced_number if column.forced else number

        def value(cell: str) -> float:
            if cell in missing:
                return np.nan
            found = meaning(cell, self.decimal)
            return np.inf if found is None else found

        values = np.array(meanings(cells, value), dtype=np.float64)
        bad = cells[np.abs(values) > LARGEST]
        if len(bad):
            are_numbers = all(meaning(cell, self.decimal) is not None for cell in bad)
            mark = _MARKS[self.decimal]
            what = f"infinite or beyond {LARGEST:g}; --missing_values names what means no value"
            what = what if are_numbers else f"not a number (with a decimal {mark})"
            problems.add(
                f"column '{column.name}' has {shown_values(bad)} {in_rows(list(bad.index))}, which "
                f"is {what}"
            )
        return pd.Series(values, dtype=np.float64)

    def describe(self) -> str:
        """Return what was understood, in a few lines."""
        how = [f"decimal {_MARKS[self.decimal]}"]
        if self.separator is not None:
            how = [f"separator {self.separator!r}", *how, str(self.encoding)]
        lines = [f"{_line(self.source)}: {', '.join(how)}"]
        for kind, plural in (("number", "numbers"), ("category", "categories")):
            named = [_shown(column) for column in self.features if column.kind == kind]
            lines.append(f"  {plural}: {', '.join(named) or 'none'}")
        lines.append(f"  event: {_line(self.event['column'])} ({self._event_codes()})")
        unit = f", in {self.time['unit']}" if self.time["unit"] else ""
        time = self.time["column"] or f"{self.time['start']} to {self.time['end']}"
        lines.append(f"  time: {_line(time)}{unit}")
        if entry := self.time.get("entry"):
            lines.append(f"  under observation from: {_line(entry)}")
        dropped = [f"{_line(c.name)} ({c.kind})" for c in self.columns if c.left_out]
        return "\n".join([*lines, f"  left out: {', '.join(dropped) or 'none'}"])

    def _event_codes(self) -> str:
        seen, censored = (_either(self.event[key]) for key in ("seen", "censored"))
        causes = {name: _either(texts) for name, texts in self.event.get("causes", {}).items()}
        if causes:
            seen = ", ".join(f"{texts} = {_line(name)}" for name, texts in causes.items())
        elif seen:
            seen = f"{seen} = seen"
        return ", ".join(
            (
                seen or "no row has the event",
                f"{censored} = censored" if censored else "no row is censored",
            )
        )

    def state(self) -> dict[str, Any]:
        """Return the schema as plain lists, text and truth values."""
        plain = {**asdict(self), "missing_values": list(self.missing_values)}
        columns = [{**asdict(c), "categories": list(c.categories)} for c in self.columns]
        return {**plain, "columns": columns}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a schema from what `state` returned."""
        columns = (Column(**{**c, "categories": tuple(c["categories"])}) for c in state["columns"])
        missing = tuple(state["missing_values"])
        return cls(**{**state, "missing_values": missing, "columns": tuple(columns)})


def _category(cells: pd.Series, missing: Markers) -> pd.Series:
    return pd.Series([None if cell in missing else cell for cell in cells], dtype=object)


def _either(texts: Sequence[str]) -> str:
    return " or ".join(map(_line, texts))


def _shown(column: Column) -> str:
    name = _line(column.name)
    return f"{name} ({len(column.categories)})" if column.kind == "category" else name


def _line(text: str) -> str:
    """Return a name or value of the table on one line."""
    return one_line(" ".join(text.split()))
