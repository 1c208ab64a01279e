"""The types every part of survkit shares: survival data, time grids, predictions, models.

Nothing but numpy is needed here, so that any module can use these types at no cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.curves import area_under, curve_values, time_of_level

FloatArray = NDArray[np.floating[Any]]
Float64Array = NDArray[np.float64]
IntArray = NDArray[np.integer[Any]]
BoolArray = NDArray[np.bool_]

SURVIVAL_TOLERANCE = 1e-6
"""Rounding by which a survival curve may leave [0, 1] or rise before it is refused."""

SMALLEST, LARGEST = 1e-18, 1e18
"""Sizes of the times and numbers that data may hold, besides 0.

Their squares exist in single precision, and their fourth powers in double.
"""

_SINGLE_ROUNDING = 2.0**-24
_DOUBLE_ROUNDING = 2.0**-50
"""Relative rounding of a time in single and (a few units in the last place) double precision."""


class InputError(ValueError):
    """What a person gave cannot be used; the message says what, where, and what would be right.

    Commands print it without a traceback and exit with status 2.
    """


class NotFiniteError(InputError):
    """A predicted survival is NaN: the model has diverged, or the features are too large for it."""


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
                _check_times(name, value)
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


def _check_times(name: str, time: FloatArray) -> None:
    bad = ~(np.isfinite(time) & (time >= 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(f"{name} is {time[row]} in row {row}; times must be finite and at least 0")
    beyond = (time > LARGEST) | ((time > 0) & (time < SMALLEST))
    if beyond.any():
        row = int(np.argmax(beyond))
        raise InputError(
            f"{name} is {time[row]} in row {row}; times other than 0 go from {SMALLEST:g} to "
            f"{LARGEST:g}; choose another unit"
        )


def _is_single(time: FloatArray) -> bool:
    """Whether all times fit in single precision."""
    with np.errstate(over="ignore"):
        return np.array_equal(time, time.astype(np.float32))


@dataclass(frozen=True, eq=False)
class TimeGrid:
    """The times at which a discrete-time model is defined.

    Classes run from 0 to m: class k < m means that the event fell in (cuts[k-1], cuts[k]]
    (class 0: at time 0), and class m that it fell beyond the horizon.

    Parameters
    ----------
    cuts : array, shape (m,), float64
        Increasing times; the first is 0, the last the horizon.
    floor : bool
        Label a time by the cut at or before it, instead of the cut at or after it.

    Raises
    ------
    InputError
        Where the cuts do not start at 0, do not increase, or are fewer than two.
    """

    cuts: NDArray[np.float64]
    floor: bool = False

    def __post_init__(self) -> None:
        cuts = np.asarray(self.cuts, dtype=np.float64)
        object.__setattr__(self, "cuts", cuts)
        if cuts.ndim != 1 or len(cuts) < 2:
            raise InputError(f"a time grid needs at least two cuts, not an array of {cuts.shape}")
        if not np.isfinite(cuts).all() or cuts[0] != 0 or (np.diff(cuts) <= 0).any():
            raise InputError(f"cuts must be finite, start at 0 and increase; got {cuts}")

    @classmethod
    def evenly_spaced(cls, horizon: float, time_bins: int, *, floor: bool = False) -> Self:
        """Return `time_bins` evenly spaced cuts from 0 to the horizon."""
        if time_bins < 2 or not horizon > 0:
            raise InputError(
                f"a time grid needs time_bins >= 2 and a horizon > 0, "
                f"not time_bins {time_bins} and horizon {horizon}"
            )
        return cls(np.linspace(0.0, horizon, time_bins), floor)

    @classmethod
    def event_quantiles(
        cls, time: FloatArray, event: BoolArray, time_bins: int, *, floor: bool = False
    ) -> Self:
        """Return cuts at quantiles of the event times, with 0 first and the largest time last.

        Tied quantiles are merged, so there may be fewer than `time_bins` cuts.
        """
        quantiles = np.quantile(time[event], np.linspace(0, 1, time_bins)[1:-1])
        return cls(np.unique(np.concatenate([[0.0], quantiles, [time.max()]])), floor)

    @property
    def horizon(self) -> float:
        """The last cut."""
        return float(self.cuts[-1])

    @property
    def num_classes(self) -> int:
        """One class a cut, and one beyond the horizon: m + 1."""
        return len(self.cuts) + 1

    @property
    def knots(self) -> Knots:
        """The knots of curves that are known at the cuts alone."""
        return Knots(self.cuts, np.empty(0))

    def snap(self, time: ArrayLike) -> NDArray[np.float64]:
        """Return times (any shape), those that equal a cut in their own precision as that cut.

        Times that all fit in single precision may have been rounded to it, and so may the horizon
        that the cuts divide; whole numbers are exact. Other times are compared to a few units in
        the last place, as the cuts themselves are rounded.
        """
        time = np.asarray(time, dtype=np.float64)
        right = np.clip(np.searchsorted(self.cuts, time), 1, len(self.cuts) - 1)
        before, after = self.cuts[right - 1], self.cuts[right]
        nearest = np.where(time - before < after - time, before, after)
        rounding = np.full(time.shape, _DOUBLE_ROUNDING)
        if _is_single(time):
            rounding = rounding + _SINGLE_ROUNDING * (time != np.round(time))
            rounding = rounding + _SINGLE_ROUNDING * (self.horizon != round(self.horizon))
        return np.where(np.abs(time - nearest) <= rounding * nearest, nearest, time)

    def classify(self, time: ArrayLike) -> NDArray[np.int64]:
        """Return the class, 0 to m, of each time (any shape), as `snap` brings it to the cuts."""
        time = self.snap(time)
        if self.floor:
            classes = np.searchsorted(self.cuts, time, side="right") - 1
            return np.where(time > self.horizon, len(self.cuts), classes).astype(np.int64)
        return np.searchsorted(self.cuts, time, side="left").astype(np.int64)


class Splits(NamedTuple):
    """The three disjoint parts of a dataset."""

    train: SurvivalData
    validation: SurvivalData
    test: SurvivalData


@dataclass(frozen=True, eq=False)
class SurvivalPrediction:
    """Predicted survival curves of n subjects on a common time axis.

    A curve is 1 at time 0 (unless its first time is 0 too) and linear between its times, or a
    right-continuous step function that falls at its times alone. What is left at the last time is
    the probability of an event beyond the horizon.

    Parameters
    ----------
    times : array, shape (T,), float64
        Increasing times, at least 0.
    survival : array, shape (n, T), float64
        P(event time > times[j]), in [0, 1], not rising along a row.
    expert_weights : array, shape (n, E), float64, optional
        The router's weights of a mixture of experts; each row sums to 1.
    step : bool
        Whether the curves are step functions, whose times are exact event times (Cox regression,
        Kaplan-Meier); those of models on a time grid are linear between the cuts.

    Raises
    ------
    InputError
        For wrong shapes, NaN, values outside [0, 1] or a rising curve (by more than 1e-6; smaller
        rounding is accepted and left as it is).

    References
    ----------
    Kvamme & Borgan (2021), Lifetime Data Analysis 27:710, section 4.1: constant density between
    the cuts of a grid.
    """

    times: NDArray[np.float64]
    survival: NDArray[np.float64]
    expert_weights: NDArray[np.float64] | None = None
    step: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", np.asarray(self.times, dtype=np.float64))
        object.__setattr__(self, "survival", np.asarray(self.survival, dtype=np.float64))
        if self.times.ndim != 1 or len(self.times) == 0:
            raise InputError(f"times must be one axis of at least one time, not {self.times.shape}")
        if not np.isfinite(self.times).all() or (np.diff(self.times) <= 0).any():
            raise InputError("times must be finite and increase")
        if self.survival.ndim != 2 or self.survival.shape[1] != len(self.times):
            raise InputError(
                f"survival must have shape (n, {len(self.times)}), not {self.survival.shape}"
            )
        self._check_curves()
        if self.expert_weights is not None and len(self.expert_weights) != len(self.survival):
            raise InputError(
                f"expert_weights has {len(self.expert_weights)} rows for "
                f"{len(self.survival)} survival curves"
            )

    def _check_curves(self) -> None:
        survival = self.survival
        # A comparison with NaN is False, so NaN fails here too.
        in_range = (survival >= -SURVIVAL_TOLERANCE) & (survival <= 1 + SURVIVAL_TOLERANCE)
        if not in_range.all():
            row, column = np.argwhere(~in_range)[0]
            kind = NotFiniteError if np.isnan(survival[row, column]) else InputError
            raise kind(
                f"survival of subject {row} at time {self.times[column]} is "
                f"{survival[row, column]}; it must lie in [0, 1]"
            )
        rising = np.diff(survival, axis=1) > SURVIVAL_TOLERANCE
        if rising.any():
            row, column = np.argwhere(rising)[0]
            raise InputError(
                f"survival of subject {row} rises from {survival[row, column]} to "
                f"{survival[row, column + 1]} at time {self.times[column + 1]}"
            )

    def __len__(self) -> int:
        return len(self.survival)

    def at(
        self, times: ArrayLike, extrapolate: Literal["constant"] | None = None
    ) -> NDArray[np.float64]:
        """Survival at the given times, shape (n, len(times)).

        Parameters
        ----------
        times : array, shape (t,)
            Any times of at least 0.
        extrapolate : {None, "constant"}
            Beyond the last predicted time nothing is known: None refuses, "constant" keeps the
            last value.

        Raises
        ------
        InputError
            For a negative time, NaN, or a time beyond the last one where `extrapolate` is None.
        """
        hint = "; extrapolate='constant' keeps the last value"
        times = as_times(times, self.times[-1] if extrapolate is None else np.inf, hint)
        return curve_values(self.times, self.survival, times, step=self.step)

    def read(self, times: ArrayLike | None) -> SurvivalPrediction:
        """Return the prediction at other times, or as it is where None is given.

        It stays a step function where `times` hold every step up to the last of them; otherwise
        what is left of it is read linearly.

        Raises
        ------
        InputError
            For times that do not increase, or that `at` refuses.
        """
        if times is None or np.array_equal(times, self.times):
            return self
        times = as_times(times, self.times[-1])
        step = self.step and holds_steps(times, self.times)
        return SurvivalPrediction(times, self.at(times), self.expert_weights, step)

    def quantile(self, q: float, extrapolate: Literal["line"] | None = None) -> NDArray[np.float64]:
        """Time by which the event has happened with probability q, shape (n,).

        Parameters
        ----------
        q : float
            In (0, 1]; the median is 0.5.
        extrapolate : {None, "line"}
            For a curve that stays above 1 - q: None gives infinity, "line" continues it along the
            straight line through (0, 1) and its last point (infinite for one that never falls).

        Raises
        ------
        InputError
            For another q.
        """
        if not 0 < q <= 1:
            raise InputError(f"q is {q}; it is a probability above 0 and at most 1")
        reached = time_of_level(self.times, self.survival, 1 - q, step=self.step)
        if extrapolate is None:
            return reached
        fall = 1.0 - self.survival[:, -1]
        beyond = np.divide(q * self.times[-1], fall, out=np.full_like(fall, np.inf), where=fall > 0)
        return np.where(np.isinf(reached), beyond, reached)

    def median(self) -> NDArray[np.float64]:
        """Predicted median time, shape (n,): where the curve reaches 1/2.

        A curve that stays above 1/2 is continued along the straight line through (0, 1) and its
        last point; one that never falls has an infinite median.
        """
        return self.quantile(0.5, extrapolate="line")

    def restricted_mean(self, until: float) -> NDArray[np.float64]:
        """Mean time without the event up to a time, shape (n,): the area under the curve.

        Raises
        ------
        InputError
            For a time that is not above 0, or beyond the last predicted one.
        """
        if not until > 0:
            raise InputError(f"the restricted mean is asked for until {until}; it must be above 0")
        (end,) = as_times(until, self.times[-1])
        return area_under(self.times, self.survival, float(end), step=self.step)

    def risk_score(self) -> NDArray[np.float64]:
        """Return a score per subject, shape (n,), higher = riskier: minus the median time."""
        return -self.median()

    def subset(self, rows: IntArray | BoolArray) -> SurvivalPrediction:
        """Return the predictions of the rows chosen by an index or boolean array."""
        weights = None if self.expert_weights is None else self.expert_weights[rows]
        return SurvivalPrediction(self.times, self.survival[rows], weights, self.step)


def as_times(times: ArrayLike, horizon: float, hint: str = "") -> NDArray[np.float64]:
    """Return the times at which survival is asked for, shape (k,), at least one.

    Times of single precision that their rounding takes beyond the horizon are the horizon.

    Raises
    ------
    InputError
        For another shape, times below 0 or NaN, or (with the hint) beyond the horizon.
    """
    times = np.atleast_1d(np.asarray(times, dtype=np.float64))
    if times.ndim != 1 or len(times) == 0:
        raise InputError(f"times must be one sequence of at least one time, not {times.shape}")
    bad = times[~(times >= 0)]
    if len(bad):
        raise InputError(f"survival is asked for at time {bad[0]}; times are at least 0")
    rounded = _is_single(times) and (times.max() <= horizon * (1 + _SINGLE_ROUNDING))
    times = np.minimum(times, horizon) if rounded else times
    if (times > horizon).any():
        raise InputError(
            f"survival is predicted up to time {horizon}, asked for {times.max()}{hint}"
        )
    return times


def holds_steps(times: Float64Array, steps: Float64Array) -> bool:
    """Whether times hold all steps up to the last of them."""
    return bool(np.isin(steps[steps <= times[-1]], times).all())


class Knots(NamedTuple):
    """The times that decide a model's curves.

    Parameters
    ----------
    cuts : array, shape (m,), float64
        Times between which its curves are linear; the last is the horizon.
    steps : array, shape (s,), float64
        Exact event times at which its curves fall in a step; none for a model on a time grid.
    """

    cuts: NDArray[np.float64]
    steps: NDArray[np.float64]

    @property
    def times(self) -> NDArray[np.float64]:
        """The times at which a prediction holds the whole curve, whichever way it is read.

        Between two cuts a curve with steps and slopes is linear from a step to the last number
        before the next one.
        """
        if len(self.cuts) == 1:
            return np.union1d(self.steps, self.cuts)
        before = np.nextafter(self.steps[self.steps > 0], 0.0)
        return np.union1d(self.cuts, np.concatenate([before, self.steps]))


class FitMonitor(Protocol):
    """What a model tells while it is fitted, and where it may keep its state for a resume."""

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """Note the values of one epoch (epochs count from 1)."""

    def save(self, state: Mapping[str, Any]) -> None:
        """Keep the state of an unfinished fit; the newest one replaces those before it."""

    def load(self) -> Mapping[str, Any] | None:
        """Return the state kept by an interrupted fit, or None where there is none."""

    def warn(self, message: str) -> None:
        """Note a warning that belongs in the run's record."""


class FitSummary(NamedTuple):
    """How large a fitted model is, how it was trained, and whether its fit is an optimum.

    Parameters
    ----------
    num_parameters : int, optional
        Numbers learned; None where a model has no such count.
    epochs_trained, best_epoch : int, optional
        Epochs count from 1; None for a model that is not trained in epochs.
    converged : bool, optional
        Whether the fit reached an optimum, or its chains agree; None where that has no meaning.
    convergence_reason : str
        Why, in one sentence without a full stop; "" where `converged` is None.
    """

    num_parameters: int | None = None
    epochs_trained: int | None = None
    best_epoch: int | None = None
    converged: bool | None = None
    convergence_reason: str = ""


class SurvivalModel(Protocol):
    """What every model of survkit offers, whatever fits it."""

    fit_summary: FitSummary

    @property
    def knots(self) -> Knots:
        """The times that decide its curves: `predict(features, knots.times)` loses nothing."""

    def fit(
        self, train: SurvivalData, validation: SurvivalData, *, monitor: FitMonitor | None = None
    ) -> Self:
        """Fit the model; validation rows serve early stopping only."""

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict survival curves for features of shape (n, p).

        They are given at the cuts of the time grid, or at increasing `times` up to the horizon:
        exactly, where the model knows more than its curves at the cuts.
        """

    def state(self) -> dict[str, Any]:
        """Return the fitted model as a dict of arrays and plain values."""

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a fitted model from what `state` returned."""
