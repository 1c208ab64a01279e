"""What scikit-learn's users pass as X, as tables, and the rows held out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_array

from survkit.types import BoolArray, InputError


def as_pandas(X: Any) -> Any:  # noqa: N803
    """Return a Polars frame as one of pandas, and anything else as it is."""
    if type(X).__module__.partition(".")[0] != "polars" or not hasattr(X, "columns"):
        return X
    frame = X.collect() if hasattr(X, "collect") else X
    return pd.DataFrame({column.name: column.to_list() for column in frame})


def as_table(X: Any) -> pd.DataFrame:  # noqa: N803
    """Return features as a table; an array's columns become x0, x1, ...

    Parameters
    ----------
    X : DataFrame or array, shape (n, p)
        Numbers, and in a DataFrame or an array of objects also categories. Missing values are
        NaN or None.

    Raises
    ------
    InputError
        For repeated column names.
    ValueError, TypeError
        From scikit-learn, for anything that is not such an array.
    """
    if not isinstance(X, pd.DataFrame):
        array = check_array(X, dtype=None, ensure_all_finite="allow-nan")
        return pd.DataFrame(array, columns=[f"x{j}" for j in range(array.shape[1])])
    if 0 in X.shape:
        check_array(np.empty(X.shape))  # scikit-learn's message about nothing to learn from
    named = all(isinstance(name, str) for name in X.columns)
    names = list(X.columns) if named else [f"x{j}" for j in range(X.shape[1])]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"column names must differ; repeated: {', '.join(repeated)}")
    return X.set_axis(names, axis=1).reset_index(drop=True)


def categorical_columns(X: Any, table: pd.DataFrame) -> tuple[str, ...]:  # noqa: N803
    """Return the names of the columns of categories.

    Of a DataFrame these are the columns of text, objects, booleans or pandas' categories; of an
    array of objects those that hold anything but numbers.

    Raises
    ------
    InputError
        For a column that is neither, such as dates.
    TypeError
        For a cell that is neither text nor a number.
    """
    of_frame = isinstance(X, pd.DataFrame)
    return tuple(str(name) for name in table if _is_category(table[name], of_frame))


def _is_category(column: pd.Series, of_frame: bool) -> bool:
    dtype = column.dtype
    if pd.api.types.is_object_dtype(dtype):
        return _holds_text(column) or of_frame
    if isinstance(dtype, pd.CategoricalDtype) or pd.api.types.is_string_dtype(dtype):
        return True
    if pd.api.types.is_bool_dtype(dtype):
        return of_frame  # an array of booleans is one of 0 and 1
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype):
        return False
    raise InputError(
        f"column '{column.name}' is of type {dtype}; features are numbers or categories"
    )


def _holds_text(column: pd.Series) -> bool:
    present = column[column.notna()]
    for value in present:
        if not isinstance(value, str | Real | np.bool_):
            raise TypeError(
                f"column '{column.name}' holds {value!r}; the argument must be a string or a number"
            )
    return not all(isinstance(value, Real) and not isinstance(value, bool) for value in present)


def boolean_columns(table: pd.DataFrame, categorical: Sequence[str]) -> frozenset[str]:
    """Return the names of those columns of categories that hold truth values alone."""
    return frozenset(
        name
        for name in categorical
        if all(isinstance(value, bool | np.bool_) for value in table[name].dropna())
    )


def with_kinds(
    table: pd.DataFrame, values: Mapping[str, Sequence[str]], boolean: Collection[str]
) -> pd.DataFrame:
    """Return features with categories of the kind that they had when the model was fitted.

    Parameters
    ----------
    table : DataFrame, n rows
        The features to predict for.
    values : mapping of str to sequence of str
        The categories of each column at fit, as text.
    boolean : collection of str
        The columns of truth values, in which 1 and 0 (1.0 and 0.0) are True and False. In others
        whose categories are numbers, True and False are 1 and 0.

    Raises
    ------
    InputError
        For anything but these in a column of truth values.
    """
    changed = {}
    for name in values:
        if name in boolean:
            changed[name] = _as_booleans(table[name])
        elif not {"True", "False"} & set(values[name]):
            changed[name] = table[name].astype(object).map(_without_boolean)
    return table.assign(**changed)


def _without_boolean(value: Any) -> Any:
    return int(value) if isinstance(value, bool | np.bool_) else value


def _as_booleans(column: pd.Series) -> pd.Series:
    cells = column.astype(object)
    for row, value in enumerate(cells):
        known = isinstance(value, Real | np.bool_) and value in (0, 1)
        if not (known or pd.isna(value)):
            raise InputError(
                f"column '{column.name}' held truth values when the model was fitted, and now "
                f"holds {value!r} in row {row}; they are True or False, or 1 or 0"
            )
    return cells.map(lambda value: None if pd.isna(value) else bool(value)).astype(object)


def hold_out(
    event: BoolArray, fraction: float, random: np.random.RandomState
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split rows at random, the same share of those with and without an event.

    scikit-learn's stratified split refuses a class of one row, such as a single censored subject.

    Parameters
    ----------
    event : array, shape (n,), bool
        At least two rows.
    fraction : float
        Share to hold out, in (0, 1); at least one row is held out, and one is not.
    random : RandomState
        What draws them.

    Returns
    -------
    tuple of array
        The rows kept and those held out.
    """
    n = len(event)
    share = np.empty(n)  # each row's place in the random order of its kind, from 0 to 1
    for rows in (np.flatnonzero(event), np.flatnonzero(~event)):
        share[random.permutation(rows)] = (np.arange(len(rows)) + 0.5) / max(len(rows), 1)
    order = np.argsort(share, kind="stable")
    held_out = min(max(round(fraction * n), 1), n - 1)
    return np.sort(order[held_out:]), np.sort(order[:held_out])
