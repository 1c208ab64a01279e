"""The neighbourhood of a subject: how neighbours are drawn, weighted and seen by a Cox model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from survkit.explain.units import MISSING
from survkit.types import Float64Array, InputError

Weighting = Literal["density", "equal"]


class CategoricalFeature(NamedTuple):
    """A feature that takes few values: those of the training rows, with their frequencies."""

    column: int
    values: Float64Array
    frequencies: Float64Array
    reference: float
    """The value that the others are compared with."""

    @classmethod
    def of(cls, features: Float64Array, column: int, labels: Mapping[float, str]) -> Self:
        """Count a column of the training rows (n, p) whose values have these names, if any.

        An indicator, 0 or 1 without names, is compared with 0: with the rows that miss no value.
        Other features are compared with their most frequent value, the first of those where there
        are several, but never with "missing" where a row has a value.
        """
        values, counts = np.unique(features[:, column], return_counts=True)
        if len(values) > len(features) / 2 and len(values) > 20:
            raise InputError(
                f"categorical feature {column} has {len(values)} different values in "
                f"{len(features)} rows; a number is not a category"
            )
        known = np.array([labels.get(float(value)) != MISSING for value in values])
        reference = float(values[np.argmax(np.where(known, counts, 0) if known.any() else counts)])
        if not labels and np.array_equal(values, [0.0, 1.0]):
            reference = 0.0
        return cls(column, values, counts / counts.sum(), reference)


class DesignColumn(NamedTuple):
    """One unknown of the local Cox model: a feature, or whether it has a value."""

    name: str
    column: int
    value: float | None = None


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """Draws neighbours around a subject by the spread of the training rows.

    Numbers are drawn from the normal distribution N(x, b^2 diag(sd^2)) around the subject x, with
    bandwidth b and the training rows' standard deviations (Pachón-García et al. 2024, section
    3.2); categories are drawn from the training rows' values of that feature, regardless of the
    subject's. A neighbour's weight is that normal density, over the numbers alone, relative to its
    largest value in the sample.

    Weighting draws from N(x, S) by its own density amounts to draws from N(x, S / 2), at the price
    of a variance that grows as (2 / sqrt(3))^p. `weighting="equal"` draws from N(x, S / 2) at
    once and weights all alike: the same expression (9) in the limit of many neighbours.

    Parameters
    ----------
    bandwidth : float
        The kernel's width b, in standard deviations.
    deviation : array, shape (p,)
        Standard deviation of each feature; 0 for constants and categories, which get no noise.
    categorical : tuple of CategoricalFeature
        The features drawn from their observed values.
    design_columns : tuple of DesignColumn, length d
        The unknowns of the local model, in the order of the features. A category with more than
        two values has one column for each value but its reference.
    weighting : {"density", "equal"}
        See above.
    """

    bandwidth: float
    deviation: Float64Array  # (p,); 0 for constants and categories, which get no noise
    categorical: tuple[CategoricalFeature, ...]
    design_columns: tuple[DesignColumn, ...]
    weighting: Weighting

    @classmethod
    def fit(
        cls,
        features: Float64Array,
        names: Sequence[str],
        *,
        categorical: Sequence[int],
        category_labels: Mapping[int, Mapping[float, str]],
        bandwidth: float | None,
        weighting: Weighting,
    ) -> Self:
        """Measure the spread of training features (n, p).

        Parameters
        ----------
        features : array, shape (n, p)
            The training rows.
        names : sequence of str, length p
            The features' names.
        categorical : sequence of int
            Columns of categories.
        category_labels : mapping of column to mapping of value to text, optional
            Names of the values of a categorical column.
        bandwidth : float, optional
            Silverman's by default: (4 / (n (p + 2)))^(1 / (p + 4)), p counting the numbers.
        weighting : {"density", "equal"}
            See the class.
        """
        coded = {
            column: CategoricalFeature.of(features, column, category_labels.get(column, {}))
            for column in sorted(set(categorical))
        }
        deviation = features.std(axis=0)
        # Rounding gives a constant column a tiny deviation, so that its range decides.
        deviation[features.min(axis=0) == features.max(axis=0)] = 0.0
        deviation[list(coded)] = 0.0
        if bandwidth is None:  # the normal reference rule (Silverman 1986, page 87) of the numbers
            n, p = len(features), features.shape[1] - len(coded)
            bandwidth = float((4 / (n * (p + 2))) ** (1 / (p + 4)))
        columns: list[DesignColumn] = []
        for j, name in enumerate(names):
            if j in coded:
                columns += _indicators(name, coded[j], category_labels.get(j, {}))
            else:
                columns.append(DesignColumn(name, j))
        return cls(bandwidth, deviation, tuple(coded.values()), tuple(columns), weighting)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the local model's unknowns, d of them."""
        return tuple(column.name for column in self.design_columns)

    @property
    def varies(self) -> NDArray[np.bool_]:
        """Which of the d unknowns can be estimated: those of features that neighbours differ in."""
        several = {c.column for c in self.categorical if len(c.values) > 1}
        columns = [column.column for column in self.design_columns]
        return np.array([self.deviation[j] > 0 or j in several for j in columns])

    def draw(
        self, row: Float64Array, num_samples: int, random: np.random.Generator
    ) -> tuple[Float64Array, Float64Array]:
        """Draw neighbours (N, p) of a row (p,), and their weights (N,), at most 1."""
        noise = random.standard_normal((num_samples, len(row)))
        width = self.bandwidth * (np.sqrt(0.5) if self.weighting == "equal" else 1.0)
        neighbours = row + width * self.deviation * noise
        for feature in self.categorical:
            neighbours[:, feature.column] = random.choice(
                feature.values, num_samples, p=feature.frequencies
            )
        if self.weighting == "equal":
            return neighbours, np.ones(num_samples)
        half_square = 0.5 * np.square(noise[:, self.deviation > 0]).sum(axis=1)
        return neighbours, np.exp(half_square.min() - half_square)

    def design(self, features: Float64Array) -> Float64Array:
        """Return what the local Cox model sees of features (n, p): shape (n, d)."""
        matrix = np.empty((len(features), len(self.design_columns)))
        for k, (_, column, value) in enumerate(self.design_columns):
            matrix[:, k] = features[:, column] if value is None else features[:, column] == value
        return matrix


def effective_number(weights: Float64Array) -> float:
    """Return how many equal weights are worth as much as these (Kish): (sum w)^2 / sum w^2."""
    return float(weights.sum() ** 2 / np.square(weights).sum())


def _indicators(
    name: str, feature: CategoricalFeature, labels: Mapping[float, str]
) -> list[DesignColumn]:
    """One column per value but the reference; a 0/1 feature and a constant stay as they are."""
    is_indicator = np.isin(feature.values, [0.0, 1.0]).all() and not labels
    if is_indicator or len(feature.values) == 1:
        return [DesignColumn(name, feature.column)]
    return [
        DesignColumn(f"{name}={labels.get(value, f'{value:g}')}", feature.column, float(value))
        for value in feature.values
        if value != feature.reference
    ]
