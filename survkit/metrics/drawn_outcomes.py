"""Outcomes drawn from predicted curves, followed from cut to cut."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.censoring import CensoringWeights
from survkit.types import BoolArray, FloatArray, IntArray


class DrawnOutcomes(NamedTuple):
    """Outcomes drawn for n subjects, each of shape (draws, n).

    `event_cut` is the index of the event's cut (k for none), `seen` whether the event comes before
    censoring, `leaving_cut` the index of the first cut at which the subject is not at risk.
    `counted` says whether an event is of the cause that counts as happening; None where all are.
    """

    event_cut: IntArray
    seen: BoolArray
    leaving_cut: IntArray
    counted: BoolArray | None = None


def first_at_or_below(survival: FloatArray, level: FloatArray) -> NDArray[np.unsignedinteger]:
    """Index of the first cut at which survival (k, n) is at most the level (draws, n)."""
    index = np.zeros(level.shape, dtype=np.min_scalar_type(len(survival)))
    for at_cut in survival:
        index += level < at_cut
    return index


def first_is_of_cause(
    survival: FloatArray, of_cause: FloatArray, level: FloatArray, event_cut: IntArray
) -> BoolArray:
    """Whether an event drawn by `first_at_or_below` is of a cause, shape (draws, n).

    Where a level falls between survival at two cuts is uniform and says nothing of the cut, so it
    decides the cause: the lower part is this cause's, by its share of the fall.

    Parameters
    ----------
    survival : array, shape (k, n)
        Predicted survival at the cuts.
    of_cause : array, shape (k, n)
        The probability of an event of the cause from the cut before to each cut.
    level : array, shape (draws, n)
        What the events were drawn by.
    event_cut : array, shape (draws, n)
        Index of the cut of each event, k for none.
    """
    columns = np.arange(survival.shape[1])
    upto = np.minimum(event_cut, len(survival) - 1)
    below = level < survival[upto, columns] + of_cause[upto, columns]
    return np.asarray(below & (event_cut < len(survival)))


def add_by_bin(
    weight: FloatArray,
    happened: FloatArray,
    drawn: DrawnOutcomes,
    bins: IntArray,
    weights: CensoringWeights,
) -> None:
    """Add the weights of the subjects, and of those with an event that counts, in each bin.

    Parameters
    ----------
    weight, happened : array, shape (draws, k, num_bins)
        The sums that are added to.
    drawn : DrawnOutcomes
        Outcomes of n subjects.
    bins : array, shape (n, k), int
        Bin of each subject at cuts 1..k.
    weights : CensoringWeights
        The weights at the cuts.
    """
    (draws, n), (_, k, num_bins) = drawn.seen.shape, weight.shape
    seen = np.flatnonzero(drawn.seen)
    arrivals = _by_cut(drawn.event_cut.ravel()[seen], k)
    leavers = _by_cut(drawn.leaving_cut.ravel(), k)
    # Whether a subject is at risk, and the weight of an event that happened; kept up to date. Then
    # also the weight of one that counts, where not all do.
    states = 2 if drawn.counted is None else 3
    state = np.zeros((states, draws * n), dtype=np.float32)
    at_risk, event_weight, counted_weight = state[0], state[1], state[-1]
    counted = None if drawn.counted is None else drawn.counted.ravel()[seen]
    at_risk[:] = 1.0
    sums = np.empty((k, states * draws, num_bins), dtype=np.float32)
    for cut in range(k):
        at_risk[leavers[cut]] = 0.0
        event_weight[seen[arrivals[cut]]] = weights.event_at_cut[cut + 1]
        if counted is not None:
            counts = arrivals[cut][counted[arrivals[cut]]]
            counted_weight[seen[counts]] = weights.event_at_cut[cut + 1]
        member = np.eye(num_bins, dtype=np.float32)[bins[:, cut]]
        np.matmul(state.reshape(states * draws, n), member, out=sums[cut])
    by_bin = np.moveaxis(sums.reshape(k, states, draws, num_bins), 0, 2).astype(np.float64)
    happened += by_bin[-1]
    weight += by_bin[1] + by_bin[0] * weights.at_cut[1 : k + 1, None]


def _by_cut(cut: IntArray, k: int) -> list[NDArray[np.intp]]:
    """Where each of k cuts stands among `cut` (any length), whose other values are ignored."""
    small = cut.astype(np.min_scalar_type(k))  # up to 16 bits are sorted by radix
    order = np.argsort(small, kind="stable")
    return np.split(order, np.searchsorted(small[order], np.arange(k + 1)))[1:-1]
