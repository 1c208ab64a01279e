from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survkit.explain.least_squares import NormalEquations, r_squared, solve
from survkit.explain.objective import (
    LAST_INTERVAL,
    TimeAxis,
    build_terms,
    interval_lengths,
    sum_over_time,
    weight_scale,
)
from survkit.types import InputError


def problem(seed: int, n: int = 40, d: int = 4, m: int = 7) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    hazards = np.cumsum(rng.exponential(0.3, (n, m)), axis=1)
    baseline = np.cumsum(rng.exponential(0.3, m))
    return hazards, baseline, rng.uniform(0.1, 2, m), rng.normal(size=(n, d)), rng.random(n) + 0.01


def equations(
    hazards: np.ndarray,
    baseline: np.ndarray,
    lengths: np.ndarray,
    design: np.ndarray,
    weights: np.ndarray,
) -> NormalEquations:
    axis = TimeAxis.build(baseline, lengths)
    sums = sum_over_time(hazards, axis, scale=weight_scale(hazards, 1e-3))
    return NormalEquations.stack([NormalEquations.build(design, weights, sums)])


def entry_by_entry(
    hazards: np.ndarray,
    baseline: np.ndarray,
    lengths: np.ndarray,
    design: np.ndarray,
    weights: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expression (9) as one regression row a neighbour and time: design, target, weight."""
    u = hazards / np.maximum(np.abs(np.log(hazards)), 1e-3)
    omega = weights[:, None] * u**2 * lengths
    target = np.log(hazards) - np.log(baseline)
    rows = np.repeat(design, hazards.shape[1], axis=0)
    return rows, target.ravel(), omega.ravel()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_the_reduced_solution_is_that_of_all_entries(seed: int) -> None:
    data = problem(seed)
    rows, target, omega = entry_by_entry(*data)
    root = np.sqrt(omega)
    expected = np.linalg.lstsq(rows * root[:, None], target * root, rcond=None)[0]
    stacked = equations(*data)
    solution = solve(stacked)
    np.testing.assert_allclose(solution.coefficients[0], expected, rtol=1e-8, atol=1e-10)
    assert solution.residual[0] < 1e-12
    mean = np.average(target, weights=omega)
    residual = target - rows @ expected
    r2 = 1 - omega @ residual**2 / (omega @ (target - mean) ** 2)
    assert r_squared(stacked, solution.coefficients)[0] == pytest.approx(r2, abs=1e-9)


def test_cvxpy_finds_the_same() -> None:
    import cvxpy as cp

    data = problem(3)
    rows, target, omega = entry_by_entry(*data)
    root = np.sqrt(omega / omega.max())
    beta = cp.Variable(rows.shape[1])
    objective = cp.sum_squares(cp.multiply(root, target - rows @ beta))
    tolerances = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-10)
    cp.Problem(cp.Minimize(objective)).solve(solver="CLARABEL", **tolerances)
    found = solve(equations(*data)).coefficients[0]
    assert np.linalg.norm(found - beta.value) <= 1e-6 * np.linalg.norm(beta.value)


def test_collinear_columns_get_the_answer_of_smallest_norm() -> None:
    hazards, baseline, lengths, design, weights = problem(1)
    design = np.column_stack([design, 3 * design[:, 0], np.zeros(len(design))])
    stacked = equations(hazards, baseline, lengths, design, weights)
    solution = solve(stacked)
    rows, target, omega = entry_by_entry(hazards, baseline, lengths, design, weights)
    root = np.sqrt(omega)
    expected = np.linalg.pinv(rows * root[:, None], rcond=1e-9) @ (target * root)
    assert solution.rank[0] == 4
    np.testing.assert_allclose(solution.coefficients[0], expected, atol=1e-10)


def test_many_problems_at_once_are_each_as_alone() -> None:
    parts = [equations(*problem(seed)) for seed in range(5)]
    together = solve(NormalEquations(*(np.concatenate(each) for each in zip(*parts, strict=True))))
    for t, part in enumerate(parts):
        np.testing.assert_allclose(
            together.coefficients[t], solve(part).coefficients[0], rtol=1e-12
        )


def test_a_hazard_of_zero_and_a_baseline_of_zero_count_for_nothing() -> None:
    hazards, baseline, lengths, design, weights = problem(2)
    expected = solve(equations(hazards, baseline, lengths, design, weights)).coefficients
    with_zeros = np.column_stack([np.zeros(len(hazards)), np.full(len(hazards), 0.1), hazards])
    longer = equations(
        with_zeros,
        np.concatenate([[0.5, 0.0], baseline]),
        np.concatenate([[1.0, 1.0], lengths]),
        design,
        weights,
    )
    np.testing.assert_allclose(solve(longer).coefficients, expected, rtol=1e-10)


@pytest.mark.parametrize("factor", [1e-150, 1e-12, 1e6, 1e200])
def test_tiny_and_huge_hazards_stay_finite(factor: float) -> None:
    hazards, baseline, lengths, design, weights = problem(2)
    solution = solve(equations(hazards * factor, baseline, lengths, design, weights))
    assert np.isfinite(solution.coefficients).all()


def test_no_hazard_anywhere_is_refused() -> None:
    hazards, baseline, lengths, design, weights = problem(2)
    with pytest.raises(InputError, match="nothing to explain"):
        equations(hazards * 0, baseline, lengths, design, weights)
    only_where_there_is_no_baseline = np.zeros_like(hazards)
    only_where_there_is_no_baseline[:, -1] = 1.5
    baseline[-1] = 0
    with pytest.raises(InputError, match="no Cox model can be fitted"):
        equations(only_where_there_is_no_baseline, baseline, lengths, design, weights)


def test_terms_are_the_entries_of_the_objective() -> None:
    hazards, baseline, lengths, design, weights = problem(4)
    terms = build_terms(hazards, TimeAxis.build(baseline, lengths), design, weights)
    u = hazards / np.maximum(np.abs(np.log(hazards)), 1e-3)
    np.testing.assert_allclose(terms.slopes * terms.scale, u, rtol=1e-12)
    np.testing.assert_allclose(terms.targets, np.log(hazards) - np.log(baseline), rtol=1e-12)


def test_intervals_end_with_gamma_and_can_be_bounded() -> None:
    times = np.array([1.0, 2.0, 5.0])
    np.testing.assert_array_equal(interval_lengths(times), [1, 3, LAST_INTERVAL])
    np.testing.assert_array_equal(interval_lengths(times, 1.5), [1, 1.5, LAST_INTERVAL])
