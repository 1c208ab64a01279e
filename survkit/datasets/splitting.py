"""Which rows are for training, validation and test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from survkit.datasets.holdout import SPLIT_SEED, Events, Rows, random_split, stratified_split
from survkit.types import InputError, Splits

STRATIFIED_BELOW = 2000
"""Tables of fewer rows are stratified by the event unless asked otherwise."""

ENOUGH_EVENTS = 10
"""With at least this many events, each part of a stratified split has one."""


class SplitRows(NamedTuple):
    """The row numbers of each split."""

    train: Rows
    validation: Rows
    test: Rows


class Split(NamedTuple):
    """How rows are split into training, validation and test rows.

    Parameters
    ----------
    stratified : bool, optional
        Whether each part has its share of the events, and of those of each cause; None is yes
        below 2,000 rows.
    seed : int
        Seed of the random numbers.
    kind : str
        "holdout" takes a tenth of the subjects as test rows; "folds" takes one of `folds` parts of
        equal size, so that over all of them each subject is tested once. Of the other subjects a
        ninth are validation rows either way.
    folds : int
        Number of parts, at least 2.
    fold : int
        The part that is tested, from 0.
    inner_folds : int
        Number of parts of the subjects that are not tested, of which one has the validation rows
        and the others the training rows; 0 for a ninth of them as validation rows.
    inner_fold : int
        The part with the validation rows, from 0.
    """

    stratified: bool | None = None
    seed: int = SPLIT_SEED
    kind: Literal["holdout", "folds"] = "holdout"
    folds: int = 5
    fold: int = 0
    inner_folds: int = 0
    inner_fold: int = 0

    def resolved(self, n: int) -> Self:
        """Return the split with `stratified` known, for a dataset of n rows."""
        asked = self.stratified
        return self._replace(stratified=n < STRATIFIED_BELOW if asked is None else asked)

    def refuse_other_flags(self, dataset: str, why: str, *, allowed: Sequence[str] = ()) -> None:
        """Refuse a split that a dataset does not have.

        Raises
        ------
        InputError
            For the first flag, apart from those allowed, that asks for anything but the default.
        """
        flags = {"stratified": "stratified_split", "seed": "split_seed", "kind": "split"}
        flags |= {"inner_folds": "inner_folds"}
        for name, flag in flags.items():
            asked, default = getattr(self, name), getattr(Split(), name)
            if flag not in allowed and asked is not False and asked != default:
                raise InputError(f"--{flag} has no meaning for {dataset}: {why}")


DEFAULT_SPLIT = Split()
RANDOM_SPLIT = Split(stratified=False)


def split_rows(
    n: int,
    subject_id: NDArray[np.int64] | None = None,
    *,
    event: Events | None = None,
    split: Split = DEFAULT_SPLIT,
) -> SplitRows:
    """Split rows at random into training, validation and test rows.

    A holdout split has 80, 10 and 10 %, and its rows are those of two calls of scikit-learn's
    `train_test_split` with `random_state=split.seed`, test rows first.

    Parameters
    ----------
    n : int
        Number of rows.
    subject_id : array, shape (n,), optional
        Subjects of several rows are split whole.
    event : array, shape (n,), bool or int64, optional
        What a stratified split is stratified by: events, or their causes. A subject counts as
        having the event where any of its rows has it; of several causes, that with the highest
        number.
    split : Split
        How to split; stratified where `event` is given, unless `stratified` is False.

    Raises
    ------
    InputError
        For fewer than three subjects, fewer subjects than folds, or too few to train on.
    """
    subjects = np.arange(n) if subject_id is None else np.unique(subject_id)
    if (count := len(subjects)) < 3:
        raise InputError(f"{count} subjects cannot be split in three; at least 3 are needed")
    if split.stratified is False:
        event = None
    elif event is not None and subject_id is not None:
        event = _of_subjects(event, np.searchsorted(subjects, subject_id), count)
    if split.kind == "folds":
        rest, test = _fold(count, event, split)
    else:  # whole numbers, as 0.1 / 0.9 of a round number of rows can round to one row more
        rest, test = _hold_out(np.arange(count), -(-count // 10), event, split.seed)
    if split.inner_folds:
        train, validation = _inner_fold(rest, event, split)
    else:
        train, validation = _hold_out(rest, -(-len(rest) // 9), event, split.seed)
    if subject_id is None:
        return SplitRows(train, validation, test)
    parts = (
        np.flatnonzero(np.isin(subject_id, subjects[part])) for part in (train, validation, test)
    )
    return SplitRows(*parts)


def _of_subjects(event: Events, subject: NDArray[np.int64], count: int) -> Rows:
    """Return for each of `count` subjects the largest event code among its rows."""
    of_subject = np.zeros(count, np.int64)
    np.maximum.at(of_subject, subject, event)
    return of_subject


def folds_of(n: int, event: Events | None = None, *, folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each of n subjects, shape (n,): random, and equal in size within one.

    Parameters
    ----------
    n : int
        Number of subjects.
    event : array, shape (n,), bool or int64, optional
        Let the folds be equal within one in their number of these, too, and of each cause.
    folds, seed : int
        Number of folds, and seed of the random numbers.

    Raises
    ------
    InputError
        For fewer subjects than folds.
    """
    if n < folds:
        raise InputError(f"--folds is {folds}, and there are {n} subjects; use fewer folds")
    order = np.random.RandomState(seed).permutation(n)
    if event is not None:
        order = order[np.argsort(event[order], kind="stable")]
    found = np.empty(n, np.int64)
    found[order] = np.arange(n) % folds
    return found


def _fold(n: int, event: Events | None, split: Split) -> tuple[Rows, Rows]:
    is_test = folds_of(n, event, folds=split.folds, seed=split.seed) == split.fold
    if n - is_test.sum() < 2:
        raise InputError(f"{n} subjects are too few for {split.folds} folds; use more folds")
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)


def _inner_fold(rest: Rows, event: Events | None, split: Split) -> tuple[Rows, Rows]:
    """Return the training and the validation subjects of one inner fold."""
    n, folds = len(rest), split.inner_folds
    if n < folds:
        raise InputError(
            f"--inner_folds is {folds}, and there are {n} subjects for training and validation; "
            "use fewer folds"
        )
    rest = np.sort(rest)
    of_rest = None if event is None else event[rest]
    is_validation = folds_of(n, of_rest, folds=folds, seed=split.seed) == split.inner_fold
    return rest[~is_validation], rest[is_validation]


def _hold_out(rows: Rows, held_out: int, event: Events | None, seed: int) -> tuple[Rows, Rows]:
    if event is None:
        return random_split(rows, held_out, seed=seed)
    return stratified_split(rows, held_out, event[rows], seed=seed)


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
