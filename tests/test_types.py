from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from survkit.types import InputError, Knots, SurvivalData, SurvivalPrediction, TimeGrid


def data(**changes: object) -> SurvivalData:
    values: dict[str, object] = {
        "features": np.array([[1.0, 2.0], [0.0, 1.0], [3.0, 0.0]]),
        "event": np.array([True, False, True]),
        "time": np.array([3.0, 0.0, 5.5]),
        "feature_names": ("age", "stage"),
        "categorical": ((1, 3),),
    }
    return SurvivalData(**(values | changes))  # type: ignore[arg-type]


def test_data_is_brought_to_its_dtypes() -> None:
    built = data(event=np.array([1, 0, 1]), time=[3, 0, 5])
    assert built.features.dtype == np.float32
    assert built.event.dtype == np.bool_
    assert built.time.dtype == np.float64
    assert built.categorical[0].cardinality == 3
    assert len(built) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": np.zeros((0, 2))}, "no rows"),
        ({"features": np.zeros(3)}, r"shape \(n, p\), not \(3,\)"),
        ({"features": [[1, 2], [0, np.nan], [3, 0]]}, "feature 'stage' is nan in row 1"),
        ({"features": [[1, 2], [np.inf, 1], [3, 0]]}, "feature 'age' is inf in row 1"),
        ({"features": [[1, 2], [0, 3], [3, 0]]}, "'stage' is 3.0 in row 1; .* 0 to 2"),
        ({"features": [[1, 2], [0, 1.5], [3, 0]]}, "'stage' is 1.5 in row 1"),
        ({"categorical": ((2, 3),)}, "categorical column 2 is not among the 2"),
        ({"time": [1, -2, 3]}, "time is -2.0 in row 1"),
        ({"time": [1, 2, np.nan]}, "time is nan in row 2"),
        ({"time": [1, 2]}, r"time has shape \(2,\), but features has 3 rows"),
        ({"event": [1, 0, 2]}, "event is 2 in row 2; it must be True/False or 1/0"),
        ({"label": [1, 2]}, "label has shape"),
        ({"true_time": [1, -1, 2]}, "true_time is -1.0 in row 1"),
        ({"feature_names": ("age",)}, "1 feature names for 2"),
    ],
)
def test_bad_data_is_refused_with_its_place(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        data(**changes)


def test_subset_takes_every_row_array() -> None:
    part = data(label=[7, 8, 9]).subset(np.array([2, 0]))
    assert part.label is not None
    assert part.label.tolist() == [9, 7]
    assert part.time.tolist() == [5.5, 3.0]
    assert part.feature_names == ("age", "stage")
    assert part.true_time is None


def test_classes_are_the_intervals_that_end_at_the_cuts() -> None:
    grid = TimeGrid(np.array([0.0, 1.0, 2.0]))
    times = [0.0, 0.5, 1.0, 1.001, 2.0, 2.001]
    assert grid.classify(times).tolist() == [0, 1, 1, 2, 2, 3]
    assert grid.num_classes == 4


def test_floor_mode_labels_by_the_cut_at_or_before() -> None:
    grid = TimeGrid(np.array([0.0, 1.0, 2.0]), floor=True)
    assert grid.classify([0.0, 0.5, 1.0, 1.999, 2.0, 2.001]).tolist() == [0, 0, 1, 1, 2, 3]


def test_event_quantiles_keep_zero_and_the_largest_time() -> None:
    time = np.array([1.0, 2.0, 3.0, 4.0, 9.0])
    event = np.array([True, True, True, True, False])
    grid = TimeGrid.event_quantiles(time, event, 4)
    np.testing.assert_allclose(grid.cuts, [0, 2, 3, 9])


@pytest.mark.parametrize("cuts", [[0.0], [1.0, 2.0], [0.0, 1.0, 1.0], [0.0, np.nan], [[0.0, 1.0]]])
def test_bad_cuts_are_refused(cuts: list[float]) -> None:
    with pytest.raises(InputError, match="cut"):
        TimeGrid(np.array(cuts))


@pytest.mark.parametrize(("horizon", "bins"), [(0.0, 5), (np.nan, 5), (3.0, 1)])
def test_impossible_grids_are_refused(horizon: float, bins: int) -> None:
    with pytest.raises(InputError, match="horizon > 0"):
        TimeGrid.evenly_spaced(horizon, bins)


@example(np.full(6, 0.01), np.full(20, np.nextafter(0.01, 1)))
@given(
    hnp.arrays(float, 6, elements=st.floats(0.01, 10)),
    hnp.arrays(float, 20, elements=st.floats(0, 70)),
)
def test_a_time_lies_in_the_interval_of_its_class(steps: np.ndarray, times: np.ndarray) -> None:
    cuts = np.concatenate([[0.0], np.cumsum(steps)])
    bounds = np.concatenate([[-np.inf], cuts, [np.inf]])
    grid = TimeGrid(cuts)
    classes, snapped = grid.classify(times), grid.snap(times)
    assert (bounds[classes] < snapped).all()
    assert (snapped <= bounds[classes + 1]).all()
    # Rounding alone moves a time, and only to a cut.
    assert np.isin(snapped[snapped != times], cuts).all()
    np.testing.assert_allclose(snapped, times, rtol=2.0**-22, atol=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_time_that_equals_a_cut_in_its_own_precision_belongs_to_it(dtype: type) -> None:
    grid = TimeGrid.evenly_spaced(2.9, 30)
    times = grid.cuts.astype(dtype)
    assert grid.classify(times).tolist() == list(range(30))
    # SurvivalData keeps times in double precision; what they were rounded to is still seen.
    data = SurvivalData(np.ones((30, 1)), np.ones(30, bool), times)
    assert grid.classify(data.time).tolist() == list(range(30))
    np.testing.assert_array_equal(grid.snap(data.time), grid.cuts)
    later = times + times.dtype.type(1e-5)
    assert grid.classify(later).tolist() == list(range(1, 31))


def test_a_grid_laid_over_times_in_single_precision_has_their_classes() -> None:
    for decimals in (7, 19, 29, 37, 53, 100):
        exact = np.arange(decimals + 1) / 10
        single = exact.astype(np.float32)
        horizon = float(np.float64(single.max()))  # not the decimal that it stands for
        grid = TimeGrid.evenly_spaced(horizon, decimals + 1)
        assert grid.classify(single).tolist() == list(range(decimals + 1))


def test_decimals_belong_to_the_evenly_spaced_cut_that_rounding_moved() -> None:
    for horizon, bins in [(1.0, 11), (2.9, 30), (0.7, 8), (4.9, 50)]:
        grid = TimeGrid.evenly_spaced(horizon, bins)
        decimals = [round(0.1 * k, 1) for k in range(bins)]
        assert grid.classify(decimals).tolist() == list(range(bins))


def prediction(*, step: bool = False) -> SurvivalPrediction:
    return SurvivalPrediction(
        np.array([1.0, 2.0, 4.0]),
        np.array([[0.9, 0.6, 0.2], [0.8, 0.8, 0.7], [0.3, 0.3, 0.0], [1.0, 1.0, 1.0]]),
        step=step,
    )


def test_a_curve_on_a_grid_is_linear_between_its_times() -> None:
    curve = prediction().at([0, 0.5, 1, 1.5, 3, 4])[0]
    np.testing.assert_allclose(curve, [1, 0.95, 0.9, 0.75, 0.4, 0.2])
    at_once = SurvivalPrediction(np.array([0.0, 2.0]), np.array([[0.8, 0.4]]))
    np.testing.assert_allclose(at_once.at([0, 1, 2])[0], [0.8, 0.6, 0.4])


def test_a_curve_of_exact_event_times_is_a_right_continuous_step_function() -> None:
    curve = prediction(step=True).at([0, 0.999, 1, 3.9, 4])[0]
    assert curve.tolist() == [1, 1, 0.9, 0.6, 0.2]
    np.testing.assert_allclose(prediction(step=True).median(), [4, 20 / 3, 1, np.inf])


def test_quantiles_and_restricted_means() -> None:
    linear, step = prediction(), prediction(step=True)
    np.testing.assert_allclose(linear.quantile(0.2), [4 / 3, 1, 2 / 7, np.inf])
    np.testing.assert_allclose(step.quantile(0.2), [2, 1, 1, np.inf])
    np.testing.assert_allclose(linear.quantile(0.9), [np.inf, np.inf, 10 / 3, np.inf])
    np.testing.assert_allclose(linear.restricted_mean(3)[0], 0.95 + 0.75 + 0.5)
    np.testing.assert_allclose(step.restricted_mean(3)[0], 1 + 0.9 + 0.6)
    with pytest.raises(InputError, match="asked for 5"):
        linear.restricted_mean(5)
    with pytest.raises(InputError, match="q is 0"):
        linear.quantile(0)


@given(st.booleans(), hnp.arrays(float, 5, elements=st.floats(0.0, 4.0)), st.floats(0.01, 1.0))
def test_a_quantile_never_contradicts_survival(step: bool, times: np.ndarray, q: float) -> None:
    curves = prediction(step=step)
    reached = curves.quantile(q)[:, None]
    survival = curves.at(times)
    # Rounding may move the time at which a line crosses the level.
    assert (survival[times < reached - 1e-9] > 1 - q - 1e-12).all()
    assert (survival[times > reached + 1e-9] <= 1 - q + 1e-12).all()


@given(st.booleans(), hnp.arrays(float, 3, elements=st.floats(0.05, 1.0)))
def test_a_prediction_read_at_more_times_is_the_same_curve(step: bool, gaps: np.ndarray) -> None:
    curves = prediction(step=step)
    finer = curves.read(np.union1d(curves.times, np.cumsum(gaps)))
    anywhere = np.linspace(0, 4, 41)
    np.testing.assert_allclose(finer.at(anywhere), curves.at(anywhere), atol=1e-12)
    assert finer.step == step
    np.testing.assert_array_equal(finer.at(curves.times), curves.survival)


@pytest.mark.parametrize("step", [False, True])
@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([], r"at least one time, not \(0,\)"),
        ([[1.0, 2.0]], r"one sequence of at least one time, not \(1, 2\)"),
        ([np.nan], "at time nan; times are at least 0"),
        ([-1.0], "at time -1.0; times are at least 0"),
        ([4.5], "up to time 4.0, asked for 4.5$"),
    ],
)
def test_times_that_cannot_be_read_are_refused(
    step: bool, times: list[float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        prediction(step=step).read(times)


def test_the_horizon_in_single_precision_is_the_horizon() -> None:
    curve = SurvivalPrediction(np.array([0.1, 0.3]), np.array([[0.9, 0.5]]))
    assert curve.at(np.array([0.3], np.float32))[0, 0] == 0.5


@pytest.mark.parametrize("n", range(10, 101, 10))
def test_quantiles_of_kaplan_meier_are_the_order_statistics(n: int) -> None:
    times = np.arange(1.0, n + 1)
    survival = np.cumprod(1 - 1 / (n - np.arange(n)))
    curve = SurvivalPrediction(times, survival[None], step=True)
    for tenths in range(1, 10):
        assert curve.quantile(tenths / 10)[0] == n * tenths / 10


def test_whole_numbers_are_their_own_cut() -> None:
    grid = TimeGrid(np.array([0.0, 1e7, 2e7]))
    assert grid.classify([10_000_001]).tolist() == [2]
    assert grid.classify([10_000_001, 0.1]).tolist() == [2, 1]


def test_subjects_at_risk_count_once() -> None:
    rows = SurvivalData(np.ones((4, 1)), [1, 1, 0, 0], [1.0, 2, 3, 3], subject_id=[7, 7, 8, 9])
    assert rows.num_subjects == 3
    assert rows.at_risk([0, 1, 2, 3]).tolist() == [3, 3, 2, 0]


def test_a_step_function_that_lost_steps_is_read_linearly() -> None:
    assert not prediction(step=True).read([2.0, 4.0]).step
    assert prediction(step=True).read([1.0, 1.5, 2.0]).step


def test_knots_hold_the_whole_of_a_mixture_of_slopes_and_steps() -> None:
    knots = Knots(np.array([0.0, 2.0, 4.0]), np.array([1.0, 3.0]))
    slopes = SurvivalPrediction(knots.cuts, np.array([[1.0, 0.5, 0.0]]))
    steps = SurvivalPrediction(knots.steps, np.array([[0.4, 0.2]]), step=True)
    mean = (slopes.at(knots.times) + steps.at(knots.times, extrapolate="constant")) / 2
    whole = SurvivalPrediction(knots.times, mean)
    anywhere = np.linspace(0, 4, 81)
    expected = (slopes.at(anywhere) + steps.at(anywhere, extrapolate="constant")) / 2
    np.testing.assert_allclose(whole.at(anywhere), expected, atol=1e-12)


def test_prediction_does_not_go_past_its_horizon_unless_told() -> None:
    with pytest.raises(InputError, match=r"up to time 4\.0, asked for 5"):
        prediction().at(5)
    assert prediction().at(5, extrapolate="constant")[:, 0].tolist() == [0.2, 0.7, 0.0, 1.0]


def test_median_interpolates_and_continues_by_the_straight_line() -> None:
    # 0.6 to 0.2 over (2, 4): 0.5 at 2.5; the line through (0, 1) and (4, 0.7): 0.5 at 6.67;
    # 1 to 0.3 over (0, 1): 0.5 at 0.714; a flat curve never.
    np.testing.assert_allclose(prediction().median(), [2.5, 20 / 3, 5 / 7, np.inf])
    np.testing.assert_allclose(prediction().risk_score(), [-2.5, -20 / 3, -5 / 7, -np.inf])


def test_median_at_time_zero() -> None:
    at_once = SurvivalPrediction(np.array([0.0, 1.0]), np.array([[0.4, 0.1], [0.8, 0.2]]))
    np.testing.assert_allclose(at_once.median(), [0.0, 0.5])


@pytest.mark.parametrize(
    ("times", "survival", "message"),
    [
        ([1, 2], [[0.5, 0.6]], "subject 0 rises from 0.5 to 0.6 at time 2"),
        ([1, 2], [[1.1, 0.6]], "subject 0 at time 1.0 is 1.1"),
        ([1, 2], [[0.5, np.nan]], "subject 0 at time 2.0 is nan"),
        ([2, 1], [[0.5, 0.4]], "times must be finite and increase"),
        ([1, 2], [[0.5]], r"shape \(n, 2\)"),
        ([], [[]], "at least one time"),
    ],
)
def test_bad_predictions_are_refused(
    times: list[float], survival: list[list[float]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        SurvivalPrediction(np.array(times), np.array(survival))


def test_expert_weights_must_match_the_subjects() -> None:
    with pytest.raises(InputError, match="2 rows for 1 survival"):
        SurvivalPrediction(np.array([1.0]), np.array([[0.5]]), np.ones((2, 3)) / 3)


def three_outcomes(**changes: Any) -> SurvivalData:
    values: dict[str, Any] = {
        "features": np.zeros((4, 1)),
        "event": [True, False, True, True],
        "time": [1.0, 2.0, 3.0, 3.0],
        "cause": [2, 0, 1, 2],
        "cause_names": ("relapse", "death"),
    }
    return SurvivalData(**(values | changes))


def test_causes_are_kept_with_their_rows() -> None:
    data = three_outcomes()
    assert data.num_causes == 2
    part = data.subset(np.array([2, 0]))
    assert part.cause is not None
    assert part.cause.tolist() == [1, 2]
    assert part.cause_names == ("relapse", "death")
    relapse = data.of_cause(1)
    assert relapse.event.tolist() == [False, False, True, False]
    assert relapse.num_causes == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cause": [2, 1, 1, 2]}, "cause is 1 in row 1, where the event was not seen"),
        ({"cause": [2, 0, 0, 2]}, "cause is 0 in row 2, where the event was seen"),
        ({"cause": [2, 0, 3, 2]}, "cause is 3 in row 2"),
        ({"cause": [2, 0, 1]}, "cause has shape (3,), but features has 4 rows"),
        ({"cause": None}, "cause and cause_names are given together"),
        ({"cause_names": ()}, "cause and cause_names are given together"),
        ({"cause_names": ("death",)}, "two or more"),
        ({"cause_names": ("death", "death")}, "different names"),
        ({"cause_names": ("death", "a cause")}, "letters, digits"),
    ],
)
def test_causes_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        three_outcomes(**changes)


def two_causes(**changes: Any) -> SurvivalPrediction:
    values: dict[str, Any] = {
        "times": [1.0, 3.0],
        "survival": [[0.7, 0.3], [1.0, 0.9]],
        "cumulative_incidence": [[[0.2, 0.5], [0.1, 0.2]], [[0.0, 0.1], [0.0, 0.0]]],
    }
    return SurvivalPrediction(**(values | changes))


def test_cumulative_incidences_are_read_as_survival_is() -> None:
    prediction = two_causes()
    assert prediction.num_causes == 2
    found = prediction.cumulative_incidence_at([0.5, 2.0, 3.0])
    np.testing.assert_allclose(found[0], [[0.1, 0.35, 0.5], [0.05, 0.15, 0.2]])
    np.testing.assert_allclose(found.sum(1) + prediction.at([0.5, 2.0, 3.0]), 1.0)
    steps = two_causes(step=True).read([2.0, 3.0])
    assert steps.cumulative_incidence is not None
    np.testing.assert_allclose(steps.cumulative_incidence[0], [[0.2, 0.5], [0.1, 0.2]])
    np.testing.assert_allclose(prediction.of_cause(1).survival, [[0.8, 0.5], [1.0, 0.9]])
    row = prediction.subset(np.array([1]))
    assert row.cumulative_incidence is not None
    assert row.cumulative_incidence.shape == (1, 2, 2)


@pytest.mark.parametrize(
    ("incidence", "message"),
    [
        ([[[0.3, 0.7]], [[0.0, 0.1]]], "must have shape (2, C, 2) for C >= 2 causes"),
        (
            [[[0.2, 0.5], [0.1, 0.1]], [[0.0, 0.1], [0.0, 0.0]]],
            "of subject 0 sum to 0.9 at time 3.0; they must sum to 1",
        ),
        (
            [[[0.2, 0.7], [0.1, 0.0]], [[0.0, 0.1], [0.0, 0.0]]],
            "cumulative incidence of cause 2 of subject 0 falls to 0.0 at time 3.0",
        ),
        (
            [[[0.2, np.nan], [0.1, 0.2]], [[0.0, 0.1], [0.0, 0.0]]],
            "cumulative incidence of cause 1 of subject 0 at time 3.0 is NaN",
        ),
    ],
)
def test_cumulative_incidences_that_cannot_be_are_refused(incidence: Any, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        two_causes(cumulative_incidence=incidence)
