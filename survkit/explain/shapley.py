"""Shapley values of a game whose values are curves: exact, or from random orders of the players.

A coalition is a row of booleans, True for the players in it. Lundberg & Lee (2017), Advances in
Neural Information Processing Systems 30, use them for predictions; Krzyzinski et al. (2023),
Knowledge-Based Systems 262:110234, for survival functions.
"""

from __future__ import annotations

from math import comb
from typing import NamedTuple

import numpy as np

from survkit.types import BoolArray, Float64Array, IntArray


class ShapleyValues(NamedTuple):
    """Values (d, T) of d players, and the Monte-Carlo standard errors (d, T), 0 where exact."""

    values: Float64Array
    standard_error: Float64Array


class OrderedCoalitions(NamedTuple):
    """The coalitions that orders of the players pass through, each of them once.

    Parameters
    ----------
    orders : array, shape (r, d), int
        Each row has the players in the order in which they join; rows 2i and 2i + 1 are each
        other's reverse.
    coalitions : array, shape (k, d), bool
        The first has no player and the last has all of them.
    place : array, shape (r, d + 1), int
        Which of them an order has reached after 0, 1, ..., d players.
    """

    orders: IntArray
    coalitions: BoolArray
    place: IntArray


def all_coalitions(players: int) -> BoolArray:
    """Return the 2^d coalitions of d players: of number k those whose bits are set in k."""
    numbers = np.arange(2**players)[:, None]
    return np.asarray(numbers >> np.arange(players) & 1, dtype=np.bool_)


def exact_values(worth: Float64Array) -> ShapleyValues:
    """Return the Shapley values of d players from the worth (2^d, T) of `all_coalitions`.

    Shapley (1953): the mean over the sizes of coalitions of the mean gain in worth when the player
    joins one of that size.
    """
    players = len(worth).bit_length() - 1
    numbers = np.arange(len(worth))
    values = np.zeros((players, worth.shape[1]))
    if players:
        sizes = all_coalitions(players).sum(axis=1)
        weight = np.array([1 / (players * comb(players - 1, size)) for size in range(players)])
    for player in range(players):
        without = numbers[numbers >> player & 1 == 0]
        gains = worth[without | 1 << player] - worth[without]
        values[player] = weight[sizes[without]] @ gains
    return ShapleyValues(values, np.zeros_like(values))


def pairs_within(players: int, max_coalitions: int) -> int:
    """Return how many pairs of opposite orders of d players need at most that many coalitions.

    A pair passes through 2 (d - 1) coalitions besides those of nobody and of everybody.
    """
    return (max_coalitions - 2) // (2 * max(players - 1, 1))


def draw_orders(players: int, pairs: int, random: np.random.Generator) -> OrderedCoalitions:
    """Draw pairs of a random order of the players and its reverse.

    A pair gives the exact values wherever no more than two players interact, so what is left to
    chance is interactions of three and more (Mitchell et al. 2022, Journal of Machine Learning
    Research 23:43, on antithetic permutations).
    """
    orders = np.empty((2 * pairs, players), dtype=np.int64)
    orders[::2] = random.permuted(np.tile(np.arange(players), (pairs, 1)), axis=1)
    orders[1::2] = orders[::2, ::-1]
    reached = np.zeros((2 * pairs, players + 1, players), dtype=np.bool_)
    rows = np.arange(2 * pairs)
    for step in range(players):
        reached[:, step + 1] = reached[:, step]
        reached[rows, step + 1, orders[:, step]] = True
    flat = reached.reshape(-1, players)
    _, first, place = np.unique(coalition_keys(flat), return_index=True, return_inverse=True)
    # By size, so that nobody comes first and everybody last, whatever the keys' order is.
    by_size = np.argsort(flat[first].sum(axis=1), kind="stable")
    rank = np.empty_like(by_size)
    rank[by_size] = np.arange(len(by_size))
    return OrderedCoalitions(
        orders, flat[first[by_size]], rank[place.reshape(2 * pairs, players + 1)]
    )


def values_of_orders(worth: Float64Array, drawn: OrderedCoalitions) -> ShapleyValues:
    """Return the mean gains over the orders, from the worth (k, T) of their coalitions.

    The gains of one order add up to the worth of everybody less that of nobody, and so do their
    means. Standard errors are those of the mean over the pairs, which are independent; NaN for a
    single pair.
    """
    pairs, players = len(drawn.orders) // 2, drawn.orders.shape[1]
    gains = np.zeros((pairs, players, worth.shape[1]))
    for each in range(len(drawn.orders)):
        along = worth[drawn.place[each]]
        gains[each // 2, drawn.orders[each]] += np.diff(along, axis=0) / 2
    if pairs == 1:
        return ShapleyValues(gains[0], np.full_like(gains[0], np.nan))
    return ShapleyValues(gains.mean(axis=0), gains.std(axis=0, ddof=1) / np.sqrt(pairs))


def coalition_keys(coalitions: BoolArray) -> IntArray:
    """Return something sortable for each coalition (k, d), equal for equal ones only."""
    packed = np.packbits(coalitions, axis=1)
    if packed.shape[1] <= 8:
        wide = np.zeros((len(packed), 8), dtype=np.uint8)
        wide[:, : packed.shape[1]] = packed
        return wide.view(np.uint64)[:, 0]
    return np.ascontiguousarray(packed).view(f"V{packed.shape[1]}")[:, 0]
