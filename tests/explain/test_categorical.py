from __future__ import annotations

import numpy as np
import pytest

from survkit.explain import SurvLimeExplainer
from survkit.types import InputError

EFFECT = np.array([0.0, 0.7, -0.4, 0.2])


def explainer(**options: object) -> tuple[SurvLimeExplainer, np.ndarray]:
    """A number, a category of 1 to 4 (most often 1) and an indicator."""
    rng = np.random.default_rng(0)
    category = rng.choice([1, 2, 3, 4], size=400, p=[0.4, 0.3, 0.2, 0.1])
    features = np.column_stack([rng.normal(size=400), category, rng.integers(0, 2, 400)])
    times = rng.exponential(size=400)
    built = SurvLimeExplainer(
        features,
        np.ones(400),
        times,
        categorical_features=[1, "x2"],
        baseline="model",
        random_state=0,
        **options,  # type: ignore[arg-type]
    )
    return built, features


def predict(x: np.ndarray) -> np.ndarray:
    assert np.isin(x[:, 1], [1, 2, 3, 4]).all()
    assert np.isin(x[:, 2], [0, 1]).all()
    risk = 0.5 * x[:, 0] + EFFECT[x[:, 1].astype(int) - 1] + 0.3 * x[:, 2]
    return np.exp(risk)[:, None] * np.linspace(0.01, 2, 400)


def test_categories_take_observed_values_and_get_a_column_each() -> None:
    built, features = explainer(category_labels={"x1": {2: "two", 3: "three"}})
    found = built.explain_instance(features[0], predict)
    assert found.feature_names == ("x0", "x1=two", "x1=three", "x1=4", "x2")
    np.testing.assert_allclose(found, [0.5, 0.7, -0.4, 0.2, 0.3], atol=1e-9)
    shares = [(found.neighbours[:, 1] == v).mean() for v in (1, 2, 3, 4)]
    np.testing.assert_allclose(shares, [0.4, 0.3, 0.2, 0.1], atol=0.06)
    np.testing.assert_array_equal(found.values[1:4], features[0, 1] == np.array([2, 3, 4]))


def test_the_seed_and_every_weighting_serve_categories() -> None:
    built, features = explainer(weighting="equal")
    found = built.montecarlo_explanation(features[:2], predict, num_repetitions=2)
    np.testing.assert_allclose(found[1], [0.5, 0.7, -0.4, 0.2, 0.3], atol=1e-9)
    assert (found.effective_neighbours == 1000).all()


def test_a_number_is_not_a_category() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(100, 2))
    with pytest.raises(InputError, match="100 different values in 100 rows"):
        SurvLimeExplainer(features, np.ones(100), rng.random(100), categorical_features=[0])
    with pytest.raises(InputError, match="unknown feature 'x7'"):
        SurvLimeExplainer(features, np.ones(100), rng.random(100), categorical_features=["x7"])
    with pytest.raises(InputError, match="categorical feature 2 is not among 2 columns"):
        SurvLimeExplainer(features, np.ones(100), rng.random(100), categorical_features=[2])


def test_a_value_that_training_lacks_does_not_distort_the_other_coefficients() -> None:
    built, features = explainer()
    row = np.array([features[0, 0], 9.0, 1.0])

    def with_effect_of_9(x: np.ndarray) -> np.ndarray:
        known = np.where(x[:, 1] == 9, 1, x[:, 1])
        return np.exp(3.0 * (x[:, [1]] == 9)) * predict(np.column_stack([x[:, 0], known, x[:, 2]]))

    with pytest.warns(UserWarning, match="no training row has x1 = 9 in row 0; explained with"):
        found = built.explain_instance(row, with_effect_of_9)
    np.testing.assert_allclose(found, [0.5, 0.7, -0.4, 0.2, 0.3], atol=1e-9)
    assert row[1] == 9
