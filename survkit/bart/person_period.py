"""Person-period data: one row for each subject and each time at which it was at risk.

The augmented datasets of Tiegs, Raykin and Rochlin (2024), BART-Survival, section "Data
preparation". A time represents the interval that it ends: with the distinct times
t_1 < ... < t_k, interval j is (t_(j-1), t_j].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.bart.columns import column_index
from survkit.types import BoolArray, FloatArray, InputError

MAX_TIMES = 200
"""Most distinct times by default: a subject has a row for every one at which it was at risk."""

ROUNDING = 1e-9
"""Relative error by which a time may miss a whole number of scales."""


class TrainingRows(NamedTuple):
    """The training augmented dataset: a row for each subject and time up to the subject's own.

    Parameters
    ----------
    subject : array, shape (r,), int64
        The observation that a row belongs to, counted from 0.
    interval : array, shape (r,), int64
        The row's time, as an index of `times`.
    status : array, shape (r,), bool
        True where the subject had its event in the interval.
    times : array, shape (k,), float64
        The distinct times, increasing.
    weights : array, shape (r,), float64, optional
        The weight of the row's subject.
    """

    subject: NDArray[np.int64]
    interval: NDArray[np.int64]
    status: BoolArray
    times: NDArray[np.float64]
    weights: NDArray[np.float64] | None = None

    @property
    def time(self) -> NDArray[np.float64]:
        """Return the time of each row, shape (r,)."""
        return self.times[self.interval]


def downscale(time: ArrayLike, scale: float) -> NDArray[np.float64]:
    """Return ceil(time / scale): times in units of `scale`, rounded up.

    A quotient that misses a whole number by rounding alone (1.1 / 0.1) counts as that number.

    Raises
    ------
    InputError
        Where the scale is not positive, or a time is not positive after scaling.
    """
    if not (np.isfinite(scale) and scale > 0):
        raise InputError(f"scale is {scale}; it must be positive")
    time = np.asarray(time, dtype=np.float64)
    quotient = time / scale
    whole = np.rint(quotient)
    exact = np.abs(quotient - whole) <= ROUNDING * np.abs(whole)
    scaled: NDArray[np.float64] = np.where(exact, whole, np.ceil(quotient))
    _check_positive(time, scaled, f", {{:g}} after scaling by {scale:g}")
    return scaled


def _check_positive(
    time: NDArray[np.float64], scaled: NDArray[np.float64], what_became_of_it: str = ""
) -> None:
    bad = ~(scaled > 0)  # NaN too
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"time is {time[row]:g} in row {row}{what_became_of_it.format(scaled[row])}; "
            "times must be positive, because each ends an interval"
        )


def training_rows(
    time: FloatArray,
    event: BoolArray,
    *,
    scale: float | None = None,
    weights: FloatArray | None = None,
    max_times: int = MAX_TIMES,
) -> TrainingRows:
    """Return the training augmented dataset of n subjects.

    A subject censored at a time counts as at risk, without an event, in the interval that ends
    there, as in the Kaplan-Meier estimator.

    Parameters
    ----------
    time, event : array, shape (n,)
        Time of the event or of censoring, and whether the event was seen.
    scale : float, optional
        Times become `ceil(time / scale) * scale`; as they are where not given.
    weights : array, shape (n,), optional
        Weight of each subject, at least 0.
    max_times : int
        Most distinct times.

    Raises
    ------
    InputError
        For times that are not positive, no events, a single or too many distinct times (naming a
        scale that would do), and weights that are negative, of the wrong length, or 0 for every
        row with an event or every row without.
    """
    check_weights(weights, len(time))
    given = np.asarray(time, dtype=np.float64)
    scaled = given if scale is None else downscale(given, scale)
    _check_positive(given, scaled)
    times, last = np.unique(scaled, return_inverse=True)
    if scale is not None:  # 0.9, where 3 * 0.3 is 0.8999999999999999
        times = np.array([float(f"{count * scale:.12g}") for count in times])
    _check_outcomes(len(time), event, times, max_times)
    lengths = last.astype(np.int64) + 1
    subject = np.repeat(np.arange(len(time)), lengths)
    first = np.cumsum(lengths) - lengths
    interval = np.arange(lengths.sum()) - np.repeat(first, lengths)
    status = (interval == last[subject]) & np.asarray(event, dtype=np.bool_)[subject]
    per_row = None if weights is None else np.asarray(weights, dtype=np.float64)[subject]
    if per_row is not None:
        _check_row_weights(per_row, status)
    return TrainingRows(subject, interval, status, times, per_row)


def _check_row_weights(weights: NDArray[np.float64], status: BoolArray) -> None:
    for rows, what in ((status, "with"), (~status, "without")):
        if not np.any(weights[rows]):
            raise InputError(
                f"weights are 0 for every row {what} an event; the hazard would be "
                f"{'0' if what == 'with' else '1'} everywhere"
            )


def _check_outcomes(
    num_subjects: int, event: BoolArray, times: NDArray[np.float64], max_times: int
) -> None:
    if len(event) != num_subjects:
        raise InputError(f"event has {len(event)} rows, but time has {num_subjects}")
    if not np.any(event):
        raise InputError("event is False in every row; there is no hazard to learn")
    if len(times) < 2:
        raise InputError(
            f"every time is {times[0]:g}; at least two distinct times are needed "
            "(a smaller scale keeps more)"
        )
    if len(times) > max_times:
        raise InputError(
            f"there are {len(times)} distinct times, more than {max_times}; "
            f"scale={sufficient_scale(times, max_times):g} would do"
        )


def sufficient_scale(times: FloatArray, max_times: int) -> float:
    """Return a round scale by which times fall on at most `max_times` distinct ones."""
    exact = float(np.max(times)) / max_times
    power = 10.0 ** np.floor(np.log10(exact))
    return float(next(power * digit for digit in (1, 2, 4, 5, 7, 10) if power * digit >= exact))


def check_weights(weights: FloatArray | None, n: int) -> None:
    """Refuse weights of n subjects that are of another length, negative or not finite.

    Raises
    ------
    InputError
        Naming the first bad row.
    """
    if weights is None:
        return
    if np.shape(weights) != (n,):
        raise InputError(f"weights have shape {np.shape(weights)}, but there are {n} subjects")
    bad = ~(np.isfinite(weights) & (np.asarray(weights) >= 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"weight is {weights[row]} in row {row}; weights must be finite and at least 0"
        )
    if not np.any(weights):
        raise InputError("every weight is 0; nothing would be learned")


def with_values(
    features: NDArray[np.floating], names: Sequence[str], values: Mapping[str, float]
) -> NDArray[np.floating]:
    """Return features with some columns set to one value for every subject.

    Parameters
    ----------
    features : array, shape (n, p)
        Features, left as they are.
    names : sequence of str, length p
        The columns' names.
    values : mapping of column name to value
        The intervention.

    Raises
    ------
    InputError
        For an unknown column, with the nearest known one.
    """
    changed = np.array(features)
    for name, value in values.items():
        changed[:, column_index(name, names)] = value
    return changed


def survival_from_hazard(hazard: FloatArray) -> NDArray[np.float64]:
    """Return S(t_j) = prod over q <= j of (1 - p_q), along the last axis, same shape."""
    return np.asarray(np.cumprod(1.0 - np.asarray(hazard), axis=-1), dtype=np.float64)
