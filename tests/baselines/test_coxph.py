from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter
from sksurv.linear_model import CoxnetSurvivalAnalysis
from sksurv.util import Surv

from survkit.baselines.cox_table import hazard_ratios
from survkit.baselines.coxph import PATH_STEPS, CoxPH, penalty_path
from survkit.types import FitSummary, InputError, SurvivalData, TimeGrid

GRID = TimeGrid.evenly_spaced(3.0, 30)


class Warnings:
    """A monitor that only listens to warnings."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def log(self, epoch: int, values: object) -> None:
        raise AssertionError("Cox regression has no epochs")

    def save(self, state: object, *, always: bool = False) -> None:
        raise AssertionError("Cox regression keeps no state on the way")

    def load(self) -> None:
        return None

    def warn(self, message: str) -> None:
        self.messages.append(message)


def with_features(data: SurvivalData, features: np.ndarray) -> SurvivalData:
    return SurvivalData(features, data.event, data.time)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # lifelines under pandas 3
def test_without_a_penalty_it_is_the_maximum_likelihood_of_lifelines(
    small_data: SurvivalData,
) -> None:
    numeric = with_features(small_data, small_data.features[:, :4])  # times have no ties
    model = CoxPH(grid=GRID, alpha=0.0).fit(numeric, numeric)

    frame = pd.DataFrame(numeric.features.astype(float), columns=list("abcd"))
    frame = frame.assign(time=numeric.time, event=numeric.event)
    reference = CoxPHFitter().fit(frame, "time", "event")
    np.testing.assert_allclose(model.coefficients, reference.params_, atol=1e-3)
    # lifelines' own curves interpolate the baseline between event times: read it as steps.
    steps = reference.baseline_cumulative_hazard_.iloc[:, 0]
    rows = np.searchsorted(steps.index, GRID.cuts, side="right")
    hazard = np.concatenate([[0.0], steps])[rows]
    partial_hazard = reference.predict_partial_hazard(frame).to_numpy()
    found = model.predict(numeric.features).survival
    np.testing.assert_allclose(found, np.exp(-np.outer(partial_hazard, hazard)), atol=1e-3)


@pytest.mark.parametrize(("alpha", "l1_ratio"), [(0.01, 0.5), (0.05, 1.0), (0.001, 0.1)])
def test_it_is_the_step_function_of_scikit_survival_at_the_cuts(
    alpha: float, l1_ratio: float, small_data: SurvivalData
) -> None:
    codes = small_data.features[:, 4]
    matrix = np.column_stack([small_data.features[:, :4], codes == 1, codes == 2]).astype(float)
    reference = CoxnetSurvivalAnalysis(
        alphas=[alpha], l1_ratio=l1_ratio, fit_baseline_model=True, tol=1e-9
    )
    reference.fit(matrix, Surv.from_arrays(small_data.event, small_data.time))
    functions = reference.predict_survival_function(matrix)
    first, last = functions[0].domain
    inside = GRID.cuts[(GRID.cuts >= first) & (GRID.cuts <= last)]
    model = CoxPH(grid=GRID, alpha=alpha, l1_ratio=l1_ratio).fit(small_data, small_data)
    prediction = model.predict(small_data.features)
    np.testing.assert_allclose(
        prediction.at(inside), np.stack([function(inside) for function in functions]), atol=1e-4
    )
    assert model.fit_summary == FitSummary(
        6, converged=True, convergence_reason=f"the optimisation reached --cox_alpha {alpha:g}"
    )


def test_survival_is_constant_beyond_the_last_training_event(small_data: SurvivalData) -> None:
    long = TimeGrid.evenly_spaced(10.0, 50)
    survival = CoxPH(grid=long).fit(small_data, small_data).predict(small_data.features).survival
    after = np.flatnonzero(long.cuts > small_data.time[small_data.event].max())
    assert len(after) > 10
    np.testing.assert_array_equal(survival[:, after], survival[:, after[:1]].repeat(len(after), 1))
    assert (survival[:, -1] > 0).any()
    np.testing.assert_array_equal(survival[:, 0], 1.0)


@pytest.mark.parametrize("alpha", [1e-6, 1e-3])
def test_constant_and_collinear_columns_do_not_break_it(
    alpha: float, small_data: SurvivalData
) -> None:
    numeric = small_data.features[:, :4]
    n = len(numeric)
    redundant = np.column_stack(
        [numeric, numeric[:, 0], numeric[:, 0] - numeric[:, 1], np.ones(n), np.zeros(n)]
    )
    plain = CoxPH(grid=GRID, alpha=alpha).fit(*[with_features(small_data, numeric)] * 2)
    data = with_features(small_data, redundant)
    model = CoxPH(grid=GRID, alpha=alpha).fit(data, data)
    np.testing.assert_array_equal(model.coefficients[-2:], 0.0)
    difference = model.predict(data.features).survival - plain.predict(numeric).survival
    assert np.abs(difference).max() < 5e-3


def test_identical_training_gives_identical_bits(small_data: SurvivalData) -> None:
    fits = [CoxPH(grid=GRID).fit(small_data, small_data) for _ in range(2)]
    first, second = (fit.predict(small_data.features).survival for fit in fits)
    np.testing.assert_array_equal(first, second)


def test_a_penalty_that_leaves_nothing_is_in_the_record(small_data: SurvivalData) -> None:
    monitor = Warnings()
    model = CoxPH(grid=GRID, alpha=100.0).fit(small_data, small_data, monitor=monitor)
    assert monitor.messages == ["coxph: all coefficients are zero, consider decreasing alpha."]
    np.testing.assert_array_equal(model.coefficients, 0.0)
    assert model.fit_summary.converged  # it is the optimum
    survival = model.predict(small_data.features).survival
    # Breslow's estimate for equal risks is Nelson and Aalen's.
    order = np.argsort(small_data.time)
    at_risk = np.arange(len(order), 0, -1)
    hazard = np.cumsum(small_data.event[order] / at_risk)
    rows = np.searchsorted(small_data.time[order], GRID.cuts, side="right")
    expected = np.exp(-np.concatenate([[0.0], hazard])[rows])
    np.testing.assert_allclose(survival, expected[None].repeat(len(survival), 0), rtol=1e-10)


def test_a_stronger_penalty_gives_smaller_coefficients(small_data: SurvivalData) -> None:
    norms = [
        np.abs(CoxPH(grid=GRID, alpha=a).fit(small_data, small_data).coefficients).sum()
        for a in (0.0, 0.01, 0.1, 0.3)
    ]
    assert all(later < earlier for earlier, later in pairwise(norms))


def test_extreme_features_give_curves_within_0_and_1(small_data: SurvivalData) -> None:
    model = CoxPH(grid=GRID).fit(small_data, small_data)
    far = np.zeros((2, 5), np.float32)
    far[:, 0] = (3e4, -3e4)
    survival = model.predict(far).survival
    after = model.baseline.log_at(GRID.cuts) > -np.inf
    np.testing.assert_array_equal(survival[0, after], 0.0)
    np.testing.assert_array_equal(survival[1], 1.0)
    np.testing.assert_array_equal(survival[0, ~after], 1.0)


def test_no_events_are_refused(small_data: SurvivalData) -> None:
    censored = SurvivalData(small_data.features, np.zeros(120, bool), small_data.time)
    with pytest.raises(InputError, match=r"at least 1 event .* True in 0 of 120"):
        CoxPH(grid=GRID).fit(censored, censored)


def test_features_of_another_width_are_refused(small_data: SurvivalData) -> None:
    model = CoxPH(grid=GRID).fit(small_data, small_data)
    with pytest.raises(InputError, match=r"\(n, 5\), not \(120, 4\)"):
        model.predict(small_data.features[:, :4])


def test_a_breakdown_of_the_optimisation_is_an_input_error(small_data: SurvivalData) -> None:
    # A feature that orders the times exactly has no finite maximum likelihood estimate.
    data = with_features(small_data, -1e3 * small_data.time[:, None].astype(np.float32))
    with pytest.raises(InputError, match=r"--cox_alpha 0.0 .* larger"):
        CoxPH(grid=GRID, alpha=0.0).fit(data, data)


@pytest.mark.parametrize("alpha", [0.0, 1e-9, 1e-3, 0.4, 0.5, 2.0])
def test_the_path_of_penalties_falls_to_the_one_asked_for(alpha: float) -> None:
    path = penalty_path(0.5, alpha)
    assert path[-1] == alpha
    assert (np.diff(path) < 0).all()
    assert len(path) <= PATH_STEPS


def test_a_weak_penalty_on_strong_rare_effects_is_fitted() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(3000, 5)).astype(np.float32)
    features[:, 0] = rng.exponential(size=3000) ** 2  # skewed, as laboratory values are
    event_time = rng.exponential(300 * np.exp(-0.3 * features[:, 0]))
    data = SurvivalData(features, event_time < 10, np.minimum(event_time, 10.0))
    grid = TimeGrid.evenly_spaced(10.0, 20)
    model = CoxPH(grid=grid, alpha=1e-3).fit(data, data)
    assert 0.2 < model.coefficients[0] < 0.4


def test_an_optimisation_that_ends_early_has_not_converged() -> None:
    rng = np.random.default_rng(0)
    time = rng.exponential(size=20)
    event = rng.random(20) < 0.8
    log_time = np.log(time) + 0.01 * rng.normal(size=20)  # orders the events almost exactly
    data = SurvivalData(-log_time[:, None].astype(np.float32), event, time)
    monitor = Warnings()
    model = CoxPH(grid=GRID, alpha=1e-5).fit(data, data, monitor=monitor)
    assert model.fit_summary.converged is False
    reason = model.fit_summary.convergence_reason
    assert reason.startswith("Optimization terminated early")
    assert monitor.messages[-1] == f"coxph: {reason}"
    assert "'x0' is highest (or lowest)" in monitor.messages[0]
    assert CoxPH.from_state(model.state()).fit_summary == model.fit_summary


def awkward(data: SurvivalData, column: np.ndarray) -> SurvivalData:
    """Numeric features and one more, called `extra`."""
    features = np.column_stack([data.features[:, :3], column]).astype(np.float32)
    names = ("a", "b", "c", "extra")
    return SurvivalData(features, data.event, data.time, feature_names=names)


def scaled(column: np.ndarray) -> np.ndarray:
    return (column - column.mean()) / column.std()


COLUMNS = {
    "a copy of the time": lambda data: scaled(data.time),
    "minus the time": lambda data: -scaled(data.time),
    "the time without scaling": lambda data: 1e4 * data.time,
    "1 only for events": lambda data: data.event.astype(float),
}


@pytest.mark.parametrize("alpha", [0.0, 1e-6, 1e-3, 0.1])
@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_that_orders_the_events_is_named(
    kind: str, alpha: float, small_data: SurvivalData
) -> None:
    data = awkward(small_data, COLUMNS[kind](small_data))
    monitor = Warnings()
    model = CoxPH(grid=GRID, alpha=alpha)
    refused = ""
    try:
        model.fit(data, data, monitor=monitor)
    except InputError as error:
        refused = str(error)
    if refused:
        assert "at every event 'extra' is highest (or lowest)" in refused
        assert refused.endswith("a larger --cox_alpha may help")
        assert kind == "the time without scaling" or alpha < 1e-3
        return
    assert "at every event 'extra' is highest (or lowest)" in monitor.messages[0]
    again = CoxPH.from_state(model.state())
    for times in (None, model.knots.times):
        survival = model.predict(data.features, times).survival
        assert np.isfinite(survival).all()
        assert ((survival >= 0) & (survival <= 1)).all()
        np.testing.assert_array_equal(again.predict(data.features, times).survival, survival)


def test_a_rare_category_without_events_is_not_warned_of(small_data: SurvivalData) -> None:
    rare = np.zeros(len(small_data))
    rare[np.flatnonzero(~small_data.event)[:3]] = 1
    monitor = Warnings()
    data = awkward(small_data, rare)
    CoxPH(grid=GRID).fit(data, data, monitor=monitor)
    assert monitor.messages == []


def test_without_a_penalty_columns_that_add_nothing_are_named(small_data: SurvivalData) -> None:
    monitor = Warnings()
    data = awkward(small_data, small_data.features[:, 0])
    model = CoxPH(grid=GRID, alpha=0.0).fit(data, data, monitor=monitor)
    assert monitor.messages == [
        "coxph: 'extra' adds nothing to 'a', and without a penalty nothing tells their effects "
        "apart"
    ]
    assert np.isfinite(model.predict(data.features).survival).all()


@pytest.mark.parametrize("alpha", [0.0, 1e-3])
def test_a_constant_column_changes_nothing(alpha: float, small_data: SurvivalData) -> None:
    data = awkward(small_data, np.full(len(small_data), 7.0))
    monitor = Warnings()
    model = CoxPH(grid=GRID, alpha=alpha).fit(data, data, monitor=monitor)
    assert monitor.messages == []
    assert model.coefficients[-1] == 0
    assert model.fit_summary.num_parameters == 4
    plain = with_features(small_data, small_data.features[:, :3])
    expected = CoxPH(grid=GRID, alpha=alpha).fit(plain, plain).predict(plain.features).survival
    np.testing.assert_allclose(model.predict(data.features).survival, expected, atol=1e-9)


def test_constant_columns_alone_give_everybody_the_same_curve(small_data: SurvivalData) -> None:
    data = with_features(small_data, np.ones((120, 2), np.float32))
    monitor = Warnings()
    model = CoxPH(grid=GRID).fit(data, data, monitor=monitor)
    assert monitor.messages == ["coxph: every column is constant; all subjects get the same curve"]
    survival = model.predict(data.features).survival
    assert np.isfinite(survival).all()
    assert (survival == survival[:1]).all()
    assert hazard_ratios(model, data, None).notes[-2].endswith("no column varies.")


def test_more_columns_than_rows_are_refused_or_penalised(small_data: SurvivalData) -> None:
    features = np.random.default_rng(0).normal(size=(120, 200)).astype(np.float32)
    data = with_features(small_data, features)
    said = "200 columns for 120 training rows have no unique effects"
    with pytest.raises(InputError, match=rf"{said}.*; a larger --cox_alpha may help"):
        CoxPH(grid=GRID, alpha=0.0).fit(data, data)
    for alpha in (1e-6, 0.1):
        model = CoxPH(grid=GRID, alpha=alpha).fit(data, data)
        assert np.isfinite(model.predict(features).survival).all()


def test_states_of_earlier_versions_hold_the_hazard_itself(small_data: SurvivalData) -> None:
    model = CoxPH(grid=GRID).fit(small_data, small_data)
    hazard = np.exp(model.baseline.log_values)
    baseline = {"times": model.baseline.times, "values": hazard}
    earlier = CoxPH.from_state({**model.state(), "baseline": baseline})
    np.testing.assert_allclose(
        earlier.predict(small_data.features).survival,
        model.predict(small_data.features).survival,
        rtol=1e-12,
    )
