"""Right-censored survival data, with competing causes of the event where there are several."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.types.arrays import BoolArray, IntArray
from survkit.types.errors import InputError
from survkit.types.times import check_times

CAUSE_NAME = re.compile(r"[\w.-]+")
"""A cause names columns and metrics, so it has no space, comma or slash."""


class CategoricalColumn(NamedTuple):
    """A feature column of integer codes: 0 is missing or unseen, 1 and up are known values."""

    column: int
    cardinality: int


@dataclass(frozen=True, eq=False)
class SurvivalData:
    """Right-censored survival data, checked when it is built.

    Where events have several causes, the event is the first of any cause, and its cause is known.

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
    cause : array, shape (n,), int64, optional
        The cause of each event, 1 to C, and 0 where the subject was censored; not given where
        there is one cause.
    cause_names : sequence of str, length C, optional
        The names of the causes, in the order of their numbers; at least two.
    entry : array, shape (n,), float64, optional
        The time from which each subject is observed, where some come under observation late (left
        truncation): those with an earlier event are not in the data. Below the subject's own time;
        0 for a subject observed from the start. A subject is at risk at t where entry < t <= time.

    Raises
    ------
    InputError
        For no rows, wrong lengths or shapes, NaN or infinite values, times that are negative or
        outside `SMALLEST` to `LARGEST`, codes outside a column's cardinality, causes that do not
        agree with the events or with their names, or entries that are not before the times; the
        message names the column and the first bad row.
    """

    features: NDArray[np.float32]
    event: BoolArray
    time: NDArray[np.float64]
    feature_names: tuple[str, ...] = ()
    categorical: tuple[CategoricalColumn, ...] = ()
    label: NDArray[np.int64] | None = None
    true_time: NDArray[np.float64] | None = None
    subject_id: NDArray[np.int64] | None = None
    cause: NDArray[np.int64] | None = None
    cause_names: tuple[str, ...] = ()
    entry: NDArray[np.float64] | None = None

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
        self._set("cause_names", tuple(map(str, self.cause_names)))
        optional = {"label": np.int64, "true_time": np.float64, "subject_id": np.int64}
        for name, dtype in {**optional, "cause": np.int64, "entry": np.float64}.items():
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
        for name in _PER_ROW:
            value = getattr(self, name)
            if value is not None and value.shape != (n,):
                raise InputError(f"{name} has shape {value.shape}, but features has {n} rows")
        for name in ("time", "true_time", "entry"):
            value = getattr(self, name)
            if value is not None:
                check_times(name, value)
        check_entry(self.entry, self.time)
        check_causes(self.cause, self.cause_names, self.event)
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

    @cached_property
    def _first_entries(self) -> NDArray[np.float64]:
        """The entry of each subject, sorted; the earliest where a subject has several rows."""
        entry = np.zeros(len(self)) if self.entry is None else self.entry
        if self.subject_id is None:
            return np.sort(entry)
        of_subject = np.unique(self.subject_id, return_inverse=True)[1]
        earliest = np.full(of_subject.max() + 1, np.inf)
        np.minimum.at(earliest, of_subject, entry)
        return np.sort(earliest)

    @property
    def num_causes(self) -> int:
        """Number of causes C of the event, at least 1."""
        return len(self.cause_names) or 1

    def check_observed_from_start(self) -> None:
        """Refuse subjects who come under observation late, for a model that ignores their entry.

        Raises
        ------
        InputError
            Where there are entries.
        """
        if self.entry is not None:
            raise InputError(
                "subjects come under observation late (entry), which this model does not correct "
                "for; kaplan_meier, aalen_johansen, coxph and the heads do"
            )

    def of_cause(self, cause: int) -> SurvivalData:
        """Return the data of one cause, 1 to C, with events of any other counted as censored.

        That is what its cause-specific hazard is estimated from. One minus a survival curve of
        these data is not the risk of the cause: it is what the risk would be if the other causes
        did not exist and those who had them were like everybody else.

        Raises
        ------
        InputError
            For data of one cause, or a cause outside 1 to C.
        """
        if self.cause is None or not 1 <= cause <= self.num_causes:
            raise InputError(f"cause is {cause}; these data have {self.num_causes} causes")
        # The true time is that of the first event, which may be of another cause.
        return replace(self, event=self.cause == cause, cause=None, cause_names=(), true_time=None)

    @property
    def num_subjects(self) -> int:
        """Number of subjects: of rows, or of different values of `subject_id`."""
        return len(self._last_times)

    def at_risk(self, times: ArrayLike) -> NDArray[np.int64]:
        """Count the subjects still at risk at each of k times, whose own is later; shape (k,).

        Subjects who enter after it are not at risk yet.
        """
        times = np.atleast_1d(times)
        later = np.searchsorted(self._last_times, times, side="right")
        if self.entry is None:
            return np.asarray(self.num_subjects - later)
        entered = np.searchsorted(self._first_entries, times, side="right")
        return np.asarray(entered - later)

    def subset(self, rows: IntArray | BoolArray) -> SurvivalData:
        """Return the rows chosen by an index or boolean array."""
        values = {name: getattr(self, name) for name in ("features", *_PER_ROW)}
        return replace(
            self, **{name: value[rows] for name, value in values.items() if value is not None}
        )


_PER_ROW = ("event", "time", "label", "true_time", "subject_id", "cause", "entry")


def check_entry(entry: NDArray[np.float64] | None, time: NDArray[np.float64]) -> None:
    """Check that entries (n,) are 0, for those observed from the start, or before the times (n,).

    Raises
    ------
    InputError
        Naming the first bad row.
    """
    if entry is None:
        return
    bad = (entry > 0) & (entry >= time)
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"entry is {entry[row]} in row {row}, whose time is {time[row]}; a subject comes under "
            "observation before its own time"
        )


def check_causes(
    cause: NDArray[np.int64] | None, cause_names: Sequence[str], event: BoolArray
) -> None:
    """Check that causes (n,) are 1 to C where the event was seen, 0 elsewhere, and have names.

    Raises
    ------
    InputError
        Naming the first bad row, or what is wrong with the names.
    """
    if (cause is None) != (not cause_names):
        raise InputError("cause and cause_names are given together, or neither")
    if cause is None:
        return
    names = ", ".join(cause_names)
    if len(cause_names) < 2 or len(set(cause_names)) < len(cause_names):
        raise InputError(f"cause_names is {names}; causes are two or more, with different names")
    for name in cause_names:
        if not CAUSE_NAME.fullmatch(name):
            raise InputError(
                f"cause_names has {name!r}; a name has letters, digits, '_', '-' and '.' only"
            )
    bad = (cause < 0) | (cause > len(cause_names)) | ((cause > 0) != event)
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"cause is {cause[row]} in row {row}, where the event was "
            f"{'' if event[row] else 'not '}seen; it is 1 to {len(cause_names)} for events "
            f"({names}) and 0 for censored subjects"
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
