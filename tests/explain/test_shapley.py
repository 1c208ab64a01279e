"""Shapley values of games: the axioms, brute force over all orders, and random orders."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from survkit.explain.shapley import (
    OrderedCoalitions,
    all_coalitions,
    coalition_keys,
    draw_orders,
    exact_values,
    pairs_within,
    values_of_orders,
)
from survkit.types import BoolArray, Float64Array


def random_game(players: int, seed: int = 0) -> Float64Array:
    return np.random.default_rng(seed).normal(size=(2**players, 3))


def worth_of(game: Float64Array, coalitions: BoolArray) -> Float64Array:
    return game[coalitions @ 2 ** np.arange(coalitions.shape[1])]


def by_all_orders(game: Float64Array) -> Float64Array:
    """Shapley's definition itself: the mean gain over all d! orders."""
    players = len(game).bit_length() - 1
    total = np.zeros((players, game.shape[1]))
    orders = list(permutations(range(players)))
    for order in orders:
        reached = 0
        for player in order:
            total[player] += game[reached | 1 << player] - game[reached]
            reached |= 1 << player
    return total / len(orders)


@pytest.mark.parametrize("players", [1, 2, 3, 5])
def test_values_are_mean_gains_over_all_orders(players: int) -> None:
    game = random_game(players)
    assert_allclose(exact_values(game).values, by_all_orders(game), atol=1e-12)


def test_values_obey_shapleys_axioms() -> None:
    players = 6
    coalitions = all_coalitions(players)
    game, other = random_game(players), random_game(players, 1)
    values = exact_values(game).values
    assert_allclose(values.sum(axis=0), game[-1] - game[0], atol=1e-12)  # efficiency
    both = exact_values(2 * game - other).values
    assert_allclose(both, 2 * values - exact_values(other).values, atol=1e-12)  # linearity
    # Players 1 and 2 are exchangeable where the game only sees how many of them there are.
    symmetric = worth_of(game, np.column_stack([coalitions[:, 0], np.sort(coalitions[:, 1:3])]))
    first, second = exact_values(symmetric).values[1:3]
    assert_allclose(first, second, atol=1e-12)
    assert np.abs(first).max() > 0.1
    # Player 4 changes nothing.
    without = coalitions.copy()
    without[:, 4] = False
    assert_allclose(exact_values(worth_of(game, without)).values[4], 0, atol=1e-15)


def test_no_players_share_nothing() -> None:
    assert exact_values(np.ones((1, 4))).values.shape == (0, 4)


def test_random_orders_add_up_exactly_and_come_near_the_exact_values() -> None:
    game = random_game(7)
    drawn = draw_orders(7, 400, np.random.default_rng(0))
    found = values_of_orders(worth_of(game, drawn.coalitions), drawn)
    assert_allclose(found.values.sum(axis=0), game[-1] - game[0], atol=1e-12)
    errors = (found.values - exact_values(game).values) / found.standard_error
    assert 0.5 < np.sqrt(np.mean(errors**2)) < 1.6
    assert found.standard_error.max() < 0.1


def test_standard_errors_are_those_of_repeated_draws() -> None:
    game = random_game(5)
    drawn = [draw_orders(5, 20, np.random.default_rng(seed)) for seed in range(300)]
    found = [values_of_orders(worth_of(game, each.coalitions), each) for each in drawn]
    spread = np.std([each.values for each in found], axis=0)
    stated = np.sqrt(np.mean([each.standard_error**2 for each in found], axis=0))
    assert_allclose(stated, spread, rtol=0.15)


def test_one_pair_of_orders_is_exact_where_only_pairs_interact() -> None:
    rng = np.random.default_rng(3)
    main, pairs = rng.normal(size=6), np.triu(rng.normal(size=(6, 6)), 1)

    def worth(coalitions: BoolArray) -> Float64Array:
        members = coalitions.astype(float)
        return (members @ main + np.einsum("ki,ij,kj->k", members, pairs, members))[:, None]

    drawn = draw_orders(6, 1, rng)
    found = values_of_orders(worth(drawn.coalitions), drawn)
    assert_allclose(found.values, exact_values(worth(all_coalitions(6))).values, atol=1e-12)
    assert np.isnan(found.standard_error).all()


@pytest.mark.parametrize("players", [2, 9, 70, 200])
def test_orders_pass_through_coalitions_that_grow_by_one(players: int) -> None:
    drawn = draw_orders(players, 3, np.random.default_rng(0))
    assert isinstance(drawn, OrderedCoalitions)
    assert not drawn.coalitions[0].any()
    assert drawn.coalitions[-1].all()
    assert len(np.unique(drawn.coalitions, axis=0)) == len(drawn.coalitions)
    reached = drawn.coalitions[drawn.place]
    joined = reached[:, 1:] & ~reached[:, :-1]
    assert (joined.sum(axis=2) == 1).all()
    np.testing.assert_array_equal(joined.argmax(axis=2), drawn.orders)
    np.testing.assert_array_equal(drawn.orders[::2], drawn.orders[1::2, ::-1])


def test_pairs_stay_within_the_coalitions_that_are_allowed() -> None:
    for players in (2, 5, 40):
        for most in (2, 10, 100, 2048):
            pairs = pairs_within(players, most)
            assert 2 + 2 * pairs * (players - 1) <= most < 2 + 2 * (pairs + 1) * (players - 1)


def test_keys_tell_coalitions_apart() -> None:
    for players in (1, 8, 64, 65, 130):
        random = np.random.default_rng(0).random((300, players)) < 0.5
        keys = np.unique(coalition_keys(random))
        assert len(keys) == len(np.unique(random, axis=0))
