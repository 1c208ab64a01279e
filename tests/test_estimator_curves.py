"""What the estimators predict at any time, and what scikit-survival's scorers make of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sksurv.datasets import load_gbsg2
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.metrics import (
    as_concordance_index_ipcw_scorer,
    as_cumulative_dynamic_auc_scorer,
    as_integrated_brier_score_scorer,
    brier_score,
    cumulative_dynamic_auc,
    integrated_brier_score,
)
from sksurv.nonparametric import kaplan_meier_estimator
from sksurv.util import Surv

from survkit.estimators import (
    AdjustableMoESurvival,
    DeepCoxMixturesSurvival,
    DeepSurvivalMachinesSurvival,
    DeepWeibullSurvival,
    FixedMoESurvival,
    MTLRSurvival,
    PersonalizedMoESurvival,
)
from survkit.estimators.curves import function_times
from survkit.metrics import evaluate
from survkit.types import InputError, SurvivalData, SurvivalPrediction

SMALL: dict[str, Any] = {"hidden_dim": 8, "epochs": 5, "time_bins": 12, "lr": 0.01}
MIXTURE: dict[str, Any] = {**SMALL, "mixture_components": 4}
EVERY = [
    MTLRSurvival(**SMALL),
    FixedMoESurvival(**MIXTURE),
    AdjustableMoESurvival(**MIXTURE),
    PersonalizedMoESurvival(**MIXTURE),
    DeepWeibullSurvival(**SMALL),
    DeepSurvivalMachinesSurvival(**SMALL),
    DeepCoxMixturesSurvival(**SMALL),
]
SMOOTH = DeepWeibullSurvival | DeepSurvivalMachinesSurvival | DeepCoxMixturesSurvival
"""Their curves are no lines between the cuts of the grid."""
every_estimator = pytest.mark.parametrize("estimator", EVERY, ids=lambda e: type(e).__name__)


def numbers(n: int = 100, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.void]]:
    """Draw censored data without tied times."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(n, 3))
    event_time = random.exponential(np.exp(-features[:, 0]))
    censoring = random.uniform(0, 3, n)
    outcome = Surv.from_arrays(event_time <= censoring, np.minimum(event_time, censoring))
    return features, outcome


@pytest.fixture(scope="module", params=EVERY, ids=lambda e: type(e).__name__)
def fitted(request: pytest.FixtureRequest) -> Any:
    return clone(request.param).fit(*numbers())


def model_curves(model: Any, features: Any, times: Any = None) -> SurvivalPrediction:
    table = pd.DataFrame(features, columns=["x0", "x1", "x2"])
    prediction: SurvivalPrediction = model.model_.predict(
        model.preprocessor_.transform(table)[0], times
    )
    return prediction


def test_functions_hold_the_models_curves_at_the_event_times(fitted: Any) -> None:
    features, outcome = numbers()
    times = fitted.unique_times_
    np.testing.assert_array_equal(times, np.unique(outcome["time"][outcome["event"]]))
    expected = model_curves(fitted, features, times).survival
    survival = fitted.predict_survival_function(features, return_array=True)
    hazard = fitted.predict_cumulative_hazard_function(features, return_array=True)
    np.testing.assert_array_equal(survival, expected)
    np.testing.assert_allclose(np.exp(-hazard), survival, rtol=1e-12)
    functions = fitted.predict_survival_function(features)
    np.testing.assert_array_equal([f(times) for f in functions], survival)
    functions = fitted.predict_cumulative_hazard_function(features)
    np.testing.assert_array_equal([f(times) for f in functions], hazard)


def test_functions_are_steps_from_0_to_the_largest_training_time(fitted: Any) -> None:
    features, outcome = numbers()
    end, times = outcome["time"].max(), fitted.unique_times_
    assert fitted.largest_time_ == end > times[-1]  # the last row is censored
    values = fitted.predict_survival_function(features, return_array=True)
    for function, row in zip(fitted.predict_survival_function(features), values, strict=True):
        assert function.domain == (0, end)
        np.testing.assert_array_equal(function([0, times[0] / 2]), 1)
        assert function((times[3] + times[4]) / 2) == row[3]
        np.testing.assert_array_equal(function([(times[-1] + end) / 2, end]), row[-1])
        with pytest.raises(ValueError, match="within"):
            function(np.nextafter(end, np.inf))
    for function in fitted.predict_cumulative_hazard_function(features):
        np.testing.assert_array_equal(function([0, times[0] / 2]), 0)


def test_functions_cover_the_times_of_scikit_survivals_own() -> None:
    features, outcome = numbers()
    cox = CoxPHSurvivalAnalysis().fit(features, outcome).predict_survival_function(features)
    own = MTLRSurvival(**SMALL).fit(features, outcome).predict_survival_function(features)
    assert own[0].domain == cox[0].domain
    assert type(own[0]) is type(cox[0])


def test_an_event_at_0_and_one_at_the_end_are_steps_too() -> None:
    features, outcome = numbers()
    outcome["time"][:2], outcome["event"][:2] = (0.0, 4.0), True
    model = MTLRSurvival(**SMALL).fit(features, outcome)
    functions = model.predict_survival_function(features)
    values = model.predict_survival_function(features, return_array=True)
    np.testing.assert_array_equal([f([0.0, 4.0]) for f in functions], values[:, [0, -1]])
    assert (values[:, 0] < 1).all()
    np.testing.assert_array_equal(functions[0].x, model.unique_times_)


def test_there_are_at_most_1000_function_times() -> None:
    time = np.random.default_rng(0).permutation(np.arange(5000) ** 1.5)
    event = np.arange(5000) % 2 == 0
    times = function_times(time, event)
    assert len(times) == 1000
    assert np.isin(times, time[event]).all()
    assert (np.diff(times) > 0).all()
    assert (times[0], times[-1]) == (time[event].min(), time[event].max())
    ranks = np.searchsorted(np.sort(time[event]), times)
    assert set(np.diff(ranks)) == {2, 3}  # 2,500 events over 1,000 times
    np.testing.assert_array_equal(function_times(time, time < 1000), np.sort(time[time < 1000]))
    assert len(function_times(np.arange(1001.0), np.ones(1001, bool))) == 1000


@pytest.mark.slow
def test_a_fit_on_many_distinct_times_keeps_1000() -> None:
    features, outcome = numbers(2500)
    model = MTLRSurvival(**{**SMALL, "epochs": 1}).fit(features, outcome)
    survival = model.predict_survival_function(features[:5], return_array=True)
    assert survival.shape == (5, 1000)
    expected = model_curves(model, features[:5], model.unique_times_).survival
    np.testing.assert_array_equal(survival, expected)


def test_a_hazard_is_finite_where_survival_is_zero() -> None:
    model = MTLRSurvival(**SMALL).fit(*numbers())
    with torch.no_grad():
        model.model_.network.head.logits.bias[0] = 2000.0
    survival = model.predict_survival_function(numbers()[0], return_array=True)
    hazard = model.predict_cumulative_hazard_function(numbers()[0], return_array=True)
    assert survival.min() == 0
    assert hazard.max() == pytest.approx(708.4, abs=0.1)


def test_a_frame_holds_the_models_curves_at_any_times(fitted: Any) -> None:
    features, _ = numbers()
    end = fitted.largest_time_
    times = [1.3, 0, end, 0.2, 1.3]
    frame = fitted.predict_survival_frame(features, times)
    assert list(frame.columns) == times
    assert list(frame.index) == list(range(100))
    distinct, place = np.unique(times, return_inverse=True)
    expected = model_curves(fitted, features, distinct).survival[:, place]
    np.testing.assert_array_equal(frame, expected)
    if not isinstance(fitted, SMOOTH):
        np.testing.assert_array_equal(frame, model_curves(fitted, features).at(times))
    for given in (tuple(times), np.array(times), pd.Series(times), pd.Index(times)):
        np.testing.assert_array_equal(fitted.predict_survival_frame(features, given), frame)
    whole = fitted.predict_survival_frame(features, range(2))
    assert list(whole.columns) == [0, 1]
    at_events = fitted.predict_survival_frame(features, fitted.unique_times_[::-1])
    expected = fitted.predict_survival_function(features, return_array=True)[:, ::-1]
    np.testing.assert_array_equal(at_events, expected)


def test_a_frame_keeps_the_index_of_a_table() -> None:
    features, outcome = numbers()
    table = pd.DataFrame(features, columns=["a", "b", "c"], index=[f"p{i}" for i in range(100)])
    model = MTLRSurvival(**SMALL).fit(table, outcome)
    frame = model.predict_survival_frame(table[::-1], [1.0, 0.5])
    assert list(frame.index) == list(table.index[::-1])
    expected = model.predict_survival_frame(table.reset_index(drop=True), [1.0, 0.5])
    np.testing.assert_array_equal(frame.loc[table.index], expected)


def test_median_quantiles_and_means_are_those_of_the_curves(fitted: Any) -> None:
    features, _ = numbers()
    curves = model_curves(fitted, features, fitted.model_.knots.times)
    rtol = 1e-4 if isinstance(fitted, SMOOTH) else 1e-9
    np.testing.assert_array_equal(
        fitted.predict_median(features), fitted.predict_quantile(features, 0.5)
    )
    for q in (0.05, 0.3, 0.5):
        reached = fitted.predict_quantile(features, q)
        np.testing.assert_array_equal(np.isinf(reached), curves.survival[:, -1] > 1 - q)
        rows = np.flatnonzero(np.isfinite(reached))
        assert len(rows)
        frame = fitted.predict_survival_frame(features[rows], reached[rows])
        # A model may see events at time 0; nothing is reached before.
        expected = np.minimum(1 - q, curves.survival[rows, 0])
        np.testing.assert_allclose(np.diag(frame), expected, rtol=rtol)
    # The curves are linear between the cuts, so a fine trapezoid that has the cuts is exact.
    for until in (0.7, fitted.largest_time_):
        times = np.union1d(np.linspace(0, until, 300), curves.times[curves.times < until])
        areas = np.trapezoid(fitted.predict_survival_frame(features, times), times, axis=1)
        np.testing.assert_allclose(fitted.predict_rmst(features, until), areas, rtol=rtol)


def test_the_median_of_a_curve_that_stays_above_a_half_is_infinite() -> None:
    model = MTLRSurvival(**SMALL).fit(*numbers())
    with torch.no_grad():
        model.model_.network.head.logits.bias[:] = -5.0
    features = numbers()[0]
    assert np.isinf(model.predict_median(features)).all()
    assert np.isfinite(model.predict(features)).all()


@pytest.mark.parametrize(
    ("method", "value", "message"),
    [
        ("predict_survival_frame", [1, 99.0], "times asks for 99.0, beyond the largest training"),
        ("predict_survival_frame", [-1.0], "at time -1.0; times are at least 0"),
        ("predict_survival_frame", [np.nan], "is missing; times are numbers"),
        ("predict_survival_frame", [1, "2"], r"times\[1\] is '2', text"),
        ("predict_survival_frame", [pd.Timedelta(days=1)], r"times\[0\] is 1 day.*, a duration"),
        ("predict_survival_frame", np.array([1], "m8[D]"), r"times\[0\] is 1 day.*, a duration"),
        ("predict_survival_frame", [[1.0]], r"times has shape \(1, 1\)"),
        ("predict_rmst", 99, "t asks for 99.0, beyond the largest training time"),
        ("predict_rmst", 0, "must be above 0"),
        ("predict_rmst", pd.Timedelta(days=1), "t is 1 day.*, a duration; times are numbers"),
        ("predict_rmst", [1.0], "must be one number"),
        ("predict_quantile", 0, "q is 0.0; it is a probability above 0"),
        ("predict_quantile", 1.5, "q is 1.5; it is a probability above 0"),
        ("predict_quantile", "half", "q is 'half', text; it must be a number"),
    ],
)
def test_bad_arguments_are_explained(method: str, value: Any, message: str) -> None:
    model = MTLRSurvival(**{**SMALL, "epochs": 1}).fit(*numbers())
    with pytest.raises(InputError, match=message):
        getattr(model, method)(numbers()[0], value)


def test_brier_scores_of_scikit_survival_are_those_of_evaluate(fitted: Any) -> None:
    train = numbers()[1]
    features, outcome = numbers(150, seed=1)
    inside = outcome["time"] < train["time"].max()
    features, outcome = features[inside], outcome[inside]
    times = fitted.unique_times_[5:-8:6]
    functions = fitted.predict_survival_function(features)
    estimate = np.array([function(times) for function in functions])
    frame = fitted.predict_survival_frame(features, [*times, fitted.largest_time_])
    np.testing.assert_array_equal(estimate, frame.iloc[:, :-1])
    scores = evaluate(
        SurvivalPrediction(np.asarray(frame.columns), frame.to_numpy()),
        SurvivalData(features, outcome["event"], outcome["time"]),
        train_time=train["time"],
        train_event=train["event"],
        grid=fitted.model_.grid,
        bootstrap=0,
        null_draws=0,
        evaluation_times=times,
    )
    details = {name: d for name, d in scores.details.items() if name.startswith("brier@")}
    at = {d["time"]: scores.values[name] for name, d in details.items()}
    ours = np.array([at[time] for time in times])
    theirs = brier_score(train, outcome, estimate, times)[1]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    integral = np.trapezoid(ours, times) / (times[-1] - times[0])
    found = integrated_brier_score(train, outcome, estimate, times)
    assert found == pytest.approx(integral, abs=1e-6)


@every_estimator
def test_scorers_of_scikit_survival_take_it(estimator: Any) -> None:
    features, outcome = numbers(200)
    times = np.linspace(0.2, 2, 5)
    concordance = as_concordance_index_ipcw_scorer(clone(estimator), tau=2.0)
    assert 0 < concordance.fit(features, outcome).score(features, outcome) < 1
    brier = as_integrated_brier_score_scorer(clone(estimator), times=times)
    assert -0.3 < brier.fit(features, outcome).score(features, outcome) < 0
    auc = as_cumulative_dynamic_auc_scorer(clone(estimator), times=times)
    mean = auc.fit(features, outcome).score(features, outcome)
    risk = auc.estimator_.predict(features)
    assert mean == cumulative_dynamic_auc(outcome, outcome, risk, times)[1]
    hazards = [f(times) for f in auc.estimator_.predict_cumulative_hazard_function(features)]
    assert (cumulative_dynamic_auc(outcome, outcome, np.array(hazards), times)[0] > 0).all()


@pytest.mark.slow
@every_estimator
def test_the_mean_curve_of_gbsg2_is_near_kaplan_meier(estimator: Any) -> None:
    features, outcome = load_gbsg2()
    training = {"epochs": 100, "hidden_dim": 16, "lr": 2e-3, "batch_size": 128}
    model = clone(estimator).set_params(time_bins=None, **training).fit(features, outcome)
    times, survival = kaplan_meier_estimator(outcome["cens"], outcome["time"])
    expected = survival[np.searchsorted(times, 837, side="right") - 1]
    if isinstance(estimator, DeepWeibullSurvival | DeepSurvivalMachinesSurvival):
        expected = 0.7536  # of lifelines' WeibullFitter: no Weibull distribution fits these times
    functions = model.predict_survival_function(features)
    found = np.array([f(837) for f in functions])
    assert found.mean() == pytest.approx(expected, abs=0.03)
    # A step is read at the last event time up to 837 days, so it is at or a little above the curve.
    above = found - model.predict_survival_frame(features, [837])[837]
    assert (above >= 0).all()
    assert above.max() < 0.01
    assert np.isfinite([f(outcome["time"].max()) for f in functions]).all()
