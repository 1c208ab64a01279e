"""Weibull and log-normal times: their likelihoods, and what fits all subjects together.

Both are families of a location and a spread. A Weibull distribution has the location log scale and
the spread log shape, a log-normal one the mean and the log standard deviation of the log time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_ndtr
from torch import Tensor
from torch.nn import functional as F

from survkit.baselines.deep_weibull import marginal_weibull, tangent_exp
from survkit.types import BoolArray, Float64Array

LARGEST_LOG_DEVIATION = 4.0
"""Bound, in both directions, of the log standard deviation that is fitted to all subjects."""

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


class Distribution(NamedTuple):
    """A family of distributions of the time.

    Parameters
    ----------
    log_density, log_survival : callable
        (log time, location, spread) -> the logarithm of the density, or of the probability of a
        later time. Tensors of one shape, or of shapes that broadcast.
    activation : callable
        Turns outputs of a network into what they add to location and spread, as published.
    marginal : callable
        (log time (n,), event (n,)) -> location and spread of the maximum likelihood; both 0 where
        nobody has the event.
    """

    log_density: Callable[[Tensor, Tensor, Tensor], Tensor]
    log_survival: Callable[[Tensor, Tensor, Tensor], Tensor]
    activation: Callable[[Tensor], Tensor]
    marginal: Callable[[Float64Array, BoolArray], tuple[float, float]]


def weibull_log_survival(log_time: Tensor, log_scale: Tensor, log_shape: Tensor) -> Tensor:
    """Return log S(t) = -(t / scale) ** shape."""
    return -tangent_exp(log_shape.exp() * (log_time - log_scale))


def weibull_log_density(log_time: Tensor, log_scale: Tensor, log_shape: Tensor) -> Tensor:
    """Return log f(t) = log h(t) + log S(t), where h is the hazard."""
    log_hazard = log_shape + log_shape.exp() * (log_time - log_scale) - log_time
    return log_hazard + weibull_log_survival(log_time, log_scale, log_shape)


def lognormal_log_survival(log_time: Tensor, mean: Tensor, log_deviation: Tensor) -> Tensor:
    """Return log S(t) = log Phi((mean - log t) / deviation)."""
    survival: Tensor = torch.special.log_ndtr((mean - log_time) * (-log_deviation).exp())
    return survival


def lognormal_log_density(log_time: Tensor, mean: Tensor, log_deviation: Tensor) -> Tensor:
    """Return log f(t) = log phi((log t - mean) / deviation) - log deviation - log t."""
    standard = (log_time - mean) * (-log_deviation).exp()
    return -standard.square() / 2 - HALF_LOG_TWO_PI - log_deviation - log_time


def marginal_lognormal(log_time: Float64Array, event: BoolArray) -> tuple[float, float]:
    """Fit one log-normal distribution to all subjects by maximum likelihood.

    Parameters
    ----------
    log_time : array, shape (n,)
        Logarithms of the times.
    event : array, shape (n,), bool

    Returns
    -------
    tuple of float
        Mean and log standard deviation of the log time; both 0 where nobody has the event. The
        latter is bounded by `LARGEST_LOG_DEVIATION`, as there is no maximum where all events are at
        one time.
    """
    if not event.any():
        return 0.0, 0.0

    def cost(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the mean negative log-likelihood and its derivatives."""
        mean, log_deviation = values
        standard = (log_time - mean) * np.exp(-log_deviation)
        later = log_ndtr(-standard)
        log_normal = -(standard**2) / 2 - HALF_LOG_TWO_PI
        hazard = np.exp(np.where(event, 0.0, log_normal - later))
        by_standard = np.where(event, standard, hazard)
        loss = np.where(event, log_deviation - log_normal, -later).mean()
        by_mean = -by_standard.mean() * np.exp(-log_deviation)
        return loss, np.array([by_mean, (event - by_standard * standard).mean()])

    bounds = [(None, None), (-LARGEST_LOG_DEVIATION, LARGEST_LOG_DEVIATION)]
    start = np.array([log_time.mean(), np.log(log_time.std() + np.exp(-LARGEST_LOG_DEVIATION))])
    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return float(found[0]), float(found[1])


DISTRIBUTIONS = {
    "weibull": Distribution(weibull_log_density, weibull_log_survival, F.selu, marginal_weibull),
    "lognormal": Distribution(
        lognormal_log_density, lognormal_log_survival, torch.tanh, marginal_lognormal
    ),
}
