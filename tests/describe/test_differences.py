"""Standardised differences against their formulas and what they must not depend on."""

from __future__ import annotations

import numpy as np
import pytest

from survkit.describe.differences import of_categories, of_numbers

RNG = np.random.default_rng(2)


def test_numbers_with_equal_variances_differ_by_standard_deviations() -> None:
    values = RNG.normal(size=50)
    shifted = values + 0.3 * values.std(ddof=1)
    assert of_numbers([values, shifted]) == pytest.approx(0.3)
    assert of_numbers([values, shifted, values - 0.1]) > 0.3  # the largest of three


def test_two_categories_follow_the_formula_of_a_binary_variable() -> None:
    p, q = 0.2, 0.5
    expected = abs(p - q) / np.sqrt((p * (1 - p) + q * (1 - q)) / 2)
    assert of_categories([np.array([20, 80]), np.array([100, 100])]) == pytest.approx(expected)


def test_the_order_of_categories_does_not_matter() -> None:
    counts = [np.array([10, 20, 30, 0]), np.array([15, 15, 20, 0])]
    reordered = [own[[3, 2, 0, 1]] for own in counts]
    assert of_categories(counts) == pytest.approx(of_categories(reordered))


def test_equal_groups_do_not_differ() -> None:
    assert of_categories([np.array([3, 6]), np.array([1, 2])]) == pytest.approx(0)
    assert of_categories([np.array([5]), np.array([2])]) == 0
    assert of_numbers([np.ones(3), np.ones(4)]) == 0


@pytest.mark.parametrize(
    "difference",
    [
        of_numbers([np.ones(3), np.zeros(4)]),
        of_numbers([np.array([1.0]), np.arange(4.0)]),
        of_categories([np.array([3, 0]), np.array([0, 3])]),
        of_categories([np.array([3, 1]), np.array([0, 0])]),
    ],
)
def test_there_is_none_without_variance_or_values(difference: float) -> None:
    assert np.isnan(difference)
