"""A random part of some rows, and one with its share of the events."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survkit.types import BoolArray

SPLIT_SEED = 42

Rows = NDArray[np.int64]

Events = BoolArray | NDArray[np.int64]
"""Whether each event was seen; or its cause, 1 to C, and 0 where it was not."""


def random_split(rows: Rows, held_out: int, *, seed: int = SPLIT_SEED) -> tuple[Rows, Rows]:
    """Hold out a random part of some rows.

    Parameters
    ----------
    rows : array, shape (n,), int64
        Row numbers.
    held_out : int
        How many of them to hold out.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    tuple of array
        The other rows and those held out, each in random order.
    """
    # RandomState's stream is frozen, and importing scikit-learn takes longer than loading data.
    order = np.random.RandomState(seed).permutation(len(rows))
    return rows[order[held_out:]], rows[order[:held_out]]


def stratified_split(
    rows: Rows, held_out: int, event: Events, *, seed: int = SPLIT_SEED
) -> tuple[Rows, Rows]:
    """Hold out a random part of some rows that has its share of the events.

    Draws as scikit-learn's `train_test_split(stratify=event)` does, in the same order. Where that
    refuses a part too small for both kinds of rows, the part has the more frequent kind. The
    events of a part are shared among their causes in the same way.

    Parameters
    ----------
    rows : array, shape (n,), int64
        Row numbers.
    held_out : int
        How many of them to hold out.
    event : array, shape (n,), bool or int64
        Whether each of the rows has the event, or its cause.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    tuple of array
        The other rows and those held out, each in random order.
    """
    random = np.random.RandomState(seed)
    values, sizes = np.unique(event, return_counts=True)
    strata = [np.flatnonzero(event == value) for value in values]
    seen = values.astype(np.bool_)
    kept = _shares_by_cause(sizes, seen, len(rows) - held_out, random)
    out = _shares_by_cause(sizes - kept, seen, held_out, random)
    others: list[int] = []
    held: list[int] = []
    for where, of_kept, of_out in zip(strata, kept, out, strict=True):
        order = where[random.permutation(len(where))]
        others.extend(order[:of_kept])
        held.extend(order[of_kept : of_kept + of_out])
    return rows[random.permutation(others)], rows[random.permutation(held)]


def _shares_by_cause(
    sizes: NDArray[np.int64], seen: BoolArray, draws: int, random: np.random.RandomState
) -> Rows:
    """Return how many of some draws each stratum gets: first of events or none, then of causes.

    So each part has as many events as if they had one cause.
    """
    # Rows with one outcome only are one group: a group of nobody would change the draws.
    groups = [group for group in (~seen, seen) if group.any()]
    totals = np.array([sizes[group].sum() for group in groups])
    counts = np.zeros_like(sizes)
    for group, of_group in zip(groups, _shares(totals, draws, random), strict=True):
        counts[group] = _shares(sizes[group], int(of_group), random)
    return counts


def _shares(sizes: NDArray[np.int64], draws: int, random: np.random.RandomState) -> Rows:
    """Return how many of some draws each stratum gets, nearest to its share of all rows.

    What rounding down leaves goes to the strata with the largest remainders, tied ones at random.
    """
    exact = sizes / max(sizes.sum(), 1) * draws
    counts = np.floor(exact)
    left = int(draws - counts.sum())
    remainders = exact - counts
    for value in np.sort(np.unique(remainders))[::-1]:
        if left == 0:
            break
        tied = np.flatnonzero(remainders == value)
        chosen = random.choice(tied, size=min(len(tied), left), replace=False)
        counts[chosen] += 1
        left -= len(chosen)
    return np.asarray(counts, np.int64)
