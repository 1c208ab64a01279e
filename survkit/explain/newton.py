"""The lq norms, 1 <= q < infinity, by Newton's method in the coefficients alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from survkit.explain.objective import Terms
from survkit.types import Float64Array

SMOOTHING = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""|r| becomes sqrt(r^2 + eps^2) for q < 2, with these eps in turn, relative to the residuals."""

TOLERANCE = 1e-8
"""Newton's decrement, relative to the objective, at which a smoothed problem is solved."""

ACCEPTED_GAP = 1e-5
"""Largest distance to the optimum, relative to the objective, that counts as solved."""

MAX_STEPS = 100
MAX_HALVINGS = 40
_BLOCK_VALUES = 2**15


class NewtonSolution(NamedTuple):
    """Coefficients (d,), and a bound on the objective's relative distance from its optimum."""

    coefficients: Float64Array
    gap: float


class _Smoothed:
    """F(beta) = sum_ki omega_ki (r_ki^2 + eps^2)^(q/2), omega summing to 1."""

    def __init__(self, terms: Terms, q: float) -> None:
        self.q = q
        self.targets = terms.targets
        omega = (terms.slopes / terms.slopes.max()) ** q  # so that not all of them underflow
        omega *= terms.lengths
        omega *= terms.weights[:, None]
        self.omega = omega / omega.sum()
        # Columns of unit size, so that one tolerance serves all.
        size = np.sqrt(np.square(terms.design).mean(axis=0))
        self.column_scale = np.where(size > 0, size, 1.0)
        self.design = terms.design / self.column_scale
        self.step = max(1, _BLOCK_VALUES // self.targets.shape[1])

    def blocks(self, beta: Float64Array) -> list[tuple[slice, Float64Array]]:
        fitted = self.design @ beta
        return [
            (slice(at, at + self.step), fitted[at : at + self.step, None])
            for at in range(0, len(fitted), self.step)
        ]

    def value(self, beta: Float64Array, eps: float) -> float:
        total = 0.0
        for rows, fitted in self.blocks(beta):
            square = np.square(self.targets[rows] - fitted) + eps**2
            total += float(np.vdot(self.omega[rows], _power(square, self.q / 2)))
        return total

    def derivatives(
        self, beta: Float64Array, eps: float
    ) -> tuple[float, Float64Array, Float64Array]:
        """Return value, gradient (d,) and Hessian (d, d)."""
        q, value = self.q, 0.0
        slope, curvature = np.empty(len(self.design)), np.empty(len(self.design))
        for rows, fitted in self.blocks(beta):
            residual = self.targets[rows] - fitted
            square = np.maximum(np.square(residual) + eps**2, np.finfo(np.float64).tiny)
            weight = self.omega[rows] * _power(square, q / 2 - 1)
            value += float(np.vdot(weight, square))
            slope[rows] = -q * np.einsum("ki,ki->k", weight, residual)
            # (q - 1) r^2 + eps^2 over r^2 + eps^2, written so that it cannot be 0 / 0
            share = (q - 1) + (2 - q) * eps**2 / square
            curvature[rows] = q * np.einsum("ki,ki->k", weight, share)
        hessian = (self.design * curvature[:, None]).T @ self.design
        return value, slope @ self.design, hessian


def solve_newton(terms: Terms, q: float, start: Float64Array) -> NewtonSolution:
    """Minimise sum_k w_k sum_i |u_ki r_ki|^q dt_i for q >= 1, from coefficients `start` (d,).

    For q < 2 the kink at 0 is smoothed, less at each level. The gap is the decrease that the last
    Newton step promised, plus the most by which smoothing can have moved the optimum,
    (eps^q) * sum(omega).
    """
    problem = _Smoothed(terms, q)
    beta = start * problem.column_scale
    scale = problem.value(beta, 0.0) ** (1 / q)
    if scale <= 1e-12 * float(np.abs(terms.targets).max()):  # the local model fits to rounding
        return NewtonSolution(start, 0.0)
    for eps in [eps * scale for eps in SMOOTHING] if q < 2 else [0.0]:
        beta, decrement = _minimise(problem, beta, eps)
        gap = (decrement + eps**q) / problem.value(beta, 0.0)
    return NewtonSolution(beta / problem.column_scale, float(gap))


def _minimise(problem: _Smoothed, beta: Float64Array, eps: float) -> tuple[Float64Array, float]:
    """Take damped Newton steps; return the coefficients and the last decrement."""
    decrement = np.inf
    for _ in range(MAX_STEPS):
        value, gradient, hessian = problem.derivatives(beta, eps)
        if not np.isfinite(hessian).all():
            return beta, np.inf
        direction = -np.linalg.lstsq(hessian, gradient, rcond=1e-13)[0]
        decrement = float(-gradient @ direction)
        if decrement <= TOLERANCE * value:
            return beta, decrement
        length = 1.0
        for _ in range(MAX_HALVINGS):
            candidate = beta + length * direction
            if problem.value(candidate, eps) <= value - 1e-4 * length * decrement:
                break
            length /= 2
        else:  # rounding hides any further descent
            return beta, decrement
        beta = candidate
    return beta, decrement


def _power(square: Float64Array, exponent: float) -> Float64Array:
    """Raise to a power; square roots are much faster than general powers."""
    if exponent == 0.5:
        return np.sqrt(square)
    if exponent == -0.5:
        return np.asarray(1 / np.sqrt(square))
    if exponent in (0.25, -0.25):
        root = np.sqrt(np.sqrt(square))
        return root if exponent > 0 else np.asarray(1 / root)
    return np.asarray(square**exponent)
