"""Times: which may be given, and when two of them are the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.types.arrays import Float64Array, FloatArray
from survkit.types.errors import InputError

SMALLEST, LARGEST = 1e-18, 1e18
"""Sizes of the times and numbers that data may hold, besides 0.

Their squares exist in single precision, and their fourth powers in double.
"""

SINGLE_ROUNDING = 2.0**-24
DOUBLE_ROUNDING = 2.0**-50
"""Relative rounding of a time in single and (a few units in the last place) double precision."""


def check_times(name: str, time: FloatArray) -> None:
    """Check that times are finite, and 0 or from `SMALLEST` to `LARGEST`.

    Raises
    ------
    InputError
        Naming the first bad row.
    """
    bad = ~(np.isfinite(time) & (time >= 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(f"{name} is {time[row]} in row {row}; times must be finite and at least 0")
    beyond = (time > LARGEST) | ((time > 0) & (time < SMALLEST))
    if beyond.any():
        row = int(np.argmax(beyond))
        raise InputError(
            f"{name} is {time[row]} in row {row}; times other than 0 go from {SMALLEST:g} to "
            f"{LARGEST:g}; choose another unit"
        )


def is_single(time: FloatArray) -> bool:
    """Whether all times fit in single precision."""
    with np.errstate(over="ignore"):
        return np.array_equal(time, time.astype(np.float32))


def as_times(times: ArrayLike, horizon: float, hint: str = "") -> NDArray[np.float64]:
    """Return the times at which survival is asked for, shape (k,), at least one.

    Times of single precision that their rounding takes beyond the horizon are the horizon.

    Raises
    ------
    InputError
        For another shape, times below 0 or NaN, or (with the hint) beyond the horizon.
    """
    times = np.atleast_1d(np.asarray(times, dtype=np.float64))
    if times.ndim != 1 or len(times) == 0:
        raise InputError(f"times must be one sequence of at least one time, not {times.shape}")
    bad = times[~(times >= 0)]
    if len(bad):
        raise InputError(f"survival is asked for at time {bad[0]}; times are at least 0")
    rounded = is_single(times) and (times.max() <= horizon * (1 + SINGLE_ROUNDING))
    times = np.minimum(times, horizon) if rounded else times
    if (times > horizon).any():
        raise InputError(
            f"survival is predicted up to time {horizon}, asked for {times.max()}{hint}"
        )
    return times


def holds_steps(times: Float64Array, steps: Float64Array) -> bool:
    """Whether times hold all steps up to the last of them."""
    return bool(np.isin(steps[steps <= times[-1]], times).all())
