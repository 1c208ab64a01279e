"""Any table: an outcome, and features that are found out from what the columns hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Unpack

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.datasets.assemble import CommonParameters, Dataset, build_dataset, check_events
from survkit.datasets.card import UNKNOWN_UNIT, Card
from survkit.datasets.cells import Cells, read_cells
from survkit.datasets.columns import Column, feature_columns
from survkit.datasets.leaks import CONSTANTS, check_leaks, leak_warnings
from survkit.datasets.outcome import read_events, read_times, times_between
from survkit.datasets.problems import Problems, in_rows
from survkit.datasets.schema import Schema
from survkit.datasets.table_flags import TableFlags
from survkit.datasets.tables import RawTable
from survkit.datasets.values import Markers, find_decimal
from survkit.types import InputError

_MARKS = {"point": ".", "comma": ","}


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


def load_csv(
    *,
    csv_path: Path | str | None,
    time_column: str | None = None,
    event_column: str | None = None,
    categorical_columns: Sequence[str] = (),
    time_unit: str | None = None,
    numeric_columns: Sequence[str] = (),
    drop_columns: Sequence[str] = (),
    id_column: str | None = None,
    group_column: str | None = None,
    event_value: str | None = None,
    start_column: str | None = None,
    end_column: str | None = None,
    date_format: str | None = None,
    missing_values: Sequence[str] = (),
    csv_separator: str | None = None,
    csv_decimal: Literal["point", "comma"] | None = None,
    csv_encoding: str | None = None,
    **common: Unpack[CommonParameters],
) -> Dataset:
    """Load a table; what its columns hold decides which are numbers and which categories.

    Parameters
    ----------
    csv_path : Path
        The file, with a header line; `read_cells` lists the formats.
    time_column, event_column : str
        The outcome: times of at least 0, and whether the event was seen.
    categorical_columns, numeric_columns, drop_columns : sequence of str
        Columns of categories, of numbers (read by a rule where a cell is none), and to leave out.
    time_unit : str, optional
        Unit of the times, as tables and axes name it; days, weeks, months or years between dates.
    id_column, group_column : str, optional
        What names a row, and the subject of several rows, which splits keep together.
    event_value : str, optional
        The value of the event column that means the event was seen.
    start_column, end_column, date_format : str, optional
        Dates that time is measured between, in place of `time_column`, and how they are written
        (as for `datetime.strptime`; ISO 8601 where not given).
    missing_values : sequence of str
        Cells that count as missing; `MISSING_VALUES` where none are given.
    csv_separator, csv_decimal, csv_encoding : str, optional
        How the file is written, where that is not found.
    **common
        As in `build_dataset`.

    Raises
    ------
    InputError
        For a file that cannot be read, or with everything in it that cannot be used.
    """
    flags = TableFlags(
        time_column=time_column,
        event_column=event_column,
        start_column=start_column,
        end_column=end_column,
        id_column=id_column,
        group_column=group_column,
        categorical_columns=categorical_columns,
        numeric_columns=numeric_columns,
        drop_columns=drop_columns,
        event_value=event_value,
        date_format=date_format,
        time_unit=time_unit,
        missing_values=missing_values,
        csv_separator=csv_separator,
        csv_decimal=csv_decimal,
        csv_encoding=csv_encoding,
    )
    table = _read(csv_path, flags)
    dataset = build_dataset(table.raw, table.card, **common)
    assert dataset.rows is not None
    checks = check_leaks(table.raw, table.schema, dataset.rows.train)
    return replace(
        dataset,
        card=replace(table.card, leak_checks=checks),
        warnings=(*table.warnings, *dataset.warnings, *leak_warnings(checks)),
        schema=table.schema,
    )


def table_to_describe(csv_path: Path | str | None, flags: TableFlags) -> CsvTable:
    """Read a table that no model will be trained on.

    It may have no events, no features and no time after 0. The checks for leaks look at all rows,
    and constant columns are named.

    Raises
    ------
    InputError
        For a file that cannot be read, or with everything in it that cannot be used.
    """
    table = _read(csv_path, flags, for_model=False)
    checks = check_leaks(table.raw, table.schema, np.arange(len(table.raw)))
    constant = [
        f"column '{finding.column}' is constant: {finding.detail}"
        for check in checks
        for finding in check.found
        if check.name == CONSTANTS
    ]
    return replace(
        table,
        card=replace(table.card, leak_checks=checks),
        warnings=(*table.warnings, *constant, *leak_warnings(checks)),
    )


def _read(csv_path: Path | str | None, flags: TableFlags, *, for_model: bool = True) -> CsvTable:
    if csv_path is None:
        raise InputError("dataset csv needs --csv_path")
    flags.check()
    cells = read_cells(csv_path, separator=flags.csv_separator, encoding=flags.csv_encoding)
    table, schema, warnings = read_table(cells, flags, str(csv_path), for_model=for_model)
    card = Card(
        name="csv",
        n=len(table),
        events=int(table.event.sum()),
        time_unit=flags.unit or UNKNOWN_UNIT,
        source=schema.source,
        licence="not stated",
        dropped_columns={c.name: c.left_out for c in schema.columns if c.left_out},
        notes=() if flags.unit else (f"The unit of column '{flags.time_column}' was not given.",),
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
    event, coding = _events(frame, flags, missing, problems, warnings)
    time = _times(frame, flags, missing, decimal, problems)
    columns = _columns(cells, flags, missing, decimal, problems, warnings)
    schema = Schema(
        source=Path(source).name,
        separator=cells.separator,
        encoding=cells.encoding,
        decimal=decimal,
        missing_values=flags.markers,
        columns=columns,
        event=coding,
        time={
            "column": flags.time_column,
            "start": flags.start_column,
            "end": flags.end_column,
            "date_format": flags.date_format,
            "unit": flags.unit,
        },
        id_column=flags.id_column,
        group_column=flags.group_column,
    )
    if for_model:
        _check_features(schema, problems)
    readable = [c.name for c in schema.features if c.name not in problems.columns]
    features = schema.read(frame, problems, readable)
    subject_id = _subjects(frame, flags, missing, problems)
    if for_model and (coding.get("seen") or coding.get("censored")):
        try:
            check_events(event, "the table")
        except InputError as error:
            problems.add(str(error))
    problems.check()
    found = [c.name for c in schema.features if c.kind == "category"]
    # Those that the user names first, as before any were found: their order is in the digest.
    categorical = tuple(dict.fromkeys((*flags.categorical_columns, *found)))
    table = RawTable(features, event, time, categorical=categorical, subject_id=subject_id)
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


def _events(
    frame: pd.DataFrame,
    flags: TableFlags,
    missing: Markers,
    problems: Problems,
    warnings: list[str],
) -> tuple[NDArray[np.bool_], dict[str, object]]:
    if flags.event_column is None:
        return np.zeros(len(frame), dtype=np.bool_), {}
    return read_events(frame[flags.event_column], missing, flags.event_value, problems, warnings)


def _times(
    frame: pd.DataFrame, flags: TableFlags, missing: Markers, decimal: str, problems: Problems
) -> NDArray[np.float64]:
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


def _check_features(schema: Schema, problems: Problems) -> None:
    if not schema.columns:
        problems.add("the table holds no column besides the outcome; features are needed")
    elif not schema.features:
        why = "; ".join(f"column '{c.name}' left out: {c.left_out}" for c in schema.columns)
        problems.add(f"no feature is left: {why}")


def _subjects(
    frame: pd.DataFrame, flags: TableFlags, missing: Markers, problems: Problems
) -> NDArray[np.int64] | None:
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
