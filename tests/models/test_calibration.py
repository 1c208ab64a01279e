from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from survkit.metrics import evaluate
from survkit.metrics.classes import class_likelihood
from survkit.models.calibration import MIN_EVENTS, Calibration, fit_calibration
from survkit.types import SurvivalData, SurvivalPrediction, TimeGrid

pytestmark = pytest.mark.slow

GRID = TimeGrid.evenly_spaced(4.0, 30)


def simulate(
    n: int, *, seed: int = 0, intercept: float = 0.0, slope: float = 1.0
) -> tuple[SurvivalPrediction, SurvivalData]:
    """Exponential times, and the true curves distorted so that this very map brings them back."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    hazard = np.exp(0.7 * x)
    event_time, censoring_time = rng.exponential(1 / hazard), rng.uniform(0, 4, n)
    data = SurvivalData(
        x[:, None], event_time <= censoring_time, np.minimum(event_time, censoring_time)
    )
    truth = np.exp(-hazard[:, None] * GRID.cuts)
    return SurvivalPrediction(GRID.cuts, expit((logit(truth) - intercept) / slope)), data


def log_likelihood(prediction: SurvivalPrediction, data: SurvivalData) -> float:
    likelihood = class_likelihood(prediction.survival, data.event, GRID.classify(data.time))
    return float(np.log(likelihood).sum())


@pytest.mark.parametrize(("intercept", "slope"), [(0.6, 0.7), (-0.4, 1.5)])
def test_a_distorted_model_is_brought_back(intercept: float, slope: float) -> None:
    prediction, data = simulate(3000, intercept=intercept, slope=slope)
    found = fit_calibration(prediction, data, GRID)
    assert found.applied
    assert found.intercept == pytest.approx(intercept, abs=0.1)
    assert found.slope == pytest.approx(slope, abs=0.07)
    assert found.n_used == 3000

    distorted, fresh = simulate(2000, seed=1, intercept=intercept, slope=slope)
    before, after = (
        evaluate(
            each,
            fresh,
            train_time=data.time,
            train_event=data.event,
            grid=GRID,
            bootstrap=0,
        ).values
        for each in (distorted, found.apply(distorted))
    )
    assert before["ece_equal_mass"] > before["ece_null_p95"]
    assert after["ece_equal_mass"] < after["ece_null_p95"]
    for name in ("auc@25", "auc@50", "concordance_td"):
        assert after[name] == pytest.approx(before[name], abs=1e-12)


def test_a_calibrated_model_stays_as_it_is() -> None:
    applied = 0
    for seed in range(20):
        prediction, data = simulate(300, seed=seed)
        found = fit_calibration(prediction, data, GRID)
        applied += found.applied
        assert found.slope == pytest.approx(1, abs=0.35)
        if not found.applied:
            assert found.apply(prediction) is prediction
    assert applied <= 1


def test_the_fit_is_the_maximum_of_the_censored_likelihood() -> None:
    prediction, data = simulate(500, intercept=0.5, slope=0.8)
    found = fit_calibration(prediction, data, GRID)
    best = log_likelihood(found.apply(prediction), data)
    for change in ((0.02, 0), (-0.02, 0), (0, 0.02), (0, -0.02), (0.02, 0.02), (0.02, -0.02)):
        other = found._replace(intercept=found.intercept + change[0], slope=found.slope + change[1])
        assert log_likelihood(other.apply(prediction), data) < best


def test_two_times_and_no_covariates_have_a_closed_form() -> None:
    """Then the two parameters reproduce the observed survival at the two times."""
    grid = TimeGrid(np.array([0.0, 1.0, 2.0]))
    time = np.repeat([0.5, 1.5, 3.0], [60, 40, 100])  # beyond the horizon: known event-free
    data = SurvivalData(np.zeros((200, 1)), np.ones(200, dtype=bool), time)
    predicted, observed = np.array([0.9, 0.4]), np.array([0.7, 0.5])
    prediction = SurvivalPrediction(grid.cuts, np.tile([1.0, *predicted], (200, 1)))
    found = fit_calibration(prediction, data, grid)
    slope = np.diff(logit(observed))[0] / np.diff(logit(predicted))[0]
    assert found.slope == pytest.approx(slope, rel=1e-5)
    assert found.intercept == pytest.approx(logit(0.7) - slope * logit(0.9), rel=1e-4)
    np.testing.assert_allclose(found.apply(prediction).survival[0], [1.0, *observed], rtol=1e-5)


@settings(deadline=None)
@given(
    st.floats(-5, 5),
    st.floats(0.05, 5),
    st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=2, max_size=5),
)
def test_any_map_gives_survival_curves_in_the_same_order(
    intercept: float, slope: float, rows: list[list[float]]
) -> None:
    survival = -np.sort(-np.array(rows), axis=1)
    prediction = SurvivalPrediction(np.arange(4.0), survival)
    mapped = Calibration(True, intercept, slope).apply(prediction).survival
    assert (mapped[survival == 1] == 1).all()
    assert (mapped[survival == 0] == 0).all()
    assert (np.diff(mapped, axis=1) <= 0).all()
    order = np.argsort(survival, axis=0)
    assert (np.diff(np.take_along_axis(mapped, order, axis=0), axis=0) >= 0).all()


def test_rounding_is_not_magnified() -> None:
    """A rise within the tolerance of a prediction must not become one beyond it."""
    prediction = SurvivalPrediction(np.array([0.0, 1.0]), np.array([[1 - 5e-7, 1.0], [0.5, 0.2]]))
    mapped = Calibration(True, 0.0, 0.1).apply(prediction)
    assert mapped.survival[0, 1] == mapped.survival[0, 0]


def test_expert_weights_stay() -> None:
    weights = np.array([[0.2, 0.8]])
    prediction = SurvivalPrediction(np.array([0.0]), np.array([[0.7]]), weights)
    assert Calibration(True, 0.3, 1.2).apply(prediction).expert_weights is weights


def test_outcomes_without_probability_are_counted_or_enter_by_their_limit() -> None:
    prediction, data = simulate(400, intercept=0.6, slope=0.7)
    survival = prediction.survival.copy()
    flat, certain = np.flatnonzero(data.event)[:2]
    event_class = GRID.classify(data.time)
    # One event falls where its curve is level, another before its curve has fallen at all.
    survival[flat, event_class[flat] :] = survival[flat, event_class[flat] - 1]
    survival[certain] = 1.0
    found = fit_calibration(SurvivalPrediction(GRID.cuts, survival), data, GRID)
    assert (found.n_used, found.n_impossible) == (399, 1)
    assert found.applied
    assert "1 validation rows" in found.describe()
    assert np.isfinite([found.intercept, found.slope, found.gain]).all()


def test_too_few_events_leave_the_model_as_it_is() -> None:
    prediction, data = simulate(300, intercept=0.6, slope=0.7)
    some = np.flatnonzero(data.event)[: MIN_EVENTS - 1]
    found = fit_calibration(prediction.subset(some), data.subset(some), GRID)
    assert found == Calibration(applied=False, n_used=MIN_EVENTS - 1)
    assert "too few outcomes" in found.describe()


def test_rows_of_one_subject_count_as_one() -> None:
    prediction, data = simulate(200, intercept=0.5, slope=0.8)
    alone = fit_calibration(prediction, data, GRID)
    rows = np.repeat(np.arange(200), 5)
    repeated = SurvivalData(data.features[rows], data.event[rows], data.time[rows], subject_id=rows)
    found = fit_calibration(prediction.subset(rows), repeated, GRID)
    assert alone.gain is not None
    assert alone.gain_error is not None
    assert found.gain == pytest.approx(5 * alone.gain, rel=1e-3)
    assert found.gain_error == pytest.approx(5 * alone.gain_error, rel=1e-3)


def test_the_record_says_what_was_decided() -> None:
    mapped = Calibration(True, 0.5, 0.8, 0.02, 0.01, 500).describe()
    assert "mapped by logit S' = 0.500 + 0.800 logit S" in mapped
    assert "not those of unseen data" in mapped
    left = Calibration(False, 0.5, 0.8, 0.001, 0.01, 500).describe()
    assert "left as it is, not mapped by" in left
    assert "unseen data" not in left
