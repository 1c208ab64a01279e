"""What cannot be used is refused with what would be right."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest

from survkit.explain import SurvLimeExplainer
from survkit.system import available_cores
from survkit.types import InputError

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(40, 3))
TIMES = np.arange(1.0, 41.0)
EVENTS = np.ones(40)


def hazards(x: np.ndarray) -> np.ndarray:
    return np.exp(0.3 * x[:, [0]]) * TIMES / 20


def explain(predict: Any = hazards, row: Any = FEATURES[0], **options: Any) -> Any:
    explainer = SurvLimeExplainer(FEATURES, EVENTS, TIMES, random_state=0)
    return explainer.explain_instance(row, predict, **{"num_samples": 30, **options})


def with_value(value: float) -> Any:
    def predict(x: np.ndarray) -> np.ndarray:
        output = hazards(x)
        output[3, -1] = value
        return output

    return predict


@pytest.mark.parametrize(
    ("predict", "options", "message"),
    [
        (lambda x: hazards(x)[:, 0], {}, r"returned shape \(30,\) for 30 rows"),
        (lambda x: hazards(x)[:, :5], {}, r"model_output_times must be the times"),
        (lambda x: hazards(x).T, {}, "looks transposed"),
        (lambda x: hazards(x)[:7], {}, r"returned shape \(7, 40\) for 30 rows"),
        (lambda x: "text", {}, "not an array of numbers"),
        (with_value(np.nan), {}, "returned nan in row 3 at time 40; predictions must be finite"),
        (with_value(np.inf), {}, "type_fn='survival', or cap"),
        (with_value(0.0), {}, r"cumulative hazard that falls from .* to 0 at time 40 in row 3"),
        (lambda x: -hazards(x)[:, ::-1], {}, "a cumulative hazard is at least 0"),
        (lambda x: np.exp(-hazards(x)), {}, r"for survival, give type_fn='survival'"),
        (hazards, {"type_fn": "survival"}, "for cumulative hazards, give type_fn='cumulative'"),
        (lambda x: 1.5 - hazards(x) / 100, {"type_fn": "survival"}, r"is in \[0, 1\]"),
        (lambda x: 0 * hazards(x), {}, "nothing to explain"),
        (lambda x: 1 + 0 * hazards(x), {"type_fn": "survival"}, "nothing to explain"),
        (hazards, {"type_fn": "hazard"}, "type_fn is 'hazard'"),
        (hazards, {"num_samples": 0}, "num_samples is 0; it must be a whole number"),
        (hazards, {"num_samples": 10**12}, r"need about [\d,.]+ GB, .* lower num_samples"),
        (hazards, {"batch_size": -1}, "batch_size is -1"),
        (hazards, {"max_hazard_value_allowed": 0}, "max_hazard_value_allowed is 0"),
        (hazards, {"max_difference_time_allowed": -1}, "max_difference_time_allowed is -1"),
        (hazards, {"max_difference_time_allowed": True}, "max_difference_time_allowed is True"),
        (object(), {}, "predict_fn is a object; it must be a function"),
    ],
)
def test_bad_predictions_and_options(predict: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        explain(predict, **options)


@pytest.mark.parametrize("option", ["num_samples", "num_repetitions"])
def test_explanations_that_do_not_fit_into_memory(option: str) -> None:
    explainer = SurvLimeExplainer(FEATURES, EVENTS, TIMES, random_state=0)
    with pytest.raises(InputError, match=r"1,000,000,000,000.* lower num_samples or"):
        explainer.montecarlo_explanation(FEATURES[:1], hazards, **{option: 10**12})


def test_threads_are_no_more_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    began: list[threading.Thread] = []
    start = threading.Thread.start

    def count(thread: threading.Thread) -> None:
        if thread.name.startswith("ThreadPool"):
            began.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", count)
    explainer = SurvLimeExplainer(FEATURES, EVENTS, TIMES, random_state=0)
    explainer.montecarlo_explanation(
        FEATURES[:1], hazards, num_samples=10, num_repetitions=200, num_workers=10**9
    )
    assert 0 < len(began) <= available_cores() or available_cores() == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([1.0, 2.0], "data_row has 2 values per row, but training_features has 3 columns"),
        ([1.0, np.nan, 0.0], "data_row is nan in row 0, column 1"),
        (["a", "b", "c"], "data_row must be rows of numbers"),
        (FEATURES[:2], "data_row has 2 rows; montecarlo_explanation takes several"),
    ],
)
def test_bad_rows(row: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        explain(row=row)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"training_features": FEATURES[:, :0]}, "training_features has shape"),
        ({"training_features": np.where(FEATURES > 2, np.inf, FEATURES)}, "training_features is"),
        ({"training_events": EVENTS[:5]}, "training_events has 5 values for 40 rows"),
        ({"training_events": 2 * EVENTS}, "training_events is 2.0 in row 0; it must be 1 or 0"),
        ({"training_events": 0 * EVENTS}, "all 40 training_events are 0"),
        ({"training_times": -TIMES}, "training_times is -1.0 in row 0"),
        ({"training_times": ["soon"] * 40}, "training_times must be numbers"),
        ({"training_events": ["yes"] * 40}, "training_events is yes in row 0"),
        ({"model_output_times": [0.0]}, "model_output_times is 0 alone"),
        ({"model_output_times": ["a", "b"]}, "model_output_times must be numbers"),
        ({"H0": ["a"] * 40}, "H0 must be numbers"),
        ({"random_state": -1}, "random_state is -1; it must be a whole number"),
        ({"random_state": 0.5}, "random_state is 0.5"),
        ({"kernel_width": "wide"}, "kernel_width is 'wide'; it must be a finite number"),
        ({"model_output_times": [2.0, 1.0]}, "model_output_times must be at least 0 and increase"),
        ({"H0": [1.0]}, "H0 has 1 values, but there are 40 distinct training times"),
        ({"H0": -TIMES}, "H0 must be finite"),
        ({"H0": 0 * TIMES}, "H0 is 0 at all times"),
        ({"H0": TIMES, "baseline": "model"}, "two baselines"),
        ({"baseline": "cox"}, "baseline is 'cox'; it must be 'nelson-aalen' or 'model'"),
        ({"weighting": "none"}, "weighting is 'none'"),
        ({"kernel_width": 0}, "kernel_width is 0"),
        ({"functional_norm": 0.5}, "functional_norm is 0.5; it must be a number of at least 1"),
        ({"log_floor": 1}, "log_floor is 1"),
        ({"log_floor": "low"}, "log_floor is 'low'"),
        ({"log_floor": 0}, "log_floor is 0; it must be above 0"),
        ({"feature_names": ["a", "a", "b"]}, "each needs a name of its own"),
        ({"training_features": np.ones((40, 3))}, "every feature is constant"),
    ],
)
def test_bad_training_data_and_settings(change: dict[str, Any], message: str) -> None:
    inputs = {"training_features": FEATURES, "training_events": EVENTS, "training_times": TIMES}
    with pytest.raises(InputError, match=message):
        SurvLimeExplainer(**{**inputs, **change})


def test_a_frame_with_other_columns_is_not_read_by_place() -> None:
    frame = pd.DataFrame(FEATURES, columns=["a", "b", "c"])
    explainer = SurvLimeExplainer(frame, EVENTS, TIMES, random_state=0)
    other = frame.rename(columns={"c": "z"})[["z", "b", "a"]]
    for rows in (other, other.iloc[0]):
        with pytest.raises(InputError, match=r"data has other columns .*missing: c; unknown: z"):
            explainer.montecarlo_explanation(rows, hazards, num_samples=30)
    by_place = explainer.montecarlo_explanation(pd.DataFrame(FEATURES[:2]), hazards, num_samples=30)
    np.testing.assert_array_equal(by_place.values, FEATURES[:2])


def test_a_model_does_not_hide_a_wrong_type_fn() -> None:
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    model = CoxPHSurvivalAnalysis(alpha=1).fit(FEATURES, Surv.from_arrays(EVENTS == 1, TIMES))
    with pytest.raises(InputError, match="type_fn is 'hazard'"):
        explain(model, type_fn="hazard")


def test_a_power_that_overflows_is_a_failure_and_no_nan() -> None:
    explainer = SurvLimeExplainer(
        FEATURES, EVENTS, TIMES, functional_norm=5000, kernel_width=3, random_state=0
    )
    with pytest.raises(InputError, match="powers of 5000 overflow; the norm 'inf' is near it"):
        explainer.explain_instance(FEATURES[0], hazards, num_samples=60)


def test_times_that_do_not_match_a_model_are_refused() -> None:
    from survkit.types import SurvivalPrediction

    explainer = SurvLimeExplainer(FEATURES, EVENTS, TIMES, model_output_times=TIMES[:20])
    with pytest.raises(InputError, match="leave model_output_times out"):
        explainer.explain_instance(
            FEATURES[0], lambda x: SurvivalPrediction(TIMES, np.exp(-hazards(x)))
        )


def test_constant_features_get_no_coefficient_and_a_warning() -> None:
    features = np.column_stack([FEATURES, np.full(40, 0.1)])
    with pytest.warns(UserWarning, match="constant in the training rows.*: x3"):
        explainer = SurvLimeExplainer(features, EVENTS, TIMES, baseline="model")
    found = explainer.explain_instance(features[0], hazards, num_samples=30)
    np.testing.assert_allclose(found, [0.3, 0, 0, 0], atol=1e-9)
    assert found[3] == 0


def test_rounding_is_accepted() -> None:
    rounded = explain(lambda x: np.minimum(np.exp(-hazards(x)) + 1e-9, 1.0), type_fn="survival")
    np.testing.assert_allclose(rounded, explain(), atol=1e-4)


def test_there_is_nothing_to_plot_before_an_explanation() -> None:
    explainer = SurvLimeExplainer(FEATURES, EVENTS, TIMES)
    with pytest.raises(InputError, match="call explain_instance first"):
        explainer.plot_weights()
    with pytest.raises(InputError, match="call montecarlo_explanation first"):
        explainer.plot_montecarlo_weights()


@pytest.mark.parametrize("norm", [2, 1])
def test_a_row_without_a_baseline_leaves_the_others_alone(norm: float) -> None:
    def predict(x: np.ndarray) -> np.ndarray:
        return np.where(x[:, [0]] > 1, 0.0, hazards(x))

    rows = np.array([[0.5, 0.0, 0.0], [1.1, 0.0, 0.0], [-0.5, 0.2, 0.0]])
    settings: dict[str, Any] = {"baseline": "model", "functional_norm": norm, "random_state": 0}
    options: dict[str, Any] = {"num_samples": 60, "num_repetitions": 2}
    explainer = SurvLimeExplainer(FEATURES, EVENTS, TIMES, **settings)
    message = r"1 of 3 rows, counted from 0, has no explanation.*; row 1: at no time .* H0 may give"
    with pytest.warns(UserWarning, match=message):
        found = explainer.montecarlo_explanation(rows, predict, **options)
    assert found.num_solved.tolist() == [2, 0, 2]
    assert np.isnan(found.coefficients).all(axis=1).tolist() == [False, True, False]
    assert np.isnan(found.standard_error).all(axis=1).tolist() == [False, True, False]
    assert np.isfinite(found.global_importance()).all(axis=None)
    explainer.plot_montecarlo_weights()

    alone = SurvLimeExplainer(FEATURES, EVENTS, TIMES, **settings)
    first = alone.montecarlo_explanation(rows[:1], predict, **options)
    np.testing.assert_array_equal(found.repetitions[0], first.repetitions[0])
    with pytest.raises(InputError, match=r"nothing can be explained; row 0: at no time"):
        explainer.montecarlo_explanation(rows[1:2], predict, **options)
    with pytest.raises(InputError, match=r"no coefficients: at no time .* above 0"):
        explainer.explain_instance(rows[1], predict, num_samples=60)
