"""The compiled loop of every BART prediction: trees, subjects, times."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True)
def _goes_left(
    rule: int, x: float, value: float, set_values: NDArray[np.float64], set_first: NDArray[np.int64]
) -> bool:
    if rule == 0:
        return x <= value
    if rule == 1:
        return x == value
    chosen = int(value)
    for position in range(set_first[chosen], set_first[chosen + 1]):
        if set_values[position] == x:
            return True
    return False


@numba.njit(cache=True, nogil=True)
def add_trees(
    column: NDArray[Any],
    left: NDArray[Any],
    value: NDArray[Any],
    first: NDArray[Any],
    set_values: NDArray[Any],
    set_first: NDArray[Any],
    rules: NDArray[Any],
    times: NDArray[Any],
    features: NDArray[Any],
    draws: NDArray[Any],
    num_trees: int,
    total: NDArray[Any],
) -> None:
    """Add the trees of some draws to `total`, shape (draws, n, k); arrays as in `Forests`."""
    for row in range(len(draws)):
        for tree in range(draws[row] * num_trees, (draws[row] + 1) * num_trees):
            root = first[tree]
            # Few trees split by time; the others give all times of a subject the same leaf.
            by_time = False
            for node in range(root, first[tree + 1]):
                by_time = by_time or column[node] == 0
            num_visits = len(times) if by_time else 1
            for subject in range(features.shape[0]):
                for j in range(num_visits):
                    node = root
                    while column[node] >= 0:
                        split = column[node]
                        x = times[j] if split == 0 else features[subject, split - 1]
                        node_left = root + left[node]
                        if _goes_left(rules[split], x, value[node], set_values, set_first):
                            node = node_left
                        else:
                            node = node_left + 1
                    if by_time:
                        total[row, subject, j] += value[node]
                    else:
                        for k in range(len(times)):
                            total[row, subject, k] += value[node]
