"""What one coefficient of a Cox regression is about: a unit of a number, or a category."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.datasets.preprocessing import BinnedColumn, CategoryColumn, Preprocessor
from survkit.types import SurvivalData

MISSING = "missing"


class Effect(NamedTuple):
    """A feature, or one category of it against a reference.

    Parameters
    ----------
    feature : str
        Its name in the source.
    level, reference : str, optional
        The category, and that which it is compared with; None for a number.
    column : array, shape (n,)
        The training rows: the number as the model sees it, or 1 for the category and 0 elsewhere.
    scale : float
        Units of the source in one unit of `column`.
    plus, minus : int, optional
        The one-hot columns whose coefficients the effect is the difference of.
    """

    feature: str
    level: str | None
    reference: str | None
    column: NDArray[np.floating]
    scale: float
    plus: int | None
    minus: int | None

    def __str__(self) -> str:
        return self.feature if self.level is None else f"{self.feature}: {self.level}"

    def in_source_units(self, value: float) -> float:
        """Return a coefficient, or its standard error, for one unit of the source."""
        return float(value) / self.scale

    def of_one_hot(self, coefficients: NDArray[np.float64]) -> float:
        """Return the effect in a model with a coefficient for each one-hot column."""
        plus, minus = (0.0 if j is None else float(coefficients[j]) for j in self[-2:])
        return plus - minus


def effects_of(train: SurvivalData, preprocessor: Preprocessor | None) -> list[Effect]:
    """Return the effects of all features, in their order.

    The reference of a category is its most frequent value among the training rows, the first of
    several. A missing value is a level of its own. Categories that no training row has are left
    out.

    Parameters
    ----------
    train : SurvivalData
        The training rows.
    preprocessor : Preprocessor, optional
        What made their features.
    """
    scales = {} if preprocessor is None else {c.name: c.scale for c in preprocessor.numeric}
    indicators = () if preprocessor is None else preprocessor.indicators
    missing = {f"{name}_missing" for name in indicators}
    labels = _labels(preprocessor)
    cardinality = dict(train.categorical)
    effects: list[Effect] = []
    place = train.features.shape[1] - len(cardinality)  # of the first one-hot column
    number = 0
    for j, name in enumerate(train.feature_names):
        column = train.features[:, j]
        if j in cardinality:
            effects += _levels(name, column, cardinality[j], labels.get(name, {}), place)
            place += cardinality[j] - 1
            continue
        if name in missing:
            effects.append(Effect(name, "yes", "no", column, 1.0, number, None))
        else:
            effects.append(Effect(name, None, None, column, scales.get(name, 1.0), number, None))
        number += 1
    return effects


def _levels(
    name: str,
    codes: NDArray[np.floating],
    cardinality: int,
    labels: Mapping[int, str],
    place: int,
) -> list[Effect]:
    """Return the effects of a categorical column; `place` is that of code 1."""
    counts = np.bincount(codes.astype(np.int64), minlength=cardinality)
    reference = int(np.argmax(counts[1:])) + 1 if counts[1:].any() else 0
    texts = {0: MISSING, **{code: f"{code}" for code in range(1, cardinality)}, **labels}

    def one_hot(code: int) -> int | None:
        return place + code - 1 if code else None

    return [
        Effect(
            name,
            texts[code],
            texts[reference],
            (codes == code).astype(np.float64),
            1.0,
            one_hot(code),
            one_hot(reference),
        )
        for code in (*range(1, cardinality), 0)
        if code != reference and counts[code]
    ]


def _labels(preprocessor: Preprocessor | None) -> dict[str, dict[int, str]]:
    """Return the text of each code of each categorical column."""
    if preprocessor is None:
        return {}
    return {
        column.name: dict(
            enumerate(
                column.values if isinstance(column, CategoryColumn) else _bins(column), start=1
            )
        )
        for column in preprocessor.coded
    }


def _bins(column: BinnedColumn) -> list[str]:
    edges = [f"{edge:g}" for edge in column.edges]
    between = [f"above {low} to {high}" for low, high in pairwise(edges)]
    return [f"up to {edges[0]}", *between, f"above {edges[-1]}"]
