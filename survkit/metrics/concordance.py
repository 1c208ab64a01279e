"""Concordance: how often the subject whose event came first was ranked as riskier.

A pair (i, j) is comparable where i had the event and j was followed for longer: T_i < T_j, or
T_i == T_j with j censored. Pairs with equal predictions count one half (equal means equal: no
tolerance).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.bootstrap import once_each, ratio
from survkit.types import BoolArray, FloatArray, IntArray

_BLOCK_ELEMENTS = 4_000_000


class ComparablePairs(NamedTuple):
    """All comparable pairs, in an order of subjects that makes partners contiguous.

    Sorted by time with events before censorings at ties, the subject at position anchors[e] is
    comparable with everyone from position first_partner[e] on.
    """

    order: IntArray
    anchors: IntArray
    first_partner: IntArray

    def subjects(self, anchor_used: BoolArray | None = None) -> int:
        """Count the subjects that are in some comparable pair (of the chosen anchors)."""
        used = slice(None) if anchor_used is None else anchor_used[self.order[self.anchors]]
        anchors, first_partner = self.anchors[used], self.first_partner[used]
        if len(anchors) == 0:
            return 0
        first = int(first_partner.min())
        return len(self.order) - first + int(np.count_nonzero(anchors < first))


def comparable_pairs(time: FloatArray, event: BoolArray) -> ComparablePairs:
    """Find all comparable pairs of n subjects, in O(n log n).

    Parameters
    ----------
    time : array, shape (n,)
        Times of event or censoring.
    event : array, shape (n,), bool
        True where the event was seen.
    """
    order = np.lexsort((~event, time))
    sorted_time, anchors = time[order], np.flatnonzero(event[order])
    event_time = sorted_time[anchors]
    # Those with an event at the same time are not comparable; they come first at that time.
    same_time = np.searchsorted(event_time, event_time, side="right") - np.searchsorted(
        event_time, event_time, side="left"
    )
    first_partner = np.searchsorted(sorted_time, event_time, side="left") + same_time
    has_partner = first_partner < len(time)
    return ComparablePairs(order, anchors[has_partner], first_partner[has_partner])


def concordance(
    risk: FloatArray,
    time: FloatArray,
    event: BoolArray,
    event_weights: FloatArray,
    counts: FloatArray | None = None,
) -> NDArray[np.float64]:
    """Concordance under q weightings of the earlier event at once.

    The sum over comparable pairs of w_i [risk_i > risk_j] (one half for equal risks), over the
    sum of w_i. Weights of one give Harrell's index, 1/G(T_i-)^2 before a time tau Uno's.

    Parameters
    ----------
    risk : array, shape (n,)
        Higher = riskier; may be infinite.
    time : array, shape (n,)
        Times of event or censoring.
    event : array, shape (n,), bool
        True where the event was seen.
    event_weights : array, shape (n, q)
        Weight of the pairs in which the subject has the earlier event, for each index.
    counts : array, shape (b, n), optional
        How often each subject is drawn; once each where not given (b = 1).

    Returns
    -------
    array, shape (b, q), float64
        In [0, 1]; NaN without comparable pairs of positive weight.

    References
    ----------
    Harrell et al. (1996), Statistics in Medicine 15:361; Uno et al. (2011), Statistics in
    Medicine 30:1105, equation 6.
    """
    pairs = comparable_pairs(time, event)
    sorted_risk = risk[pairs.order]
    return _weighted_concordance(
        pairs,
        own=sorted_risk[pairs.anchors],
        others=lambda _, start: sorted_risk[None, start:],
        weights=event_weights[pairs.order[pairs.anchors]],
        counts=counts,
    )


def concordance_td(
    survival: FloatArray,
    times: FloatArray,
    time: FloatArray,
    event: BoolArray,
    counts: FloatArray | None = None,
) -> NDArray[np.float64]:
    """Antolini's time-dependent concordance: [S_i(T_i) < S_j(T_i)] over comparable pairs.

    An event in (times[k-1], times[k]] is the curve's step at times[k], as in the classes of a time
    grid, so S(T) is read at the first time at or after T. Read at the time before, all curves
    would tie at 1 for every event of the first interval. After the last time its value holds.

    Parameters
    ----------
    survival : array, shape (n, t)
        Predicted survival.
    times : array, shape (t,)
        Its times.
    time : array, shape (n,)
        Times of event or censoring.
    event : array, shape (n,), bool
        True where the event was seen.
    counts : array, shape (b, n), optional
        How often each subject is drawn; once each where not given (b = 1).

    Returns
    -------
    array, shape (b,), float64
        In [0, 1]; NaN without comparable pairs.

    References
    ----------
    Antolini, Boracchi & Biganzoli (2005), Statistics in Medicine 24:3927 (equal survival counts
    one half, which the paper leaves open).
    """
    pairs = comparable_pairs(time, event)
    # One row for each time, so that the row of an event time is contiguous.
    risk = -survival.T[:, pairs.order]
    row = np.searchsorted(times, time[pairs.order[pairs.anchors]], side="left")
    row = np.minimum(row, len(times) - 1)
    return _weighted_concordance(
        pairs,
        own=risk[row, pairs.anchors],
        others=lambda block, start: risk[row[block], start:],
        weights=np.ones((len(row), 1)),
        counts=counts,
    )[:, 0]


def _weighted_concordance(
    pairs: ComparablePairs,
    *,
    own: FloatArray,
    others: Callable[[slice, int], FloatArray],
    weights: FloatArray,
    counts: FloatArray | None,
) -> NDArray[np.float64]:
    """Sum over pairs in blocks of anchors; one matrix product serves all resamples."""
    counts = once_each(len(pairs.order)) if counts is None else counts
    drawn = np.ascontiguousarray(counts.T[pairs.order])
    # drawn_after[k] = how many draws come at or after position k, by resample.
    drawn_after = np.zeros((len(drawn) + 1, drawn.shape[1]), dtype=drawn.dtype)
    np.cumsum(drawn[::-1], axis=0, out=drawn_after[1:])
    drawn_after = drawn_after[::-1]
    concordant = np.zeros((weights.shape[1], drawn.shape[1]))
    comparable = np.zeros_like(concordant)
    size = max(1, _BLOCK_ELEMENTS // len(drawn))
    for begin in range(0, len(own), size):
        block = slice(begin, begin + size)
        partners = pairs.first_partner[block]
        start = int(partners[0])
        beaten = _beaten_twice(own[block], others(block, start), partners - start)
        # Whole numbers below 2^24: the product is exact in float32 too.
        won = beaten.astype(drawn.dtype) @ drawn[start:]
        anchor = drawn[pairs.anchors[block]].astype(np.float64)
        concordant += weights[block].T @ (anchor * won) / 2
        comparable += weights[block].T @ (anchor * drawn_after[partners])
    return ratio(concordant, comparable).T


def _beaten_twice(own: FloatArray, others: FloatArray, first: IntArray) -> NDArray[np.int8]:
    """2 where a partner has a lower risk, 1 where an equal one, 0 for non-partners."""
    own = own[:, None]
    result = np.greater(own, others).view(np.int8)
    result += np.greater_equal(own, others).view(np.int8)
    # Only columns before the last anchor's first partner can hold non-partners.
    mixed = int(first[-1])
    result[:, :mixed] *= np.arange(mixed) >= first[:, None]
    return result
