"""The l-infinity norm: each neighbour's maximum over time as a maximum over few lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def upper_envelopes(
    slopes: NDArray[np.float64], targets: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lines whose maximum is max_i u_ki |y_ki - s|, for every s.

    Of the 2 m lines of a neighbour, +-u (s - y), usually a few make the maximum. They are found
    for all neighbours at once, from the steepest falling one on: the next is the line that
    overtakes first.

    Parameters
    ----------
    slopes : array, shape (N, m)
        u_ki, at least 0.
    targets : array, shape (N, m)
        y_ki.

    Returns
    -------
    slope, intercept : array, shape (N, L)
        The maximum is max_l slope[k, l] s + intercept[k, l]; neighbours with fewer lines than L
        repeat their last.
    """
    rows = np.arange(len(slopes))
    products = slopes * targets
    slope = np.concatenate([-slopes, slopes], axis=1)
    intercept = np.concatenate([products, -products], axis=1)
    # The steepest falling line; of several, the highest.
    steepest = slope.min(axis=1, keepdims=True)
    current = np.where(slope == steepest, intercept, -np.inf).argmax(axis=1)
    found = [current]
    while True:
        gain = slope - slope[rows, current][:, None]
        gap = intercept[rows, current][:, None] - intercept
        meeting = np.divide(gap, gain, out=np.full_like(gain, np.inf), where=gain > 0)
        first = meeting.min(axis=1, keepdims=True)
        # Of lines that meet at one point the steepest goes on.
        tied = meeting <= first + 1e-12 * np.abs(first)
        following = np.where(tied & (gain > 0), slope, -np.inf).argmax(axis=1)
        following = np.where(np.isfinite(first[:, 0]), following, current)
        if (following == current).all():
            break
        current = following
        found.append(current)
    lines = np.stack(found, axis=1)
    return np.take_along_axis(slope, lines, axis=1), np.take_along_axis(intercept, lines, axis=1)
