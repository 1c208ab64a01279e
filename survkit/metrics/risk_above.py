"""The observed risk by a time among the subjects at or above each of many thresholds.

Kaplan-Meier's estimate, and Aalen-Johansen's with competing events, is a sum over the events
weighted by 1/G(T-), with G the Kaplan-Meier curve of censoring in the same subjects (Satten & Datta
2001, The American Statistician 55:207). G falls only where somebody is censored, so a table with a
row for each censored subject before the time is all that a threshold needs. From the highest
threshold down it only gains subjects, which makes it the same table for all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survkit.types import BoolArray, FloatArray, IntArray

_TABLE_ELEMENTS = 2**19
"""Slots x resamples handled at once, so that a table stays in the processor's cache."""


def events_above(
    risk: FloatArray,
    thresholds: FloatArray,
    ordered: TimeOrder,
    counts: FloatArray,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of all subjects at or above each threshold, and of those with the event.

    Parameters
    ----------
    risk : array, shape (n,)
        Predicted risk of each subject.
    thresholds : array, shape (k,)
        Increasing. A subject is above a threshold where its risk is at least as high.
    ordered : TimeOrder
        The outcomes, from `TimeOrder.of`.
    counts : array, shape (b, n)
        How often each subject is drawn, in whole numbers.

    Returns
    -------
    above : array, shape (b, k), float64
        Share of the subjects at or above each threshold.
    with_event : array, shape (b, k), float64
        That share times the estimated risk of the event by the time among these subjects: 0 where
        there are none, and NaN where the follow-up of all of them ends earlier.
    """
    reached = np.searchsorted(thresholds, risk[ordered.rows], side="right")
    steps = [np.flatnonzero(reached == step) for step in range(1, len(thresholds) + 1)]
    shape = (len(thresholds), len(counts))
    above, with_event = np.zeros(shape), np.zeros(shape)
    at_once = max(1, _TABLE_ELEMENTS // (ordered.slots + 1))
    for start in range(0, len(counts), at_once):
        drawn = np.ascontiguousarray(counts[start : start + at_once].T[ordered.rows])
        table = _Table(ordered, drawn)
        place = slice(start, start + at_once)
        for step in reversed(range(len(thresholds))):
            if len(steps[step]):
                table.add(steps[step])
                above[step, place], with_event[step, place] = table.size, table.weighted_events()
            elif step + 1 < len(thresholds):
                above[step, place] = above[step + 1, place]
                with_event[step, place] = with_event[step + 1, place]
    drawn_in_all = counts.sum(axis=1, dtype=np.float64)
    return (above / drawn_in_all).T, (with_event / drawn_in_all).T


@dataclass(frozen=True, eq=False)
class TimeOrder:
    """The outcomes by one time, in the order of time; at a tie events come before censoring.

    Parameters
    ----------
    rows : array, shape (n,), int64
        The subjects in that order.
    slot : array, shape (n,), int64
        How many subjects are censored before the time, itself or later than each of them: slot 0
        has those who are followed to the time, and all others who leave after the last censored
        subject. A censored subject is the first of its slot.
    has_event, is_censored : array, shape (n,), bool
        Whether each of them has the event of interest by the time, or is censored before it.
    slots : int
        Number of slots.
    """

    rows: IntArray
    slot: IntArray
    has_event: BoolArray
    is_censored: BoolArray
    slots: int

    @classmethod
    def of(cls, time: FloatArray, event: BoolArray, competing: BoolArray, at: float) -> TimeOrder:
        """Put outcomes in order.

        Parameters
        ----------
        time : array, shape (n,)
            Times of event or censoring.
        event, competing : array, shape (n,), bool
            Whether the event of interest was seen, or a competing one that precludes it.
        at : float
            The time by which the event counts. Who is censored then is followed to the time.
        """
        either = event | competing
        rows = np.lexsort((~either, time))
        time, either = time[rows], either[rows]
        is_censored = (time < at) & ~either
        has_event = event[rows] & (time <= at)
        slots = int(is_censored.sum()) + 1
        return cls(rows, slots - 1 - np.cumsum(is_censored), has_event, is_censored, slots)


class _Table:
    """Subjects and events by slot (s, b), among the subjects added so far, in b resamples.

    Slots are filled up to a whole number of groups, see `_accumulate`.
    """

    def __init__(self, ordered: TimeOrder, drawn: FloatArray) -> None:
        self._ordered, self._drawn = ordered, drawn
        self._group = math.isqrt(ordered.slots - 1) + 1
        slots = -(-ordered.slots // self._group) * self._group
        shape = (slots, drawn.shape[1])
        self._subjects, self._events, self._censored = np.zeros((3, *shape), drawn.dtype)
        # So small that adding a subject leaves nothing of it; it keeps 0 / 0 out of the table.
        self._subjects[0] = 1e-30
        self._work = np.empty(shape, drawn.dtype)
        self.size = np.zeros(shape[1], drawn.dtype)

    def add(self, places: IntArray) -> None:
        """Add subjects, by their places in the order of time."""
        ordered = self._ordered
        self._sum_into(self._subjects, places)
        self._sum_into(self._events, places[ordered.has_event[places]])
        censored = places[ordered.is_censored[places]]
        self._censored[ordered.slot[censored]] = self._drawn[censored]
        self.size += self._drawn[places].sum(axis=0)

    def _sum_into(self, table: FloatArray, places: IntArray) -> None:
        if len(places):
            slots = self._ordered.slot[places]  # falling, so those of one slot are neighbours
            starts = np.flatnonzero(np.diff(slots, prepend=-1))
            table[slots[starts]] += np.add.reduceat(self._drawn[places], starts, axis=0)

    def weighted_events(self) -> FloatArray:
        """Sum the events weighted by 1/G(T-), shape (b,); NaN where G is 0 before the time."""
        work = self._work
        work[:] = self._subjects
        self._accumulate(np.add, work)  # at risk of censoring, at each slot's censored subject
        np.divide(self._censored, work, out=work)
        np.subtract(1, work, out=work)
        self._accumulate(np.multiply, work[::-1])  # G, from the earliest slot on
        with np.errstate(invalid="ignore"):
            return np.asarray(np.divide(self._events, work, out=work).sum(axis=0))

    def _accumulate(self, combine: np.ufunc, table: FloatArray) -> None:
        """Do in place what `combine.accumulate` does over the rows, several times as fast.

        First within all groups of rows at once, then from group to group.
        """
        groups = table.reshape(-1, self._group, table.shape[1])
        for row in range(1, self._group):
            combine(groups[:, row], groups[:, row - 1], out=groups[:, row])
        for group in range(1, len(groups)):
            combine(groups[group], groups[group - 1, -1], out=groups[group])
