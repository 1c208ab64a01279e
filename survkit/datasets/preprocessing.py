"""Turns raw columns into model inputs, by the statistics of the training rows alone.

Feature order: scaled numbers, their missing-indicators, then categorical codes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.datasets.tables import as_categories, as_numbers, columns_as_numbers
from survkit.types import CategoricalColumn, InputError


class NumericColumn(NamedTuple):
    """A number: its value where missing, and the training rows' mean and standard deviation.

    `low` and `high` are the training rows' smallest and largest value; None in the state of
    earlier versions, which did not keep them.
    """

    name: str
    fill: float
    mean: float
    scale: float
    low: float | None = None
    high: float | None = None


class CategoryColumn(NamedTuple):
    """A category: its training values, in the order of their codes 1, 2, ..."""

    name: str
    values: tuple[str, ...]

    @property
    def cardinality(self) -> int:
        """The number of codes: one per value, and 0."""
        return len(self.values) + 1

    def codes(self, column: pd.Series) -> tuple[NDArray[np.int64], list[str]]:
        """Return the code of each row, and a warning about values unseen in training."""
        positions, texts = as_categories(column)
        code = {text: j for j, text in enumerate(self.values, start=1)}
        # The last entry is for position -1, a missing value.
        codes = np.array([code.get(text, 0) for text in texts] + [0], dtype=np.int64)[positions]
        unseen = int(((codes == 0) & (positions >= 0)).sum())
        if unseen == 0:
            return codes, []
        unknown = [text for text in texts if text not in code]
        shown = ", ".join(unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        return codes, [
            f"column '{self.name}': {unseen} of {len(codes)} rows hold values that no training "
            f"row has ({shown}); they count as missing"
        ]


class BinnedColumn(NamedTuple):
    """A number coded by its bin: code 1 up to edges[0], 2 up to edges[1], and so on."""

    name: str
    edges: tuple[float, ...]

    @property
    def cardinality(self) -> int:
        """The number of codes: one per bin (one more than there are edges), and 0."""
        return len(self.edges) + 2

    def codes(self, column: pd.Series) -> tuple[NDArray[np.int64], list[str]]:
        """Return the code of each row, and no warning: the outer bins are open."""
        numbers = as_numbers(column)
        codes = np.searchsorted(np.array(self.edges), numbers, side="left") + 1
        return np.where(np.isnan(numbers), 0, codes).astype(np.int64), []


@dataclass(frozen=True)
class Preprocessor:
    """Imputing, scaling and encoding, fitted on training rows.

    Numbers are imputed and brought to mean 0 and standard deviation 1 of the training rows; a
    column in which training rows miss values gets an indicator `<name>_missing` (0 or 1).
    Categories become codes 1, 2, ... of the sorted training values; 0 is missing or unseen.

    Parameters
    ----------
    numeric : tuple of NumericColumn
        The scaled columns.
    indicators : tuple of str
        The columns with a missing-indicator.
    coded : tuple of CategoryColumn or BinnedColumn
        The categorical columns.
    warnings : tuple of str
        Which columns were dropped, and why.
    """

    numeric: tuple[NumericColumn, ...]
    indicators: tuple[str, ...]
    coded: tuple[CategoryColumn | BinnedColumn, ...]
    warnings: tuple[str, ...]

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        *,
        categorical: Sequence[str] = (),
        impute: Mapping[str, float] | None = None,
        quantile_bins: Mapping[str, int] | None = None,
    ) -> Self:
        """Fit on the training rows.

        Parameters
        ----------
        frame : DataFrame
            The raw features of the training rows.
        categorical : sequence of str
            The columns of categories; all others are numbers.
        impute : mapping of str to float, optional
            The value of missing entries of a column; the training median for the others.
        quantile_bins : mapping of str to int, optional
            Numeric columns to encode as categories, each with its number of quantile bins (tied
            quantiles are merged).

        Raises
        ------
        InputError
            For text in a numeric column, infinite values, or no column left to learn from.
        """
        fills, bins = impute or {}, quantile_bins or {}
        numeric: list[NumericColumn] = []
        indicators: list[str] = []
        coded: list[CategoryColumn | BinnedColumn] = []
        warnings: list[str] = []
        categories = set(categorical)
        names = [name for name in frame.columns if name not in categories]
        columns = columns_as_numbers(frame, names)
        for name in map(str, frame.columns):
            if name in categories:
                values = tuple(as_categories(frame[name])[1])
                if len(values) + frame[name].isna().any() > 1:
                    coded.append(CategoryColumn(name, values))
                else:
                    warnings.append(_dropped(name, values))
                continue
            numbers = next(columns)
            observed = numbers[~np.isnan(numbers)]
            if edges := _quantile_edges(observed, bins.get(name, 1)):
                coded.append(BinnedColumn(name, edges))
                continue
            if column := _fit_number(name, numbers, fills.get(name)):
                numeric.append(column)
            else:
                warnings.append(_dropped(name, observed))
            if 0 < observed.size < numbers.size:
                indicators.append(name)
        fitted = cls(tuple(numeric), tuple(indicators), tuple(coded), tuple(warnings))
        counts = sorted(Counter(fitted.feature_names).items())
        if repeated := [name for name, count in counts if count > 1]:
            raise InputError(
                f"column {repeated[0]} has the name of a missing-indicator; rename the column"
            )
        if not counts:
            raise InputError("no feature is left: " + "; ".join(warnings))
        return fitted

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the raw columns that `transform` needs."""
        numeric = (*(c.name for c in self.numeric), *self.indicators)
        return tuple(dict.fromkeys((*numeric, *(c.name for c in self.coded))))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns that `transform` returns."""
        indicators = (f"{name}_missing" for name in self.indicators)
        return (*(c.name for c in self.numeric), *indicators, *(c.name for c in self.coded))

    @property
    def categorical(self) -> tuple[CategoricalColumn, ...]:
        """Index and cardinality of each categorical column that `transform` returns."""
        first = len(self.numeric) + len(self.indicators)
        return tuple(CategoricalColumn(j, c.cardinality) for j, c in enumerate(self.coded, first))

    def transform(self, frame: pd.DataFrame) -> tuple[NDArray[np.float32], tuple[str, ...]]:
        """Return model inputs for raw features, and warnings.

        Parameters
        ----------
        frame : DataFrame, n rows
            Raw features: every column the preprocessor was fitted on and kept, in any order.

        Returns
        -------
        features : array, shape (n, p), float32
            As `feature_names` and `categorical` describe.
        warnings : tuple of str
            How many rows had values unseen in training, or missed a number that no training row
            missed, per column.

        Raises
        ------
        InputError
            For a missing column, text in a numeric column, or infinite or too large values.
        """
        if absent := [name for name in self.columns if name not in frame]:
            raise InputError(
                f"missing column{'s' if len(absent) > 1 else ''} {', '.join(absent)}; "
                f"the table has {', '.join(map(str, frame.columns))}"
            )
        # One line per column, filled in turn and transposed at the end, which saves memory.
        matrix = np.empty((len(self.feature_names), len(frame)), dtype=np.float32)
        lines = iter(matrix)
        warnings: list[str] = []
        with_indicator = set(self.indicators)
        names = [number.name for number in self.numeric]
        for number, numbers in zip(self.numeric, columns_as_numbers(frame, names), strict=True):
            next(lines)[:] = _scaled(number, numbers)
            missing = int(np.isnan(numbers).sum())
            if missing and number.name not in with_indicator:
                warnings.append(
                    f"column '{number.name}': missing in {missing} of {len(numbers)} rows, but in "
                    f"no training row; {number.fill:g} is used"
                )
        for name in self.indicators:
            next(lines)[:] = np.isnan(as_numbers(frame[name]))
        for column in self.coded:
            next(lines)[:], unseen = column.codes(frame[column.name])
            warnings += unseen
        return np.ascontiguousarray(matrix.T), tuple(warnings)

    def state(self) -> dict[str, Any]:
        """Return the fitted preprocessor as plain lists, numbers and text."""
        return {
            "numeric": [list(c) for c in self.numeric],
            "indicators": list(self.indicators),
            "coded": [
                {key: list(v) if key != "name" else v for key, v in c._asdict().items()}
                for c in self.coded
            ],
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a preprocessor from what `state` returned."""
        return cls(
            tuple(NumericColumn(*values) for values in state["numeric"]),
            tuple(state["indicators"]),
            tuple(
                CategoryColumn(c["name"], tuple(c["values"]))
                if "values" in c
                else BinnedColumn(c["name"], tuple(c["edges"]))
                for c in state["coded"]
            ),
            tuple(state["warnings"]),
        )


def _fit_number(
    name: str, numbers: NDArray[np.float64], fill: float | None
) -> NumericColumn | None:
    missing = np.isnan(numbers)
    if missing.all():
        return None
    if fill is None:
        fill = float(np.median(numbers[~missing]))
    filled = np.where(missing, fill, numbers)
    mean, scale = float(filled.mean()), float(filled.std())
    # Rounding gives a constant column a tiny deviation, so that its range decides.
    if filled.min() == filled.max() or scale == 0:
        return None
    observed = numbers[~missing]
    low, high = float(observed.min()), float(observed.max())
    return NumericColumn(name, float(fill), mean, scale, low, high)


def _scaled(column: NumericColumn, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    filled = np.where(np.isnan(numbers), column.fill, numbers)
    scaled = (filled - column.mean) / column.scale
    too_large = np.abs(scaled) > np.finfo(np.float32).max
    if too_large.any():
        row = int(np.argmax(too_large))
        raise InputError(f"column '{column.name}', data row {row + 1}: {filled[row]} is too large")
    return np.asarray(scaled, dtype=np.float64)


def _quantile_edges(observed: NDArray[np.float64], bins: int) -> tuple[float, ...]:
    if bins < 2 or observed.size == 0:
        return ()
    edges = np.unique(np.quantile(observed, np.linspace(0, 1, bins + 1)[1:-1], method="lower"))
    # Beyond the largest value there is nothing to learn from.
    return tuple(edges[edges < observed.max()].tolist())


def _dropped(name: str, values: Sequence[Any] | NDArray[Any]) -> str:
    why = f"it is {values[0]} in every training row" if len(values) else "no training row has it"
    return f"column '{name}' dropped: {why}"
