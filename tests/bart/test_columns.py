from __future__ import annotations

import pytest
from numpy.testing import assert_array_equal

from survkit.bart.columns import resolve_prior, resolve_rules
from survkit.types import CategoricalColumn, InputError

NAMES = ("age", "sex", "group")
CODED = (CategoricalColumn(2, 4),)


def test_categorical_columns_are_one_hot_unless_said_otherwise() -> None:
    assert resolve_rules(NAMES, CODED, None) == ("continuous", "continuous", "one_hot")
    by_name = resolve_rules(NAMES, CODED, {"sex": "one_hot", "group": "subset"})
    assert by_name == ("continuous", "one_hot", "subset")
    in_order = resolve_rules(NAMES, CODED, ["one_hot", "continuous", "continuous"])
    assert in_order == ("one_hot", "continuous", "continuous")


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (["continuous"], "one rule for each of the 3 columns age, sex, group"),
        ("continuous", "one rule for each of the 3 columns"),
        ({"sexx": "one_hot"}, r"no column 'sexx' \(did you mean sex\?\)"),
        ({"sex": "OneHotSplitRule()"}, "split rule of 'sex' is 'OneHotSplitRule\\(\\)'; rules are"),
    ],
)
def test_rules_that_cannot_be_used(rules: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve_rules(NAMES, CODED, rules)  # type: ignore[arg-type]


def test_no_feature_is_called_like_the_time() -> None:
    with pytest.raises(InputError, match="a feature is called 'time'"):
        resolve_rules(("age", "time"), (), None)


def test_prior_weights_by_name_or_in_order() -> None:
    assert_array_equal(resolve_prior(NAMES, None), [1, 1, 1, 1])
    assert_array_equal(resolve_prior(NAMES, {"time": 3, "sex": 2}), [3, 1, 2, 1])
    assert_array_equal(resolve_prior(NAMES, [4, 3, 2, 1]), [4, 3, 2, 1])


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ([1, 1, 1], "3 weights; it needs 4: time, age, sex, group"),
        ({"age": 0}, "split_prior of 'age' is 0.0; it must be positive"),
        ({"weight": 1}, "no column 'weight'"),
    ],
)
def test_prior_weights_that_cannot_be_used(prior: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve_prior(NAMES, prior)  # type: ignore[arg-type]
