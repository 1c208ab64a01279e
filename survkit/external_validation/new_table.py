"""Reads a table with outcomes as a run's own table was read; outcome columns may be renamed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.datasets.causes import cause_number, counts_by_name, interest_warning
from survkit.datasets.cells import Cells, read_cells
from survkit.datasets.columns import Column
from survkit.datasets.csv_table import (
    other_columns,
    read_event_column,
    read_subjects,
    read_time_columns,
)
from survkit.datasets.entries import check_entries, read_entries
from survkit.datasets.event_coding import events_by_coding
from survkit.datasets.outcome import DAYS
from survkit.datasets.preprocessing import CategoryColumn, Preprocessor
from survkit.datasets.problems import Problems
from survkit.datasets.schema import Schema
from survkit.datasets.table_flags import OUTCOME, SINGLE, TableFlags
from survkit.datasets.tables import RawTable
from survkit.datasets.values import MISSING_VALUES, Markers, number
from survkit.external_validation.new_data import (
    NewData,
    cause_of_interest,
    check_unit,
    encoded,
    subgroup_columns,
)
from survkit.runs.metric_text import short_unit
from survkit.runs.new_values import read_by_rule
from survkit.runs.read import FittedRun
from survkit.text import count_text, nearest
from survkit.types import InputError

_MARKS = {"point": ".", "comma": ","}
_WHAT = {
    "time_column": "time",
    "event_column": "event",
    "start_column": "first date",
    "end_column": "last date",
    "entry_column": "entry",
}


@dataclass(frozen=True)
class _Outcome:
    """Whether each event was seen (n,), causes, times (n,) and entries."""

    event: NDArray[np.bool_]
    time: NDArray[np.float64]
    cause: NDArray[np.int64] | None
    cause_names: tuple[str, ...]
    entry: NDArray[np.float64] | None
    notes: list[str]


def read_new_table(path: Path, run: FittedRun, given: TableFlags, run_unit: str) -> NewData:
    """Read a table of subjects with outcomes, encoded as in training.

    Parameters
    ----------
    path : Path
        The table, in any format that `read_cells` reads.
    run : FittedRun
        The run. Its schema says how columns are read and which hold the outcome; a run on other
        data has none, and its preprocessor says which columns are numbers and which categories.
    given : TableFlags
        What the user says of the table; what is not said is as in the run's schema.
    run_unit : str
        The unit of the run's times.

    Raises
    ------
    InputError
        With everything in the table that cannot be used.
    """
    preprocessor = run.preprocessor
    if preprocessor is None:
        raise InputError(
            f"the run was trained on {run.config['dataset']}, whose features are not made from the "
            "columns of a table"
        )
    schema = _schema(run, preprocessor, given)
    flags = _outcome_flags(schema, given, run, run_unit)
    cells = read_cells(path, separator=given.csv_separator, encoding=given.csv_encoding)
    frame, problems = cells.frame, Problems(str(path))
    found = list(map(str, frame.columns))
    _check_columns(found, flags, given, preprocessor, problems)
    problems.check()
    if flags.group_column not in found:
        flags = replace(flags, group_column=None)
    missing = Markers(schema.missing_values)
    outcome = _read_outcome(frame, flags, given, schema, problems)
    features = schema.read(frame, problems, preprocessor.columns)
    subject_id = read_subjects(frame, flags, missing, problems)
    problems.check()
    if run.schema is None:
        features = _whole_numbers(features, preprocessor)
    table = RawTable(
        features,
        event=outcome.event,
        time=outcome.time,
        subject_id=subject_id,
        cause=outcome.cause,
        cause_names=outcome.cause_names,
        entry=outcome.entry,
        categorical=tuple(c.name for c in schema.features if c.kind == "category"),
    )
    data, raw, of_values = encoded(table, run, str(path), list(frame.index))
    notes = [
        *check_unit(given.time_unit or flags.unit, run_unit, _unit_flag(given)),
        *cells.warnings,
        *outcome.notes,
        *_ignored(cells, flags, preprocessor),
        *_subjects_note(run, flags),
        *read_by_rule(frame, schema, preprocessor.columns),
        *of_values,
    ]
    of_outcome = {getattr(flags, name) for name in SINGLE}
    unused = [name for name in found if name not in raw and name not in of_outcome]
    others = other_columns(frame, unused, missing, schema.decimal)
    columns = subgroup_columns(raw, table.categorical, others)
    return NewData(path.name, _stem(path), data, raw, notes, *columns)


def _unit_flag(given: TableFlags) -> str:
    return "--time_unit" if given.time_unit else "the new table"


def _schema(run: FittedRun, preprocessor: Preprocessor, given: TableFlags) -> Schema:
    """Return how the features are read: by the run's schema, or by the kinds of its columns."""
    schema = run.schema
    if schema is None:
        coded = {c.name for c in preprocessor.coded if isinstance(c, CategoryColumn)}
        columns = tuple(
            Column(name, "category" if name in coded else "number") for name in preprocessor.columns
        )
        schema = Schema(str(run.config["dataset"]), None, None, ".", MISSING_VALUES, columns)
    if given.csv_decimal is not None:
        schema = replace(schema, decimal=_MARKS[given.csv_decimal])
    if given.missing_values:
        schema = replace(schema, missing_values=tuple(given.missing_values))
    return schema


def _outcome_flags(schema: Schema, given: TableFlags, run: FittedRun, run_unit: str) -> TableFlags:
    """Return which columns hold the outcome: those that are given, else those of the schema."""
    time = schema.time
    own: dict[str, Any] = {
        "event_column": schema.event.get("column"),
        "group_column": schema.group_column,
        "id_column": schema.id_column,
    }
    if given.time_column is None and given.start_column is None and given.end_column is None:
        own |= {
            "time_column": time.get("column"),
            "start_column": time.get("start"),
            "end_column": time.get("end"),
            "entry_column": time.get("entry"),
            "date_format": time.get("date_format"),
        }
    if own.get("start_column") or given.start_column:  # dates give times in the unit of the run
        own["time_unit"] = short_unit(run_unit) if short_unit(run_unit) in DAYS else None
    unset = {name: value for name, value in own.items() if getattr(given, name) is None}
    flags = replace(given, **unset)
    flags = replace(flags, cause_of_interest=cause_of_interest(run, given.cause_of_interest))
    needed = ("start_column", "end_column") if flags.start_column else ("time_column",)
    absent = [f"--{flag}" for flag in (*needed, "event_column") if getattr(flags, flag) is None]
    if absent:
        raise InputError(
            f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} needed: the run was "
            f"trained on {run.config['dataset']}, which does not say what the outcome columns of a "
            "table are called"
        )
    # What flags alone can be checked for; causes may be those of the schema.
    replace(flags, cause_of_interest=None if not flags.causes else flags.cause_of_interest).check()
    return flags


def _check_columns(
    found: Sequence[str],
    flags: TableFlags,
    given: TableFlags,
    preprocessor: Preprocessor,
    problems: Problems,
) -> None:
    """Note columns that are not there, and outcome columns that are features."""
    outcome = {flag: name for flag in OUTCOME if (name := getattr(flags, flag)) is not None}
    for flag, name in outcome.items():
        if name in preprocessor.columns:
            problems.add(f"--{flag} names '{name}', which is a feature of the run")
        elif name not in found:
            asked = getattr(given, flag) is not None
            hint = nearest(name, found) if asked else f"; --{flag} says what it is called here"
            whose = f"--{flag} names" if asked else f"the run's {_WHAT[flag]} column is"
            problems.add(f"{whose} '{name}', which is not there{hint}")
    for flag in ("group_column", "id_column"):
        name = getattr(given, flag)
        if name is not None and name not in found:
            problems.add(f"--{flag} names '{name}', which is not there{nearest(name, found)}")
    absent = [name for name in preprocessor.columns if name not in found]
    if absent:
        problems.add(
            f"missing column{'s' * (len(absent) > 1)} {', '.join(absent)}; the run uses "
            f"{', '.join(preprocessor.columns)}, and the columns are {', '.join(found)}"
        )


def _read_outcome(
    frame: pd.DataFrame, flags: TableFlags, given: TableFlags, schema: Schema, problems: Problems
) -> _Outcome:
    missing = Markers(schema.missing_values)
    notes: list[str] = []
    cells = frame[str(flags.event_column)]
    names: tuple[str, ...] = ()
    if flags.event_value is None and not flags.causes and schema.event:
        cause, names = events_by_coding(cells, missing, schema.event, problems)
    else:
        read = read_event_column(frame, flags, missing, problems, notes)
        names = read.cause_names
        cause = read.event.astype(np.int64) if read.cause is None else read.cause
    before = problems.count
    time = read_time_columns(frame, flags, missing, schema.decimal, problems)
    entry = read_entries(frame, flags, missing, schema.decimal, problems)
    if entry is not None and problems.count == before:
        check_entries(entry, time, frame, flags, problems)
    interest = flags.cause_of_interest
    if not names and given.cause_of_interest is not None:
        problems.add(
            f"--cause_of_interest is {given.cause_of_interest}, but the events of column "
            f"'{cells.name}' are not told apart by their causes; --causes names them"
        )
    if names and interest is not None:
        wanted = cause_number(interest, names)
        notes.append(interest_warning(counts_by_name(cause, names), interest))
        cause, names = (cause == wanted).astype(np.int64), ()
    if entry is not None and not (entry > 0).any():
        entry = None  # as everybody is observed from the start
    return _Outcome(cause > 0, time, cause if names else None, names, entry, notes)


def _whole_numbers(features: pd.DataFrame, preprocessor: Preprocessor) -> pd.DataFrame:
    """Return features whose categories are whole numbers as training wrote them: 1, not 1.0."""
    for column in preprocessor.coded:
        if not isinstance(column, CategoryColumn):
            continue
        known = set(column.values)
        features[column.name] = [_as_known(text, known) for text in features[column.name]]
    return features


def _as_known(text: str | None, known: set[str]) -> str | None:
    if text is None or text in known:
        return text
    value = number(text)
    whole = value is not None and np.isfinite(value) and float(value).is_integer()
    return str(int(value)) if whole and value is not None and str(int(value)) in known else text


def _ignored(cells: Cells, flags: TableFlags, preprocessor: Preprocessor) -> list[str]:
    used = {*preprocessor.columns, *flags.outcome.values(), flags.group_column, flags.id_column}
    names = [str(name) for name in cells.frame if name not in used and name not in cells.unnamed]
    if not names:
        return []
    return [
        f"{count_text(len(names), 'column')} not read, as training did not use them: "
        f"{', '.join(names)}"
    ]


def _subjects_note(run: FittedRun, flags: TableFlags) -> list[str]:
    column = run.schema.group_column if run.schema is not None else None
    if column is None or flags.group_column is not None:
        return []
    return [
        f"column '{column}', which names the subject of several rows, is not there: each row "
        "counts as a subject"
    ]


def _stem(path: Path) -> str:
    plain = path.with_suffix("").name if path.suffix.casefold() == ".gz" else path.name
    return Path(plain).stem
