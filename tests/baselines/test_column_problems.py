from __future__ import annotations

import numpy as np

from survkit.baselines.column_problems import (
    column_problems,
    is_rare_value,
    listed,
    ordering_columns,
    redundant_columns,
)

TIME = np.array([3.0, 1.0, 2.0, 2.0, 5.0, 4.0])
EVENT = np.array([True, True, True, True, False, True])


def test_columns_that_order_the_events_are_found() -> None:
    columns = {
        "copy": TIME,
        "minus": -TIME,
        "steps": np.array([1.0, 0, 1, 1, 2, 1]),
        "only events": EVENT.astype(float),
        "one exception": np.array([2.0, 1, 3, 3, 5, 4]),
        "differs in a tie": np.array([3.0, 1, 2, 2.5, 5, 4]),
        "constant": np.ones(6),
    }
    found = ordering_columns(np.column_stack(list(columns.values())), EVENT, TIME)
    assert [list(columns)[j] for j in found] == ["copy", "minus", "steps", "only events"]


def test_a_value_without_events_is_rare_where_few_were_expected() -> None:
    event = np.arange(100) < 50
    for rows, rare in ((9, True), (11, False)):
        column = np.zeros(100)
        column[-rows:] = 1
        assert is_rare_value(column, event) is rare
    assert not is_rare_value(np.arange(100.0), event)


def test_sums_of_other_columns_are_found() -> None:
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, 50)).astype(np.float32)
    near = a + np.float32(1e-3) * c
    matrix = np.column_stack([a, b, a - 2 * b, near, a, c]).astype(np.float32)
    assert redundant_columns(matrix) == {2: (0, 1), 4: (0,), 5: (0, 3)}


def test_one_level_for_each_category_is_too_many() -> None:
    codes = np.arange(30) % 3
    matrix = np.column_stack([codes == 0, codes == 1, codes == 2]).astype(float)
    sentences = column_problems(
        matrix, np.ones(30, bool), np.arange(30.0) % 7, ["x", "y", "z"], penalised=False
    )
    assert sentences == [
        "'z' adds nothing to 'x', 'y', and without a penalty nothing tells their effects apart"
    ]


def test_long_lists_are_cut() -> None:
    assert listed(["a", "b", "a"]) == "'a', 'b'"
    assert listed(list("abcdefg")) == "'a', 'b', 'c', 'd', 'e' and 2 more"
