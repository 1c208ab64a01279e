"""What scikit-learn's users pass as y, and as times, as numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, time, timedelta
from decimal import Decimal
from numbers import Complex, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.types import BoolArray, Float64Array, FloatArray, InputError, IntArray

TIMES_ARE_NUMBERS = (
    "times are numbers in a unit of your choosing, such as the days of (end - start).dt.days"
)

_KINDS: dict[str, tuple[type, ...]] = {
    "a date": (date, time, np.datetime64, pd.Period),  # a Timestamp is a date too
    "a duration": (timedelta, np.timedelta64, pd.DateOffset),
    "a truth value": (bool, np.bool_),
    "text": (str, bytes),
}
"""What is not a number, although numpy might make one of it."""


def as_outcome(y: Any, *, causes: bool = False) -> tuple[BoolArray | IntArray, FloatArray]:
    """Return whether each event was seen, and the time of event or censoring, shape (n,) each.

    Parameters
    ----------
    y : structured array of two fields, DataFrame of two columns, array (n, 2), or two arrays
        Event first, time second, unless fields or columns are called `time` and `event`. Events
        are True/False or 1/0.
    causes : bool
        Whether events may have several causes: 0 for censored rows, else 1, 2, ..., C.

    Returns
    -------
    tuple of array
        Events are bool, or the causes, int64, where there are several. Times are floating-point
        numbers in the precision given, float64 for other numbers.

    Raises
    ------
    InputError
        For anything else, other events, or times that are missing, infinite, negative or not
        numbers, such as dates and durations; the message names the row.
    """
    if isinstance(y, pd.DataFrame) and y.shape[1] == 2:
        order = _event_first(list(y.columns))
        event, time = (y.iloc[:, column].to_numpy() for column in order)
        of_event, of_time = (f" (column '{y.columns[column]}')" for column in order)
    elif isinstance(y, np.ndarray) and y.dtype.names and len(y.dtype.names) == 2:
        names = [y.dtype.names[field] for field in _event_first(y.dtype.names)]
        event, time = (y[name] for name in names)
        of_event, of_time = (f" (field '{name}')" for name in names)
    elif _is_two_columns(y):
        event, time = map(as_array, y)
        of_event = of_time = ""
    else:
        event, time = _as_pairs(y).T
        of_event = of_time = ""
    values = np.asarray(event)
    cause = _causes(values, of_event) if causes else None
    seen: BoolArray | IntArray
    if cause is None:
        seen = _events(values, lambda row: f"the event in row {row} of y{of_event}", causes)
    else:
        seen = cause
    return seen, _times(np.asarray(time), lambda row: f"the time in row {row} of y{of_time}")


def _event_first(names: Sequence[Any]) -> tuple[int, int]:
    """Return the places of the event and the time among two names."""
    said = [str(name).casefold() for name in names]
    return (1, 0) if said == ["time", "event"] else (0, 1)


def _is_two_columns(y: Any) -> bool:
    """Whether y is a tuple of the events and the times, and not of two rows."""
    return (
        isinstance(y, tuple)
        and len(y) == 2
        and all(getattr(part, "ndim", None) == 1 or isinstance(part, list) for part in y)
        and len(y[0]) == len(y[1])
        and (len(y[0]) != 2 or all(hasattr(part, "dtype") for part in y))
    )


def _causes(values: NDArray[Any], of_event: str) -> IntArray | None:
    """Return the causes 0, 1, ..., C of events, or None where there are not several.

    Without a censored row they are not taken for causes: R codes censoring 1 and the event 2.
    """
    if values.dtype.kind not in "iuf" or not (values == np.floor(values)).all():
        return None
    found = np.unique(values)
    if found[0] != 0 or found[-1] < 2:
        return None
    missing = np.setdiff1d(np.arange(found[-1] + 1), found)
    if len(missing):
        has = ", ".join(f"{value:g}" for value in found[:10])
        raise InputError(
            f"the events of y{of_event} have the values {has}; 0 is for censored rows and 1, 2, "
            f"... are the causes, but no row has {missing[0]:g}"
        )
    return values.astype(np.int64)


def _as_pairs(y: Any) -> NDArray[Any]:
    pairs = as_array(y)
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        what = pairs.dtype if pairs.dtype.names else f"an array of shape {pairs.shape}"
        raise InputError(
            f"y is {what}; it must be a structured array or a table of two columns: whether "
            "the event was seen, and the time of the event or of censoring"
        )
    return pairs


def _events(values: NDArray[Any], place: Callable[[int], str], causes: bool) -> BoolArray:
    if values.dtype.kind in "biuf":
        good = np.isin(values, (0, 1))  # True and False are 1 and 0
    else:
        good = np.array([_kind(v) in (None, "a truth value") and v in (0, 1) for v in values])
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(
            f"{place(row)} is {_described(values[row])}; it must be True/False or 1/0"
            f"{' or, of several causes, 0, 1, 2, ...' if causes else ''} (event first, time second)"
        )
    return values.astype(np.bool_)


def _times(values: NDArray[Any], place: Callable[[int], str]) -> FloatArray:
    time = as_numbers(values, place, f"{TIMES_ARE_NUMBERS} (event first, time second)")
    bad = ~(np.isfinite(time) & (time >= 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(f"{place(row)} is {time[row]}; times must be finite and at least 0")
    return time


def as_array(values: Any) -> NDArray[Any]:
    """Return a sequence as an array, in which each value stays what it is.

    numpy alone would make text of numbers beside text, and durations of numbers beside durations.
    Rows of several lengths become objects too.
    """
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):
        return np.asarray(values, dtype=object)
    if array.dtype.kind in "USmMc" and not hasattr(values, "dtype"):
        return np.asarray(values, dtype=object)
    return array


def as_numbers(values: NDArray[Any], place: Callable[[int], str], right: str) -> FloatArray:
    """Return numbers of any type as floating-point numbers, shape (n,), NaN where missing.

    Parameters
    ----------
    values : array, shape (n,)
        Numbers; missing ones are NaN, None or pandas' NA.
    place : callable
        Where a value stands, by its row, for the error message.
    right : str
        What would be right, for the error message.

    Returns
    -------
    array, shape (n,)
        Floating-point numbers keep their precision; other numbers become float64.

    Raises
    ------
    InputError
        For anything else: dates, durations, text, truth values, complex numbers.
    """
    if values.dtype.kind == "f" and values.dtype.itemsize <= 8:
        return values
    if values.dtype.kind in "iuf":
        return values.astype(np.float64)
    for row, value in enumerate(values):
        if _kind(value) is not None:
            raise InputError(f"{place(row)} is {_described(value)}; {right}")
    return np.array([np.nan if _is_missing(v) else float(v) for v in values], dtype=np.float64)


def as_number(name: str, value: Any, right: str) -> float:
    """Return an argument that must be one number; errors are those of `as_numbers`."""
    array = as_array(value)
    if array.ndim:
        raise InputError(f"{name} is an array of shape {array.shape}; it must be one number")
    number = float(as_numbers(array.reshape(1), lambda _: name, right)[0])
    if np.isnan(number):
        raise InputError(f"{name} is missing; {right}")
    return number


def as_written(time: FloatArray) -> Float64Array:
    """Return times as float64, those of lower precision as the shortest decimals they stand for.

    A float32 of 0.1 becomes 0.1 rather than 0.10000000149, so that it falls in the same interval
    of a time grid.
    """
    if time.dtype.itemsize < 8:
        return time.astype(np.str_).astype(np.float64)
    return time.astype(np.float64)


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA


def _kind(value: Any) -> str | None:
    """Return what a value is in words, or None for a real number and a missing one."""
    for kind, types in _KINDS.items():
        if isinstance(value, types):
            return kind
    if _is_missing(value) or isinstance(value, Real | Decimal):
        return None
    return "a complex number" if isinstance(value, Complex) else f"a {type(value).__name__}"


def _described(value: Any) -> str:
    kind = _kind(value)
    text = str(value)
    if kind == "text":
        text = repr(value.item() if isinstance(value, np.generic) else value)
    elif isinstance(value, np.datetime64):
        text = str(np.datetime_as_string(value, unit="auto"))
    elif isinstance(value, np.timedelta64):
        with suppress(ValueError):  # months and years have no length
            text = str(pd.Timedelta(value))  # days, where numpy writes nanoseconds
    return text if kind in (None, "a truth value") else f"{text}, {kind}"
