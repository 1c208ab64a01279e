"""Concordance: how often the subject whose event came first was ranked as riskier.

A pair (i, j) is comparable where i had the event and j was followed for longer: T_i < T_j, or
T_i == T_j with j censored. Pairs with equal predictions count one half (equal means equal: no
tolerance).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.bootstrap import once_each, ratio
from survkit.metrics.pair_wins import wins_twice
from survkit.types import BoolArray, FloatArray, IntArray

_BLOCK_ELEMENTS = 4_000_000

_BLOCK_ROWS = 1_000


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


def comparable_pairs(
    time: FloatArray, event: BoolArray, risk: FloatArray | None = None
) -> ComparablePairs:
    """Find all comparable pairs of n subjects, in O(n log n).

    Parameters
    ----------
    time, event : array, shape (n,)
        Times of event or censoring, and whether the event was seen.
    risk : array, shape (n,), optional
        What those of equal time and event are sorted by.
    """
    order = np.lexsort((~event, time) if risk is None else (risk, ~event, time))
    sorted_time, anchors = time[order], np.flatnonzero(event[order])
    event_time = sorted_time[anchors]
    # Those with an event at the same time are not comparable; they come first at that time.
    _, place, same_time = np.unique(event_time, return_inverse=True, return_counts=True)
    first_partner = np.searchsorted(sorted_time, event_time, side="left") + same_time[place]
    has_partner = first_partner < len(time)
    return ComparablePairs(order, anchors[has_partner], first_partner[has_partner])


def concordance(
    risk: FloatArray,
    time: FloatArray,
    event: BoolArray,
    event_weights: FloatArray,
    counts: FloatArray | None = None,
) -> NDArray[np.float64]:
    """Concordance under q weightings of the earlier event at once, in O(n log n).

    The sum over comparable pairs of w_i [risk_i > risk_j] (one half for equal risks), over the
    sum of w_i. Weights of one give Harrell's index, 1/G(T_i-)^2 before a time tau Uno's.

    Parameters
    ----------
    risk : array, shape (n,)
        Higher = riskier; may be infinite.
    time, event : array, shape (n,)
        Times of event or censoring, and whether the event was seen.
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
    pairs = comparable_pairs(time, event, risk)
    same_row = np.zeros(len(pairs.anchors), dtype=np.intp)
    sums = _weighted_sums(pairs, risk[None, pairs.order], same_row, event_weights, counts)
    return ratio(*sums).T


def concordance_of_cause(
    risk: FloatArray,
    time: FloatArray,
    event: BoolArray,
    competing: BoolArray,
    weights: FloatArray,
    counts: FloatArray | None = None,
) -> NDArray[np.float64]:
    """Concordance of one of several causes under q weightings at once, in O(n log n).

    A subject with the event is compared with everyone followed for longer, and also with everyone
    who had an event of another cause before: there the event of this cause never comes. A pair has
    the weight w_i w_i in the first case and w_i w_j in the second. Weights of one give the index of
    Wolbers et al. (2009), 1/G(T-) before a time tau that of 2014.

    Parameters
    ----------
    risk : array, shape (n,)
        Higher = riskier: the predicted cumulative incidence at some time.
    time : array, shape (n,)
        Times of event or censoring.
    event, competing : array, shape (n,), bool
        Whether an event of the cause, or of another cause, was seen.
    weights : array, shape (n, q)
        w of every subject with an event of any cause, for each index.
    counts : array, shape (b, n), optional
        How often each subject is drawn; once each where not given (b = 1).

    Returns
    -------
    array, shape (b, q), float64
        In [0, 1]; NaN without comparable pairs of positive weight.

    References
    ----------
    Wolbers et al. (2009), Epidemiology 20:555; Wolbers et al. (2014), Biostatistics 15:526, with
    the left limit G(T-) as in `concordance`.
    """
    counts = once_each(len(time)) if counts is None else counts
    pairs = comparable_pairs(time, event, risk)
    same_row = np.zeros(len(pairs.anchors), dtype=np.intp)
    later = _weighted_sums(pairs, risk[None, pairs.order], same_row, weights**2, counts)
    rows = np.flatnonzero(event | competing)
    earlier = _sums_over_earlier(risk[rows], time[rows], event[rows], weights[rows], counts.T[rows])
    return ratio(later[0] + earlier[0], later[1] + earlier[1]).T


def never_after(time: FloatArray, competing: BoolArray) -> NDArray[np.float64]:
    """Return times (n,) in which those with an event of another cause are at risk for ever.

    With them, comparable pairs of a cause are those of a single event.
    """
    return np.where(competing, np.inf, time)


def concordance_td(
    survival: FloatArray,
    times: FloatArray,
    time: FloatArray,
    event: BoolArray,
    counts: FloatArray | None = None,
) -> NDArray[np.float64]:
    """Antolini's time-dependent concordance: [S_i(T_i) < S_j(T_i)] over comparable pairs.

    That of a cause has 1 minus its cumulative incidence as survival, and times from `never_after`.

    An event in (times[k-1], times[k]] is the curve's step at times[k], as in the classes of a time
    grid, so S(T) is read at the first time at or after T. Read at the time before, all curves
    would tie at 1 for every event of the first interval. After the last time its value holds.
    Takes O(t n log n).

    Parameters
    ----------
    survival, times : array, shape (n, t) and (t,)
        Predicted survival and its times.
    time, event : array, shape (n,)
        Times of event or censoring, and whether the event was seen.
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
    n = len(time)
    row = np.minimum(np.searchsorted(times, time, side="left"), len(times) - 1)
    pairs = comparable_pairs(time, event, -survival[np.arange(n), row])
    # One row for each time, so that the row of an event time is contiguous.
    risk = np.empty(survival.shape[::-1])
    for start in range(0, n, _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        np.negative(survival[pairs.order[block]].T, out=risk[:, block])
    anchor_row = row[pairs.order[pairs.anchors]]
    concordant, comparable = _weighted_sums(pairs, risk, anchor_row, np.ones((n, 1)), counts)
    return ratio(concordant[0], comparable[0])


def _weighted_sums(
    pairs: ComparablePairs,
    risk: FloatArray,
    row: IntArray,
    weights: FloatArray,
    counts: FloatArray | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights of the concordant and of all pairs, each of shape (q, b).

    Anchor e compares its risk[row[e]], whose n values are in the pairs' order, with others'.
    """
    counts = once_each(len(pairs.order)) if counts is None else counts
    drawn = np.ascontiguousarray(counts.T[pairs.order])
    # drawn_after[k] = how many draws come at or after position k, by resample.
    drawn_after = np.zeros((len(drawn) + 1, drawn.shape[1]), dtype=drawn.dtype)
    np.cumsum(drawn[::-1], axis=0, out=drawn_after[1:])
    drawn_after = drawn_after[::-1]
    won = wins_twice(risk, row, pairs.anchors, drawn)
    tied_end = _end_of_ties(risk[row, pairs.anchors], pairs)
    weights = weights[pairs.order[pairs.anchors]]
    concordant = np.zeros((weights.shape[1], drawn.shape[1]))
    comparable = np.zeros_like(concordant)
    size = max(1, _BLOCK_ELEMENTS // drawn.shape[1])
    for begin in range(0, len(won), size):
        block = slice(begin, begin + size)
        at = pairs.anchors[block]
        # Events at one time are sorted by risk, so that of them only equal risks "won", by half.
        beaten = won[block] - (drawn_after[at + 1] - drawn_after[tied_end[block]])
        anchor = drawn[at].astype(np.float64)
        concordant += weights[block].T @ (anchor * beaten) / 2
        comparable += weights[block].T @ (anchor * drawn_after[pairs.first_partner[block]])
    return concordant, comparable


def _sums_over_earlier(
    risk: FloatArray, time: FloatArray, event: BoolArray, weights: FloatArray, drawn: FloatArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights of the pairs with those who had another cause before, as in `_weighted_sums`.

    All n subjects have an event; `drawn` is of shape (n, b).
    """
    # From the latest on; at one time other causes come first, so that only earlier ones follow.
    order = np.lexsort((event, -time))
    anchors = np.flatnonzero(event[order])
    q, b = weights.shape[1], drawn.shape[1]
    factor = np.where(event[:, None], 0.0, weights)[order].astype(drawn.dtype)
    weighted = (factor[:, :, None] * drawn[order][:, None, :]).reshape(-1, q * b)
    same_row = np.zeros(len(anchors), dtype=np.intp)
    won = wins_twice(risk[None, order], same_row, anchors, weighted)
    following = np.cumsum(weighted[::-1], axis=0)[::-1][anchors]  # an anchor's own is 0
    own = weights[order[anchors]][:, :, None] * drawn[order[anchors]][:, None, :]
    wins, all_of_them = (each.reshape(-1, q, b) for each in (won, following))
    return (own * wins).sum(axis=0) / 2, (own * all_of_them).sum(axis=0)


def _end_of_ties(own: FloatArray, pairs: ComparablePairs) -> NDArray[np.intp]:
    """Position after the last event of equal time and equal risk, for each anchor."""
    changes = (own[1:] != own[:-1]) | (pairs.first_partner[1:] != pairs.first_partner[:-1])
    last = np.flatnonzero(np.append(changes, True))
    run = np.append(0, np.cumsum(changes))[: len(own)]
    return np.asarray(pairs.anchors[last[run]] + 1)
