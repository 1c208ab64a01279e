import numpy as np
import pytest
from scipy.integrate import quad
from sksurv.metrics import concordance_index_censored

from survkit.datasets import load_dataset
from survkit.datasets.synthetic_competing import (
    CAUSES,
    _weibulls,
    load_synthetic_competing,
    true_incidence,
    true_survival,
)
from survkit.types import InputError, SurvivalPrediction

TIMES = np.array([0.0, 0.01, 0.5, 2.0, 5.0, 10.0, 1e9])


@pytest.fixture(scope="module")
def dataset():
    return load_synthetic_competing()


def test_incidences_and_survival_sum_to_one(dataset):
    features = dataset.splits.train.features
    incidence, survival = true_incidence(features, TIMES), true_survival(features, TIMES)
    assert incidence.shape == (3200, 2, 7)
    np.testing.assert_allclose(survival + incidence.sum(axis=1), 1, atol=1e-7)
    np.testing.assert_array_equal(incidence[:, :, 0], 0)
    assert (np.diff(incidence, axis=2) >= -1e-7).all()
    grid = dataset.grid.cuts
    few = features[:20]
    SurvivalPrediction(
        grid,
        true_survival(few, grid),
        cumulative_incidence=true_incidence(few, grid),
    )


def test_incidences_are_those_of_adaptive_quadrature(dataset):
    features = dataset.splits.test.features[:3]
    shape, scale = _weibulls(features)
    found = true_incidence(features, TIMES)
    for i, (k, s) in enumerate(zip(shape, scale, strict=True)):
        for cause in (0, 1):
            for j in (2, 4):

                def density(v, k=k, s=s, cause=cause):  # v is the cause's cumulative hazard
                    other = 1 - cause
                    return np.exp(-v - (s[cause] * v ** (1 / k[cause]) / s[other]) ** k[other])

                until = (TIMES[j] / s[cause]) ** k[cause]
                exact = quad(density, 0, until, epsabs=1e-10, limit=200)[0]
                assert found[i, cause, j] == pytest.approx(exact, abs=1e-7)


def test_incidences_are_those_of_a_simulation(dataset):
    features = dataset.splits.test.features[:4]
    shape, scale = _weibulls(features)
    draws = np.random.default_rng(0).exponential(size=(100_000, 4, 2))
    times = scale * draws ** (1 / shape)
    first, cause = times.min(axis=2), times.argmin(axis=2)
    found = true_incidence(features, [1.0, 4.0])
    for number in (0, 1):
        for j, moment in enumerate((1.0, 4.0)):
            simulated = ((first <= moment) & (cause == number)).mean(axis=0)
            np.testing.assert_allclose(found[:, number, j], simulated, atol=0.006)


def test_the_data_have_these_incidences_and_independent_censoring(dataset):
    from sksurv.nonparametric import cumulative_incidence_competing_risks

    train = dataset.splits.train
    times, estimates = cumulative_incidence_competing_risks(train.cause, train.time)
    for moment in (0.5, 2.0, 5.0):
        at = np.searchsorted(times, moment, side="right") - 1
        truth = true_incidence(train.features, [moment]).mean(axis=0)[:, 0]
        np.testing.assert_allclose(estimates[1:, at], truth, atol=0.02)
    assert 0.25 < 1 - train.event.mean() < 1 / 3
    assert (np.bincount(train.cause)[1:] > 800).all()


def test_the_true_model_discriminates_each_cause(dataset):
    train = dataset.splits.train
    incidence = true_incidence(train.features, [4.0])[:, :, 0]
    for number in (1, 2):
        # Those with the other event stay without this one.
        time = np.where((train.cause > 0) & (train.cause != number), 99, train.time)
        risk = incidence[:, number - 1]
        assert concordance_index_censored(train.cause == number, time, risk)[0] >= 0.8
    assert np.corrcoef(incidence.T)[0, 1] < 0


def test_one_cause_alone(dataset):
    one = load_dataset("synthetic_competing", data_dir="unused", cause_of_interest="late")
    np.testing.assert_array_equal(one.splits.test.event, dataset.splits.test.cause == 2)
    assert one.splits.test.true_time is None
    assert "early 1,673" in one.warnings[0]
    assert one.card.events == dataset.card.causes["late"]
    smaller = load_synthetic_competing(synthetic_rows=300)
    assert len({one.sha256, dataset.sha256, smaller.sha256}) == 3
    again = load_synthetic_competing(synthetic_rows=300)
    np.testing.assert_array_equal(smaller.splits.train.time, again.splits.train.time)
    assert smaller.splits.train.cause_names == CAUSES
    with pytest.raises(InputError, match=r"'lat' \(did you mean late\?\)"):
        load_synthetic_competing(cause_of_interest="lat")
