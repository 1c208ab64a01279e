import numpy as np
import pandas as pd
import pytest
from hazardous.metrics import aj_calibration_per_event as hazardous_aj_calibration
from scipy.stats import chisquare
from sksurv.nonparametric import cumulative_incidence_competing_risks
from SurvivalEVAL.evaluations.calibration.distributional import (
    aj_calibration_per_event,
    create_interval_c_hist,
)
from SurvivalEVAL.evaluations.calibration.distributional import d_calibration as eval_d_calibration
from SurvivalEVAL.evaluations.calibration.distributional import (
    km_calibration as eval_km_calibration,
)

from survkit.metrics.bootstrap import resample_counts
from survkit.metrics.censoring import kaplan_meier
from survkit.metrics.curve_calibration import (
    aalen_johansen_at,
    aj_calibration,
    d_calibration,
    d_calibration_histogram,
    km_calibration,
    survival_bounds,
)
from tests.metrics.metric_fixtures import (
    tied_causes,
    tied_incidence,
    tied_outcomes,
    tied_survival,
    well_specified,
)

CUTS = np.arange(13.0)


@pytest.fixture
def sample():
    time, event = tied_outcomes(150, seed=1)
    return tied_survival(150, CUTS, seed=2), time, event


def test_d_calibration_agrees_with_survivaleval_at_points():
    # Where survival at the event time is a point, not an interval, both are the same test.
    # No value lies on a bin's edge, where rounding decides.
    rng = np.random.default_rng(0)
    upper, event = (rng.choice(40, 150) + 0.3) / 40, rng.random(150) < 0.6
    reference, p_value, histogram = eval_d_calibration(upper, event)
    lower = np.where(event, upper, 0.0)
    np.testing.assert_allclose(d_calibration_histogram(lower, upper)[::-1], histogram)
    assert d_calibration(lower, upper) == pytest.approx(p_value)
    assert reference > 0


def test_d_calibration_spreads_intervals_as_survivaleval(sample):
    lower, upper = survival_bounds(sample[0], CUTS, *sample[1:])
    histogram = sum(create_interval_c_hist(u, v, 10) for v, u in zip(lower, upper, strict=True))
    np.testing.assert_allclose(d_calibration_histogram(lower, upper)[::-1], histogram, atol=1e-9)
    assert d_calibration(lower, upper) == pytest.approx(chisquare(histogram).pvalue)


def test_survival_bounds():
    survival = np.array([[1.0, 0.7, 0.4]] * 6)
    time = np.array([0.0, 0.5, 1.0, 1.0, 2.5, 2.5])
    event = np.array([True, True, True, False, True, False])
    lower, upper = survival_bounds(survival, np.array([0.0, 1.0, 2.0]), time, event)
    assert lower.tolist() == [1.0, 0.7, 0.7, 0.0, 0.0, 0.0]
    assert upper.tolist() == [1.0, 1.0, 1.0, 0.7, 0.4, 0.4]


@pytest.mark.slow
@pytest.mark.parametrize("cuts", [np.linspace(0, 40, 2000), np.linspace(0, 12, 13)])
def test_true_predictions_are_rejected_no_more_often_than_nominal(cuts):
    rejected = 0
    for seed in range(200):
        prediction, data = well_specified(150, seed, cuts)
        bounds = survival_bounds(prediction.survival, cuts, data.time, data.event)
        rejected += d_calibration(*bounds) < 0.05
    assert rejected <= 14


@pytest.mark.slow
def test_p_values_are_uniform_without_censoring_on_a_fine_grid():
    cuts, p_values = np.linspace(0, 150, 20_000), []
    for seed in range(150):
        prediction, data = well_specified(100, seed, cuts)
        event = np.ones(100, dtype=bool)
        bounds = survival_bounds(prediction.survival, cuts, data.true_time, event)
        p_values.append(d_calibration(*bounds))
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.08)
    assert np.mean(np.array(p_values) < 0.1) == pytest.approx(0.1, abs=0.07)


@pytest.mark.parametrize("cuts", [np.linspace(0, 40, 2000), np.linspace(0, 12, 13)])
def test_wrong_predictions_are_rejected(cuts):
    prediction, data = well_specified(500, 0, cuts)
    wrong = prediction.survival**3
    assert d_calibration(*survival_bounds(wrong, prediction.times, data.time, data.event)) < 1e-6


def test_km_calibration_agrees_with_survivaleval_on_its_times(sample):
    survival, time, event = sample
    cuts = np.concatenate([[0.0], np.unique(time[event])])
    survival = survival[:, cuts.astype(int)]
    reference = eval_km_calibration(survival.mean(axis=0), cuts, time, event)
    ours = km_calibration(survival, cuts, time, event)
    assert ours[0] == pytest.approx(reference, abs=1e-12)


def test_km_calibration_of_resamples_equals_repeated_subjects(sample):
    survival, time, event = sample
    counts = resample_counts(len(time), resamples=5, seed=0)
    ours = km_calibration(survival, CUTS, time, event, counts)
    for b, count in enumerate(counts):
        rows = np.repeat(np.arange(len(time)), count.astype(int))
        again = km_calibration(survival[rows], CUTS, time[rows], event[rows])
        assert ours[b] == pytest.approx(again[0], rel=1e-4, abs=1e-9)


def test_km_calibration_without_events_compares_with_one():
    survival = np.array([[1.0, 0.5]])
    value = km_calibration(survival, np.array([0.0, 1.0]), np.array([2.0]), np.array([False]))
    assert value[0] == pytest.approx(0.125)


def test_aalen_johansen_agrees_with_scikit_survival():
    time, cause = tied_causes(150, seed=1)
    times, reference = cumulative_incidence_competing_risks(cause, time)
    ours = aalen_johansen_at(CUTS, time, cause, 2)[0]
    for c in (1, 2):
        np.testing.assert_allclose(ours[c - 1, times.astype(int)], reference[c], atol=1e-12)
    counts = resample_counts(150, resamples=3, seed=0)
    resampled = aalen_johansen_at(CUTS, time, cause, 2, counts)
    for b, count in enumerate(counts):
        rows = np.repeat(np.arange(150), count.astype(int))
        again = aalen_johansen_at(CUTS, time[rows], cause[rows], 2)[0]
        np.testing.assert_allclose(resampled[b], again, rtol=1e-5)
    survival = 1 - aalen_johansen_at(CUTS, time, cause, 2)[0].sum(axis=0)
    np.testing.assert_allclose(survival, kaplan_meier(time, cause > 0).at(CUTS), atol=1e-12)


def test_aalen_johansen_without_events_of_a_cause_is_zero_and_stays_after_the_last():
    time, cause = np.array([1.0, 2.0, 2.0]), np.array([0, 2, 2])
    estimate = aalen_johansen_at(np.array([0.0, 1.5, 2.0, 9.0]), time, cause, 2)[0]
    assert estimate.tolist() == [[0.0] * 4, [0.0, 0.0, 1.0, 1.0]]
    assert (aalen_johansen_at(CUTS, time, np.zeros(3, dtype=int), 2) == 0).all()


def test_aj_calibration_agrees_with_survivaleval_and_hazardous():
    time, cause = tied_causes(150, seed=1)
    incidence = tied_incidence(150, CUTS, seed=2)
    ours = aj_calibration(incidence, CUTS, time, cause)[0]
    for c in (1, 2):
        reference = aj_calibration_per_event(
            incidence[:, c - 1], CUTS, time, cause, c, min_prop_at_risk=0
        )
        assert ours[c - 1] == pytest.approx(reference, rel=1e-10)
    # hazardous moves tied times apart at random, so its times have no ties here.
    time, cuts = 1.0 + np.argsort(np.argsort(time, kind="stable")), np.arange(151.0)
    incidence = tied_incidence(150, cuts, seed=2)
    curves = np.concatenate([1 - incidence.sum(axis=1, keepdims=True), incidence], axis=1)
    outcomes = pd.DataFrame({"event": cause, "duration": time})
    reference = hazardous_aj_calibration(outcomes, cuts, curves, min_prop_at_risk=0)
    ours = aj_calibration(incidence, cuts, time, cause)[0]
    assert ours == pytest.approx([reference[1], reference[2]], rel=1e-10)
