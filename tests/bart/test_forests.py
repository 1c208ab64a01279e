"""Flat trees against a walk through the nodes they were built from."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm

from survkit.bart.forests import LEAF, ForestBuilder, Forests, Node

RULES = ("continuous", "continuous", "one_hot", "subset")
TIMES = np.array([1.0, 2.0, 4.0])


def random_tree(random: np.random.Generator) -> dict[int, Node]:
    """Grow a tree whose nodes have keys as in a heap."""
    nodes: dict[int, Node] = {}
    open_keys = [0]
    while open_keys:
        key = open_keys.pop()
        if key > 20 or random.random() < 0.3:
            nodes[key] = Node(LEAF, float(random.normal()))
            continue
        column = int(random.integers(len(RULES)))
        values = {
            "continuous": float(random.normal(1, 1)),
            "one_hot": float(random.integers(3)),
            "subset": tuple(map(float, random.choice(4, 2, replace=False))),
        }
        children = 2 * key + 1, 2 * key + 2
        nodes[key] = Node(column, values[RULES[column]], *children)
        open_keys += children
    return nodes


def walk(nodes: dict[int, Node], row: np.ndarray) -> float:
    node = nodes[0]
    while node.column != LEAF:
        x = row[node.column]
        rule = RULES[node.column]
        if rule == "continuous":
            left = x <= node.value
        else:
            left = x == node.value if rule == "one_hot" else x in node.value
        node = nodes[node.left if left else node.right]
    return node.value


@pytest.fixture
def trees() -> list[list[list[dict[int, Node]]]]:
    random = np.random.default_rng(0)
    return [[[random_tree(random) for _ in range(5)] for _ in range(3)] for _ in range(2)]


@pytest.fixture
def forests(trees: list[list[list[dict[int, Node]]]]) -> Forests:
    chains = []
    for draws in trees:
        builder = ForestBuilder()
        for draw in draws:
            for tree in draw:
                builder.add_tree(tree)
        chains.append(builder.finish())
    return Forests.join(chains, rules=RULES, num_trees=5, offset=-0.5)


@pytest.mark.slow
def test_hazard_is_that_of_the_trees(
    trees: list[list[list[dict[int, Node]]]], forests: Forests
) -> None:
    random = np.random.default_rng(1)
    features = np.column_stack([random.normal(size=20), random.integers(0, 4, (20, 2))])
    hazard = forests.hazard(TIMES, features, np.arange(6))
    draws = [draw for chain in trees for draw in chain]
    for d, draw in enumerate(draws):
        for i, x in enumerate(features):
            for j, t in enumerate(TIMES):
                total = sum(walk(tree, np.array([t, *x])) for tree in draw)
                assert_allclose(hazard[d, i, j], norm.cdf(total - 0.5), rtol=1e-12)
    assert_array_equal(forests.hazard(TIMES, features, np.array([4, 1])), hazard[[4, 1]])


def test_split_counts(trees: list[list[list[dict[int, Node]]]], forests: Forests) -> None:
    draws = [draw for chain in trees for draw in chain]
    for counts, draw in zip(forests.split_counts(), draws, strict=True):
        columns = [node.column for tree in draw for node in tree.values()]
        assert_array_equal(counts, [columns.count(c) for c in range(4)])


def test_state_gives_the_forests_back(forests: Forests) -> None:
    again = Forests.from_state(forests.state())
    features = np.ones((2, 3))
    draws = np.arange(6)
    assert_array_equal(again.hazard(TIMES, features, draws), forests.hazard(TIMES, features, draws))
