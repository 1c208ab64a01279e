"""Raw tables: columns as their source gave them, before any statistic is computed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.text import nearest
from survkit.types import LARGEST, BoolArray, InputError


@dataclass(frozen=True, eq=False)
class RawTable:
    """One row per subject (or several), features as the source gave them.

    Parameters
    ----------
    features : DataFrame, n rows
        Numeric columns, and categorical columns of text or whole numbers; missing values are NaN.
    event : array, shape (n,), bool
        True where the event was seen.
    time : array, shape (n,), float64
        Time of event or censoring.
    categorical : tuple of str
        The columns that hold categories.
    impute : mapping of str to float
        Value for missing entries of a numeric column; the training median for the others.
    quantile_bins : mapping of str to int
        Numeric columns to encode as categories, each with its number of quantile bins.
    label, true_time, subject_id, cause, entry : array, shape (n,), optional
        As in `SurvivalData`.
    cause_names : tuple of str
        As in `SurvivalData`.
    others : DataFrame, n rows, optional
        Columns that are known and make no features, for subgroups: numbers, or text (None where
        missing). They are not part of the table's digest.

    Raises
    ------
    InputError
        For a repeated column name, or a setting for a column that is not there.
    """

    features: pd.DataFrame
    event: BoolArray
    time: NDArray[np.float64]
    categorical: tuple[str, ...] = ()
    impute: Mapping[str, float] = field(default_factory=dict)
    quantile_bins: Mapping[str, int] = field(default_factory=dict)
    label: NDArray[np.int64] | None = None
    true_time: NDArray[np.float64] | None = None
    subject_id: NDArray[np.int64] | None = None
    cause: NDArray[np.int64] | None = None
    cause_names: tuple[str, ...] = ()
    entry: NDArray[np.float64] | None = None
    others: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        columns = [str(name) for name in self.features.columns]
        repeated = {name for name, count in Counter(columns).items() if count > 1}
        known = set(columns)
        if repeated:
            raise InputError(f"column names must differ; repeated: {sorted(repeated)}")
        for setting in ("categorical", "impute", "quantile_bins"):
            for name in getattr(self, setting):
                if name not in known:
                    raise InputError(
                        f"{setting} names column '{name}'{nearest(name, columns)}, "
                        f"but the columns are {', '.join(columns)}"
                    )

        categories = set(self.categorical)
        numbers = [str(name) for name in self.features if name not in categories]
        for _ in columns_as_numbers(self.features, numbers):
            pass  # refused here, where rows are those of the source

    def __len__(self) -> int:
        return len(self.features)


def as_numbers(column: pd.Series, *, advice: str = "") -> NDArray[np.float64]:
    """Return a column as float64, missing values as NaN.

    Parameters
    ----------
    column : Series, n rows
        Numbers, booleans, or text that reads as numbers.
    advice : str
        What to add to the error about text: what would be right.

    Raises
    ------
    InputError
        For text, or a value that is infinite or beyond `LARGEST`; the message names the column and
        the row, counted from 1 without the header.
    """
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        numbers = column.to_numpy(dtype=np.float64)
        if not (np.abs(numbers) > LARGEST).any():
            return np.asarray(numbers)  # thousands of columns are read many times
    plain = column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column
    numbers = pd.to_numeric(plain, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    text = np.isnan(numbers) & plain.notna().to_numpy(dtype=bool)
    kinds = (
        (text, "which is not a number"),
        (np.isinf(numbers), "which is infinite"),
        (np.abs(numbers) > LARGEST, f"which is beyond {LARGEST:g}"),
    )
    for bad, what in kinds:
        if bad.any():
            row = int(np.argmax(bad))
            raise InputError(
                f"column '{column.name}', data row {row + 1}: {str(plain.iloc[row])!r}, "
                f"{what}{advice if bad is text else ''}"
            )
    return np.asarray(numbers, dtype=np.float64)


def columns_as_numbers(frame: pd.DataFrame, names: Sequence[str]) -> Iterator[NDArray[np.float64]]:
    """Yield columns as `as_numbers` returns them.

    Columns that are doubles already are taken out at once: one by one, thousands take seconds.

    Raises
    ------
    InputError
        As `as_numbers`.
    """
    part = frame[list(names)]
    if all(dtype == np.float64 for dtype in part.dtypes):
        lines = np.ascontiguousarray(part.to_numpy(dtype=np.float64).T)
        if not (np.abs(lines) > LARGEST).any():
            yield from lines
            return
    for _, column in part.items():
        yield as_numbers(column)


def as_categories(column: pd.Series) -> tuple[NDArray[np.int64], list[str]]:
    """Return a column's categories as text, and each row's index into them (-1 = missing).

    A whole number gives the same text however it is stored (1, 1.0), so that a column reads the
    same with and without missing values.
    """
    codes, values = pd.factorize(column.astype(object))
    texts = [_category_text(value) for value in values]
    unique = sorted(set(texts))
    index = {text: j for j, text in enumerate(unique)}
    # The last entry is for the code -1, a missing value.
    position = np.array([index[text] for text in texts] + [-1], dtype=np.int64)
    return position[np.asarray(codes)], unique


def values_of(column: pd.Series, *, categorical: bool) -> tuple[NDArray[np.int64], list[str]]:
    """Return each row's place among a column's different values (-1 = missing), and the values.

    Values that are all numbers come in the order of the numbers, others in that of their text.
    """
    if not categorical:
        column = pd.Series(as_numbers(column))
    codes, texts = as_categories(column)
    try:
        order = sorted(range(len(texts)), key=lambda i: float(texts[i]))
    except ValueError:
        return codes, texts
    place = np.empty(len(order) + 1, dtype=np.int64)
    place[order], place[-1] = np.arange(len(order)), -1
    return place[codes], [texts[i] for i in order]


def _category_text(value: object) -> str:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def table_sha256(table: RawTable) -> str:
    """Return the SHA-256 of a table's content: names, kinds, values and encoding settings.

    Numbers count as little-endian doubles and text as UTF-8, so the digest is the same on every
    machine and with every version of pandas.
    """
    digest = hashlib.sha256()
    for part in _content(table):
        digest.update(part)
    return digest.hexdigest()


def _content(table: RawTable) -> Iterator[bytes]:
    kinds = zip(table.features, table.features.dtypes, strict=True)
    numeric = [str(name) for name, dtype in kinds if pd.api.types.is_numeric_dtype(dtype)]
    numbers = dict(zip(numeric, columns_as_numbers(table.features, numeric), strict=True))
    for name in table.features:
        if name in numbers:
            yield from _number_content(str(name), numbers[name])
        else:
            column = table.features[name]
            codes, values = as_categories(column)
            yield f"text {len(str(name))} {name} {len(codes)} ".encode()
            lengths = "".join(f"{len(value)} {value}" for value in values)
            yield lengths.encode()
            yield codes.astype("<i8").tobytes()
    for name in ("event", "time", "label", "true_time", "subject_id", "cause", "entry"):
        value = getattr(table, name)
        if value is not None:
            yield from _number_content(name, np.asarray(value, dtype=np.float64))
    for mapping in (table.impute, table.quantile_bins):
        yield repr(sorted(mapping.items())).encode()
    yield repr(table.categorical).encode()
    if table.cause_names:
        yield repr(table.cause_names).encode()


def _number_content(name: str, values: NDArray[np.float64]) -> Iterator[bytes]:
    yield f"number {len(name)} {name} {len(values)} ".encode()
    # NaN can carry any payload, so it gets one (that of R's NA even warns in a sum); adding 0.0
    # makes one zero of -0.0 and 0.0.
    yield (np.where(np.isnan(values), np.nan, values) + 0.0).astype("<f8").tobytes()
