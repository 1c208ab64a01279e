"""Calibrated curves, against the papers' algorithms written as loops."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from survkit.curves import own_values
from survkit.metrics.censoring import kaplan_meier
from survkit.metrics.conformal_curves import (
    LEVELS,
    completed_times,
    ipot_percentiles,
    mapped_by_percentiles,
    quantile_shifts,
    shifted_curves,
)
from survkit.metrics.curve_calibration import d_calibration, km_calibration, survival_bounds
from survkit.types import SurvivalPrediction

Array = NDArray[Any]
GRID = np.linspace(0.0, 10.0, 51)

# Ties among events, among censored rows and between the two, and the ends of [0, 1].
SURVIVAL = np.array([0.9, 0.9, 0.5, 0.5, 0.5, 0.2, 0.75, 1.0, 0.0, 0.3, 0.0, 1.0])
EVENT = np.array([1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 0, 0], dtype=bool)


def literal_percentiles(survival: Array, event: Array, levels: Array, copies: int) -> list[float]:
    """Repeat every row, spread the copies of a censored one, and take order statistics."""
    scores = []
    for own, seen in zip(survival, event, strict=True):
        for copy in range(copies):
            scores.append(own if seen else own * (copy + 0.5) / copies)
    scores.sort()
    found = []
    for level in levels:
        rank = math.ceil(level * len(scores) - 1e-9)
        found.append(scores[max(rank, 1) - 1])
    return found


def test_percentiles_are_those_of_many_copies_of_the_rows() -> None:
    levels = np.array([0.01, 0.1, 1 / 6, 0.25, 1 / 3, 0.4, 0.5, 0.6, 0.75, 0.9, 0.99])
    found = ipot_percentiles(SURVIVAL, EVENT, levels)
    expected = literal_percentiles(SURVIVAL, EVENT, levels, 4000)
    np.testing.assert_allclose(found, expected, atol=2e-3)


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.8, 1.0]), st.booleans()), min_size=1)
)
def test_percentiles_of_any_rows(rows: list[tuple[float, bool]]) -> None:
    survival, event = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    found = ipot_percentiles(survival, event)
    assert ((found >= 0) & (found <= 1) & np.isfinite(found)).all()
    assert (np.diff(found) >= 0).all()
    expected = literal_percentiles(survival, event, LEVELS, 400)
    # A copy more or less of all moves an order statistic across a gap: compare the shares.
    for level, own in zip(LEVELS, found, strict=True):
        parts = np.where(event, survival <= own + 1e-9, np.minimum(own, survival) / 1.0)
        spread = np.divide(own, survival, out=np.ones(len(rows)), where=survival > 0)
        share = np.where(event, parts, np.minimum(spread, 1.0)).mean()
        assert share >= level - 1e-6
    assert abs(np.mean(expected) - found.mean()) < 0.02


def test_the_map_takes_percentiles_to_their_levels() -> None:
    percentiles = ipot_percentiles(SURVIVAL, EVENT)
    inside, last = np.unique(percentiles, return_index=True)
    mapped = mapped_by_percentiles(inside[None], percentiles)[0]
    for own, value in zip(inside[inside < 1], mapped[inside < 1], strict=True):
        assert value == pytest.approx(LEVELS[percentiles == own].max())
    assert mapped_by_percentiles(np.array([[1.0, 0.0]]), np.full(99, 0.5)).tolist() == [[1.0, 0.0]]
    assert len(last) == len(inside)


def test_completed_times_are_quantiles_of_kaplan_meier_after_censoring() -> None:
    time = np.array([1.0, 2.0, 2.0, 3.0, 5.0, 7.0, 7.0, 9.0])
    event = np.array([1, 1, 0, 1, 1, 0, 1, 0], dtype=bool)
    population = kaplan_meier(time, event)
    completed = completed_times(
        np.array([2.0, 2.0, 8.0, 20.0]), np.array([True, *3 * [False]]), population
    )
    assert (completed[0] == 2.0).all()
    # Of a row censored at 2, the share after t is S(t) / S(2).
    for t in (2.5, 3.0, 4.0, 5.0, 8.0):
        expected = population.at(t) / population.at(2.0)
        assert (completed[1] > t).mean() == pytest.approx(float(expected), abs=0.011)
    # Beyond the last time: uniform to where the line through (0, 1) and (9, S(9)) is 0.
    end = 9.0 / (1 - float(population.values[-1]))
    assert completed[2].max() == pytest.approx(end, rel=0.01)
    assert completed[2].min() >= 8.0
    assert completed[3].min() >= 20.0
    assert (np.diff(completed, axis=1) >= 0).all()


def literal_shift(quantiles: Array, completed: Array, level: float, column: int) -> float:
    scores = []
    for predicted, times in zip(quantiles, completed, strict=True):
        for time in times:
            scores.append(predicted[column] - time)
    scores.sort()
    rank = math.ceil((1 - level) * (len(scores) + 1) - 1e-9)
    return float(scores[min(max(rank, 1), len(scores)) - 1])


def test_shifts_are_conformal_quantiles_of_the_errors() -> None:
    random = np.random.default_rng(0)
    levels = np.array([0.1, 0.25, 0.5, 0.9])
    quantiles = np.sort(random.integers(0, 8, (7, 4)).astype(float), axis=1)
    completed = random.integers(0, 8, (7, 3)).astype(float)
    found = quantile_shifts(quantiles, completed, levels)
    expected = [literal_shift(quantiles, completed, p, j) for j, p in enumerate(levels)]
    np.testing.assert_array_equal(found, expected)


def literal_curve(quantiles: Array, shifts: Array, levels: Array, time: float) -> float:
    points = [(0.0, 1.0)]
    for quantile, shift, level in zip(quantiles, shifts, levels, strict=True):
        points.append((max(quantile - shift, points[-1][0], 0.0), 1 - level))
    points.append((points[-1][0] / levels[-1], 0.0))
    value = 1.0
    for (start, high), (end, low) in pairwise(points):
        if time >= end:
            value = low
        elif time > start:
            return float(high + (time - start) / (end - start) * (low - high))
    return value


def test_curves_go_through_their_moved_quantiles() -> None:
    levels = np.array([0.1, 0.25, 0.5, 0.9])
    quantiles = np.array([[1.0, 2.0, 5.0, 8.0], [0.5, 0.5, 2.0, 30.0], [0.0, 0.1, 0.2, 0.3]])
    shifts = np.array([0.5, -1.0, 2.5, 1.0])  # crossing and negative ones
    found = shifted_curves(quantiles, shifts, GRID, levels)
    for own, curve in zip(quantiles, found, strict=True):
        expected = [literal_curve(own, shifts, levels, t) for t in GRID]
        np.testing.assert_allclose(curve, expected, atol=1e-12)
    never = np.array([[1.0, np.inf, np.inf, np.inf], np.full(4, np.inf)])
    level = shifted_curves(never, shifts, GRID, levels)
    assert level[0].min() == pytest.approx(0.9)
    assert (level[1] == 1.0).all()


def quantiles_of(survival: Array) -> Array:
    prediction = SurvivalPrediction(GRID, survival)
    return np.column_stack([prediction.quantile(p, extrapolate="line") for p in LEVELS])


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_miscalibrated_model_is_repaired(factor: float) -> None:
    """Curves that are too early or too late by a factor, on rows that calibrated nothing."""
    random = np.random.default_rng(4)
    scale = np.exp(random.normal(0.8, 0.5, 3000))
    true, censoring = random.exponential(scale), random.exponential(12.0, 3000)
    time, event = np.minimum(true, np.minimum(censoring, 9.9)), true <= np.minimum(censoring, 9.9)
    survival = np.exp(-GRID / (factor * scale[:, None]))
    rows, test, fit = slice(0, 1000), slice(1000, 1600), slice(1600, None)
    own = own_values(GRID, survival[rows], time[rows], step=False)
    population = kaplan_meier(time[fit], event[fit])
    completed = completed_times(time[rows], event[rows], population)
    shifts = quantile_shifts(quantiles_of(survival[rows]), completed)
    repaired = {
        "cipot": mapped_by_percentiles(survival[test], ipot_percentiles(own, event[rows])),
        "csd": shifted_curves(quantiles_of(survival[test]), shifts, GRID),
    }

    def distances(curves: Array) -> tuple[float, float]:
        bounds = survival_bounds(curves, GRID, time[test], event[test])
        upto = GRID[:45]
        km = km_calibration(curves[:, :45], upto, time[test], event[test])
        return d_calibration(*bounds), float(km[0])

    before = distances(survival[test])
    assert before[0] < 1e-10
    for name, curves in repaired.items():
        assert ((curves >= 0) & (curves <= 1)).all()
        assert (np.diff(curves, axis=1) <= 1e-12).all()
        after = distances(curves)
        assert after[1] < before[1] / 5, name
        assert after[0] > (0.01 if name == "cipot" else 1e6 * before[0]), name
        # Quantiles keep their order, and so do subjects.
        assert np.corrcoef(curves[:, 10], survival[test][:, 10])[0, 1] > 0.9
