"""Norms other than l2: which solver handles a problem, and how good its answer is."""

from __future__ import annotations

import numpy as np

from survkit.explain.convex import solve_maximum, solve_power
from survkit.explain.inputs import is_number
from survkit.explain.newton import ACCEPTED_GAP, solve_newton
from survkit.explain.objective import NormSolution, Terms
from survkit.types import Float64Array, InputError

LARGEST_FOR_CVXPY = 1_000
"""Entries N x m up to which cvxpy solves an lq norm; above, Newton's method does.

Beyond a thousand power cones cvxpy takes minutes to compile what Newton solves in milliseconds.
"""

HIGHEST_FOR_CVXPY = 10
"""Above this q a cone's solver stops far from the optimum and calls it one."""


def as_norm(value: float | str) -> float:
    """Return a norm as a number of at least 1, infinity for "inf"."""
    if value == "inf":
        return np.inf
    if not is_number(value) or not float(value) >= 1:
        raise InputError(
            f"functional_norm is {value!r}; it must be a number of at least 1, or 'inf'"
        )
    return float(value)


def objective_value(terms: Terms, q: float, coefficients: Float64Array) -> float:
    """Return the objective at coefficients (d,), for a norm 1 <= q <= infinity."""
    residual = terms.targets - (terms.design @ coefficients)[:, None]
    size = terms.slopes * np.abs(residual)
    with np.errstate(over="ignore", invalid="ignore"):  # infinity times 0
        if q == np.inf:
            return float(terms.weights @ size.max(axis=1) * terms.scale)
        return float(terms.weights @ (size**q @ terms.lengths) * np.float64(terms.scale) ** q)


def solve_norm(
    terms: Terms, q: float, start: Float64Array, *, verbose: bool = False
) -> NormSolution:
    """Minimise the objective with a norm 1 <= q <= infinity, from least-squares `start` (d,)."""
    if q == np.inf:
        return solve_maximum(terms, verbose=verbose)
    if terms.targets.size <= LARGEST_FOR_CVXPY and q <= HIGHEST_FOR_CVXPY:
        solution = solve_power(terms, q, start, verbose=verbose)
        if solution.coefficients is not None:
            return solution
    with np.errstate(over="ignore", invalid="ignore"):  # shows in a gap that is not finite
        newton = solve_newton(terms, q, start)
    if not np.isfinite(newton.gap):
        return NormSolution(None, "Newton", f"powers of {q:g} overflow; the norm 'inf' is near it")
    status = f"within {newton.gap:.1g} of the optimum"
    if newton.gap > ACCEPTED_GAP:
        return NormSolution(None, "Newton", f"only {status}")
    return NormSolution(newton.coefficients, "Newton", f"optimal, {status}")
