from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import CensoredData, lognorm, norm, weibull_min

from survkit.baselines.deep_weibull import LARGEST_LOG_SHAPE
from survkit.baselines.survival_distributions import (
    DISTRIBUTIONS,
    LARGEST_LOG_DEVIATION,
    marginal_lognormal,
)
from survkit.baselines.survival_distributions import Distribution as Family


def frozen(name: str, location: np.ndarray, spread: np.ndarray) -> object:
    """Return scipy's distribution of this location and spread."""
    if name == "weibull":
        return weibull_min(np.exp(spread), scale=np.exp(location))
    return lognorm(np.exp(spread), scale=np.exp(location))


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_densities_and_survival_are_those_of_scipy(name: str) -> None:
    random = torch.Generator().manual_seed(0)
    location, spread = torch.randn(2, 200, generator=random, dtype=torch.float64)
    time = torch.rand(200, generator=random, dtype=torch.float64) + 0.01
    expected = frozen(name, location.numpy(), spread.numpy())
    family = DISTRIBUTIONS[name]
    log_density = family.log_density(time.log(), location, spread)
    log_survival = family.log_survival(time.log(), location, spread)
    np.testing.assert_allclose(log_density, expected.logpdf(time.numpy()), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(log_survival, expected.logsf(time.numpy()), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("function", ["log_density", "log_survival"])
def test_values_and_gradients_are_finite_far_out(name: str, function: str) -> None:
    family: Family = DISTRIBUTIONS[name]
    places = torch.tensor([-30.0, -1.0, 0.0, 1.0, 30.0])
    spreads = torch.tensor([-LARGEST_LOG_SHAPE, 0.0, LARGEST_LOG_SHAPE])
    grid = torch.meshgrid(torch.tensor([-9.2, -0.1, 0.0, 3.0]), places, spreads, indexing="ij")
    values = [part.clone().requires_grad_() for part in grid]
    found = getattr(family, function)(*values)
    assert torch.isfinite(found).all()
    for gradient in torch.autograd.grad(found.sum(), values):
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("censored", [0.0, 0.4])
def test_the_lognormal_fit_is_that_of_scipy(censored: float) -> None:
    random = np.random.default_rng(0)
    log_time = random.normal(-1.3, 0.7, 500)
    event = random.random(500) >= censored
    mean, log_deviation = marginal_lognormal(log_time, event)
    expected = norm.fit(CensoredData.right_censored(log_time, ~event))
    np.testing.assert_allclose([mean, np.exp(log_deviation)], expected, rtol=1e-3)


def test_the_lognormal_fit_where_there_is_no_maximum() -> None:
    assert marginal_lognormal(np.zeros(4), np.zeros(4, bool)) == (0.0, 0.0)
    mean, log_deviation = marginal_lognormal(np.full(4, -2.0), np.ones(4, bool))
    assert mean == pytest.approx(-2, abs=0.02)
    assert log_deviation == pytest.approx(-LARGEST_LOG_DEVIATION)
    for values in (np.array([-9.2, 0.0]), np.array([-5.0, -4.0])):
        found = marginal_lognormal(values, np.array([True, False]))
        assert np.isfinite(found).all()
