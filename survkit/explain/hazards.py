"""Predictions of any model, checked and brought to cumulative hazards at the explainer's times."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from survkit.curves import curve_values
from survkit.types import Float64Array, InputError

Kind = Literal["cumulative", "survival"]

TOLERANCE = 1e-6
"""Rounding by which a prediction may leave its range, or fall back along time."""

SMALLEST_SURVIVAL = float(np.finfo(np.float64).eps)
"""Survival below the resolution of probabilities counts as this: a cumulative hazard of 36.04."""

LARGEST_EXACT = 700.0
"""Cumulative hazards of a model that is exact in its tail count as at most this, as survival of
less than exp(-745) has no double."""

_BLOCK_VALUES = 2**15


class Curves(NamedTuple):
    """What a model predicts for n subjects: values (n, q) at q times, None where not given.

    `step` says how survival is read between its times, as in `SurvivalPrediction`; where it is
    None, the hazards are interpolated.
    """

    times: Float64Array | None
    values: Float64Array
    kind: Kind
    step: bool | None = None


class HazardReader:
    """Turns curves into cumulative hazards (n, m) at fixed times, counting what it has to cap.

    Models and predictions of survkit are read as they define their curves between two times. For
    all others the hazards are interpolated linearly between the model's times, from 0 at time 0.
    After the last time hazards stay constant (Pachón-García et al. 2024, section 3.4).

    Parameters
    ----------
    times : array, shape (m,)
        The times at which hazards are needed.
    model_output_times : array, shape (q,), optional
        The times of models that do not give theirs; `times` by default.
    max_hazard : float, optional
        Larger hazards are set to it; by default those of survival below `SMALLEST_SURVIVAL`.
    exact_tail : bool, optional
        Whether smaller survival means something too, so that it counts down to
        exp(-`LARGEST_EXACT`) where `max_hazard` is not given; None where that is not known.
    """

    def __init__(
        self,
        times: Float64Array,
        model_output_times: Float64Array | None,
        max_hazard: float | None,
        *,
        exact_tail: bool | None = None,
    ) -> None:
        self.times, self.model_output_times, self.max_hazard = times, model_output_times, max_hazard
        self.exact_tail = exact_tail
        floor = float(np.exp(-LARGEST_EXACT)) if exact_tail else SMALLEST_SURVIVAL
        if max_hazard is not None:
            floor = float(np.exp(-max_hazard))
        self.smallest_survival = max(floor, float(np.finfo(np.float64).tiny))
        self._bound_is_ours = max_hazard is None or floor < self.smallest_survival
        self.num_survival = self.num_capped = self.num_zero = 0
        self.largest = np.inf if max_hazard is None else max_hazard
        """Hazards that were read are at most this."""

    def read(self, curves: Curves, num_rows: int) -> Float64Array:
        """Return the cumulative hazards (n, m) of curves that should be for `num_rows` subjects.

        Raises
        ------
        InputError
            For a wrong shape or wrong times, NaN, values out of range, curves that go the wrong
            way, or survival where a cumulative hazard was announced.
        """
        times = self._times_of(curves)
        check_curves(curves, times, num_rows)
        if curves.step is None or np.array_equal(times, self.times):
            hazards = self._resample(times, self._cumulative(curves))
        else:
            survival = curve_values(times, curves.values, self.times, step=curves.step)
            hazards = self._cumulative(curves._replace(values=survival))
        return hazards if self.max_hazard is None else np.minimum(hazards, self.max_hazard)

    def _times_of(self, curves: Curves) -> Float64Array:
        given = self.model_output_times
        if curves.times is None:
            return self.times if given is None else given
        if given is not None and curves.step is None:  # else its own times were checked
            check_output_times(given, curves.times)
        return curves.times

    def _cumulative(self, curves: Curves) -> Float64Array:
        if curves.kind == "cumulative":
            return curves.values if curves.values.min() >= 0 else np.maximum(curves.values, 0.0)
        self.num_survival += curves.values.size
        self.largest = min(self.largest, -float(np.log(self.smallest_survival)))
        if self._bound_is_ours and curves.values.min() < self.smallest_survival:
            self.num_capped += int((curves.values < self.smallest_survival).sum())
            self.num_zero += int((curves.values <= 0).sum())
        return -np.log(np.clip(curves.values, self.smallest_survival, 1.0))

    def _resample(self, times: Float64Array, hazards: Float64Array) -> Float64Array:
        if np.array_equal(times, self.times):
            return hazards
        if times[0] > 0:
            times = np.concatenate([[0.0], times])
            hazards = np.column_stack([np.zeros(len(hazards)), hazards])
        right = np.clip(np.searchsorted(times, self.times, side="left"), 1, len(times) - 1)
        left = right - 1
        share = np.minimum((self.times - times[left]) / (times[right] - times[left]), 1.0)
        low = hazards[:, left]
        return np.asarray(low + share * (hazards[:, right] - low))


def check_output_times(given: Float64Array, own: Float64Array) -> None:
    """Refuse times of the model's columns that are not those of the model itself.

    Raises
    ------
    InputError
        Naming both.
    """
    if not np.array_equal(given, own):
        raise InputError(
            f"model_output_times are {len(given)} times from {given[0]:g} to {given[-1]:g}, but "
            f"the model predicts at {len(own)} times from {own[0]:g} to {own[-1]:g}; leave "
            "model_output_times out to use the model's own"
        )


def check_curves(curves: Curves, times: Float64Array, num_rows: int) -> None:
    """Refuse what cannot be curves of so many subjects at q times.

    Raises
    ------
    InputError
        For a wrong shape, NaN, values out of range, curves that go the wrong way, or survival
        where a cumulative hazard was announced; naming the first bad row.
    """
    _check_shape(curves.values, num_rows, len(times))
    _check_values(curves, times)


def _check_shape(values: Float64Array, num_rows: int, num_times: int) -> None:
    if values.shape == (num_rows, num_times):
        return
    hint = ""
    if values.shape == (num_times, num_rows):
        hint = "; it looks transposed: rows must be subjects and columns times"
    elif values.ndim == 2 and len(values) == num_rows:
        hint = "; model_output_times must be the times of the model's columns"
    raise InputError(
        f"predict_fn returned shape {values.shape} for {num_rows} rows; it must return "
        f"({num_rows}, {num_times}), one column for each of {num_times} times{hint}"
    )


def _check_values(curves: Curves, times: Float64Array) -> None:
    """Refuse curves that are not finite, out of range or not monotone, naming the first bad row."""
    values = curves.values
    cumulative = curves.kind == "cumulative"
    total, low, high, fall, rise = _extremes(values)
    # The sum of finite values may overflow.
    if not np.isfinite(total) and not np.isfinite(values).all():
        _refuse_not_finite(values, times, cumulative)
    if (-fall if cumulative else rise) > TOLERANCE * max(1.0, high):
        steps = np.diff(values, axis=1)
        place = steps.argmin() if cumulative else steps.argmax()
        row, column = np.unravel_index(int(place), steps.shape)
        raise InputError(
            f"predict_fn returned a {_NAMES[curves.kind]} that {'falls' if cumulative else 'rises'}"
            f" from {values[row, column]:g} to {values[row, column + 1]:g} at time "
            f"{times[column + 1]:g} in row {row}{_other_kind(curves, low, high)}"
        )
    ceiling = np.inf if cumulative else 1 + TOLERANCE
    if low < -TOLERANCE or high > ceiling:
        row, column = np.argwhere((values < -TOLERANCE) | (values > ceiling))[0]
        allowed = "at least 0" if cumulative else "in [0, 1]"
        raise InputError(
            f"predict_fn returned {values[row, column]:g} in row {row} at time {times[column]:g}; "
            f"a {_NAMES[curves.kind]} is {allowed}{_other_kind(curves, low, high)}"
        )


def _extremes(values: Float64Array) -> tuple[float, float, float, float, float]:
    """Return sum, smallest and largest value, smallest and largest step along the rows.

    In blocks of rows that fit the processor's cache, as this is half of an explanation's work.
    """
    total, low, high, fall, rise = 0.0, np.inf, -np.inf, 0.0, 0.0
    size = max(1, _BLOCK_VALUES // values.shape[1])
    for start in range(0, len(values), size):
        block = values[start : start + size]
        steps = np.diff(block, axis=1)
        total += float(block.sum())
        low, high = min(low, block.min()), max(high, block.max())
        fall, rise = min(fall, steps.min(initial=0.0)), max(rise, steps.max(initial=0.0))
    return total, float(low), float(high), float(fall), float(rise)


_NAMES = {"cumulative": "cumulative hazard", "survival": "survival curve"}


def _other_kind(curves: Curves, low: float, high: float) -> str:
    """Return a hint where curves look like the other kind."""
    steps = np.diff(curves.values, axis=1)
    if curves.kind == "cumulative" and low >= 0 and high <= 1 and (steps <= 0).all():
        return "; all values lie in [0, 1] and fall: for survival, give type_fn='survival'"
    if curves.kind == "survival" and low >= 0 and (steps >= 0).all():
        return "; all values rise: for cumulative hazards, give type_fn='cumulative'"
    return ""


def _refuse_not_finite(values: Float64Array, times: Float64Array, cumulative: bool) -> None:
    row, column = np.argwhere(~np.isfinite(values))[0]
    advice = "predictions must be finite"
    if cumulative and np.isposinf(values[row, column]):
        advice = (
            "a survival of 0 has no finite cumulative hazard; give the survival itself with "
            "type_fn='survival', or cap the hazards that predict_fn returns"
        )
    raise InputError(
        f"predict_fn returned {values[row, column]} in row {row} at time {times[column]:g}; "
        f"{advice}"
    )
