"""Explanations behave as the arrays of their coefficients."""

from __future__ import annotations

import copy
import pickle
from functools import cache

import numpy as np
import pytest

from survkit.explain.explanation import Explanation, MonteCarloExplanation
from tests.explain.survlime_fixtures import cox_set

METHODS = [
    ("mean", ()),
    ("std", ()),
    ("argsort", ()),
    ("reshape", (-1, 1)),
    ("tolist", ()),
    ("astype", (np.float32,)),
    ("max", ()),
    ("copy", ()),
]


@cache
def results() -> tuple[Explanation, MonteCarloExplanation]:
    cox = cox_set(1, train=200)
    explainer = cox.explainer(model_output_times=cox.model.cum_baseline_hazard_.x)
    single = explainer.explain_instance(cox.test[0], cox.hazards, num_samples=100)
    several = explainer.montecarlo_explanation(
        cox.test[:3], cox.hazards, num_samples=100, num_repetitions=2
    )
    return single, several


@pytest.mark.parametrize(("method", "arguments"), METHODS)
def test_methods_are_those_of_the_coefficients(method: str, arguments: tuple[object, ...]) -> None:
    for result in results():
        found = getattr(result, method)(*arguments)
        np.testing.assert_array_equal(found, getattr(result.coefficients, method)(*arguments))
        assert type(found) is type(getattr(result.coefficients, method)(*arguments))


def test_attributes_and_functions_of_numpy() -> None:
    single, several = results()
    assert (single.dtype, single.size, several.T.shape) == (np.float64, 5, (5, 3))
    np.testing.assert_array_equal(np.mean(several, axis=0), several.coefficients.mean(axis=0))
    np.testing.assert_array_equal(np.argsort(single), single.coefficients.argsort())
    np.testing.assert_array_equal(np.abs(single) * 2, np.abs(single.coefficients) * 2)
    np.testing.assert_array_equal(several[:, 0], several.coefficients[:, 0])


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_copy_is_a_result_again(again: object) -> None:
    for result in results():
        same = again(result)  # type: ignore[operator]
        assert type(same) is type(result)
        np.testing.assert_array_equal(same.coefficients, result.coefficients)


def test_an_attribute_that_no_array_has_is_refused() -> None:
    for result in results():
        with pytest.raises(AttributeError, match="coeficients"):
            _ = result.coeficients


def test_the_explainer_keeps_the_weights_under_the_names_of_survlimepy() -> None:
    cox = cox_set(1, train=200)
    explainer = cox.explainer(model_output_times=cox.model.cum_baseline_hazard_.x)
    assert explainer.computed_weights is None
    assert explainer.montecarlo_weights is None
    single = explainer.explain_instance(cox.test[0], cox.hazards, num_samples=100)
    several = explainer.montecarlo_explanation(
        cox.test[:3], cox.hazards, num_samples=100, num_repetitions=2
    )
    np.testing.assert_array_equal(explainer.computed_weights, single.coefficients)
    np.testing.assert_array_equal(explainer.montecarlo_weights, several.coefficients)
    assert explainer.montecarlo_weights.shape == (3, 5)
