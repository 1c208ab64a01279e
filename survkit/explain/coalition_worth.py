"""The worth of coalitions: the mean prediction for background rows that take a subject's values."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from survkit.explain.players import Players
from survkit.explain.shapley import coalition_keys
from survkit.types import BoolArray, Float64Array, IntArray

PredictRows = Callable[[Float64Array], Float64Array]
"""Takes rows (n, p) and returns their predicted curves (n, T)."""


class Background(NamedTuple):
    """The different rows (b, p) of a background sample and the share (b,) of each."""

    rows: Float64Array
    share: Float64Array

    @classmethod
    def of(cls, sample: Float64Array) -> Background:
        """Count equal rows (n, p) once."""
        rows, counts = np.unique(sample, axis=0, return_counts=True)
        return cls(rows, counts / len(sample))


def differing_players(row: Float64Array, background: Background, players: Players) -> BoolArray:
    """Whether a background row differs from a subject's row (p,) in each feature, shape (b, d)."""
    return players.any_of(background.rows != row)


def coalition_worth(
    coalitions: BoolArray,
    row: Float64Array,
    background: Background,
    columns: BoolArray,
    predict: PredictRows,
    *,
    rows_at_once: int,
) -> Float64Array:
    """Return the interventional worth of coalitions, E_b[f(x_S, b_notS)], shape (k, T).

    A row is predicted once where a coalition only adds features in which the background row has
    the subject's values already.

    Parameters
    ----------
    coalitions : array, shape (k, d), bool
        Which players take the values of the subject.
    row : array, shape (p,)
        The subject.
    background : Background
        What the other players' values are taken from.
    columns : array, shape (d, p), bool
        The columns of each player.
    predict : callable
        The model.
    rows_at_once : int
        Most rows in memory, of one background row at least.

    References
    ----------
    Krzyzinski et al. (2023), equation 6; Janzing, Minorics & Bloebaum (2020), AISTATS, on the
    interventional expectation, which takes features from each other's joint distribution.
    """
    worth: Float64Array = np.zeros((len(coalitions), 0))
    waiting: list[_Masked] = []

    def predict_waiting() -> None:
        nonlocal worth
        curves = predict(np.concatenate([each.rows for each in waiting]))
        if not worth.shape[1]:
            worth = np.zeros((len(coalitions), curves.shape[1]))
        start = 0
        for each in waiting:
            own = curves[start : start + len(each.rows)]
            worth += each.share * (own if each.place is None else own[each.place])
            start += len(each.rows)
        waiting.clear()

    for other, share in zip(background.rows, background.share, strict=True):
        masked = _masked(coalitions, row, other, float(share), columns)
        if waiting and sum(len(each.rows) for each in waiting) + len(masked.rows) > rows_at_once:
            predict_waiting()
        waiting.append(masked)
    predict_waiting()
    return worth


class _Masked(NamedTuple):
    """The different rows that coalitions make of one background row, and which one each makes."""

    rows: Float64Array
    place: IntArray | None
    share: float


def _masked(
    coalitions: BoolArray, row: Float64Array, other: Float64Array, share: float, columns: BoolArray
) -> _Masked:
    differs = (columns & (row != other)).any(axis=1)
    place = None
    if not differs.all():
        effective = coalitions & differs
        _, first, place = np.unique(
            coalition_keys(effective), return_index=True, return_inverse=True
        )
        coalitions = coalitions[first]
    taken = coalitions.astype(np.float32) @ columns > 0
    return _Masked(np.where(taken, row, other), place, share)
