"""What a person gives the explainer, checked: settings, training rows and baseline hazards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from survkit.text import nearest
from survkit.types import BoolArray, Float64Array, InputError


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a value that is not among the choices."""
    if value not in choices:
        raise InputError(f"{name} is {value!r}; it must be {' or '.join(map(repr, choices))}")


def check_positive(name: str, value: float | None) -> None:
    """Refuse what is neither None nor a finite number above 0."""
    if value is not None and not (is_number(value) and 0 < value < np.inf):
        raise InputError(f"{name} is {value!r}; it must be a finite number above 0")


def check_share(name: str, value: float) -> None:
    """Refuse what is not a number between 0 and 1."""
    if not is_number(value) or not 0 < value < 1:
        raise InputError(f"{name} is {value!r}; it must be above 0 and below 1")


def is_number(value: object) -> bool:
    """Return whether a value is a number; True and False are not."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def as_whole(name: str, value: int, *, at_least: int = 1) -> int:
    """Return a number, refused where it is not a whole one of at least 1, or `at_least`."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < at_least:
        raise InputError(f"{name} is {value!r}; it must be a whole number of at least {at_least}")
    return int(value)


def as_matrix(name: str, data: Any) -> Float64Array:
    """Return finite features as an array (n, p), a single row as (1, p)."""
    try:
        matrix = np.atleast_2d(np.array(data, dtype=np.float64, order="C"))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{name} must be rows of numbers, all as long ({error}); encode text as numbers"
        ) from None
    if matrix.ndim != 2 or matrix.size == 0:
        raise InputError(f"{name} has shape {matrix.shape}; it must be (n, p), with rows")
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        raise InputError(
            f"{name} is {matrix[row, column]} in row {row}, column {column}; it must be finite"
        )
    return matrix


def as_rows(name: str, data: Any, feature_names: Sequence[str]) -> Float64Array:
    """Return rows to explain, (h, p), with the columns of the training features.

    A DataFrame or a Series whose names are those of the training features is read by name, in
    any order; one that shares no name with them is read by place.
    """
    if isinstance(data, pd.DataFrame | pd.Series):
        data = _in_order(name, data, feature_names)
    rows = as_matrix(name, data)
    if rows.shape[1] != len(feature_names):
        raise InputError(
            f"{name} has {rows.shape[1]} values per row, but training_features has "
            f"{len(feature_names)} columns"
        )
    return rows


def _in_order(name: str, data: Any, feature_names: Sequence[str]) -> Any:
    labels = list(data.keys())
    known, given = set(feature_names), set(labels)
    if known == given:
        return data[list(feature_names)]
    if known & given:
        missing = ", ".join(each for each in feature_names if each not in given) or "none"
        unknown = ", ".join(str(each) for each in labels if each not in known) or "none"
        raise InputError(
            f"{name} has other columns than training_features (missing: {missing}; unknown: "
            f"{unknown})"
        )
    return data


def as_column(feature: int | str, feature_names: Sequence[str]) -> int:
    """Return the place of a column that is given by its place or its name."""
    if isinstance(feature, str):
        if feature not in feature_names:
            raise InputError(f"unknown feature '{feature}'{nearest(feature, feature_names)}")
        return feature_names.index(feature)
    if not 0 <= feature < len(feature_names):
        raise InputError(f"categorical feature {feature} is not among {len(feature_names)} columns")
    return int(feature)


def as_names(data: Any, given: Sequence[str] | None, p: int) -> tuple[str, ...]:
    """Return the features' names: those given, a DataFrame's columns, or x0, x1, ..."""
    if given is not None:
        names = tuple(map(str, given))
    elif isinstance(data, pd.DataFrame):
        names = tuple(map(str, data.columns))
    else:
        names = tuple(f"x{j}" for j in range(p))
    if len(names) != p or len(set(names)) != p:
        raise InputError(
            f"feature_names are {len(names)} names, {len(set(names))} of them different, for "
            f"{p} columns; each needs a name of its own"
        )
    return names


def as_outcomes(events: ArrayLike, times: ArrayLike, n: int) -> tuple[BoolArray, Float64Array]:
    """Return events (n,) and times (n,) of the training rows, checked."""
    event = np.asarray(events).ravel()
    time = _as_numbers("training_times", times)
    for name, values in (("training_events", event), ("training_times", time)):
        if len(values) != n:
            raise InputError(f"{name} has {len(values)} values for {n} rows of training_features")
    known = np.array([value in (0, 1) for value in event.tolist()])
    if not known.all():
        row = int(np.argmin(known))
        raise InputError(f"training_events is {event[row]} in row {row}; it must be 1 or 0")
    usable = np.isfinite(time) & (time >= 0)
    if not usable.all():
        row = int(np.argmin(usable))
        raise InputError(
            f"training_times is {time[row]} in row {row}; times must be finite and at least 0"
        )
    return event.astype(np.bool_), time


def as_output_times(times: ArrayLike | None) -> Float64Array | None:
    """Return a model's output times (q,), increasing, or None."""
    if times is None:
        return None
    array = _as_numbers("model_output_times", times)
    increasing = np.isfinite(array).all() and (np.diff(array) > 0).all()
    if len(array) == 0 or not increasing or array[0] < 0:
        raise InputError(f"model_output_times must be at least 0 and increase; got {times!r}")
    if array[-1] == 0:
        raise InputError("model_output_times is 0 alone; it must have later times")
    return array


def _as_numbers(name: str, values: Any) -> Float64Array:
    try:
        return np.asarray(values, dtype=np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be numbers ({error})") from None


def baseline_hazard(
    given: Any, choice: str, event: BoolArray, time: Float64Array
) -> Float64Array | None:
    """Return the baseline cumulative hazard at the distinct training times, shape (m,).

    It is the one given: m values, or an object with x and y (scikit-survival's StepFunction), which
    is 0 before its first time and constant after its last. Without one it is the Nelson-Aalen
    estimate of the training rows' events and times (n,), or None for the choice of "model".
    """
    if given is not None:
        if choice == "model":
            raise InputError("H0 and baseline='model' are two baselines; give one of them")
        return _given_baseline(given, np.unique(time))
    if choice == "model":
        return None
    from sksurv.nonparametric import nelson_aalen_estimator

    if not event.any():
        raise InputError(
            f"all {len(event)} training_events are 0 (censored), so there is no baseline hazard "
            "to estimate; events are needed, or H0, or baseline='model'"
        )
    return np.asarray(nelson_aalen_estimator(event, time)[1], dtype=np.float64)


def _given_baseline(baseline: Any, times: Float64Array) -> Float64Array:
    if hasattr(baseline, "x") and hasattr(baseline, "y"):
        values = getattr(baseline, "a", 1.0) * np.asarray(baseline.y) + getattr(baseline, "b", 0.0)
        steps = np.concatenate([[0.0], values])
        hazard = steps[np.searchsorted(baseline.x, times, side="right")]
    else:
        hazard = _as_numbers("H0", baseline)
    if len(hazard) != len(times):
        raise InputError(
            f"H0 has {len(hazard)} values, but there are {len(times)} distinct training times"
        )
    if not np.isfinite(hazard).all() or hazard[0] < 0 or (np.diff(hazard) < 0).any():
        raise InputError("H0 must be finite, at least 0, and must not fall along time")
    if not (hazard > 0).any():
        raise InputError("H0 is 0 at all times; the local Cox model needs a hazard to scale")
    return hazard
