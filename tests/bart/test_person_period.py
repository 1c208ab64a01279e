"""The worked examples of Tiegs et al. (2024), and what must hold for any data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from sksurv.nonparametric import kaplan_meier_estimator

from survkit.bart.person_period import (
    downscale,
    survival_from_hazard,
    training_rows,
    with_values,
)
from survkit.types import InputError

EVENT = np.array([1, 0, 1, 1, 1, 0, 1, 1], dtype=bool)
TIME = np.array([4, 6, 6, 7, 8, 8, 12, 14], dtype=float)


def test_kaplan_meier_example() -> None:
    time = np.array([1, 2, 2, 4, 4, 5], dtype=float)
    rows = training_rows(time, np.array([1, 0, 1, 1, 1, 1], dtype=bool))
    at_risk = np.bincount(rows.interval)
    events = np.bincount(rows.interval, weights=rows.status)
    assert_array_equal(rows.times, [1, 2, 4, 5])
    assert_array_equal(at_risk, [6, 5, 3, 1])
    assert_array_equal(events, [1, 1, 2, 1])
    assert_allclose(events / at_risk, [0.167, 0.2, 0.667, 1.0], atol=5e-4)
    assert_allclose(survival_from_hazard(events / at_risk), [0.83, 0.67, 0.22, 0], atol=5e-3)


@pytest.mark.parametrize(
    ("observation", "status", "times"),
    [(6, [0, 0, 0, 0], [4, 6, 7, 8]), (7, [0, 0, 0, 0, 1], [4, 6, 7, 8, 12])],
)
def test_training_rows_of_an_observation(
    observation: int, status: list[int], times: list[float]
) -> None:
    rows = training_rows(TIME, EVENT)
    own = rows.subject == observation - 1
    assert_array_equal(rows.status[own], status)
    assert_array_equal(rows.time[own], times)


def test_lengths_of_the_training_dataset() -> None:
    rows = training_rows(TIME, EVENT)
    assert_array_equal(rows.times, [4, 6, 7, 8, 12, 14])
    assert_array_equal(np.bincount(rows.subject), [1, 2, 2, 3, 4, 4, 5, 6])
    assert len(rows.subject) == 27


def test_downscaling_table() -> None:
    assert_array_equal(downscale(TIME, 4), [1, 2, 2, 2, 2, 2, 3, 4])
    scaled = training_rows(TIME, EVENT, scale=4)
    assert_array_equal(scaled.times, [4, 8, 12, 16])


def test_downscaling_is_exact_for_whole_quotients() -> None:
    """1.1 / 0.1 is above 11 in floating point, and must not become 12."""
    tenths = np.arange(1, 200) / 10
    assert_array_equal(downscale(tenths, 0.1), np.arange(1, 200))


def test_downscaled_times_are_those_of_the_data() -> None:
    """3 * 0.3 is below 0.9 in floating point, and 0.9 must not lie beyond the last time."""
    time = np.array([0.3, 0.5, 0.9])
    assert_array_equal(training_rows(time, np.ones(3, bool), scale=0.3).times, [0.3, 0.6, 0.9])


def test_values_of_an_intervention() -> None:
    features = np.array([[1.2, 0, 10], [2.4, 1, 12], [1.9, 0, 3]])
    for value in (1, 0):
        changed = with_values(features, ("x1", "x2", "x3"), {"x2": value})
        assert_array_equal(changed, [[1.2, value, 10], [2.4, value, 12], [1.9, value, 3]])
    assert_array_equal(features[:, 1], [0, 1, 0])


outcomes = (
    st.integers(2, 30)
    .flatmap(
        lambda n: st.tuples(
            arrays(float, n, elements=st.integers(1, 12).map(float)), arrays(bool, n)
        )
    )
    .filter(lambda outcome: outcome[1].any() and len(np.unique(outcome[0])) > 1)
)


@pytest.mark.slow
@given(outcomes, st.sampled_from([None, 2.0, 3.0]))
def test_rows_give_back_the_outcomes(
    outcome: tuple[np.ndarray, np.ndarray], scale: float | None
) -> None:
    time, event = outcome
    scaled = time if scale is None else np.ceil(time / scale) * scale
    if len(np.unique(scaled)) < 2:
        return
    rows = training_rows(time, event, scale=scale)
    n = len(time)
    assert_array_equal(np.bincount(rows.subject, weights=rows.status, minlength=n), event)
    last = np.array([rows.time[rows.subject == i].max() for i in range(n)])
    assert_array_equal(last, scaled)
    at_risk = np.bincount(rows.interval)
    hazard = np.bincount(rows.interval, weights=rows.status) / at_risk
    times, survival = kaplan_meier_estimator(event, scaled)
    assert_array_equal(times, rows.times)
    assert_allclose(survival_from_hazard(hazard), survival, atol=1e-12)


def test_weights_follow_their_subjects() -> None:
    weights = np.arange(1.0, 9.0)
    rows = training_rows(TIME, EVENT, weights=weights)
    assert_array_equal(rows.weights, weights[rows.subject])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time": TIME - 4}, "time is 0 in row 0"),
        ({"time": TIME - 4, "scale": 2}, "time is 0 in row 0, 0 after scaling by 2"),
        ({"event": np.zeros(8, bool)}, "event is False in every row"),
        ({"scale": 100}, "every time is 100; at least two"),
        ({"max_times": 4}, r"6 distinct times, more than 4; scale=4 would do"),
        ({"scale": 0}, "scale is 0; it must be positive"),
        ({"weights": -np.ones(8)}, "weight is -1.0 in row 0"),
        ({"weights": np.ones(7)}, r"weights have shape \(7,\), but there are 8 subjects"),
        ({"weights": np.zeros(8)}, "every weight is 0"),
        ({"weights": 1.0 - EVENT}, "weights are 0 for every row with an event"),
        (
            {"time": np.array([1.0, 1, 1, 1, 1, 1, 1, 2]), "weights": np.eye(8)[0]},
            "weights are 0 for every row without an event",
        ),
    ],
)
def test_outcomes_that_cannot_be_used(change: dict, message: str) -> None:
    arguments = {"time": TIME, "event": EVENT, **change}
    with pytest.raises(InputError, match=message):
        training_rows(arguments.pop("time"), arguments.pop("event"), **arguments)


@given(arrays(float, 50, elements=st.floats(0.01, 1e4)), st.integers(2, 40))
def test_the_scale_that_an_error_names_would_do(time: np.ndarray, limit: int) -> None:
    from survkit.bart.person_period import sufficient_scale

    scale = sufficient_scale(np.unique(time), limit)
    assert len(np.unique(downscale(time, scale))) <= limit


def test_unknown_column() -> None:
    with pytest.raises(InputError, match=r"no column 'fim' \(did you mean fin\?\)"):
        with_values(np.zeros((1, 2)), ("fin", "age"), {"fim": 1})
