from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from survkit.explain import RandomSurvivalData
from survkit.types import InputError

SET_2 = {
    "center": [4.0, -8.0, 2.0, 4.0, 2.0],
    "radius": 8.0,
    "coefficients": [1e-6, -0.15, 1e-6, 1e-6, -0.1],
    "prob_event": 0.9,
    "lambda_weibull": 1e-5,
    "v_weibull": 2.0,
}


def test_features_are_uniform_in_the_ball() -> None:
    features, _, _ = RandomSurvivalData(**SET_2, random_seed=0).random_survival_data(4000)
    distance = np.linalg.norm(features - SET_2["center"], axis=1)
    assert distance.max() <= 8
    assert stats.kstest((distance / 8) ** 5, "uniform").pvalue > 0.01
    assert np.abs(features.mean(axis=0) - SET_2["center"]).max() < 0.2


def test_times_are_weibull_given_the_features() -> None:
    data = RandomSurvivalData(**SET_2, time_cap=None, random_seed=1)
    features, times, events = data.random_survival_data(4000)
    hazard = 1e-5 * np.exp(features @ np.array(SET_2["coefficients"])) * times**2
    assert stats.kstest(hazard, "expon").pvalue > 0.01
    assert events.mean() == pytest.approx(0.9, abs=0.02)


def test_times_are_capped_and_seeds_reproduce() -> None:
    first, second = (RandomSurvivalData(**SET_2, time_cap=300, random_seed=5) for _ in range(2))
    sample, again = first.random_survival_data(200), second.random_survival_data(200)
    assert sample.times.max() == 300
    for one, other in zip(sample, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(first.random_survival_data(200).times, sample.times)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"center": [0.0]}, "center has 1 values and coefficients has 5"),
        ({"radius": 0}, "radius is 0; it must be a finite number above 0"),
        ({"prob_event": 1}, "prob_event is 1; it must be above 0 and below 1"),
        ({"coefficients": [np.nan] * 5}, "coefficients is .*finite numbers"),
        ({"time_cap": -1}, "time_cap is -1"),
    ],
)
def test_bad_parameters_are_explained(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        RandomSurvivalData(**{**SET_2, **change})
