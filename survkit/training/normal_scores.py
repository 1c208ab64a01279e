"""Numbers by their rank among the training rows, for columns with heavy tails or tied values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from survkit.types import CategoricalColumn, Float64Array

LEVELS = 1000
"""Ranks at which a column's values are kept. A value that more than a thousandth of the rows share
is always kept, and so are its neighbours."""


class NormalScores(NamedTuple):
    """Maps each column of numbers to the normal scores of its training rows.

    A value's score is the standard normal quantile of its mid-rank: the share of training rows
    below it plus half of those that have it (van der Waerden 1952, with ties as Conover 1999,
    section 5.10). It is linear between two values of the training rows and constant beyond them.

    Attributes
    ----------
    columns : tuple of int
        The columns of numbers.
    values, scores : tuple of arrays
        For each of them, increasing values and the score of each.
    """

    columns: tuple[int, ...]
    values: tuple[Float64Array, ...]
    scores: tuple[Float64Array, ...]

    @classmethod
    def fit(cls, features: NDArray[np.float32], categorical: Sequence[CategoricalColumn]) -> Self:
        """Learn the scores of training features (n, p), whose categorical columns stay codes."""
        codes = {column for column, _ in categorical}
        columns = tuple(column for column in range(features.shape[1]) if column not in codes)
        knots = [_scores(features[:, column]) for column in columns]
        return cls(columns, tuple(v for v, _ in knots), tuple(s for _, s in knots))

    def transform(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return features (n, p) with scores in place of numbers."""
        transformed = features.copy()
        for column, values, scores in zip(*self, strict=True):
            transformed[:, column] = np.interp(features[:, column], values, scores)
        return transformed

    def state(self) -> dict[str, Any]:
        """Return what `from_state` takes: arrays and plain values."""
        return {
            "columns": list(self.columns),
            "knots": [len(values) for values in self.values],
            "values": np.concatenate([np.empty(0), *self.values]),
            "scores": np.concatenate([np.empty(0), *self.scores]),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild what `state` returned."""
        ends = np.cumsum(state["knots"], dtype=np.int64)
        values, scores = (
            tuple(np.split(np.asarray(state[name]), ends)[:-1]) for name in ("values", "scores")
        )
        return cls(tuple(state["columns"]), values, scores)


def _scores(column: NDArray[np.float32]) -> tuple[Float64Array, Float64Array]:
    values, counts = np.unique(column, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2) / len(column)
    shared = np.flatnonzero(counts > len(column) / LEVELS)
    levels = np.searchsorted(ranks, np.linspace(0, 1, LEVELS))
    kept = np.concatenate([levels, shared - 1, shared, shared + 1])
    kept = np.unique(np.clip(kept, 0, len(values) - 1))
    return values[kept].astype(np.float64), ndtri(ranks[kept])
