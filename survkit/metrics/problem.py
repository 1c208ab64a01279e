"""What metrics share: outcomes with their weights, and one prediction of them at the cuts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.censoring import Convention
from survkit.metrics.outcomes import MIN_AT_RISK, Outcomes, TimePoint
from survkit.types import (
    BoolArray,
    FloatArray,
    InputError,
    IntArray,
    SurvivalData,
    SurvivalPrediction,
    TimeGrid,
)

_TIME_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Problem:
    """One prediction, its outcomes, and both on the time grid.

    Parameters
    ----------
    prediction, outcomes
        The prediction and what happened.
    survival : array, shape (n, m)
        Predicted survival at the grid's cuts.
    """

    prediction: SurvivalPrediction
    outcomes: Outcomes
    survival: NDArray[np.float64]

    @cached_property
    def curve(self) -> SurvivalPrediction:
        """The predicted curves; at the cuts, where they have these and evaluation times.

        Evaluation times add metrics and change no other.
        """
        horizon = self.prediction.times[-1]
        own = [time for time in self.outcomes.evaluation_times if time <= horizon]
        added = np.union1d(self.cuts, own)
        if len(added) == len(self.cuts) or not np.array_equal(self.prediction.times, added):
            return self.prediction
        return replace(self.prediction, times=self.cuts, survival=self.survival)

    @cached_property
    def median(self) -> NDArray[np.float64]:
        """Predicted median times, shape (n,)."""
        return self.curve.median()

    @property
    def at_cuts(self) -> NDArray[np.float64]:
        """Weight of each subject at cuts 0..K, shape (n, K + 1)."""
        return self.outcomes.at_cuts

    @property
    def happened(self) -> BoolArray:
        """Whether the event was at or before the cut, shape (n, K + 1)."""
        return self.outcomes.happened

    @property
    def time(self) -> NDArray[np.float64]:
        """Times of event or censoring, shape (n,)."""
        return self.outcomes.time

    @property
    def event(self) -> BoolArray:
        """True where the event was seen, shape (n,)."""
        return self.outcomes.data.event

    @property
    def cuts(self) -> NDArray[np.float64]:
        """The grid's cuts, shape (m,)."""
        return self.outcomes.grid.cuts

    @property
    def last_cut(self) -> int:
        """K, the last cut of the metrics over time."""
        return self.outcomes.weights.last_cut

    @property
    def used(self) -> BoolArray:
        """Whether each subject carries weight at cuts 0..K, shape (n, K + 1)."""
        return self.outcomes.used

    @property
    def points(self) -> list[TimePoint]:
        """The times of metrics that stand at one time."""
        return self.outcomes.points

    def survival_at(self, point: TimePoint) -> NDArray[np.float64]:
        """Predicted survival at such a time, shape (n,)."""
        if point.cut is not None:
            return self.survival[:, point.cut]
        return self.prediction.at([point.time])[:, 0]

    def why_undefined(self, point: TimePoint) -> str | None:
        """Return why there are no metrics at a time, None where there are."""
        if point.cut is None and point.time > self.prediction.times[-1]:
            return f"the prediction ends at time {self.prediction.times[-1]:g}"
        return point.reason


def build_problem(
    prediction: SurvivalPrediction,
    data: SurvivalData,
    train_time: FloatArray,
    train_event: BoolArray,
    grid: TimeGrid,
    convention: Convention,
    *,
    min_at_risk: int = MIN_AT_RISK,
    evaluation_times: Sequence[float] = (),
) -> Problem:
    """Check that a prediction fits its data and grid, and compute what its metrics share.

    Parameters
    ----------
    prediction : SurvivalPrediction
        For the subjects of `data`.
    data, train_time, train_event, grid, convention, min_at_risk, evaluation_times
        As in `Outcomes`.

    Raises
    ------
    InputError
        For different numbers of subjects, training outcomes of wrong shape, an unknown
        convention, or a prediction that ends before the horizon.
    """
    times = tuple(evaluation_times)
    outcomes = Outcomes(data, train_time, train_event, grid, convention, min_at_risk, times)
    return problem_of(prediction, outcomes)


def problem_of(prediction: SurvivalPrediction, outcomes: Outcomes) -> Problem:
    """Do what `build_problem` does for outcomes that may have served other predictions."""
    if len(prediction) != len(outcomes.data):
        raise InputError(
            f"prediction has {len(prediction)} subjects, but data has {len(outcomes.data)}; they "
            "must match"
        )
    survival = survival_at_cuts(prediction, outcomes.grid)
    _ = outcomes.weights  # refuses unsuitable outcomes here, before any metric asks for them
    return Problem(prediction, outcomes, survival)


def survival_at_cuts(prediction: SurvivalPrediction, grid: TimeGrid) -> NDArray[np.float64]:
    """Predicted survival at the grid's cuts, shape (n, m); times may differ by rounding.

    Raises
    ------
    InputError
        Where the prediction ends before the horizon.
    """
    rounding = _TIME_ROUNDING * grid.horizon
    if prediction.times[-1] < grid.horizon - rounding:
        raise InputError(
            f"prediction ends at time {prediction.times[-1]}, before the grid's horizon "
            f"{grid.horizon}; predict up to the horizon"
        )
    # A cut that rounding puts just before a predicted time must not lose that time's step.
    step = np.searchsorted(prediction.times, grid.cuts - rounding)
    nearest = prediction.times[np.minimum(step, len(prediction.times) - 1)]
    cuts = np.where(np.abs(nearest - grid.cuts) <= rounding, nearest, grid.cuts)
    if np.array_equal(cuts, prediction.times):
        return prediction.survival
    return prediction.at(cuts)


def class_probabilities(survival: FloatArray) -> NDArray[np.float64]:
    """Probability of each class of the grid, shape (n, m + 1), from survival at its m cuts."""
    n = len(survival)
    padded = np.column_stack([np.ones(n), survival, np.zeros(n)])
    return np.asarray(padded[:, :-1] - padded[:, 1:])


def class_likelihood(
    survival: FloatArray, event: BoolArray, event_class: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Likelihood of each subject's class, shape (n,): p_k of an event, sum_{j>=k} p_j censored.

    Parameters
    ----------
    survival : array, shape (n, m)
        Predicted survival at the grid's cuts.
    event : array, shape (n,), bool
        True where the event was seen.
    event_class : array, shape (n,), int64
        Class of each time, 0 to m.

    References
    ----------
    Yu, Greiner, Lin & Baracos (2011), NeurIPS, equation 4.
    """
    before = survival_entering(survival, event_class)
    return np.where(event, before - survival_entering(survival, event_class + 1), before)


def survival_entering(survival: FloatArray, interval: IntArray) -> NDArray[np.float64]:
    """Survival at the start of an interval: survival[:, interval - 1], 1 at 0 and 0 at t + 1.

    Parameters
    ----------
    survival : array, shape (n, t)
        Survival at t times, which bound intervals 0 to t.
    interval : array, shape (n,)
        One for each row, 0 to t + 1.
    """
    t = survival.shape[1]
    inside = survival[np.arange(len(survival)), np.clip(interval - 1, 0, t - 1)]
    return np.where(interval == 0, 1.0, np.where(interval > t, 0.0, inside))
