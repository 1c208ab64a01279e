from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from statsmodels.distributions.copula.api import FrankCopula

from benchmarks.dependent_censoring import dependent_times
from survkit.metrics.censoring import censoring_distribution, kaplan_meier
from survkit.metrics.copulas import copula_graphic, frank_parameter, generator
from survkit.types import InputError
from tests.metrics.metric_fixtures import tied_outcomes

COPULAS = [("frank", -0.5), ("frank", -0.05), ("frank", 0.3), ("clayton", 0.05), ("clayton", 0.5)]


@pytest.mark.parametrize(("family", "tau"), COPULAS)
def test_a_generator_has_the_tau_it_was_asked_for(family, tau):
    own = generator(family, tau)
    # Nelsen (2006), corollary 5.1.4.
    integral = quad(lambda u: float(own.phi(np.array(u)) / own.slope(np.array(u))), 0, 1)[0]
    assert 1 + 4 * integral == pytest.approx(tau, abs=1e-6)


@pytest.mark.parametrize(("family", "tau"), [*COPULAS, ("frank", 0.0), ("clayton", 0.0)])
def test_a_generator_fits_its_inverse_and_its_slope(family, tau):
    own, u = generator(family, tau), np.linspace(0.01, 1, 60)
    np.testing.assert_allclose(own.inverse(own.phi(u)), u, atol=1e-12)
    assert own.phi(np.array([1.0]))[0] == pytest.approx(0, abs=1e-15)
    step = 1e-6
    slope = (own.phi(u[:-1] + step) - own.phi(u[:-1] - step)) / (2 * step)
    np.testing.assert_allclose(own.slope(u[:-1]), slope, rtol=1e-5)


def test_the_parameter_of_frank_is_that_of_statsmodels():
    for tau in (0.05, 0.2, 0.5, 0.9):
        expected = FrankCopula().theta_from_tau(tau)
        assert frank_parameter(tau) == pytest.approx(expected, rel=1e-5)
        assert frank_parameter(-tau) == -frank_parameter(tau)


@pytest.mark.parametrize("family", ["frank", "clayton"])
def test_without_dependence_the_margins_are_those_of_kaplan_and_meier(family):
    time, event = tied_outcomes(200, 0)
    margins = copula_graphic(time, event, family, 0.0)
    survival, censoring = kaplan_meier(time, event), censoring_distribution(time, event)
    at = np.arange(0.0, 12.0)
    np.testing.assert_allclose(margins.event.at(at), survival.at(at), rtol=1e-12)
    np.testing.assert_allclose(margins.censoring.at(at), censoring.at(at), rtol=1e-12)
    np.testing.assert_allclose(margins.weight_at_risk(at), 1 / censoring.at(at), rtol=1e-12)
    events = np.unique(time[event])
    weights = margins.weight_of_event(events)
    np.testing.assert_allclose(weights, 1 / censoring.before(events), rtol=1e-12)


@pytest.mark.parametrize(("family", "tau"), COPULAS)
def test_it_is_the_sum_of_rivest_and_wells(family, tau):
    time, event = tied_outcomes(60, 1)
    own, n = generator(family, tau), len(time)
    margins = copula_graphic(time, event, family, tau)
    for until in (2.0, 5.0, 8.0):
        total = 0.0
        for at in sorted(set(time[event & (time <= until)])):
            before, deaths = np.sum(time >= at), np.sum(event & (time == at))
            total += own.phi((before - deaths) / n) - own.phi(before / n)
        assert margins.event.at(until) == pytest.approx(own.inverse(total), rel=1e-12)
    # The two margins and the copula give back the share still at risk.
    at = np.arange(0.0, 11.0)
    joint = own.inverse(own.phi(margins.event.at(at)) + own.phi(margins.censoring.at(at)))
    np.testing.assert_allclose(joint, margins.observed.at(at), atol=1e-12)


@pytest.mark.parametrize(("family", "tau"), [("frank", -0.4), ("frank", 0.5), ("clayton", 0.5)])
def test_it_finds_the_margins_where_kaplan_meier_does_not(family, tau):
    event_time, censoring_time = dependent_times(20_000, family, tau, seed=0)
    time, event = np.minimum(event_time, censoring_time), event_time <= censoring_time
    at = np.array([0.3, 0.7, 1.2])
    truth = np.exp(-at)
    margins = copula_graphic(time, event, family, tau)
    np.testing.assert_allclose(margins.event.at(at), truth, atol=0.015)
    np.testing.assert_allclose(margins.censoring.at(at), np.exp(-0.8 * at), atol=0.015)
    assert np.all(np.abs(kaplan_meier(time, event).at(at) - truth)[1:] > 0.03)
    # Weights are what stands behind those who are seen.
    still = [np.mean(event_time > t) / np.mean(time > t) for t in at]
    np.testing.assert_allclose(margins.weight_at_risk(at), still, rtol=0.05)
    for low in (0.4, 1.0):
        near = (event_time > low) & (event_time <= low + 0.2)
        behind = near.sum() / (near & event).sum()
        assert margins.weight_of_event(np.array([low + 0.1]))[0] == pytest.approx(behind, rel=0.06)


def test_nothing_is_known_where_nobody_is_left():
    time, event = np.array([1.0, 2.0, 3.0]), np.array([True, False, True])
    margins = copula_graphic(time, event, "clayton", 0.3)
    assert margins.event.at(3.0) == 0
    assert np.isnan(margins.weight_at_risk(np.array([3.0]))).all()
    assert np.isfinite(margins.weight_of_event(np.array([1.0, 3.0]))).all()
    assert margins.censoring.at(3.0) == 0


@pytest.mark.parametrize(
    ("family", "tau", "message"),
    [
        ("gauss", 0.1, "family is 'gauss'; it must be one of frank, clayton"),
        ("clayton", -0.1, "tau is -0.1; with the family clayton it must be from 0"),
        ("frank", 1.0, "tau is 1.0"),
        ("frank", np.nan, "tau is nan"),
    ],
)
def test_what_a_family_lacks_is_refused(family, tau, message):
    with pytest.raises(InputError, match=message):
        generator(family, tau)


def test_outcomes_must_fit():
    with pytest.raises(InputError, match="two columns of one length"):
        copula_graphic(np.ones(3), np.ones(2, bool), "frank", 0.1)
    with pytest.raises(InputError, match="at least 1"):
        copula_graphic(np.ones(0), np.ones(0, bool), "frank", 0.1)
