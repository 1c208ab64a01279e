"""Convex problems for cvxpy: compiled once for their size, solved by a chain of solvers."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np

from survkit.explain.objective import NormSolution, Terms
from survkit.types import Float64Array

SOLVERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("CLARABEL", {"tol_gap_abs": 1e-7, "tol_gap_rel": 1e-7, "tol_feas": 1e-7}),
    ("SCS", {"eps_abs": 1e-7, "eps_rel": 1e-7, "max_iters": 50_000}),
)

_LOCK = threading.Lock()
"""Compiled problems keep their parameters, so one thread at a time uses them."""


def solve_power(
    terms: Terms, q: float, start: Float64Array, *, verbose: bool = False
) -> NormSolution:
    """Minimise sum_k w_k sum_i |u_ki r_ki|^q dt_i, entry by entry, for q >= 1.

    The size grows with N x m: for small problems. The least-squares coefficients `start` (d,)
    only set the scale: solvers stop at absolute tolerances.
    """
    outer = terms.weights[:, None] * terms.lengths
    factor = (terms.slopes * (outer / outer.max()) ** (1 / q)).ravel()
    design = factor[:, None] * np.repeat(terms.design, terms.slopes.shape[1], axis=0)
    targets = factor * terms.targets.ravel()
    scale = float(np.abs(targets - design @ start).max())
    if scale <= 1e-12 * np.abs(targets).max():
        return NormSolution(start, "least squares", "optimal, it fits to rounding")
    values = {"design": design / scale, "targets": targets / scale}
    return _solve(_power_problem, (*values["design"].shape, q), values, verbose)


def solve_maximum(terms: Terms, *, verbose: bool = False) -> NormSolution:
    """Minimise sum_k w_k max_i |u_ki r_ki|: a linear program with few lines per neighbour."""
    slope, intercept = upper_envelopes(terms.slopes, terms.targets)
    # Few sizes of problems, so that compiled ones serve again.
    lines = int(2 ** np.ceil(np.log2(slope.shape[1])))
    padding = ((0, 0), (0, lines - slope.shape[1]))
    values = {
        "slope": np.pad(slope, padding, mode="edge"),
        "intercept": np.pad(intercept, padding, mode="edge"),
        "weights": terms.weights / terms.weights.sum(),
        "design": terms.design,
    }
    return _solve(_maximum_problem, (len(slope), lines, terms.design.shape[1]), values, verbose)


def _solve(
    compiled: Callable[..., tuple[Any, Any]],
    size: tuple[Any, ...],
    values: dict[str, Float64Array],
    verbose: bool,
) -> NormSolution:
    cp: Any = import_module("cvxpy")  # untyped: its hints lack what it makes at run time
    with _LOCK:
        problem, beta = compiled(*size)
        for parameter in problem.parameters():
            parameter.value = values[parameter.name()]
        statuses = []
        for solver, options in SOLVERS:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # the status names an inaccurate solution
                    # A warm start would let an answer depend on the problem solved before.
                    problem.solve(solver=solver, verbose=verbose, warm_start=False, **options)
            except cp.error.SolverError as error:
                statuses.append(f"{solver}: {error}")
                continue
            if problem.status == "optimal":
                return NormSolution(np.array(beta.value), solver, problem.status)
            statuses.append(f"{solver}: {problem.status}")
    return NormSolution(None, SOLVERS[-1][0], "; ".join(statuses))


@lru_cache(maxsize=8)
def _power_problem(n: int, d: int, q: float) -> tuple[Any, Any]:
    """Return min sum |targets - design beta|^q, its data parameters, and beta (d,)."""
    cp: Any = import_module("cvxpy")
    beta, residual = cp.Variable(d), cp.Variable(n)
    design, targets = cp.Parameter((n, d), name="design"), cp.Parameter(n, name="targets")
    constraints = [residual == targets - design @ beta]
    if q == 1:
        return cp.Problem(cp.Minimize(cp.norm1(residual)), constraints), beta
    power = cp.Variable(n)  # the cone says |residual| <= power^(1/q)
    constraints.append(cp.constraints.PowCone3D(power, np.ones(n), residual, 1 / q))
    return cp.Problem(cp.Minimize(cp.sum(power)), constraints), beta


@lru_cache(maxsize=8)
def _maximum_problem(n: int, lines: int, d: int) -> tuple[Any, Any]:
    """Return min sum_k w_k max_l (slope_kl x_k . beta + intercept_kl), and beta (d,)."""
    cp: Any = import_module("cvxpy")
    beta, fitted, highest = cp.Variable(d), cp.Variable((n, 1)), cp.Variable((n, 1))
    design, weights = cp.Parameter((n, d), name="design"), cp.Parameter(n, name="weights")
    slope, intercept = (cp.Parameter((n, lines), name=name) for name in ("slope", "intercept"))
    constraints = [fitted[:, 0] == design @ beta]
    constraints += [highest >= cp.multiply(slope, fitted) + intercept]
    return cp.Problem(cp.Minimize(weights @ highest[:, 0]), constraints), beta


def upper_envelopes(
    slopes: Float64Array, targets: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Return few lines, slope and intercept (N, L), with the maximum max_i u_ki |y_ki - s|.

    It is max_l slope[k, l] s + intercept[k, l] for every s and neighbour k, given slopes u and
    targets y, (N, m) each; neighbours with fewer lines than L repeat their last. Usually few of
    the 2 m lines, +-u (s - y), form the maximum. They are found for all neighbours at once,
    starting with the steepest falling line: the next is the first to overtake.
    """
    rows = np.arange(len(slopes))
    products = slopes * targets
    slope = np.concatenate([-slopes, slopes], axis=1)
    intercept = np.concatenate([products, -products], axis=1)
    # The steepest falling line; of several, the highest.
    steepest = slope.min(axis=1, keepdims=True)
    current = np.where(slope == steepest, intercept, -np.inf).argmax(axis=1)
    found = [current]
    while True:
        gain = slope - slope[rows, current][:, None]
        gap = intercept[rows, current][:, None] - intercept
        meeting = np.divide(gap, gain, out=np.full_like(gain, np.inf), where=gain > 0)
        first = meeting.min(axis=1, keepdims=True)
        # Of lines that meet at one point the steepest is the next.
        tied = meeting <= first + 1e-12 * np.abs(first)
        following = np.where(tied & (gain > 0), slope, -np.inf).argmax(axis=1)
        following = np.where(np.isfinite(first[:, 0]), following, current)
        if (following == current).all():
            break
        current = following
        found.append(current)
    lines = np.stack(found, axis=1)
    return np.take_along_axis(slope, lines, axis=1), np.take_along_axis(intercept, lines, axis=1)
