from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from survkit.explain import norms
from survkit.explain.convex import solve_maximum, solve_power, upper_envelopes
from survkit.explain.newton import ACCEPTED_GAP, solve_newton
from survkit.explain.norms import as_norm, objective_value, solve_norm
from survkit.explain.objective import Terms
from survkit.types import InputError


def terms(n: int = 30, m: int = 20, d: int = 3, seed: int = 0) -> Terms:
    rng = np.random.default_rng(seed)
    design = rng.normal(size=(n, d))
    targets = (design @ [0.4, -0.2, 0.1])[:, None] + rng.normal(0, 0.3, (n, m))
    return Terms(design, rng.random(n), rng.random((n, m)), targets, rng.uniform(0.5, 2, m), 2.0)


def reference(problem: Terms, q: float) -> float:
    """The objective reached by a plain cvxpy formulation of all entries."""
    import cvxpy as cp

    beta = cp.Variable(problem.design.shape[1])
    rows = np.repeat(problem.design, problem.targets.shape[1], axis=0)
    shape = problem.targets.shape
    size = cp.multiply(problem.slopes.ravel(), cp.abs(problem.targets.ravel() - rows @ beta))
    if q == np.inf:
        highest = cp.max(cp.reshape(size, shape, order="C"), axis=1)
        objective = problem.weights @ highest
    else:
        outer = (problem.weights[:, None] * problem.lengths).ravel()
        objective = outer @ (size if q == 1 else cp.power(size, q))
    cp.Problem(cp.Minimize(objective)).solve(solver="CLARABEL")
    return objective_value(problem, q, np.asarray(beta.value))


@pytest.mark.parametrize("q", [1, 1.5, 3, np.inf])
def test_the_objective_is_no_worse_than_cvxpys(q: float) -> None:
    problem = terms()
    solution = solve_norm(problem, q, np.zeros(3))
    assert solution.coefficients is not None
    assert objective_value(problem, q, solution.coefficients) <= reference(problem, q) * (1 + 1e-6)


@pytest.mark.parametrize("q", [1, 1.2, 1.5, 2, 3, 10])
@pytest.mark.parametrize("seed", [0, 1])
def test_newton_and_cvxpy_reach_the_same_objective(q: float, seed: int) -> None:
    problem = terms(seed=seed)
    newton = solve_newton(problem, q, np.zeros(3))
    convex = solve_power(problem, q, np.zeros(3))
    assert newton.gap <= ACCEPTED_GAP
    assert convex.coefficients is not None
    found = objective_value(problem, q, newton.coefficients)
    expected = objective_value(problem, q, convex.coefficients)
    assert found == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize("q", [1, 1.5, 3, 25])
def test_newton_is_no_worse_than_a_general_minimiser_on_a_larger_problem(q: float) -> None:
    problem = terms(n=200, m=60)
    newton = solve_newton(problem, q, np.zeros(3))
    other = minimize(
        lambda beta: objective_value(problem, q, beta) ** (1 / q),
        newton.coefficients + 0.01,
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000},
    )
    found = objective_value(problem, q, newton.coefficients) ** (1 / q)
    assert newton.gap <= ACCEPTED_GAP
    assert found <= other.fun * (1 + 1e-6)


def test_a_perfect_fit_has_the_objective_zero() -> None:
    problem = terms()
    exact = problem._replace(
        targets=np.repeat((problem.design @ [0.4, -0.2, 0.1])[:, None], 20, axis=1)
    )
    for q in (1, 3, np.inf):
        solution = solve_norm(exact, q, np.array([0.4, -0.2, 0.1]))
        np.testing.assert_allclose(solution.coefficients, [0.4, -0.2, 0.1], atol=1e-6)


def test_envelopes_are_the_maximum_everywhere() -> None:
    problem = terms(n=50, m=80)
    slopes = problem.slopes.copy()
    slopes[:, ::7] = 0.0
    slope, intercept = upper_envelopes(slopes, problem.targets)
    for s in np.linspace(-5, 5, 41):
        expected = (slopes * np.abs(problem.targets - s)).max(axis=1)
        np.testing.assert_allclose((slope * s + intercept).max(axis=1), expected, rtol=1e-9)
    assert slope.shape[1] < 40


def test_repeated_maximum_problems_are_compiled_once_and_solved_anew() -> None:
    first, second = terms(seed=0), terms(seed=1)
    assert not np.allclose(solve_maximum(first)[0], solve_maximum(second)[0])
    np.testing.assert_allclose(solve_maximum(first)[0], solve_maximum(first)[0], atol=1e-9)


@pytest.mark.parametrize("q", [1, 3, np.inf])
def test_an_answer_does_not_depend_on_the_problems_solved_before(q: float) -> None:
    """Threads solve problems in any order, and the same seed is to give the same answer."""

    def solve(seed: int) -> np.ndarray:
        found = solve_norm(terms(seed=seed), q, np.zeros(3)).coefficients
        assert found is not None
        return found

    forward = [solve(seed) for seed in range(6)]
    backward = [solve(seed) for seed in reversed(range(6))][::-1]
    np.testing.assert_array_equal(forward, backward)


def test_the_next_solver_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = terms()
    expected = solve_power(problem, 3, np.zeros(3)).coefficients
    hopeless = ("CLARABEL", {"max_iter": 1})
    monkeypatch.setattr("survkit.explain.convex.SOLVERS", (hopeless, ("SCS", {"eps": 1e-8})))
    solution = solve_power(problem, 3, np.zeros(3))
    assert solution.solver == "SCS"
    np.testing.assert_allclose(solution.coefficients, expected, atol=1e-4)
    monkeypatch.setattr("survkit.explain.convex.SOLVERS", (hopeless,))
    assert solve_power(problem, 3, np.zeros(3)).coefficients is None
    assert solve_norm(problem, 3, np.zeros(3)).solver == "Newton"
    failed = solve_norm(problem, np.inf, np.zeros(3))
    assert failed.coefficients is None
    assert "CLARABEL" in failed.status


def test_newton_that_did_not_converge_gives_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("survkit.explain.newton.MAX_STEPS", 1)
    monkeypatch.setattr(norms, "LARGEST_FOR_CVXPY", 0)
    solution = solve_norm(terms(), 3, np.full(3, 50.0))
    assert solution.coefficients is None
    assert solution.status.startswith("only within")


@pytest.mark.parametrize("norm", [0.5, 0, -1, "two", "2", np.nan, True, None])
def test_norms_below_one_are_refused(norm: object) -> None:
    with pytest.raises(InputError, match=r"functional_norm is .*at least 1, or 'inf'"):
        as_norm(norm)
    assert as_norm("inf") == np.inf
    assert as_norm(np.int64(3)) == 3.0
