"""Posterior draws of sums of trees, as flat arrays that any engine fills.

Nothing here needs the engine that sampled the trees: a fitted model is read, and predicts, without
it. A draw of 50 trees takes a few kilobytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from survkit.bart.columns import Rule

RULE_CODES: dict[Rule, int] = {"continuous": 0, "one_hot": 1, "subset": 2}
LEAF = -1


class Node(NamedTuple):
    """One node of a tree that an engine hands over: its split column (0: time), or `LEAF`.

    `value` is that of a leaf, or the threshold, value or set of values that go left; `left` and
    `right` are the keys of the children, not used for a leaf.
    """

    column: int
    value: float | tuple[float, ...]
    left: int = -1
    right: int = -1


class ForestBuilder:
    """Collects the trees of one chain, node by node."""

    def __init__(self) -> None:
        self._column: list[int] = []
        self._left: list[int] = []
        self._value: list[float] = []
        self._first = [0]
        self._set_values: list[float] = []
        self._set_first = [0]

    def add_tree(self, nodes: Mapping[int, Node], root: int = 0) -> None:
        """Append a tree, given its nodes by key, breadth first: siblings stand side by side."""
        order = [root]
        for position, key in enumerate(order):  # grows while it is walked
            node = nodes[key]
            self._column.append(node.column)
            if node.column == LEAF:
                self._left.append(position)  # a leaf leads to itself
                self._value.append(float(node.value))  # type: ignore[arg-type]
            else:
                self._left.append(len(order))
                self._value.append(self._split_value(node.value))
                order += [node.left, node.right]
        self._first.append(len(self._column))

    def _split_value(self, value: float | tuple[float, ...]) -> float:
        if not isinstance(value, tuple):
            return float(value)
        self._set_values += value
        self._set_first.append(len(self._set_values))
        return float(len(self._set_first) - 2)

    def finish(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of the chain, as `Forests.join` takes them."""
        return {
            "column": np.array(self._column, dtype=np.int16),
            "left": np.array(self._left, dtype=np.int32),
            "value": np.array(self._value, dtype=np.float64),
            "first": np.array(self._first, dtype=np.int64),
            "set_values": np.array(self._set_values, dtype=np.float64),
            "set_first": np.array(self._set_first, dtype=np.int64),
        }


@dataclass(frozen=True, eq=False)
class Forests:
    """The trees of all draws of all chains, and what a prediction needs besides.

    Parameters
    ----------
    column : array, shape (nodes,), int16
        Column that splits a node (0: time, 1 and up: the features), or `LEAF`.
    left : array, shape (nodes,), int32
        Left child, counted from the tree's first node; the right child follows it.
    value : array, shape (nodes,), float64
        A leaf's value; else the threshold, the one value, or the index of the set that go left.
    first : array, shape (draws * trees + 1,), int64
        First node of each tree; draws of one chain stand together.
    set_values, set_first : array
        Values of all sets, and where each set begins.
    rules : array, shape (1 + p,), int8
        `RULE_CODES` of each column.
    num_chains, num_trees : int
        Chains; trees in one draw.
    offset : float
        Added to the sum of the trees: hazard = Phi(offset + sum).
    """

    column: NDArray[np.int16]
    left: NDArray[np.int32]
    value: NDArray[np.float64]
    first: NDArray[np.int64]
    set_values: NDArray[np.float64]
    set_first: NDArray[np.int64]
    rules: NDArray[np.int8]
    num_chains: int
    num_trees: int
    offset: float

    @classmethod
    def join(
        cls,
        chains: Sequence[Mapping[str, NDArray[Any]]],
        *,
        rules: Sequence[Rule],
        num_trees: int,
        offset: float,
    ) -> Self:
        """Put the chains of `ForestBuilder.finish` one behind the other."""
        parts: dict[str, list[NDArray[Any]]] = {name: [] for name in chains[0]}
        by_set = np.array([rule == "subset" for rule in rules])
        nodes = sets = values = 0
        for number, chain in enumerate(chains):
            start = 0 if number == 0 else 1  # the end of one chain is the start of the next
            is_set = (chain["column"] != LEAF) & by_set[chain["column"]]
            shifted = {
                **chain,
                "value": np.where(is_set, chain["value"] + sets, chain["value"]),
                "first": chain["first"][start:] + nodes,
                "set_first": chain["set_first"][start:] + values,
            }
            for name, array in shifted.items():
                parts[name].append(array)
            nodes += len(chain["column"])
            sets += len(chain["set_first"]) - 1
            values += len(chain["set_values"])
        arrays: dict[str, Any] = {name: np.concatenate(part) for name, part in parts.items()}
        arrays["rules"] = np.array([RULE_CODES[rule] for rule in rules], dtype=np.int8)
        return cls(**arrays, num_chains=len(chains), num_trees=num_trees, offset=offset)

    @property
    def num_draws(self) -> int:
        """Draws of all chains together."""
        return (len(self.first) - 1) // self.num_trees

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(v.nbytes for v in vars(self).values() if isinstance(v, np.ndarray))

    def hazard(
        self, times: NDArray[np.float64], features: NDArray[np.floating], draws: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """Return P(event in interval j | at risk) = Phi(offset + f(t_j, x)), shape (d, n, k).

        Takes times (k,), features (n, p) and the numbers of the draws (d,).
        """
        from survkit.bart.tree_kernel import add_trees  # numba, on the first prediction only

        trees = (self.column, self.left, self.value, self.first, self.set_values, self.set_first)
        total = np.full((len(draws), len(features), len(times)), self.offset)
        add_trees(
            *trees,
            self.rules,
            np.ascontiguousarray(times, dtype=np.float64),
            np.ascontiguousarray(features, dtype=np.float64),
            np.asarray(draws, dtype=np.int64),
            self.num_trees,
            total,
        )
        return np.asarray(ndtr(total, out=total))

    def split_counts(self) -> NDArray[np.int64]:
        """Return how often each draw splits by each column (0: time), shape (draws, 1 + p)."""
        nodes_of_draw = np.diff(self.first[:: self.num_trees])
        draw = np.repeat(np.arange(self.num_draws), nodes_of_draw)
        splits = self.column != LEAF
        counts = np.zeros((self.num_draws, len(self.rules)), dtype=np.int64)
        np.add.at(counts, (draw[splits], self.column[splits]), 1)
        return counts

    def state(self) -> dict[str, Any]:
        """Return the trees as arrays and plain values."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild what `state` returned."""
        plain = ("num_chains", "num_trees", "offset")
        names = [field.name for field in fields(cls)]
        values: Any = {k: state[k] if k in plain else np.asarray(state[k]) for k in names}
        return cls(**values)
