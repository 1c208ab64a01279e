import numpy as np
import pytest
from SurvivalEVAL.evaluations.prediction_error import mean_error

from survkit.metrics.point_error import optimal_times, point_error, pseudo_observations
from survkit.types import InputError
from tests.metrics.metric_fixtures import tied_outcomes


def pseudo_error(predicted, time, event, train_time, train_event):
    target, weight = pseudo_observations(time, event, train_time, train_event)
    return np.average(np.abs(predicted - target), weights=weight)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("latest", [8, 12, 40])
def test_pseudo_observations_agree_with_survivaleval(seed, latest):
    """With ties; with the training curve ending above 0 and at 0; censored past its end."""
    train_time, train_event = tied_outcomes(60, seed, latest=latest)
    time, event = tied_outcomes(50, seed + 100, latest=20)
    predicted = np.random.default_rng(seed).uniform(1, 12, 50)
    ours = pseudo_error(predicted, time, event, train_time, train_event)
    reference = mean_error(
        predicted, time, event, train_time, train_event, method="Pseudo_obs", weighted=True
    )
    # SurvivalEVAL weighs a subject censored past the training times by its linear tail, not by
    # the curve's last value: compared where none is.
    if (time[~event] <= train_time.max()).all():
        assert ours == pytest.approx(reference, rel=1e-9)
    target, _ = pseudo_observations(time, event, train_time, train_event)
    unweighted = mean_error(
        predicted, time, event, train_time, train_event, method="Pseudo_obs", weighted=False
    )
    assert np.abs(predicted - target).mean() == pytest.approx(unweighted, rel=1e-9)


def test_pseudo_observations_of_training_curve_that_reaches_zero():
    train_time, train_event = np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, False, True, True])
    time, event = np.array([0.5, 3.5, 6.0, 2.0]), np.array([False, False, False, True])
    target, weight = pseudo_observations(time, event, train_time, train_event)
    predicted = np.array([1.0, 2.0, 3.0, 4.0])
    reference = mean_error(
        predicted, time, event, train_time, train_event, method="Pseudo_obs", weighted=False
    )
    assert np.abs(predicted - target).mean() == pytest.approx(reference)
    np.testing.assert_allclose(weight, [0, 1 - 0.75 / 2, 1, 1])


def test_pseudo_observation_is_the_difference_of_two_mean_times():
    train_time, train_event = np.array([2.0, 4.0]), np.array([True, True])
    # Alone: corners (0,1) (2,1/2) (4,0), area 2.0. With one censored at 3: (2,2/3) (4,0): 2 1/3.
    target, weight = pseudo_observations(
        np.array([3.0]), np.array([False]), train_time, train_event
    )
    assert target[0] == pytest.approx(3 * (7 / 3) - 2 * 2.0)
    assert weight[0] == pytest.approx(0.5)


@pytest.mark.parametrize("kind", ["absolute", "relative", "squared", "log"])
def test_optimal_time_minimises_the_expected_error(kind):
    cuts = np.array([0.0, 1.0, 2.0, 4.0, 8.0])
    probabilities = np.random.default_rng(0).dirichlet(np.ones(6), size=20)
    if kind == "log":
        probabilities[:, 0] = 0
    chosen = optimal_times(probabilities, cuts, kind)
    outcomes = [0.0, 1.0, 2.0, 4.0, 8.0, 8.0]
    formula = {
        "absolute": lambda p, t: abs(p - t),
        "relative": lambda p, t: min(abs(p - t) / p, 1),
        "squared": lambda p, t: (p - t) ** 2,
        "log": lambda p, t: 0 if t == 0 else abs(np.log(p / t)),
    }[kind]
    for i in range(20):
        expected = [
            sum(q * formula(p, t) for q, t in zip(probabilities[i], outcomes, strict=True))
            for p in cuts[1:]
        ]
        assert chosen[i] == cuts[1:][int(np.argmin(expected))]


def test_optimal_time_of_absolute_error_is_the_median():
    cuts = np.linspace(0, 10, 101)
    survival = np.exp(-0.4 * cuts)
    probabilities = np.concatenate([[0.0], -np.diff(survival), [survival[-1]]])[None]
    assert optimal_times(probabilities, cuts)[0] == pytest.approx(np.log(2) / 0.4, abs=0.1)


def test_point_errors():
    assert point_error(np.array([2.0]), np.array([5.0]))[0] == 3
    assert point_error(np.array([2.0]), np.array([5.0]), "relative")[0] == 1
    assert point_error(np.array([2.0]), np.array([1.0]), "relative")[0] == 0.5
    assert point_error(np.array([2.0]), np.array([5.0]), "squared")[0] == 9
    assert point_error(np.array([2.0]), np.array([1.0]), "log")[0] == pytest.approx(np.log(2))
    with pytest.raises(InputError, match="point_error is 'other'"):
        point_error(np.ones(1), np.ones(1), "other")
