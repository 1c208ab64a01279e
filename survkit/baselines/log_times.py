"""Models of the logarithm of the time: what they are fitted to, and the curves that follow."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit, log_ndtr, ndtr

from survkit.types import (
    BoolArray,
    Float64Array,
    FloatArray,
    Knots,
    SurvivalPrediction,
    TimeGrid,
    as_times,
)

EARLIEST = 1e-4
"""Earlier times count as this share of the horizon in the likelihood, half a day in 14 years.

The density of log times is 0 or infinite at time 0.
"""

NUM_KNOTS = 200

STEEPEST = 30.0
"""Largest exponent; beyond it exponentials continue along their tangent."""


def log_shares(time: FloatArray, grid: TimeGrid) -> Float64Array:
    """Return the logarithms of times (n,) as shares of the horizon, which have no unit."""
    share = np.asarray(time, np.float64) / grid.horizon
    return np.asarray(np.log(np.maximum(share, EARLIEST)))


def smooth_knots(grid: TimeGrid, num_knots: int = NUM_KNOTS) -> Knots:
    """Return the cuts, and times so close that a smooth curve is linear between them.

    They are closest near 0, where curves may be steep.
    """
    close = grid.horizon * np.linspace(0, 1, num_knots + 1) ** 2
    return Knots(np.union1d(grid.cuts, close), np.empty(0))


def tangent_exp(exponent: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return the exponential and its derivative, with the tangent beyond `STEEPEST`."""
    within = np.exp(np.minimum(exponent, STEEPEST))
    return within * (1 + np.maximum(exponent - STEEPEST, 0)), within


def log_survival(z: Float64Array, distribution: str) -> Float64Array:
    """Return log P(Z > z) of a standard error: "normal", "logistic" or "extreme" (Weibull)."""
    if distribution == "normal":
        return np.asarray(log_ndtr(-z))
    if distribution == "logistic":
        return np.asarray(log_expit(-z))
    with np.errstate(over="ignore"):  # a survival of 0
        return np.asarray(-np.exp(z))


def log_density(z: Float64Array, distribution: str) -> Float64Array:
    """Return the logarithm of the density of a standard error, as `log_survival`."""
    if distribution == "normal":
        return np.asarray(-(z**2) / 2 - np.log(2 * np.pi) / 2)
    if distribution == "logistic":
        return np.asarray(log_expit(z) + log_expit(-z))
    return np.asarray(z - tangent_exp(z)[0])


def marginal_fit(
    log_time: Float64Array, event: BoolArray, distribution: str
) -> tuple[float, float]:
    """Fit one location and scale to log times (n,) by maximum likelihood.

    Returns
    -------
    tuple of float
        The location, and the scale, which is at least 0.01: without spread it has no maximum.
    """

    def loss(parameters: NDArray[np.float64]) -> float:
        location, log_scale = parameters
        z = (log_time - location) * np.exp(-log_scale)
        of_events = log_density(z[event], distribution).sum() - event.sum() * log_scale
        return float(-(of_events + log_survival(z[~event], distribution).sum()) / len(z))

    start = [float(log_time[event].mean()), 0.0]
    bounds = [(None, None), (np.log(0.01), np.log(1e3))]
    found = minimize(loss, start, method="Nelder-Mead", bounds=bounds, options={"xatol": 1e-6})
    return float(found.x[0]), float(np.exp(found.x[1]))


def curves(
    location: Float64Array,
    scale: float,
    distribution: str,
    grid: TimeGrid,
    times: ArrayLike | None,
) -> SurvivalPrediction:
    """Return survival P(log T > log t) at the cuts or at other times, exactly.

    Parameters
    ----------
    location : array, shape (n,)
        Of each subject's log time, as a share of the horizon.
    scale : float
        Of the errors.
    distribution : {"normal", "logistic", "extreme"}
        Of the errors.
    grid : TimeGrid
        The grid whose cuts are the default, and whose horizon is the last time.
    times : array, shape (t,), optional
        Other times.

    Raises
    ------
    InputError
        For a time beyond the horizon, or times that do not increase.
    """
    asked = grid.cuts if times is None else as_times(times, grid.horizon)
    with np.errstate(divide="ignore"):  # at time 0 everybody is alive
        log_time = np.log(asked / grid.horizon)
    z = (log_time - location[:, None]) / scale
    survival = {"normal": lambda: ndtr(-z), "logistic": lambda: expit(-z)}.get(
        distribution, lambda: np.exp(log_survival(z, "extreme"))
    )()
    return SurvivalPrediction(asked, survival)
