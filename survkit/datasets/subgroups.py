"""Subgroups of the test rows, by the columns of the raw table: `sex`, `age:65`, `age:50,65,80`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.datasets.assemble import Dataset
from survkit.datasets.tables import as_numbers, values_of
from survkit.metrics.clustering import chosen_expert
from survkit.metrics.subgroup_parts import Grouping
from survkit.text import cut, nearest
from survkit.types import FloatArray, InputError

EXPERT = "expert"
"""Asks for subgroups by the expert with the largest router weight."""

LABEL = "label"
"""The known group of data without a table, such as a digit."""

MISSING, OTHER_MISSING = "missing", "(no value)"
"""The subgroup of rows without a value, and its name where a category is called so."""

MAX_NUMBERS = 12
"""Different numbers that make subgroups without cuts."""

MAX_CATEGORIES = 50
"""More categories make neither a table nor a figure that can be read."""


def column_grouping(dataset: Dataset, spec: str) -> Grouping:
    """Return the subgroups of the test rows that a column makes.

    Parameters
    ----------
    dataset : Dataset
        The data.
    spec : str
        A column's name, as in the raw table; after a colon, cuts of a column of numbers, such as
        `age:50,65`, which make the subgroups below 50, from 50 to below 65, and from 65 on. A
        column whose name has a colon is found by its whole name first.

    Raises
    ------
    InputError
        For an unknown column, cuts that are no increasing numbers, cuts of a column of categories,
        or a column of many numbers without cuts.
    """
    name, cuts = _parsed(spec, column_names(dataset))
    if name not in column_names(dataset):
        raise InputError(f"--subgroups names '{cut(name)}'{_why_not(dataset, name)}")
    values, is_categorical = _column(dataset, name)
    names, codes = _groups(name, values, cuts, is_categorical=is_categorical)
    if dataset.raw is not None and dataset.rows is not None:
        codes = codes[np.asarray(dataset.rows.test)]
    return Grouping(name, *_with_missing(names, codes), spec=spec)


def table_grouping(features: pd.DataFrame, categorical: Collection[str], spec: str) -> Grouping:
    """Return the subgroups of all rows of a table that one of its columns makes.

    Parameters
    ----------
    features : DataFrame, n rows
        The table, missing values as NaN.
    categorical : collection of str
        The columns that hold categories.
    spec : str
        As in `column_grouping`.

    Raises
    ------
    InputError
        As `column_grouping`.
    """
    known = list(map(str, features))
    name, cuts = _parsed(spec, known)
    if name not in known:
        raise InputError(f"--subgroups names '{cut(name)}'{_among(name, known)}")
    values = features.iloc[:, known.index(name)]
    names, codes = _groups(name, values, cuts, is_categorical=name in categorical)
    return Grouping(name, *_with_missing(names, codes), spec=spec)


def expert_grouping(expert_weights: FloatArray) -> Grouping:
    """Return the subgroups of the expert with the largest router weight, counted from 1.

    Parameters
    ----------
    expert_weights : array, shape (n, E)
        The router's weights.
    """
    names = tuple(str(number) for number in range(1, expert_weights.shape[1] + 1))
    return Grouping(EXPERT, names, chosen_expert(expert_weights))


def is_expert(dataset: Dataset, spec: str) -> bool:
    """Whether subgroups by expert are asked for, and not a column of that name."""
    return spec == EXPERT and EXPERT not in column_names(dataset)


def column_names(dataset: Dataset) -> list[str]:
    """Return the columns that can make subgroups of the test rows.

    They are those of the raw table, and those that --drop_columns leaves out of the features of a
    table of the user's own. Without one they are the features that were used as they are,
    and the known label.
    """
    if dataset.raw is not None and dataset.rows is not None:
        others = () if dataset.raw.others is None else dataset.raw.others
        return list(map(str, (*dataset.raw.features, *others)))
    test = dataset.splits.test
    label = [] if test.label is None else [LABEL]
    return [*label, *(test.feature_names if dataset.preprocessor is None else ())]


def _parsed(spec: str, known: Sequence[str]) -> tuple[str, tuple[float, ...]]:
    """Return the column and the cuts that are asked for."""
    name, colon, numbers = spec.rpartition(":")
    if spec in known or not colon:
        return spec, ()
    try:
        cuts = tuple(map(float, numbers.split(",")))
    except ValueError:
        raise InputError(
            f"--subgroups {cut(spec)}: '{cut(numbers)}' is no list of numbers; cuts are written as "
            f"{cut(name)}:65 or {cut(name)}:50,65,80"
        ) from None
    if not np.isfinite(cuts).all() or (np.diff(cuts) <= 0).any():
        raise InputError(f"--subgroups {cut(spec)}: cuts must be finite and increase")
    return name, cuts


def _column(dataset: Dataset, name: str) -> tuple[pd.Series, bool]:
    """Return a known column, of all rows or (without a table) the test rows; is it categorical."""
    if dataset.raw is not None and dataset.rows is not None:
        features, others = dataset.raw.features, dataset.raw.others
        if others is not None and name in others:
            return others[name], others[name].dtype != np.float64
        values = features.iloc[:, list(map(str, features)).index(name)]
        return values, name in dataset.raw.categorical
    data = dataset.splits.test
    if name == LABEL and data.label is not None:
        return pd.Series(data.label), True
    place = data.feature_names.index(name)
    # Single-precision 0.1 is not 0.1: as text and back it is the number that was meant.
    values = pd.Series([float(str(value)) for value in data.features[:, place]])
    return values, place in {column for column, _ in data.categorical}


def _why_not(dataset: Dataset, name: str) -> str:
    if (why := dataset.card.dropped_columns.get(name)) is not None:
        return f", which is left out of the features: {why}"
    known = column_names(dataset)
    if not known:
        return (
            f", but dataset {dataset.name} keeps no table of the columns that its features were "
            "made from"
        )
    return _among(name, known)


def _among(name: str, known: Sequence[str]) -> str:
    shown = ", ".join(map(cut, known[:50])) + (", ..." if len(known) > 50 else "")
    return f"{nearest(name, known)}, but the columns are {shown}"


def _groups(
    name: str, values: pd.Series, cuts: Sequence[float], *, is_categorical: bool
) -> tuple[list[str], NDArray[np.int64]]:
    """Return the names of the subgroups, and each row's place among them (-1 = missing)."""
    if cuts:
        return _between_cuts(name, values, cuts)
    codes, names = values_of(values, categorical=is_categorical)
    if not is_categorical and len(names) > MAX_NUMBERS:
        middle = float(np.nanmedian(as_numbers(values)))
        raise InputError(
            f"--subgroups names '{cut(name)}', a column of {len(names):,} different numbers; give "
            f"cuts, as in {cut(name)}:{middle:.4g}"
        )
    if len(names) > MAX_CATEGORIES:
        raise InputError(
            f"--subgroups names '{cut(name)}', which has {len(names):,} categories; at most "
            f"{MAX_CATEGORIES} make a table that can be read"
        )
    return names, codes


def _between_cuts(
    name: str, values: pd.Series, cuts: Sequence[float]
) -> tuple[list[str], NDArray[np.int64]]:
    try:
        numbers = as_numbers(values)
    except InputError:
        raise InputError(
            f"--subgroups gives cuts of column '{cut(name)}', which holds categories; name it "
            "without cuts"
        ) from None
    texts = [f"{each:.15g}" for each in cuts]
    between = [f"{low} to < {high}" for low, high in pairwise(texts)]
    codes = np.searchsorted(np.asarray(cuts), numbers, side="right")
    return [f"< {texts[0]}", *between, f"≥ {texts[-1]}"], np.where(np.isnan(numbers), -1, codes)


def _with_missing(
    names: Sequence[str], codes: NDArray[np.int64]
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return names and codes with the rows without a value (-1) as the last subgroup."""
    if not (codes < 0).any():
        return tuple(names), codes
    name = OTHER_MISSING if MISSING in names else MISSING
    return (*names, name), np.where(codes < 0, len(names), codes)
