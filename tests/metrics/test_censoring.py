import numpy as np
import pytest
from lifelines import KaplanMeierFitter
from sksurv.nonparametric import CensoringDistributionEstimator
from sksurv.nonparametric import kaplan_meier_estimator as sksurv_kaplan_meier
from sksurv.util import Surv

from survkit.metrics.censoring import (
    censoring_distribution,
    censoring_weights,
    kaplan_meier,
    weights_at_cuts,
)
from survkit.types import InputError
from tests.metrics.metric_fixtures import tied_outcomes

CUTS = np.arange(13.0)


@pytest.fixture
def outcomes():
    return tied_outcomes(200, seed=3)


def test_kaplan_meier_agrees_with_lifelines(outcomes):
    time, event = outcomes
    reference = KaplanMeierFitter().fit(time, event).survival_function_at_times(CUTS)
    np.testing.assert_allclose(kaplan_meier(time, event).at(CUTS), reference, rtol=1e-12)


def test_censoring_distribution_agrees_with_scikit_survival(outcomes):
    time, event = outcomes
    reference = CensoringDistributionEstimator().fit(Surv.from_arrays(event, time))
    inside = CUTS[time.max() >= CUTS]
    np.testing.assert_allclose(
        censoring_distribution(time, event).at(inside), reference.predict_proba(inside)
    )
    times, values = sksurv_kaplan_meier(event, time, reverse=True)
    np.testing.assert_allclose(
        censoring_distribution(time, event).before(times), np.append(1.0, values[:-1])
    )


def test_events_come_before_censorings_at_a_tie():
    # At time 1 one event and one censoring of four: the censoring is one of three left.
    censoring = censoring_distribution(
        np.array([1.0, 1.0, 2.0, 3.0]), np.array([True, False, True, False])
    )
    np.testing.assert_allclose(censoring.at([0.5, 1, 2, 3]), [1, 2 / 3, 2 / 3, 0])
    np.testing.assert_allclose(censoring.before([1, 1.5, 3]), [1, 2 / 3, 2 / 3])


def test_standard_weights_use_the_left_limit_and_stop_where_g_is_small(outcomes):
    time, event = outcomes
    censoring = censoring_distribution(*tied_outcomes(300, seed=4))
    weights = censoring_weights(time, event, CUTS, censoring)
    last = weights.last_cut
    assert 0 < last < 12
    assert censoring.at(CUTS[last]) >= 0.05 > censoring.at(CUTS[last + 1])
    used = event & (time <= CUTS[last])
    np.testing.assert_allclose(weights.at_event[used], 1 / censoring.before(time[used]))
    assert (weights.at_event[~used] == 0).all()
    assert (weights.at_event[used] >= 1).all()
    assert weights.at_event.max() <= 20


def test_published_weights_floor_g_and_keep_all_cuts(outcomes):
    time, event = outcomes
    censoring = censoring_distribution(*tied_outcomes(300, seed=4))
    weights = censoring_weights(time, event, CUTS, censoring, "published")
    assert weights.last_cut == 12
    floored = np.maximum(censoring.at(time[event]), 0.01)
    np.testing.assert_allclose(weights.at_event[event], 1 / floored)
    np.testing.assert_allclose(weights.at_cut, 1 / np.maximum(censoring.at(CUTS), 0.01))


def test_weights_at_cuts_follow_each_subject(outcomes):
    time, event = outcomes
    censoring = censoring_distribution(time, event)
    weights = censoring_weights(time, event, CUTS, censoring)
    matrix = weights_at_cuts(time, CUTS, weights)
    for i in range(0, 200, 17):
        for k in range(weights.last_cut + 1):
            if time[i] > CUTS[k]:
                expected = 1 / censoring.at(CUTS[k])
            elif event[i]:
                expected = 1 / censoring.before(time[i])
            else:
                expected = 0.0
            assert matrix[i, k] == pytest.approx(expected)


def test_weights_average_to_one_under_independent_censoring():
    time, event = tied_outcomes(20_000, seed=5)
    weights = censoring_weights(time, event, CUTS, censoring_distribution(time, event))
    np.testing.assert_allclose(weights_at_cuts(time, CUTS, weights).mean(axis=0), 1.0, atol=1e-9)


def test_no_censoring_means_weights_of_one():
    time = np.array([1.0, 2.0, 3.0])
    event = np.ones(3, dtype=bool)
    weights = censoring_weights(time, event, CUTS[:4], censoring_distribution(time, event))
    assert (weights_at_cuts(time, CUTS[:4], weights) == 1).all()


def test_bad_arguments_are_named():
    with pytest.raises(InputError, match="train_time and train_event"):
        censoring_distribution(np.ones(3), np.ones(2, dtype=bool))
    censoring = censoring_distribution(np.ones(2), np.ones(2, dtype=bool))
    with pytest.raises(InputError, match="convention is 'other'"):
        censoring_weights(np.ones(1), np.ones(1, dtype=bool), CUTS, censoring, "other")
