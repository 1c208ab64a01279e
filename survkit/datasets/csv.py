"""Any table: one row a subject, a time column, an event column, and features."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from survkit.datasets.assemble import Dataset, GridParameters, build_dataset
from survkit.datasets.card import UNKNOWN_UNIT, Card
from survkit.datasets.reading import read_csv
from survkit.datasets.tables import RawTable, as_numbers
from survkit.text import nearest
from survkit.types import BoolArray, InputError

_EVENT_VALUES = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}


def load_csv(
    *,
    csv_path: Path | str | None,
    time_column: str | None,
    event_column: str | None,
    categorical_columns: Sequence[str] = (),
    time_unit: str | None = None,
    **grid: Unpack[GridParameters],
) -> Dataset:
    """Load a comma-separated table; every column that is neither outcome nor listed is a number.

    Parameters
    ----------
    csv_path : Path
        The file, with a header line.
    time_column, event_column : str
        The outcome: times of at least 0, and 1/0 or True/False (1 = event seen).
    categorical_columns : sequence of str
        Columns of categories.
    time_unit : str, optional
        Unit of the times, as tables and axes name it.
    **grid
        As in `time_grid`.

    Raises
    ------
    InputError
        For a file that cannot be read, a column that is not there, outcomes that are missing or
        out of range, text in a numeric column, or too few rows or events.
    """
    if csv_path is None or time_column is None or event_column is None:
        given = {"csv_path": csv_path, "time_column": time_column, "event_column": event_column}
        absent = ", ".join(f"--{name}" for name, value in given.items() if value is None)
        raise InputError(f"dataset csv needs {absent}")
    frame = read_csv(csv_path)
    _check_columns(frame, time_column, event_column, categorical_columns)
    event, time = _events(frame[event_column]), _times(frame[time_column])
    features = frame.drop(columns=[time_column, event_column])
    advice = "; list a column of categories in --categorical_columns"
    for name in features.columns.difference(list(categorical_columns), sort=False):
        features[name] = as_numbers(features[name], advice=advice)
    table = RawTable(features, event, time, categorical=tuple(categorical_columns))
    card = Card(
        name="csv",
        n=len(table),
        events=int(event.sum()),
        time_unit=time_unit or UNKNOWN_UNIT,
        source=Path(csv_path).name,
        licence="not stated",
        notes=() if time_unit else (f"The unit of column '{time_column}' was not given.",),
    )
    return build_dataset(table, card, **grid)


def _check_columns(
    frame: pd.DataFrame, time_column: str, event_column: str, categorical_columns: Sequence[str]
) -> None:
    columns = list(map(str, frame.columns))
    asked = [("time_column", time_column), ("event_column", event_column)]
    asked += [("categorical_columns", name) for name in categorical_columns]
    for flag, name in asked:
        if name not in columns:
            raise InputError(
                f"--{flag} names '{name}'{nearest(name, columns)}, "
                f"but the columns are {', '.join(columns)}"
            )
    outcome = {time_column, event_column}
    if len(outcome) == 1:
        raise InputError(f"--time_column and --event_column both name '{time_column}'")
    if both := outcome.intersection(categorical_columns):
        raise InputError(f"--categorical_columns names the outcome column '{both.pop()}'")
    if len(columns) == len(outcome):
        raise InputError("the table holds no column besides the outcome; features are needed")


def _refuse(column: pd.Series, bad: ArrayLike, right: str, shown: str = "has no value") -> None:
    if np.any(bad):
        row = int(np.argmax(bad))
        shown = shown.format(column.iloc[row])
        raise InputError(f"column '{column.name}' {shown} in data row {row + 1}; {right}")


def _times(column: pd.Series) -> NDArray[np.float64]:
    _refuse(column, column.isna(), "every row needs an outcome")
    time = as_numbers(column)
    _refuse(column, time < 0, "times are at least 0", "is {:g}")
    return time


def _events(column: pd.Series) -> BoolArray:
    _refuse(column, column.isna(), "every row needs an outcome")
    column = column.astype(str)
    events = column.str.lower().map(_EVENT_VALUES)
    right = "events are 1 (seen) or 0 (censored), or True or False"
    _refuse(column, events.isna(), right, "is {!r}")
    return events.to_numpy(dtype=np.bool_)
