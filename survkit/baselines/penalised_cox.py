"""Cox regression with an elastic net penalty by Newton's method, for subjects who enter late."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.baselines.partial_likelihood import PartialLikelihood

MAX_STEPS = 100
HALVINGS = 30
SWEEPS = 1000
TOLERANCE = 1e-9
"""Largest change of a coefficient, in standard deviations of its column, at which a fit ends."""


class PenalisedFit(NamedTuple):
    """Coefficients (q,), the steps taken, and whether they ended at an optimum."""

    coefficients: NDArray[np.float64]
    steps: int
    converged: bool


def fit_penalised(likelihood: PartialLikelihood, *, alpha: float, l1_ratio: float) -> PenalisedFit:
    """Maximise the partial likelihood of n rows less an elastic net penalty.

    What is minimised, as in scikit-survival's `CoxnetSurvivalAnalysis`, is

        -log likelihood / n + alpha (l1_ratio |b|_1 + (1 - l1_ratio) |b|_2^2 / 2).

    Each step takes the likelihood's second-order expansion, minimises it with the penalty by
    coordinate descent, and is halved while the sum rises.

    Parameters
    ----------
    likelihood : PartialLikelihood
        Of n rows and q columns that vary.
    alpha, l1_ratio : float
        As in `CoxPH`.

    References
    ----------
    Simon, Friedman, Hastie & Tibshirani (2011), Journal of Statistical Software 39(5), section
    2.2; Lee, Sun & Saunders (2014), SIAM Journal on Optimization 24:1420, for the line search.
    """
    n, q = likelihood.matrix.shape
    l1, l2 = alpha * l1_ratio, alpha * (1 - l1_ratio)
    scale = likelihood.matrix.std(axis=0)

    def value(coefficients: NDArray[np.float64]) -> float:
        penalty = l1 * np.abs(coefficients).sum() + l2 * (coefficients**2).sum() / 2
        return float(penalty - likelihood.value(coefficients) / n)

    coefficients = np.zeros(q)
    current = value(coefficients)
    for step in range(1, MAX_STEPS + 1):
        gradient, information = likelihood.derivatives(coefficients)
        target = _minimum(coefficients, -gradient / n, information / n, l1, l2, scale)
        change = target - coefficients
        if np.abs(change * scale).max() < TOLERANCE:
            return PenalisedFit(target, step, converged=True)
        for _ in range(HALVINGS):
            reached = value(coefficients + change)
            if reached <= current:
                break
            change = change / 2
        else:  # rounding hides any further progress
            return PenalisedFit(coefficients, step, np.abs(change * scale).max() < TOLERANCE)
        coefficients, current = coefficients + change, reached
    return PenalisedFit(coefficients, MAX_STEPS, converged=False)


def _minimum(
    start: NDArray[np.float64],
    gradient: NDArray[np.float64],
    curvature: NDArray[np.float64],
    l1: float,
    l2: float,
    scale: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Minimise the expansion about `start` (q,) with the penalty, by coordinate descent."""
    coefficients = start.copy()
    slope = gradient.copy()  # of the expansion at the coefficients
    diagonal = np.maximum(np.diag(curvature), np.finfo(np.float64).tiny)
    for _ in range(SWEEPS):
        largest = 0.0
        for j in range(len(coefficients)):
            old = coefficients[j]
            centre = diagonal[j] * old - slope[j]
            new = np.sign(centre) * max(abs(centre) - l1, 0.0) / (diagonal[j] + l2)
            if new != old:
                slope += curvature[:, j] * (new - old)
                coefficients[j] = new
                largest = max(largest, abs(new - old) * scale[j])
        if largest < TOLERANCE / 10:
            break
    return coefficients
