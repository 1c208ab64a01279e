"""The l2 norm: p x p normal equations of many explanations, solved at once."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from survkit.explain.objective import NoLocalModelError, Sums
from survkit.types import Float64Array

RANK_TOLERANCE = 1e-12
"""Eigenvalues below this share of the largest count as 0, after scaling to unit diagonal."""


class NormalEquations(NamedTuple):
    """Weighted sums over neighbours and times that determine the least-squares fit and its R^2.

    Leading axes, where there are any, number the explanations.
    """

    matrix: Float64Array  # (..., d, d), sum of weight x x'
    vector: Float64Array  # (..., d), of weight y x
    total: Float64Array  # (...), of the weights
    linear: Float64Array  # (...), of weight y
    quadratic: Float64Array  # (...), of weight y^2

    @classmethod
    def build(cls, design: Float64Array, weights: Float64Array, sums: Sums) -> Self:
        """Add up over the neighbours: design (N, d), weights (N,), and their sums over time.

        Raises
        ------
        NoLocalModelError
            Where no time counts.
        """
        mass = weights * sums.mass
        if not mass.sum() > 0:
            raise NoLocalModelError(
                "at no time are the baseline hazard and the model's hazard both above 0, so no "
                "Cox model can be fitted; H0 may give another baseline"
            )
        share = mass / mass.sum()  # any factor cancels; this one keeps the numbers near 1
        factor = weights / mass.sum()
        linear = factor * sums.linear
        return cls(
            (design * share[:, None]).T @ design,
            linear @ design,
            np.asarray(share.sum()),
            np.asarray(linear.sum()),
            np.asarray(factor @ sums.quadratic),
        )

    @classmethod
    def empty(cls, d: int) -> Self:
        """Return those of d unknowns of which nothing is known."""
        return cls(np.zeros((d, d)), np.zeros(d), np.ones(()), np.zeros(()), np.zeros(()))

    @classmethod
    def stack(cls, equations: list[Self]) -> Self:
        """Join those of several explanations along a new first axis."""
        return cls(*(np.stack(parts) for parts in zip(*equations, strict=True)))


class LeastSquares(NamedTuple):
    """Solutions of T normal equations: coefficients (T, d), rank (T,) and residual (T,).

    The residual is that of the normal equations, relative to their right-hand side.
    """

    coefficients: Float64Array
    rank: NDArray[np.int64]
    residual: Float64Array


def solve(equations: NormalEquations) -> LeastSquares:
    """Solve T stacked normal equations exactly, by their eigenvalues.

    Where neighbours are collinear, the answer is the one of smallest Euclidean norm.
    """
    matrix, vector = equations.matrix, equations.vector
    diagonal = np.diagonal(matrix, axis1=1, axis2=2)
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    values, vectors = np.linalg.eigh(matrix * scale[:, :, None] * scale[:, None, :])
    kept = values > RANK_TOLERANCE * values[:, -1:]
    inverse = np.where(kept, 1 / np.where(kept, values, 1.0), 0.0)

    def apply_inverse(right: Float64Array) -> Float64Array:
        rotated = np.einsum("tji,tj->ti", vectors, scale * right)
        return np.asarray(scale * np.einsum("tij,tj->ti", vectors, inverse * rotated))

    coefficients = apply_inverse(vector)
    # One step of refinement takes away the rounding of the decomposition.
    coefficients += apply_inverse(vector - np.einsum("tij,tj->ti", matrix, coefficients))
    for t in np.flatnonzero(~kept.all(axis=1)):
        null_space, _ = np.linalg.qr(scale[t][:, None] * vectors[t][:, ~kept[t]])
        coefficients[t] -= null_space @ (null_space.T @ coefficients[t])
    left_over = scale * (vector - np.einsum("tij,tj->ti", matrix, coefficients))
    size = np.linalg.norm(scale * vector, axis=1)
    residual = np.linalg.norm(left_over, axis=1) / np.where(size > 0, size, 1.0)
    return LeastSquares(coefficients, kept.sum(axis=1), residual)


def r_squared(equations: NormalEquations, coefficients: Float64Array) -> Float64Array:
    """Return the weighted R^2, shape (T,), of coefficients (T, d): the local model's fit.

    1 - (residual sum of squares) / (sum of squares around the weighted mean), over neighbours and
    times. Below 0 the mean alone fits better, which can be, as the local model has no intercept;
    NaN where the log hazards do not vary.
    """
    curvature = np.einsum("ti,tij,tj->t", coefficients, equations.matrix, coefficients)
    cross = np.einsum("ti,ti->t", coefficients, equations.vector)
    unexplained = np.maximum(equations.quadratic - 2 * cross + curvature, 0.0)
    variation = equations.quadratic - equations.linear**2 / equations.total
    varies = variation > 1e-14 * equations.quadratic
    share = np.divide(unexplained, variation, out=np.full_like(variation, np.nan), where=varies)
    return np.asarray(1 - share)
