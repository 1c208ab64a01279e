"""Columns that leave Cox regression without a unique or finite estimate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from survkit.types import BoolArray, FloatArray

REDUNDANT = 1e-9
"""Share of a column's variance that other columns leave unexplained, below which it adds nothing.

Above what rounding to single precision leaves, which is below 1e-13.
"""

NAMED = 5
NAMED_SUMS = 3
"""Redundant columns that are named one by one."""
EXPECTED_EVENTS = 5
"""Events expected at the value that has none, from which their absence is no chance."""


def varying_columns(matrix: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the columns of a matrix (n, q) that are not constant."""
    return np.flatnonzero(np.ptp(matrix, axis=0) > 0)


def ordering_columns(
    matrix: NDArray[np.floating], event: BoolArray, time: FloatArray
) -> NDArray[np.int64]:
    """Return the columns whose coefficient has no finite estimate without a penalty.

    At each event such a column is largest (or at each event smallest) in those who have the event,
    among all still at risk: the partial likelihood rises for ever with its coefficient. Examples
    are a copy of the time, and a category without events.

    Parameters
    ----------
    matrix : array, shape (n, q)
        The columns; constant ones are not returned.
    event, time : array, shape (n,)
        The outcomes.
    """
    order = np.argsort(time, kind="stable")
    time, event = np.asarray(time)[order], np.asarray(event)[order]
    first = np.searchsorted(time, time[event], side="left")

    def orders(column: NDArray[np.floating]) -> bool:
        column = column[order]
        of_events = column[event]
        highest = np.maximum.accumulate(column[::-1])[::-1][first]
        lowest = np.minimum.accumulate(column[::-1])[::-1][first]
        return bool((of_events == highest).all() or (of_events == lowest).all())

    found = [j for j in varying_columns(matrix) if orders(matrix[:, j])]
    return np.array(found, dtype=np.int64)


def is_rare_value(column: NDArray[np.floating], event: BoolArray) -> bool:
    """Whether all events share one value and few would be expected at the others.

    So it is with a rare category that has no event by chance.
    """
    of_events = column[event]
    if np.ptp(of_events) > 0:
        return False
    others = np.count_nonzero(column != of_events[0])
    return bool(others * event.mean() < EXPECTED_EVENTS)


def redundant_columns(matrix: NDArray[np.floating]) -> dict[int, tuple[int, ...]]:
    """Return the columns that are sums of multiples of columns before them, each with these.

    Parameters
    ----------
    matrix : array, shape (n, q)
        Columns that vary. More columns than rows are redundant without being listed one by one.
    """
    scaled = np.asarray(matrix, np.float64)
    scaled = (scaled - scaled.mean(axis=0)) / scaled.std(axis=0)
    correlation = scaled.T @ scaled / len(scaled)
    remaining = correlation.copy()
    kept: list[int] = []
    redundant: dict[int, tuple[int, ...]] = {}
    for j in range(len(correlation)):
        if remaining[j, j] < REDUNDANT:
            of_kept = correlation[np.ix_(kept, kept)]
            weights = np.linalg.solve(of_kept, correlation[kept, j])
            redundant[j] = tuple(np.array(kept)[np.abs(weights) > 1e-3].tolist())
        else:
            kept.append(j)
            remaining -= np.outer(remaining[:, j], remaining[j]) / remaining[j, j]
    return redundant


def column_problems(
    matrix: NDArray[np.floating],
    event: BoolArray,
    time: FloatArray,
    names: Sequence[str],
    *,
    penalised: bool,
) -> list[str]:
    """Return sentences on columns whose effects are not finite, or not unique.

    Parameters
    ----------
    matrix : array, shape (n, q)
        Columns that vary.
    event, time : array, shape (n,)
        The outcomes.
    names : sequence of str, length q
    penalised : bool
        Whether a penalty makes the effects unique.
    """
    found = []
    ordering = ordering_columns(matrix, event, time)
    if striking := [names[j] for j in ordering if not is_rare_value(matrix[:, j], event)]:
        found.append(
            f"at every event {listed(striking)} {'is' if len(striking) == 1 else 'are'} highest "
            "(or lowest) among all still at risk, as a copy of the time would be, so that without "
            "a penalty there is no finite effect; check what is known when the prediction is made"
        )
    if penalised:
        return found
    if len(names) >= len(matrix):
        found.append(
            f"{len(names)} columns for {len(matrix)} training rows have no unique effects without "
            "a penalty"
        )
        return found
    sums = redundant_columns(matrix).items()
    found += [
        f"'{names[column]}' adds nothing to {listed([names[j] for j in others])}, and without a "
        "penalty nothing tells their effects apart"
        for column, others in list(sums)[:NAMED_SUMS]
    ]
    return found


def listed(names: Sequence[str]) -> str:
    """Return names in quotes, the first few where there are many."""
    names = list(dict.fromkeys(names))
    shown = ", ".join(f"'{name}'" for name in names[:NAMED])
    more = len(names) - NAMED
    return f"{shown} and {more} more" if more > 0 else shown
