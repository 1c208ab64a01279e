"""What the user says of a table: which column is what, and how the file is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from survkit.datasets.cause_values import check_cause_flags
from survkit.datasets.outcome import DAYS
from survkit.datasets.problems import Problems
from survkit.datasets.values import MISSING_VALUES
from survkit.text import nearest
from survkit.types import InputError

OUTCOME = ("time_column", "event_column", "start_column", "end_column", "entry_column")
SINGLE = (*OUTCOME, "id_column", "group_column")
SEVERAL = ("categorical_columns", "numeric_columns", "drop_columns")


@dataclass(frozen=True, kw_only=True)
class TableFlags:
    """The flags of a table, named as on the command line, without its path; see `load_csv`."""

    time_column: str | None = None
    event_column: str | None = None
    start_column: str | None = None
    end_column: str | None = None
    entry_column: str | None = None
    id_column: str | None = None
    group_column: str | None = None
    categorical_columns: Sequence[str] = ()
    numeric_columns: Sequence[str] = ()
    drop_columns: Sequence[str] = ()
    event_value: str | None = None
    causes: Sequence[str] = ()
    censored_values: Sequence[str] = ()
    cause_of_interest: str | None = None
    date_format: str | None = None
    time_unit: str | None = None
    missing_values: Sequence[str] = ()
    csv_separator: str | None = None
    csv_decimal: Literal["point", "comma"] | None = None
    csv_encoding: str | None = None

    @property
    def outcome(self) -> dict[str, str]:
        """The columns of the outcome that are named, by flag."""
        return {flag: name for flag in OUTCOME if (name := getattr(self, flag)) is not None}

    @property
    def markers(self) -> tuple[str, ...]:
        """What counts as missing."""
        return tuple(self.missing_values) or MISSING_VALUES

    @property
    def unit(self) -> str | None:
        """The unit of the times, None where it is not known."""
        return self.time_unit or ("days" if self.start_column is not None else None)

    def check(self) -> None:
        """Refuse an outcome that is not given or given twice, and a unit that no dates have."""
        check_cause_flags(
            self.causes, self.censored_values, self.cause_of_interest, self.event_value
        )
        dates = self.start_column is not None or self.end_column is not None
        if dates and self.time_column is not None:
            raise InputError(
                "--time_column gives the times, and so do --start_column and --end_column; give "
                "one or the other"
            )
        needed = ("start_column", "end_column") if dates else ("time_column",)
        absent = [flag for flag in (*needed, "event_column") if getattr(self, flag) is None]
        if absent:
            or_dates = " (or --start_column and --end_column)" if "time_column" in absent else ""
            raise InputError(
                f"dataset csv needs {', '.join(f'--{flag}' for flag in absent)}{or_dates}"
            )
        if dates and self.unit not in DAYS:
            raise InputError(
                f"--time_unit is '{self.unit}'{nearest(str(self.unit), DAYS)}; times between dates "
                f"are in {', '.join(DAYS)}"
            )
        if self.date_format is not None and not dates:
            raise InputError(
                "--date_format says how the dates of --start_column and --end_column are written, "
                "which are not given"
            )

    def checked(self, columns: Sequence[str], problems: Problems) -> Self:
        """Note columns that are not there or have two uses; return the flags without the former."""
        named = [(flag, getattr(self, flag)) for flag in SINGLE]
        named += [(flag, name) for flag in SEVERAL for name in getattr(self, flag)]
        uses: dict[str, str] = {}
        for flag, name in named:
            if name is None:
                continue
            if name not in columns:
                problems.add(
                    f"--{flag} names '{name}'{nearest(name, columns)}, "
                    f"but the columns are {', '.join(columns)}"
                )
            first = uses.setdefault(name, flag)
            if first == flag or {first, flag} == {"id_column", "group_column"}:
                continue
            if first in OUTCOME and flag not in OUTCOME:
                problems.add(f"--{flag} names the outcome column '{name}'")
            else:
                problems.add(f"--{first} and --{flag} both name '{name}'")
        there: dict[str, Any] = {
            flag: name if (name := getattr(self, flag)) in columns else None for flag in SINGLE
        }
        for flag in SEVERAL:
            there[flag] = tuple(name for name in getattr(self, flag) if name in columns)
        return replace(self, **there)
