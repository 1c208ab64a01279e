"""Counting, for every subject, how many later ones have a lower risk: by pairs, or by sorting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.types import FloatArray, IntArray

_LEAF = 256
"""Up to so many anchors, comparing them with all others takes less time than sorting."""

_BLOCK_ELEMENTS = 100_000
"""Pairs compared at once: their matrix stays in the cache."""


def wins_twice(
    risk: FloatArray, row: IntArray, anchors: IntArray, drawn: FloatArray
) -> NDArray[np.floating]:
    """Count twice the draws at later positions that each anchor's risk exceeds; equal risks once.

    Anchors that share a row of risks are compared by sorting, in O(n log n); where few share one,
    with each other position.

    Parameters
    ----------
    risk : array, shape (t, n)
        One row of risks for each time at which they are compared.
    row : array, shape (a,)
        The row of each anchor, not falling.
    anchors : array, shape (a,)
        Positions, increasing.
    drawn : array, shape (n, b)
        How often each position is drawn in each of b resamples.

    Returns
    -------
    array, shape (a, b), of the type of `drawn`
        Whole numbers, exact in float32 up to 8 million draws.
    """
    won = np.zeros((len(anchors), drawn.shape[1]), dtype=drawn.dtype)
    for begin, end, few in _runs(row):
        if few:
            _compare_pairs(won, risk, row, anchors, drawn, slice(begin, end))
        else:
            start, stop = int(anchors[begin]), int(anchors[end - 1]) + 1
            anchor_at = np.full(len(drawn), -1)
            anchor_at[anchors[begin:end]] = np.arange(begin, end)
            ranked = _by_risk(risk[row[begin]], start)
            _compare_sorted(won, ranked, anchor_at, drawn, start, stop)
    return won


def _runs(row: IntArray) -> Iterator[tuple[int, int, bool]]:
    """Ranges of anchors that share a row, or of several rows with few anchors each."""
    starts = np.flatnonzero(np.append(True, row[1:] != row[:-1])) if len(row) else row
    ends = np.append(starts[1:], len(row))
    pending = 0
    for begin, end in zip(starts.tolist(), ends.tolist(), strict=False):
        if end - begin > _LEAF:
            if pending < begin:
                yield pending, begin, True
            yield begin, end, False
            pending = end
    if pending < len(row):
        yield pending, len(row), True


class _Ranked(NamedTuple):
    """Positions in the order of their risk, and the rank of each; equal risks share a rank."""

    position: IntArray
    rank: IntArray

    def where(self, chosen: NDArray[np.bool_]) -> _Ranked:
        return _Ranked(self.position[chosen], self.rank[chosen])


def _by_risk(risk: FloatArray, start: int) -> _Ranked:
    """Rank the positions from `start` on."""
    values = risk[start:]
    order = np.argsort(values)
    values = values[order]
    return _Ranked(order + start, np.append(0, np.cumsum(values[1:] != values[:-1])))


def _compare_pairs(
    won: FloatArray,
    risk: FloatArray,
    row: IntArray,
    anchors: IntArray,
    drawn: FloatArray,
    chosen: slice,
) -> None:
    """Add the wins of the chosen anchors over all later positions."""
    size = max(1, _BLOCK_ELEMENTS // len(drawn))
    for begin in range(chosen.start, chosen.stop, size):
        block = slice(begin, min(begin + size, chosen.stop))
        start = int(anchors[begin])
        own = risk[row[block], anchors[block]]
        beaten = _beaten_twice(own, risk[row[block], start:], anchors[block] - start)
        won[block] = beaten.astype(drawn.dtype) @ drawn[start:]


def _beaten_twice(
    own: FloatArray | IntArray, others: FloatArray | IntArray, at: IntArray
) -> NDArray[np.int8]:
    """2 where a later position has a lower risk, 1 where an equal one, 0 up to its own."""
    result = np.greater(own[:, None], others).view(np.int8)
    result += np.greater_equal(own[:, None], others).view(np.int8)
    mixed = int(at[-1]) + 1  # columns that come before some anchor
    result[:, :mixed] *= np.arange(mixed) > at[:, None]
    return result


def _compare_sorted(
    won: FloatArray, ranked: _Ranked, anchor_at: IntArray, drawn: FloatArray, start: int, stop: int
) -> None:
    """Add the wins of the anchors in [start, stop) over all later positions that are ranked.

    All of them are compared with what comes at `stop` or later in one pass in the order of risks;
    then the range is halved, and each half treated likewise.
    """
    beyond = ranked.position >= stop
    if beyond.any():
        _compare_with_later(won, ranked, beyond, anchor_at, drawn)
    inside = ranked.where(~beyond)
    if stop - start > _LEAF:
        middle = (start + stop) // 2
        _compare_sorted(won, inside, anchor_at, drawn, start, middle)
        second = inside.where(inside.position >= middle)
        _compare_sorted(won, second, anchor_at, drawn, middle, stop)
        return
    rank = np.empty(stop - start, dtype=np.int32)
    rank[inside.position - start] = inside.rank
    at = np.flatnonzero(anchor_at[start:stop] >= 0)
    if len(at):
        beaten = _beaten_twice(rank[at], rank[None], at)
        won[anchor_at[start + at]] += beaten.astype(drawn.dtype) @ drawn[start:stop]


def _compare_with_later(
    won: FloatArray,
    ranked: _Ranked,
    later: NDArray[np.bool_],
    anchor_at: IntArray,
    drawn: FloatArray,
) -> None:
    """Add the wins of the anchors that are not `later` over those that are."""
    position, rank = ranked
    anchor = anchor_at[position]
    mine = np.flatnonzero(~later & (anchor >= 0))
    # Of equal ranks, the first and the one after the last.
    changes = rank[1:] != rank[:-1]
    bounds = np.flatnonzero(np.concatenate([[True], changes, [True]]))
    run = np.append(0, np.cumsum(changes))[mine]
    later_before = np.append(0, np.cumsum(later))
    drawn_before = np.zeros((later_before[-1] + 1, drawn.shape[1]), dtype=drawn.dtype)
    np.cumsum(drawn[position[later]], axis=0, out=drawn_before[1:])
    lower, not_higher = later_before[bounds[run]], later_before[bounds[run + 1]]
    won[anchor[mine]] += drawn_before[lower] + drawn_before[not_higher]
