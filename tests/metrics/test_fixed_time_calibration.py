from __future__ import annotations

import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray

from survkit.metrics.curve_calibration import aalen_johansen_at
from survkit.metrics.fixed_time_calibration import (
    calibration_intercept,
    calibration_slope,
    complementary_log_log,
    distances,
    smoothed_outcome,
    why_no_regression,
    why_no_slope,
)
from survkit.metrics.pseudo_values import pseudo_values


def incidence(time: NDArray[np.float64], cause: NDArray[np.int64], at: float, number: int) -> float:
    return float(aalen_johansen_at(np.array([at]), time, cause, 2)[0, number - 1, 0])


@pytest.mark.parametrize("n", [2, 5, 60])
@pytest.mark.parametrize("at", [0.2, 2.0, 100.0])
def test_pseudo_values_are_those_of_leaving_out_each_row(n: int, at: float) -> None:
    rng = np.random.default_rng(n)
    time = np.ceil(rng.exponential(5, n) * 2) / 2  # with ties
    cause = rng.integers(0, 3, n)
    for number, coded in ((None, (cause > 0).astype(np.int64)), (1, cause), (2, cause)):
        which = number or 1
        whole = incidence(time, coded, at, which)
        expected = [
            n * whole - (n - 1) * incidence(np.delete(time, i), np.delete(coded, i), at, which)
            for i in range(n)
        ]
        np.testing.assert_allclose(pseudo_values(time, cause, at, number), expected, atol=1e-12)


def test_pseudo_values_without_censoring_are_the_outcomes() -> None:
    time = np.array([3.0, 1.0, 2.0, 2.0])
    cause = np.array([1, 2, 1, 2])
    np.testing.assert_allclose(pseudo_values(time, cause, 2.0), [0, 1, 1, 1], atol=1e-12)
    np.testing.assert_allclose(pseudo_values(time, cause, 2.0, 2), [0, 1, 0, 1], atol=1e-12)


def sample(
    intercept: float, slope: float, n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return predicted risks, and outcomes of which they are that far off."""
    rng = np.random.default_rng(7)
    risk = rng.uniform(0.05, 0.95, n)
    true = 1 - np.exp(-np.exp(intercept + slope * complementary_log_log(risk)))
    return risk, (rng.uniform(size=n) < true).astype(np.float64)


@pytest.mark.parametrize("repeated", [False, True])
def test_intercept_and_slope_are_those_of_statsmodels(repeated: bool) -> None:
    risk, outcome = sample(0.3, 0.8, 300)
    subject = np.arange(300) // (3 if repeated else 1)
    score = complementary_log_log(risk)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the link leaves the range of a Gaussian
        family = sm.families.Gaussian(sm.families.links.CLogLog(), check_link=False)
        columns = np.column_stack([np.ones(300), score])
        line = sm.GEE(outcome, columns, subject, family=family).fit(start_params=[0.0, 1.0])
        level = sm.GEE(outcome, np.ones((300, 1)), subject, offset=score, family=family).fit(
            start_params=np.zeros(1)
        )
    slope = calibration_slope(risk, outcome, subject if repeated else None)
    np.testing.assert_allclose(slope, [line.params[1], *line.conf_int()[1]], rtol=1e-5)
    intercept = calibration_intercept(risk, outcome, subject if repeated else None)
    np.testing.assert_allclose(intercept, [level.params[0], *level.conf_int()[0]], rtol=1e-5)


def test_known_miscalibration_is_found() -> None:
    risk, outcome = sample(0.4, 0.7, 40_000)
    slope = calibration_slope(risk, outcome)
    assert slope.low < 0.7 < slope.high < 0.75
    true = 1 - np.exp(-np.exp(0.4 + 0.7 * complementary_log_log(risk)))
    found = distances(risk, smoothed_outcome(risk, outcome))
    expected = np.abs(true - risk)
    np.testing.assert_allclose(found.ici, expected.mean(), atol=0.01)
    np.testing.assert_allclose(found[1:], np.quantile(expected, [0.5, 0.9]), atol=0.015)


def test_risks_without_a_regression_say_why() -> None:
    assert why_no_regression(np.array([0.2, 0.0, 1.0])) is not None
    assert why_no_slope(np.full(5, 0.3)) == "all predicted risks are the same"
    assert why_no_slope(np.array([0.2, 0.3])) is None
    # No event at all: the intercept runs to minus infinity.
    assert np.isnan(calibration_intercept(np.array([0.2, 0.3, 0.4]), np.zeros(3)).value)
    # One risk for all: the distance is that of the mean.
    outcome = np.array([1.0, 0.0, 0.0, 0.0])
    assert distances(np.full(4, 0.5), smoothed_outcome(np.full(4, 0.5), outcome)).ici == (
        pytest.approx(0.25)
    )
