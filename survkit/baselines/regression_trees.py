"""Fitted trees of one number a leaf as flat arrays, the sum of which is a boosted model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from survkit.types import Float64Array


class RegressionTrees(NamedTuple):
    """Trees of K nodes together.

    Parameters
    ----------
    roots : array, shape (trees,), int32
        Node at which each tree begins.
    left, right : array, shape (K,), int32
        Nodes below each node.
    feature : array, shape (K,), int32
        Column that each node splits on; -1 for a leaf.
    threshold : array, shape (K,), float64
        Values up to it go left.
    value : array, shape (K,), float64
        What each leaf adds to a sum.
    """

    roots: NDArray[np.int32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: Float64Array
    value: Float64Array

    @classmethod
    def of(cls, trees: Iterable[Mapping[str, Any]]) -> Self:
        """Join trees, each given by its own arrays, nodes counted from 0; it has at least one."""
        parts: list[tuple[Any, ...]] = []
        roots, nodes = [], 0
        for tree in trees:
            is_leaf = tree["feature"] < 0
            left, right = (
                np.where(is_leaf, -1, np.asarray(tree[side], np.int64) + nodes)
                for side in ("left", "right")
            )
            threshold = np.where(is_leaf, 0.0, tree["threshold"])
            value = np.where(is_leaf, tree["value"], 0.0)
            parts.append((left, right, tree["feature"], threshold, value))
            roots.append(nodes)
            nodes += len(left)
        dtypes = (np.int32, np.int32, np.int32, np.float64, np.float64)
        arrays = [
            np.concatenate(pieces).astype(dtype, copy=False)
            for pieces, dtype in zip(zip(*parts, strict=True), dtypes, strict=True)
        ]
        return cls(np.asarray(roots, np.int32), *arrays)

    def predict(self, features: NDArray[np.float32]) -> Float64Array:
        """Return the sum of the leaves that each subject (n, q) reaches, (n,)."""
        total = np.zeros(len(features))
        for root in self.roots:
            node = np.full(len(features), root, np.int32)
            moving = np.flatnonzero(self.feature[node] >= 0)
            while len(moving):
                at = node[moving]
                goes_left = features[moving, self.feature[at]] <= self.threshold[at]
                node[moving] = np.where(goes_left, self.left[at], self.right[at])
                moving = moving[self.feature[node[moving]] >= 0]
            total += self.value[node]
        return total

    def predict_over_time(self, features: NDArray[np.float32], times: Float64Array) -> Float64Array:
        """Return the sums at each time, (n, m), of trees whose column 0 is the time.

        A subject's times go through a tree together, and part where a node splits by time.

        Parameters
        ----------
        features : array, shape (n, q)
            Columns 1 to q of the trees.
        times : array, shape (m,)
            Increasing times.
        """
        width = len(times) + 1
        changes = np.zeros(len(features) * width)  # from each time to the next one
        for root in self.roots:
            for row, first, end, value in self._leaves_over_time(root, features, times):
                changes += np.bincount(row * width + first, value, len(changes))
                changes -= np.bincount(row * width + end, value, len(changes))
        return np.asarray(changes.reshape(-1, width).cumsum(axis=1)[:, :-1])

    def _leaves_over_time(
        self, root: np.int32, features: NDArray[np.float32], times: Float64Array
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], Float64Array]]:
        """Yield leaves as rows, the first time and the one after the last, and values."""
        row = np.arange(len(features))
        node, first, end = (
            np.full(len(row), root),
            np.zeros_like(row),
            np.full(len(row), len(times)),
        )
        while len(row):
            leaf = self.feature[node] < 0
            yield row[leaf], first[leaf], end[leaf], self.value[node[leaf]]
            row, node, first, end = row[~leaf], node[~leaf], first[~leaf], end[~leaf]
            column, threshold = self.feature[node], self.threshold[node]
            by_time = column == 0
            goes_left = features[row, np.maximum(column - 1, 0)] <= threshold
            split = np.where(goes_left, end, first)  # times before it go left
            at = np.searchsorted(times, threshold[by_time], side="right")
            split[by_time] = np.clip(at, first[by_time], end[by_time])
            left, right = split > first, split < end
            node = np.concatenate([self.left[node[left]], self.right[node[right]]])
            first, end = (
                np.concatenate([first[left], split[right]]),
                np.concatenate([split[left], end[right]]),
            )
            row = np.concatenate([row[left], row[right]])

    def state(self) -> dict[str, Any]:
        """Return the arrays by name."""
        return self._asdict()

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild what `state` returned."""
        return cls(**{name: np.asarray(state[name]) for name in cls._fields})


class BoostedScore(NamedTuple):
    """Trees whose column 0 is the time; their sum and a number are a score over time."""

    start: float
    trees: RegressionTrees

    def at(self, matrix: NDArray[np.float32], times: Float64Array) -> Float64Array:
        """Return the score of features (n, q) at increasing times (m,), shape (n, m)."""
        return self.start + self.trees.predict_over_time(matrix, times)
