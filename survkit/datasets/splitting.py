"""Which rows are for training, validation and test."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.types import BoolArray, InputError, Splits

SPLIT_SEED = 42
STRATIFIED_BELOW = 2000
"""Tables of fewer rows are stratified by the event unless asked otherwise."""

ENOUGH_EVENTS = 10
"""With at least this many events, each part of a stratified split has one."""

Rows = NDArray[np.int64]


class SplitRows(NamedTuple):
    """The row numbers of each split."""

    train: Rows
    validation: Rows
    test: Rows


def is_stratified(n: int, asked: bool | None) -> bool:
    """Whether a split of n rows is stratified by the event: as asked, else below 2,000 rows."""
    return n < STRATIFIED_BELOW if asked is None else asked


def split_rows(
    n: int, subject_id: NDArray[np.int64] | None = None, *, event: BoolArray | None = None
) -> SplitRows:
    """Split rows 80/10/10 by two random splits with a fixed seed, test first.

    The rows are those of two calls of scikit-learn's `train_test_split` with `random_state` 42.

    Parameters
    ----------
    n : int
        Number of rows.
    subject_id : array, shape (n,), optional
        Subjects of several rows are split whole.
    event : array, shape (n,), bool, optional
        Stratify by this, so that each part has its share of the events. A subject counts as
        having the event where any of its rows has it.

    Raises
    ------
    InputError
        For fewer than three subjects.
    """
    subjects = np.arange(n) if subject_id is None else np.unique(subject_id)
    if (count := len(subjects)) < 3:
        raise InputError(f"{count} subjects cannot be split in three; at least 3 are needed")
    if event is not None and subject_id is not None:
        event = np.isin(subjects, subject_id[event])
    # Whole numbers, as 0.1 / 0.9 of a round number of rows can round to one row more.
    rest, test = _hold_out(np.arange(count), -(-count // 10), event)
    train, validation = _hold_out(rest, -(-len(rest) // 9), event)
    if subject_id is None:
        return SplitRows(train, validation, test)
    parts = (
        np.flatnonzero(np.isin(subject_id, subjects[part])) for part in (train, validation, test)
    )
    return SplitRows(*parts)


def _hold_out(rows: Rows, held_out: int, event: BoolArray | None) -> tuple[Rows, Rows]:
    if event is None:
        return random_split(rows, held_out)
    return stratified_split(rows, held_out, event[rows])


def random_split(rows: Rows, held_out: int) -> tuple[Rows, Rows]:
    """Hold out a random part of some rows with a fixed seed.

    Parameters
    ----------
    rows : array, shape (n,), int64
        Row numbers.
    held_out : int
        How many of them to hold out.

    Returns
    -------
    tuple of array
        The other rows and those held out, each in random order.
    """
    # RandomState's stream is frozen, and importing scikit-learn takes longer than loading data.
    order = np.random.RandomState(SPLIT_SEED).permutation(len(rows))
    return rows[order[held_out:]], rows[order[:held_out]]


def stratified_split(rows: Rows, held_out: int, event: BoolArray) -> tuple[Rows, Rows]:
    """Hold out a random part of some rows that has its share of the events, with a fixed seed.

    Draws as scikit-learn's `train_test_split(stratify=event)` does, in the same order. Where that
    refuses a part too small for both kinds of rows, the part has the more frequent kind.

    Parameters
    ----------
    rows : array, shape (n,), int64
        Row numbers.
    held_out : int
        How many of them to hold out.
    event : array, shape (n,), bool
        Whether each of the rows has the event.

    Returns
    -------
    tuple of array
        The other rows and those held out, each in random order.
    """
    random = np.random.RandomState(SPLIT_SEED)
    # Rows with one outcome only are one stratum: a stratum of nobody would change the draws.
    strata = [where for where in (np.flatnonzero(~event), np.flatnonzero(event)) if len(where)]
    sizes = np.array([len(where) for where in strata])
    kept = _shares(sizes, len(rows) - held_out, random)
    out = _shares(sizes - kept, held_out, random)
    others: list[int] = []
    held: list[int] = []
    for where, of_kept, of_out in zip(strata, kept, out, strict=True):
        order = where[random.permutation(len(where))]
        others.extend(order[:of_kept])
        held.extend(order[of_kept : of_kept + of_out])
    return rows[random.permutation(others)], rows[random.permutation(held)]


def _shares(sizes: NDArray[np.int64], draws: int, random: np.random.RandomState) -> Rows:
    """Return how many of some draws each stratum gets, nearest to its share of all rows.

    What rounding down leaves goes to the strata with the largest remainders, tied ones at random.
    """
    exact = sizes / sizes.sum() * draws
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


def check_event_in_each_part(splits: Splits, *, stratified: bool) -> None:
    """Refuse a split with a part in which nobody has the event: nothing can be told from it.

    Raises
    ------
    InputError
        Naming the first such part, how many events there are, and what to do.
    """
    n, events = sum(map(len, splits)), sum(int(part.event.sum()) for part in splits)
    for name, part in zip(("training", "validation", "test"), splits, strict=True):
        if part.event.any():
            continue
        if not stratified and events >= 3:
            remedy = "--stratified_split gives each part its share of them"
        else:
            remedy = (
                "too few for training, validation and test; a stratified split has one in each "
                f"part from {ENOUGH_EVENTS} events on, so use more rows or a longer follow-up"
            )
        raise InputError(
            f"none of the {len(part):,} {name} rows has the event; all {n:,} rows have "
            f"{events:,} event{'s' if events != 1 else ''}: {remedy}"
        )
