"""Survival curves between the times at which they are given, as arrays.

A curve on a time grid is read linearly: the probability of a class is spread evenly over its
interval (constant density; Kvamme & Borgan 2021, Lifetime Data Analysis 27:710, section 4.1). A
curve whose times are exact event times is a right-continuous step function. Both start at 1, a
linear one at what is left at time 0 where its first time is 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]

_ROUNDING = 1e-12
"""What products of many factors may be off, such as a Kaplan-Meier estimate of exactly 1/2."""


def curve_values(
    times: Float64Array, survival: Float64Array, at: Float64Array, *, step: bool
) -> Float64Array:
    """Read curves at any times, shape (n, len(at)); beyond the last time its value stays.

    Parameters
    ----------
    times, survival : array, shape (T,) and (n, T)
        The curves.
    at : array, shape (t,)
        Times of at least 0.
    step : bool
        Whether the curves are step functions.
    """
    right = np.searchsorted(times, at, side="right")
    values = np.where(right > 0, survival[:, np.maximum(right - 1, 0)], 1.0)
    inside = right < len(times)
    if step or not inside.any():
        return values
    following, start = np.where(inside, right, 0), np.where(right > 0, times[right - 1], 0.0)
    # At a time of the curve the share is 0, so its value stays as it is to the last bit.
    width = np.where(inside, times[following] - start, 1.0)
    share = np.where(inside, (at - start) / width, 0.0)
    return values + share * (survival[:, following] - values)


def own_values(
    times: Float64Array, survival: Float64Array, at: Float64Array, *, step: bool
) -> Float64Array:
    """Read each curve at a time of its own, shape (n,); as `curve_values`, with `at` (n,)."""
    right = np.searchsorted(times, at, side="right")
    rows = np.arange(len(survival))
    values = np.where(right > 0, survival[rows, np.maximum(right - 1, 0)], 1.0)
    inside = right < len(times)
    if step or not inside.any():
        return values
    following, start = np.where(inside, right, 0), np.where(right > 0, times[right - 1], 0.0)
    share = np.where(inside, (at - start) / np.where(inside, times[following] - start, 1.0), 0.0)
    return np.asarray(values + share * (survival[rows, following] - values))


def time_of_level(
    times: Float64Array, survival: Float64Array, level: float | Float64Array, *, step: bool
) -> Float64Array:
    """First time at which each curve is at or below a level, shape (n,); infinite where it is not.

    Parameters
    ----------
    times, survival, step
        As in `curve_values`.
    level : float or array, shape (n,)
        A survival in [0, 1), or one for each curve.
    """
    if times[0] > 0:
        times = np.concatenate([[0.0], times])
        survival = np.column_stack([np.ones(len(survival)), survival])
    below = survival <= np.expand_dims(level, -1) + _ROUNDING
    right = np.argmax(below, axis=1)
    reached = times[right]
    if not step:
        left = np.maximum(right - 1, 0)
        rows = np.arange(len(survival))
        high, low = survival[rows, left], survival[rows, right]
        drop = high - low
        share = np.divide(high - level, drop, out=np.zeros_like(drop), where=drop > 0)
        reached = times[left] + np.clip(share, 0, 1) * (times[right] - times[left])
    return np.where(below.any(axis=1), reached, np.inf)


def times_of_levels(
    times: Float64Array, survival: Float64Array, levels: Float64Array, *, step: bool
) -> Float64Array:
    """Return what `time_of_level` does for each of k levels, shape (n, k).

    One search a curve, where `time_of_level` compares every value of it with every level.
    """
    if times[0] > 0:
        times = np.concatenate([[0.0], times])
        survival = np.column_stack([np.ones(len(survival)), survival])
    falling = -np.minimum.accumulate(survival, axis=1)
    right = np.stack([np.searchsorted(own, -levels - _ROUNDING) for own in falling])
    known = np.minimum(right, len(times) - 1)
    reached = times[known]
    if not step:
        left = np.maximum(known - 1, 0)
        high, low = (np.take_along_axis(survival, place, axis=1) for place in (left, known))
        drop = high - low
        share = np.divide(high - levels, drop, out=np.zeros_like(drop), where=drop > 0)
        reached = times[left] + np.clip(share, 0, 1) * (times[known] - times[left])
    return np.where(right < len(times), reached, np.inf)


def area_under(
    times: Float64Array, survival: Float64Array, until: float, *, step: bool
) -> Float64Array:
    """Area under each curve from 0 to a time, shape (n,); arguments as in `curve_values`."""
    corners = np.concatenate([[0.0], times[(times > 0) & (times < until)], [until]])
    values = curve_values(times, survival, corners, step=step)
    heights = values[:, :-1] if step else (values[:, :-1] + values[:, 1:]) / 2
    return np.asarray(heights @ np.diff(corners))
