from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from benchmarks.dependent_censoring import draw
from survkit.metrics.brier import integration_weights
from survkit.metrics.dependent_censoring import (
    ScoredPair,
    bounds_without_assumption,
    difference_contributions,
    turning_point,
)
from survkit.metrics.evaluate import evaluate
from survkit.metrics.outcomes import Outcomes
from survkit.types import InputError, SurvivalPrediction
from tests.metrics.metric_fixtures import tied_problem, tied_survival


def scores_of(cuts, *single):
    """The integrated score, then that at each of some cuts."""
    return np.column_stack([integration_weights(cuts), *(np.eye(len(cuts))[c] for c in single)])


@pytest.mark.parametrize("family", ["frank", "clayton"])
def test_without_dependence_it_is_the_ordinary_score(family):
    first, data, grid, train = tied_problem(n=150)
    second = SurvivalPrediction(grid.cuts, tied_survival(150, grid.cuts, 9))
    values = [
        evaluate(p, data, train_time=train[0], train_event=train[1], grid=grid, bootstrap=0).values
        for p in (first, second)
    ]
    last = Outcomes(data, *train, grid).weights.last_cut
    assert 0 < last < len(grid.cuts) - 1
    cuts = grid.cuts[: last + 1]
    own = [p.survival[:, : last + 1] for p in (first, second)]
    pair = ScoredPair(*own, data.time, data.event, cuts, scores_of(cuts, 3, 6))
    differences = difference_contributions(pair, *train, family=family, tau=0.0).mean(axis=0)
    for metric, difference in zip(
        ("integrated_brier", "brier@25", "brier@50"), differences, strict=True
    ):
        expected = values[0][metric] - values[1][metric]
        assert difference == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("given_features", [True, False])
@pytest.mark.parametrize(("family", "tau"), [("clayton", 0.5), ("frank", 0.4), ("frank", -0.4)])
def test_at_the_true_tau_it_is_near_the_truth(family, tau, given_features):
    pair, marginal, truth = draw(20_000, family, tau, given_features=given_features, seed=3)
    if not given_features:
        assert marginal == pytest.approx(tau, abs=0.02)
    own, ordinary = (
        difference_contributions(pair, pair.time, pair.event, family=family, tau=each).mean(axis=0)
        for each in (marginal, 0.0)
    )
    integrated_and_last = [0, 2]
    bias, ordinary_bias = (np.abs(each - truth)[integrated_and_last] for each in (own, ordinary))
    assert np.all(ordinary_bias > 0.4 * np.abs(truth[integrated_and_last]))
    assert np.all(bias < 0.42 * ordinary_bias)


def completed(pair):
    """Every score of every completion of the censored subjects' times."""
    later = [*(pair.cuts[1:] - 0.01), pair.cuts[-1] + 0.5, np.inf]
    choices = [
        [time] if event else [t for t in later if t > time]
        for time, event in zip(pair.time, pair.event, strict=True)
    ]
    for times in product(*choices):
        free = np.array(times)[:, None] > pair.cuts
        errors = (pair.first - free) ** 2 - (pair.second - free) ** 2
        yield (errors @ pair.scores).mean(axis=0)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_bounds_are_those_of_all_completions(seed):
    rng = np.random.default_rng(seed)
    n, cuts = 6, np.array([0.0, 1.0, 2.0, 4.0])
    first, second = (np.sort(rng.random((n, 4)), axis=1)[:, ::-1] for _ in range(2))
    time = rng.choice([0.0, 0.5, 1.0, 1.7, 2.0, 3.1, 4.0, 5.0], n)
    event = np.array([True, False, False, True, False, False])
    pair = ScoredPair(first, second, time, event, cuts, scores_of(cuts, 1, 3))
    every = np.array(list(completed(pair)))
    assert len(every) > 1
    bounds = bounds_without_assumption(pair)
    np.testing.assert_allclose(bounds, [every.min(axis=0), every.max(axis=0)], atol=1e-12)


def test_without_censoring_the_bounds_are_the_difference():
    first, data, grid, _ = tied_problem(n=40)
    second = tied_survival(40, grid.cuts, 9)
    everybody = np.ones(40, dtype=bool)
    pair = ScoredPair(
        first.survival, second, data.time, everybody, grid.cuts, scores_of(grid.cuts, 5)
    )
    low, high = bounds_without_assumption(pair)
    np.testing.assert_allclose(low, high, atol=1e-12)
    plain = difference_contributions(pair, data.time, everybody, family="frank", tau=0.0)
    np.testing.assert_allclose(plain.mean(axis=0)[1], low[1], atol=1e-12)


def test_nothing_is_known_after_the_last_training_row():
    first, data, grid, train = tied_problem(n=40)
    second = tied_survival(40, grid.cuts, 9)
    pair = ScoredPair(
        first.survival, second, data.time, data.event, grid.cuts, scores_of(grid.cuts, 2)
    )
    soon = train[0] <= 4
    difference = difference_contributions(
        pair, train[0][soon], np.ones(soon.sum(), bool), family="frank", tau=0.2
    ).mean(axis=0)
    assert np.isnan(difference[0])
    assert np.isfinite(difference[1])


def test_the_shapes_must_fit():
    cuts, curves, time = np.arange(3.0), np.full((4, 3), 0.5), np.arange(1.0, 5.0)
    with pytest.raises(InputError, match=r"second has the shape \(4, 2\)"):
        ScoredPair(curves, curves[:, :2], time, time > 1, cuts, scores_of(cuts))
    with pytest.raises(InputError, match=r"scores has the shape \(2,\)"):
        ScoredPair(curves, curves, time, time > 1, cuts, np.ones((2, 1)))


TAUS = np.array([-0.4, -0.2, 0.0, 0.2, 0.4])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([-1, -2, -3, -1, 1], 0.3),
        ([1, 1, 2, -1, -3], 0.2 * 2 / 3),
        ([1, -1, -3, -1, 0.5], -0.3),
        ([1, 1, 1, 0, 1], 0.2),
        ([1, 0, 1, 0, 1], 0.2),
        ([1, 2, 1, 3, 1], None),
        ([1, 1, 0, 1, 1], 0.0),
        ([np.nan, 1, 1, np.nan, -1], 0.2),
        ([1, 1, np.nan, -1, 1], None),
    ],
)
def test_the_verdict_turns_where_the_curve_first_leaves_its_side(values, expected):
    found = turning_point(TAUS, np.array(values, dtype=float))
    assert found == expected or found == pytest.approx(expected)


def test_a_curve_must_begin_at_zero():
    with pytest.raises(InputError, match="0 must be among the taus"):
        turning_point([0.1, 0.2], np.array([1.0, 2.0]))
