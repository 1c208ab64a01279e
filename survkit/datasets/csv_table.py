"""Reads a table: its outcome, and features that are found out from what the columns hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.datasets.assemble import MIN_EVENTS, check_events
from survkit.datasets.card import UNKNOWN_UNIT, Card
from survkit.datasets.cause_values import read_causes
from survkit.datasets.causes import (
    cause_counts,
    cause_number,
    check_each_cause,
    counts_by_name,
)
from survkit.datasets.cells import Cells, read_cells
from survkit.datasets.columns import Column, feature_columns
from survkit.datasets.entries import check_entries, late_notes, read_entries
from survkit.datasets.outcome import read_events, read_times, times_between
from survkit.datasets.problems import Problems, in_rows
from survkit.datasets.schema import Schema
from survkit.datasets.table_flags import TableFlags
from survkit.datasets.tables import RawTable
from survkit.datasets.values import Markers, find_decimal, number
from survkit.types import InputError

_MARKS = {"point": ".", "comma": ","}
_NO_UNIT = "The unit of column '{}' was not given."


class Events(NamedTuple):
    """Whether each event was seen (n,), how that is coded, and causes where there are several."""

    event: NDArray[np.bool_]
    coding: dict[str, Any]
    cause: NDArray[np.int64] | None = None
    cause_names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class CsvTable:
    """A table that was read, before it is split for a model.

    Parameters
    ----------
    raw : RawTable
        All rows in original units.
    schema : Schema
        What was understood of the file.
    card : Card
        Facts about the table.
    warnings : tuple of str
        What a reader of the table must know.
    """

    raw: RawTable
    schema: Schema
    card: Card
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the dataset."""
        return self.card.name


def read_csv(csv_path: Path | str | None, flags: TableFlags, *, for_model: bool = True) -> CsvTable:
    """Return a table as `read_table` reads it, with its card.

    Raises
    ------
    InputError
        For no file, one that cannot be read, or with everything in it that cannot be used.
    """
    if csv_path is None:
        raise InputError("dataset csv needs --csv_path")
    flags.check()
    cells = read_cells(csv_path, separator=flags.csv_separator, encoding=flags.csv_encoding)
    table, schema, warnings = read_table(cells, flags, str(csv_path), for_model=for_model)
    card = Card(
        name="csv",
        n=len(table),
        events=int(table.event.sum()),
        causes=cause_counts(table),
        time_unit=flags.unit or UNKNOWN_UNIT,
        source=schema.source,
        licence="not stated",
        dropped_columns={c.name: c.left_out for c in schema.columns if c.left_out},
        notes=(*([] if flags.unit else [_NO_UNIT.format(flags.time_column)]), *late_notes(table)),
    )
    return CsvTable(table, schema, card, warnings)


def read_table(
    cells: Cells, flags: TableFlags, source: str, *, for_model: bool = True
) -> tuple[RawTable, Schema, tuple[str, ...]]:
    """Return the raw table that cells mean, its schema and warnings.

    A model needs features and events, which a description does not.

    Raises
    ------
    InputError
        With everything that cannot be used.
    """
    problems, warnings = Problems(source), list(cells.warnings)
    frame = cells.frame
    flags = flags.checked(list(map(str, frame.columns)), problems)
    missing = Markers(flags.markers)
    decimal = _decimal(cells, flags, missing, problems)
    outcome = read_event_column(frame, flags, missing, problems, warnings)
    before = problems.count
    time = read_time_columns(frame, flags, missing, decimal, problems)
    entry = read_entries(frame, flags, missing, decimal, problems)
    if entry is not None and problems.count == before:
        check_entries(entry, time, frame, flags, problems)
    columns = _columns(cells, flags, missing, decimal, problems, warnings)
    schema = Schema(
        source=Path(source).name,
        separator=cells.separator,
        encoding=cells.encoding,
        decimal=decimal,
        missing_values=flags.markers,
        columns=columns,
        event=outcome.coding,
        time={
            "column": flags.time_column,
            "start": flags.start_column,
            "end": flags.end_column,
            "date_format": flags.date_format,
            "unit": flags.unit,
            **({} if flags.entry_column is None else {"entry": flags.entry_column}),
        },
        id_column=flags.id_column,
        group_column=flags.group_column,
    )
    if for_model:
        _check_features(schema, problems)
    readable = [c.name for c in schema.features if c.name not in problems.columns]
    features = schema.read(frame, problems, readable)
    subject_id = read_subjects(frame, flags, missing, problems)
    _check_outcome(outcome, flags, problems, for_model=for_model)
    problems.check()
    found = [c.name for c in schema.features if c.kind == "category"]
    # Those that the user names first, as before any were found: their order is in the digest.
    categorical = tuple(dict.fromkeys((*flags.categorical_columns, *found)))
    table = RawTable(
        features,
        outcome.event,
        time,
        categorical=categorical,
        subject_id=subject_id,
        cause=outcome.cause,
        cause_names=outcome.cause_names,
        entry=entry,
        others=other_columns(frame, flags.drop_columns, missing, decimal),
    )
    return table, schema, tuple(warnings)


def _decimal(cells: Cells, flags: TableFlags, missing: Markers, problems: Problems) -> str:
    if flags.csv_decimal is not None:
        return _MARKS[flags.csv_decimal]
    if cells.separator in (None, ","):
        return "."
    skipped = {*flags.categorical_columns, *flags.drop_columns, flags.id_column}
    columns = [
        [cell for cell in pd.unique(cells.frame[name]) if cell not in missing]
        for name in cells.frame
        if name not in skipped
    ]
    decimal, why_not = find_decimal(columns)
    if decimal is None:
        problems.add(why_not)
    return decimal or ","


def read_event_column(
    frame: pd.DataFrame,
    flags: TableFlags,
    missing: Markers,
    problems: Problems,
    warnings: list[str],
) -> Events:
    """Return the events of a column as its flags say, none where no column is named."""
    if flags.event_column is None:
        return Events(np.zeros(len(frame), dtype=np.bool_), {})
    cells = frame[flags.event_column]
    if not flags.causes:
        return Events(*read_events(cells, missing, flags.event_value, problems, warnings))
    cause, names, coding = read_causes(
        cells, missing, flags.causes, flags.censored_values, problems, warnings
    )
    return Events(cause > 0, coding, cause, names)


def _check_outcome(
    outcome: Events, flags: TableFlags, problems: Problems, *, for_model: bool
) -> None:
    """Note a cause of interest that is none, and events too few for a model."""
    interest = flags.cause_of_interest
    if not (outcome.coding.get("seen") or outcome.coding.get("censored")):
        return  # the column has problems of its own
    try:
        counts = {}
        event = outcome.event
        if outcome.cause is not None:
            counts = counts_by_name(outcome.cause, outcome.cause_names)
            if interest is not None:
                event = outcome.cause == cause_number(interest, outcome.cause_names)
                counts = {}
        if for_model:
            check_events(event, "the table")
            check_each_cause(counts, "the table", at_least=MIN_EVENTS)
    except InputError as error:
        problems.add(str(error))


def read_time_columns(
    frame: pd.DataFrame, flags: TableFlags, missing: Markers, decimal: str, problems: Problems
) -> NDArray[np.float64]:
    """Return the times (n,) of a column, or between two columns of dates, as the flags say."""
    if flags.time_column is not None:
        return read_times(frame[flags.time_column], missing, decimal, problems)
    if flags.start_column is None or flags.end_column is None:
        return np.zeros(len(frame))
    dates = frame[flags.start_column], frame[flags.end_column]
    return times_between(*dates, missing, str(flags.unit), flags.date_format, problems)


def _columns(
    cells: Cells,
    flags: TableFlags,
    missing: Markers,
    decimal: str,
    problems: Problems,
    warnings: list[str],
) -> tuple[Column, ...]:
    """Return what each column that is not the outcome is, in the order of the file."""
    named = dict.fromkeys(flags.drop_columns, "named in --drop_columns")
    if flags.id_column is not None:
        named[flags.id_column] = "named in --id_column"
    if flags.group_column is not None:
        named[flags.group_column] = "named in --group_column"
    outcome = set(flags.outcome.values())
    frame = cells.frame
    found = feature_columns(
        frame[[name for name in frame if name not in named and name not in outcome]],
        cells.unnamed,
        missing,
        decimal,
        categorical=flags.categorical_columns,
        numeric=flags.numeric_columns,
        problems=problems,
        warnings=warnings,
    )
    by_name = {column.name: column for column in found}
    by_name |= {
        name: Column(name, "identifier" if "drop" not in why else "dropped", left_out=why)
        for name, why in named.items()
    }
    _warn_of_repeated(frame, cells.unnamed, flags, warnings)
    return tuple(by_name[name] for name in map(str, frame) if name in by_name)


def _warn_of_repeated(
    frame: pd.DataFrame, unnamed: tuple[str, ...], flags: TableFlags, warnings: list[str]
) -> None:
    if flags.group_column is not None:
        return
    same = frame.index[frame.drop(columns=list(unnamed)).duplicated()]
    if len(same):
        warnings.append(
            f"an earlier row is repeated exactly {in_rows(list(same))}; the same subject may be in "
            "the training and the test rows"
        )
    if flags.id_column is None:
        return
    repeated = frame.index[frame[flags.id_column].duplicated(keep=False)]
    if len(repeated):
        warnings.append(
            f"column '{flags.id_column}' has the same value {in_rows(list(repeated))}; if a "
            "subject has several rows, --group_column keeps them together"
        )


def other_columns(
    frame: pd.DataFrame, names: Sequence[str], missing: Markers, decimal: str
) -> pd.DataFrame | None:
    """Return columns that make no features: numbers where all cells are, and text otherwise."""
    columns: dict[str, list[float] | list[str | None]] = {}
    for name in names:
        cells = [None if cell in missing else str(cell) for cell in frame[name]]
        numbers = [np.nan if cell is None else number(cell, decimal) for cell in cells]
        known = [each for each in numbers if each is not None and not np.isinf(each)]
        columns[name] = known if len(known) == len(cells) else cells
    return pd.DataFrame(columns) if columns else None


def _check_features(schema: Schema, problems: Problems) -> None:
    if not schema.columns:
        problems.add("the table holds no column besides the outcome; features are needed")
    elif not schema.features:
        why = "; ".join(f"column '{c.name}' left out: {c.left_out}" for c in schema.columns)
        problems.add(f"no feature is left: {why}")


def read_subjects(
    frame: pd.DataFrame, flags: TableFlags, missing: Markers, problems: Problems
) -> NDArray[np.int64] | None:
    """Return the number of each row's subject (n,), None where no column names subjects."""
    if flags.group_column is None:
        return None
    cells = frame[flags.group_column]
    absent = list(cells.index[[cell in missing for cell in cells]])
    if absent:
        problems.add(
            f"column '{flags.group_column}' has no value {in_rows(absent)}; --group_column needs "
            "a subject for every row"
        )
    return pd.factorize(cells)[0].astype(np.int64)
