"""Kaplan-Meier, its interval and median, and the log-rank test against lifelines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test
from lifelines.utils import median_survival_times
from numpy.typing import NDArray
from sksurv.compare import compare_survival
from sksurv.util import Surv

from survkit.describe.kaplan_meier import (
    kaplan_meier_curve,
    reverse_kaplan_meier,
)
from survkit.metrics.log_rank import log_rank_test

RNG = np.random.default_rng(5)
TIME = np.ceil(RNG.exponential(20, 200)) - 1  # ties, and some times of 0
EVENT = RNG.random(200) < 0.6
GROUP = RNG.integers(0, 3, 200)


@pytest.fixture(scope="module")
def fitted() -> KaplanMeierFitter:
    return KaplanMeierFitter().fit(TIME, EVENT)


def test_the_fixture_has_ties_and_times_of_0() -> None:
    assert (TIME == 0).any()
    assert len(np.unique(TIME[EVENT])) < EVENT.sum()


def test_curve_and_interval_are_those_of_lifelines(fitted: KaplanMeierFitter) -> None:
    curve = kaplan_meier_curve(TIME, EVENT)
    low, high = fitted.confidence_interval_survival_function_.loc[curve.times].to_numpy().T
    np.testing.assert_allclose(curve.survival, fitted.predict(curve.times), rtol=1e-12)
    positive = curve.survival > 0
    np.testing.assert_allclose(curve.low[positive], low[positive], rtol=1e-10)
    np.testing.assert_allclose(curve.high[positive], high[positive], rtol=1e-10)


def test_median_and_its_interval_are_those_of_lifelines(fitted: KaplanMeierFitter) -> None:
    median = kaplan_meier_curve(TIME, EVENT).time_at(0.5)
    interval = median_survival_times(fitted.confidence_interval_survival_function_)
    assert median.value == fitted.median_survival_time_
    assert [median.low, median.high] == interval.to_numpy().ravel().tolist()


def test_a_median_that_is_not_reached() -> None:
    median = kaplan_meier_curve(np.arange(1.0, 11), np.arange(10) < 3).time_at(0.5)
    assert np.isinf(median.value)
    assert np.isinf(median.high)


def test_median_follow_up_is_lifelines_median_of_censoring() -> None:
    expected = KaplanMeierFitter().fit(TIME, ~EVENT).median_survival_time_
    assert reverse_kaplan_meier(TIME, EVENT).time_at(0.5).value == expected


def test_numbers_at_risk_are_those_of_lifelines(fitted: KaplanMeierFitter) -> None:
    table = fitted.event_table.loc[np.unique(TIME)]
    at_risk = kaplan_meier_curve(TIME, EVENT).at_risk(table.index.to_numpy())
    assert at_risk.tolist() == table["at_risk"].tolist()


def test_survival_between_and_after_times() -> None:
    curve = kaplan_meier_curve(np.array([2.0, 4.0, 6.0]), np.array([True, False, False]))
    assert curve.at(0.0) == (1.0, 1.0, 1.0)
    assert curve.at(5.0).value == pytest.approx(2 / 3)
    assert np.isnan(curve.at(7.0).value)  # nobody was followed for so long


def test_a_curve_that_ends_at_0_stays_there_without_an_interval() -> None:
    curve = kaplan_meier_curve(np.array([2.0, 4.0]), np.array([True, True]))
    assert curve.at(9.0).value == 0
    assert np.isnan(curve.at(9.0).low)


@pytest.mark.filterwarnings("ignore:Starting with pandas version 4")  # in lifelines
@pytest.mark.parametrize("groups", [2, 3])
def test_log_rank_is_that_of_lifelines_and_scikit_survival(groups: int) -> None:
    own = GROUP % groups
    test = log_rank_test(TIME, EVENT, own)
    chi_square, p = compare_survival(Surv.from_arrays(EVENT, TIME), own)
    expected = multivariate_logrank_test(TIME, own, EVENT)
    assert test is not None
    assert test.degrees == groups - 1
    assert test.chi_square == pytest.approx(expected.test_statistic, rel=1e-8)
    assert test.chi_square == pytest.approx(chi_square, rel=1e-8)
    assert test.p == pytest.approx(expected.p_value, rel=1e-8)
    assert test.p == pytest.approx(p, rel=1e-8)


def test_a_group_that_leaves_before_the_first_event_has_no_part_in_the_test() -> None:
    time = np.concatenate([TIME + 2, [1.0, 1.0]])
    event = np.concatenate([EVENT, [False, False]])
    group = np.concatenate([GROUP % 2, [2, 2]])
    assert log_rank_test(time, event, group) == log_rank_test(TIME + 2, EVENT, GROUP % 2)


def test_no_test_where_one_group_alone_is_at_risk_at_events() -> None:
    time, event = np.array([1.0, 1.0, 2.0, 3.0]), np.array([False, False, True, True])
    assert log_rank_test(time, event, np.array([0, 0, 1, 1])) is None


outcomes = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=30)


@given(outcomes)
@settings(max_examples=100, deadline=None)
def test_the_interval_surrounds_a_curve_that_falls(rows: list[tuple[int, bool]]) -> None:
    time: NDArray[np.float64] = np.array([float(t) for t, _ in rows])
    curve = kaplan_meier_curve(time, np.array([e for _, e in rows]))
    assert (np.diff(curve.survival) <= 0).all()
    known = ~np.isnan(curve.low)
    assert (known == (curve.survival > 0)).all()
    assert (curve.low[known] <= curve.survival[known]).all()
    assert (curve.high[known] >= curve.survival[known]).all()
    assert curve.at_risk(0) == len(rows)
