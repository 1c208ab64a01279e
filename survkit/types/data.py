"""Right-censored survival data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.types.arrays import BoolArray, IntArray
from survkit.types.errors import InputError
from survkit.types.times import check_times


class CategoricalColumn(NamedTuple):
    """A feature column of integer codes: 0 is missing or unseen, 1 and up are known values."""

    column: int
    cardinality: int


@dataclass(frozen=True, eq=False)
class SurvivalData:
    """Right-censored survival data, checked when it is built.

    Parameters
    ----------
    features : array, shape (n, p), float32
        Model inputs: scaled numbers, and the integer codes of categorical columns.
    event : array, shape (n,), bool
        True where the event was seen, False where the subject was censored.
    time : array, shape (n,), float64
        Time of the event or of censoring, in the unit of the dataset's card; at least 0.
    feature_names : sequence of str, length p, optional
        Names for error messages and explanations; x0, x1, ... where not given.
    categorical : sequence of CategoricalColumn
        The columns that hold codes, each with its cardinality.
    label : array, shape (n,), int64, optional
        A known group of each subject (the digit of Survival MNIST).
    true_time : array, shape (n,), float64, optional
        The event time before censoring, known for generated data only.
    subject_id : array, shape (n,), int64, optional
        The patient of each row, where a patient has several.

    Raises
    ------
    InputError
        For no rows, wrong lengths or shapes, NaN or infinite values, times that are negative or
        outside `SMALLEST` to `LARGEST`, or codes outside a column's cardinality; the message names
        the column and the first bad row.
    """

    features: NDArray[np.float32]
    event: BoolArray
    time: NDArray[np.float64]
    feature_names: tuple[str, ...] = ()
    categorical: tuple[CategoricalColumn, ...] = ()
    label: NDArray[np.int64] | None = None
    true_time: NDArray[np.float64] | None = None
    subject_id: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        features = np.asarray(self.features, dtype=np.float32)
        if features.ndim != 2:
            raise InputError(f"features must have shape (n, p), not {features.shape}")
        if len(features) == 0:
            raise InputError("survival data has no rows; at least one is needed")
        self._set("features", features)
        self._set("event", _as_bool("event", self.event))
        self._set("time", np.asarray(self.time, dtype=np.float64))
        names = tuple(map(str, self.feature_names))
        self._set("feature_names", names or tuple(f"x{j}" for j in range(features.shape[1])))
        self._set("categorical", tuple(CategoricalColumn(*map(int, c)) for c in self.categorical))
        optional = {"label": np.int64, "true_time": np.float64, "subject_id": np.int64}
        for name, dtype in optional.items():
            value = getattr(self, name)
            if value is not None:
                self._set(name, np.asarray(value, dtype=dtype))
        self._check()

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _check(self) -> None:
        n, p = self.features.shape
        if len(self.feature_names) != p:
            raise InputError(f"{len(self.feature_names)} feature names for {p} feature columns")
        for name in ("event", "time", "label", "true_time", "subject_id"):
            value = getattr(self, name)
            if value is not None and value.shape != (n,):
                raise InputError(f"{name} has shape {value.shape}, but features has {n} rows")
        for name in ("time", "true_time"):
            value = getattr(self, name)
            if value is not None:
                check_times(name, value)
        check_features(self.features, self.categorical, self.feature_names)

    def __len__(self) -> int:
        return len(self.time)

    @cached_property
    def _last_times(self) -> NDArray[np.float64]:
        """The time of each subject, sorted; the latest where a subject has several rows."""
        if self.subject_id is None:
            return np.sort(self.time)
        of_subject = np.unique(self.subject_id, return_inverse=True)[1]
        latest = np.zeros(of_subject.max() + 1)
        np.maximum.at(latest, of_subject, self.time)
        return np.sort(latest)

    @property
    def num_subjects(self) -> int:
        """Number of subjects: of rows, or of different values of `subject_id`."""
        return len(self._last_times)

    def at_risk(self, times: ArrayLike) -> NDArray[np.int64]:
        """Count the subjects still at risk at each of k times, whose own is later; shape (k,)."""
        later = np.searchsorted(self._last_times, np.atleast_1d(times), side="right")
        return np.asarray(self.num_subjects - later)

    def subset(self, rows: IntArray | BoolArray) -> SurvivalData:
        """Return the rows chosen by an index or boolean array."""
        per_row = ("features", "event", "time", "label", "true_time", "subject_id")
        values = {name: getattr(self, name) for name in per_row}
        return replace(
            self, **{name: value[rows] for name, value in values.items() if value is not None}
        )


def check_features(
    features: NDArray[np.float32],
    categorical: tuple[CategoricalColumn, ...],
    feature_names: tuple[str, ...] | None = None,
) -> None:
    """Check that features (n, p) are finite and that categorical columns hold known codes.

    Raises
    ------
    InputError
        Naming the column and the first bad row.
    """
    names = feature_names or tuple(f"x{j}" for j in range(features.shape[1]))
    finite = np.isfinite(features)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise InputError(
            f"feature '{names[column]}' is {features[row, column]} in row {row}; "
            "features must be finite"
        )
    for column, cardinality in categorical:
        if not 0 <= column < features.shape[1]:
            raise InputError(
                f"categorical column {column} is not among the {features.shape[1]} columns"
            )
        codes = features[:, column]
        bad = (codes != np.floor(codes)) | (codes < 0) | (codes >= cardinality)
        if bad.any():
            row = int(np.argmax(bad))
            raise InputError(
                f"categorical feature '{names[column]}' is {codes[row]} in row {row}; "
                f"codes are whole numbers from 0 to {cardinality - 1}"
            )


def _as_bool(name: str, values: ArrayLike) -> BoolArray:
    array = np.asarray(values)
    if array.dtype != np.bool_ and not np.isin(array, (0, 1)).all():
        row = int(np.argmax(~np.isin(array, (0, 1))))
        raise InputError(f"{name} is {array[row]} in row {row}; it must be True/False or 1/0")
    return array.astype(np.bool_)


class Splits(NamedTuple):
    """The three disjoint parts of a dataset."""

    train: SurvivalData
    validation: SurvivalData
    test: SurvivalData
