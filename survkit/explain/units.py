"""How the columns of a model's input read in the units of the table that they were made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from survkit.datasets.preprocessing import BinnedColumn, CategoryColumn, Preprocessor
from survkit.datasets.tables import as_numbers
from survkit.types import Float64Array

MISSING = "missing"


@dataclass(frozen=True)
class Unit:
    """How one column of the model's input reads.

    Parameters
    ----------
    name : str
        Name of the column.
    mean, scale : float
        A number of the table is `mean + scale * x` for the model's input x.
    labels : mapping of float to str
        What the codes of a category mean; empty for a number.
    indicates : str, optional
        The column of the table whose missing values this one marks with 1.
    """

    name: str
    mean: float = 0.0
    scale: float = 1.0
    labels: Mapping[float, str] = field(default_factory=dict)
    indicates: str | None = None

    def number(self, value: float) -> float:
        """Return an input of the model as a number of the table."""
        # A model's inputs are in single precision; an age of 71 is 71 again.
        noise = self.scale * max(abs(float(value)), 1.0) * 2.0**-22
        return _rounded(self.mean + self.scale * float(value), noise)

    def is_whole(self, value: float) -> bool:
        """Whether an input of the model is a whole number of the table."""
        return self.number(value).is_integer()

    def text(self, value: float) -> str:
        """Return an input of the model as text in the table's units."""
        if self.labels:
            return self.labels.get(float(value), f"{value:g}")
        if (self.mean, self.scale) == (0.0, 1.0):
            return f"{value:.6g}"
        return number_text(self.number(value))


class Value(NamedTuple):
    """A subject's value as text, and whether it is one: neither missing nor new to the model."""

    text: str
    known: bool = True


def number_text(value: float) -> str:
    """Return a number with up to ten digits and without a trailing .0."""
    return f"{value + 0.0:.10g}"


def _rounded(value: float, noise: float = 0.0) -> float:
    """Round to five digits, but to a whole number at most, and to fewer below the noise."""
    if noise:
        value = round(value, -int(np.ceil(np.log10(noise))))
    if value == 0:
        return 0.0
    return round(value, max(4 - int(np.floor(np.log10(abs(value)))), 0))


def units_of(names: Sequence[str], preprocessor: Preprocessor | None) -> tuple[Unit, ...]:
    """Return how each of the p columns reads; as it is where nothing was preprocessed."""
    if preprocessor is None:
        return tuple(Unit(name) for name in names)
    known = {c.name: Unit(c.name, c.mean, c.scale) for c in preprocessor.numeric}
    for name in preprocessor.indicators:
        column = f"{name}_missing"
        known[column] = Unit(column, labels={0.0: "no", 1.0: "yes"}, indicates=name)
    known |= {c.name: Unit(c.name, labels=category_labels(c)) for c in preprocessor.coded}
    return tuple(known.get(name, Unit(name)) for name in names)


def category_labels(column: CategoryColumn | BinnedColumn) -> dict[float, str]:
    """Return what the codes of a categorical column mean."""
    if isinstance(column, CategoryColumn):
        texts = list(column.values)
    else:
        edges = [f"{edge:g}" for edge in column.edges] or ["infinity"]
        texts = [f"({low}, {high}]" for low, high in zip(["", *edges], [*edges, ""], strict=True)]
        texts[0], texts[-1] = f"up to {edges[0]}", f"above {edges[-1]}"
    return {0.0: MISSING, **{float(code): text for code, text in enumerate(texts, start=1)}}


def values_of(
    units: Sequence[Unit], features: Float64Array, raw: pd.DataFrame | None = None
) -> list[list[Value]]:
    """Return the values of h subjects in p columns, as a reader knows them.

    Parameters
    ----------
    units : sequence of Unit, length p
        How the columns read.
    features : array, shape (h, p)
        The subjects, as the model takes them.
    raw : DataFrame, h rows, optional
        The columns of their table. Without them numbers are scaled back, and a category that no
        training row has cannot be told from a missing one.
    """
    missing = {unit.indicates: features[:, j] == 1 for j, unit in enumerate(units)}
    columns = []
    for unit, inputs in zip(units, features.T, strict=True):
        if unit.indicates:
            columns.append([Value(unit.text(value)) for value in inputs])
        elif raw is not None and unit.name in raw:
            columns.append(_of_raw(unit, inputs, raw[unit.name]))
        else:
            gaps = missing.get(unit.name, np.zeros(len(inputs), dtype=np.bool_))
            columns.append([_of_input(unit, *pair) for pair in zip(inputs, gaps, strict=True)])
    return [list(values) for values in zip(*columns, strict=True)]


def _of_input(unit: Unit, value: float, gap: bool) -> Value:
    text = unit.text(value)
    if text == MISSING and unit.labels:
        return Value("missing or not in training", known=False)
    return _filled(text) if gap else Value(text)


def _of_raw(unit: Unit, inputs: Float64Array, cells: pd.Series) -> list[Value]:
    gaps = cells.isna().to_numpy(dtype=bool)
    if not unit.labels:
        numbers = as_numbers(cells)
        return [
            _filled(unit.text(value)) if gap else Value(number_text(_rounded(number)))
            for value, gap, number in zip(inputs, gaps, numbers, strict=True)
        ]
    values = []
    for code, gap, cell in zip(inputs, gaps, cells, strict=True):
        unseen = code == 0 and not gap
        text = f"{cell} (not in training)" if unseen else unit.text(code)
        values.append(Value(text, known=code > 0))
    return values


def _filled(text: str) -> Value:
    return Value(f"{MISSING} ({text} used)", known=False)
