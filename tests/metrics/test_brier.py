import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sksurv.metrics import brier_score, integrated_brier_score
from sksurv.metrics import cumulative_dynamic_auc as sksurv_auc
from sksurv.util import Surv

from survkit.metrics.bootstrap import resample_counts, weighted_ratio
from survkit.metrics.brier import (
    accuracy_contributions,
    brier_contributions,
    cumulative_dynamic_auc,
    integration_weights,
)
from survkit.metrics.censoring import censoring_distribution, censoring_weights, weights_at_cuts
from tests.metrics.metric_fixtures import tied_outcomes, tied_survival

CUTS = np.arange(13.0)


def outcomes_without_tied_censoring(n, seed):
    """Others weigh events by G(T); it equals G(T-) where censorings fall between event times."""
    time, event = tied_outcomes(n, seed)
    return np.where(event, time, time + 0.5), event


@pytest.fixture
def sample():
    time, event = outcomes_without_tied_censoring(150, seed=1)
    train_time, train_event = outcomes_without_tied_censoring(400, seed=2)
    censoring = censoring_distribution(train_time, train_event)
    weights = censoring_weights(time, event, CUTS, censoring)
    survival = tied_survival(150, CUTS, seed=3)[:, : weights.last_cut + 1]
    return time, event, train_time, train_event, survival, weights


def contributions(sample):
    time, event, _, _, survival, weights = sample
    upto = CUTS[: weights.last_cut + 1]
    happened = event[:, None] & (time[:, None] <= upto)
    return brier_contributions(survival, happened, weights_at_cuts(time, CUTS, weights)), upto


def test_brier_agrees_with_scikit_survival(sample):
    time, event, train_time, train_event, survival, _ = sample
    ours, upto = contributions(sample)
    _, reference = brier_score(
        Surv.from_arrays(train_event, train_time),
        Surv.from_arrays(event, time),
        survival[:, 1:],
        upto[1:],
    )
    np.testing.assert_allclose(ours.mean(axis=0)[1:], reference, rtol=1e-12)


def test_integrated_brier_agrees_with_scikit_survival(sample):
    time, event, train_time, train_event, survival, _ = sample
    ours, upto = contributions(sample)
    reference = integrated_brier_score(
        Surv.from_arrays(train_event, train_time),
        Surv.from_arrays(event, time),
        survival[:, 1:],
        upto[1:],
    )
    mean = ours.mean(axis=0)[1:]
    assert mean @ integration_weights(upto[1:]) == pytest.approx(reference, abs=1e-12)


@pytest.mark.slow
def test_brier_agrees_with_torchsurv_where_nothing_is_censored():
    # With censoring torchsurv takes the weights from the caller, so only the rest is compared.
    import torch

    with warnings.catch_warnings():
        # torchsurv calls the deprecated torch.jit.script when it is imported.
        warnings.simplefilter("ignore", FutureWarning)
        from torchsurv.metrics.brier_score import BrierScore
    time, _ = tied_outcomes(60, seed=4)
    event, survival = np.ones(60, dtype=bool), tied_survival(60, CUTS, seed=5)
    times = CUTS[2:9]
    reference = BrierScore()(
        torch.as_tensor(survival[:, 2:9]),
        torch.as_tensor(event),
        torch.as_tensor(time),
        torch.as_tensor(times),
    )
    ours = brier_contributions(survival[:, 2:9], time[:, None] <= times, np.ones((60, 7)))
    np.testing.assert_allclose(ours.mean(axis=0), reference.numpy(), rtol=1e-6)


def test_brier_with_tied_censoring_uses_the_left_limit():
    time, event = np.array([1.0, 1.0, 2.0, 3.0]), np.array([True, False, True, False])
    censoring = censoring_distribution(time, event)
    weights = censoring_weights(time, event, CUTS[:4], censoring)
    matrix = weights_at_cuts(time, CUTS[:4], weights)
    happened = event[:, None] & (time[:, None] <= CUTS[: weights.last_cut + 1])
    survival = np.full(matrix.shape, 0.8)
    at_one = brier_contributions(survival, happened, matrix)[:, 1]
    # G(1-) = 1 for the event, censored without weight, G(1) = 2/3 for the two at risk.
    np.testing.assert_allclose(at_one, [0.64, 0, 0.04 * 1.5, 0.04 * 1.5])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_brier_without_censoring_lies_in_the_unit_interval(seed):
    rng = np.random.default_rng(seed)
    survival, happened = rng.random((7, 4)), rng.random((7, 4)) < 0.5
    score = brier_contributions(survival, happened, np.ones((7, 4))).mean(axis=0)
    assert ((score >= 0) & (score <= 1)).all()
    assert (brier_contributions(~happened * 1.0, happened, np.ones((7, 4))) == 0).all()


def test_auc_agrees_with_scikit_survival(sample):
    time, event, train_time, train_event, survival, weights = sample
    for cut in (2, 5, 9):
        reference, _ = sksurv_auc(
            Surv.from_arrays(train_event, train_time),
            Surv.from_arrays(event & (time <= CUTS[cut]), np.minimum(time, 11)),
            1 - survival[:, cut],
            [CUTS[cut]],
        )
        ours = cumulative_dynamic_auc(survival[:, cut], time, event, CUTS[cut], weights.at_event)
        assert ours[0] == pytest.approx(reference[0], abs=1e-12)


def test_auc_of_a_resample_equals_repeated_subjects(sample):
    time, event, _, _, survival, weights = sample
    counts = resample_counts(len(time), resamples=4, seed=0)
    column = survival[:, 5]
    ours = cumulative_dynamic_auc(column, time, event, 5.0, weights.at_event, counts)
    for b, count in enumerate(counts):
        rows = np.repeat(np.arange(len(time)), count.astype(int))
        again = cumulative_dynamic_auc(
            column[rows], time[rows], event[rows], 5.0, weights.at_event[rows]
        )
        assert ours[b] == pytest.approx(again[0], rel=1e-6)


def test_auc_without_cases_or_controls_is_nan():
    time, event = np.array([1.0, 2.0]), np.array([True, True])
    for cut in (0.5, 2.0):
        assert np.isnan(
            cumulative_dynamic_auc(np.array([0.1, 0.2]), time, event, cut, np.ones(2))
        ).all()


def test_accuracy_is_the_weighted_share_of_correct_predictions():
    survival = np.array([[0.5], [0.51], [0.2], [0.9]])
    happened = np.array([[True], [True], [False], [False]])
    weights = np.array([[1.0], [2.0], [1.5], [0.0]])
    correct = accuracy_contributions(survival, happened, weights)
    assert weighted_ratio(correct, weights)[0, 0] == pytest.approx(1.0 / 4.5)


def test_integration_weights_are_the_trapezoid_rule():
    cuts, values = np.array([0.0, 1.0, 4.0]), np.array([2.0, 3.0, 5.0])
    assert values @ integration_weights(cuts) == pytest.approx(np.trapezoid(values, cuts) / 4)
    assert integration_weights(cuts[:1]).tolist() == [1.0]
