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
    cause : int
        0 for an event of any cause; else the cause, 1 to C, whose event alone counts. Then the
        prediction has 1 minus its cumulative incidence in the place of survival.
    """

    prediction: SurvivalPrediction
    outcomes: Outcomes
    survival: NDArray[np.float64]
    cause: int = 0

    @cached_property
    def incidence(self) -> NDArray[np.float64] | None:
        """Predicted cumulative incidences at the cuts, shape (n, C, m); None where there are none.

        There are none either where the data do not tell causes apart.
        """
        if self.outcomes.data.cause is None:
            return None
        return incidence_at_cuts(self.prediction, self.outcomes.grid)

    @cached_property
    def causes(self) -> list[Problem]:
        """The same prediction and outcomes for each cause; empty where causes are not predicted."""
        if self.incidence is None:
            return []
        return [
            Problem(
                self.prediction.of_cause(cause + 1),
                self.outcomes,
                1.0 - self.incidence[:, cause],
                cause + 1,
            )
            for cause in range(self.incidence.shape[1])
        ]

    @property
    def cause_name(self) -> str:
        """The name of the cause; "" for an event of any cause."""
        return self.outcomes.data.cause_names[self.cause - 1] if self.cause else ""

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
        return replace(
            self.prediction,
            times=self.cuts,
            survival=self.survival,
            cumulative_incidence=self.incidence,
        )

    @cached_property
    def median(self) -> NDArray[np.float64]:
        """Predicted median times, shape (n,)."""
        return self.curve.median()

    @property
    def at_cuts(self) -> NDArray[np.float64]:
        """Weight of each subject at cuts 0..K, shape (n, K + 1)."""
        return self.outcomes.at_cuts

    @cached_property
    def happened(self) -> BoolArray:
        """Whether the event was at or before the cut, shape (n, K + 1)."""
        if self.cause == 0:
            return self.outcomes.happened
        return self.outcomes.happened_by(self.cuts[: self.last_cut + 1], self.cause)

    def happened_by(self, point: TimePoint) -> BoolArray:
        """Whether the event was at or before such a time, shape (n,)."""
        return self.outcomes.happened_by(np.array([point.time]), self.cause)[:, 0]

    @property
    def time(self) -> NDArray[np.float64]:
        """Times of event or censoring, shape (n,)."""
        return self.outcomes.time

    @property
    def event(self) -> BoolArray:
        """True where the event was seen, shape (n,)."""
        return self.outcomes.event_of(self.cause)

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
        For different numbers of subjects or causes, training outcomes of wrong shape, an unknown
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
    causes = prediction.num_causes, outcomes.data.num_causes
    if min(causes) > 1 and causes[0] != causes[1]:
        raise InputError(
            f"prediction has {causes[0]} causes, but data has {causes[1]}; they must match"
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
    times = _times_of_cuts(prediction, grid)
    if np.array_equal(times, prediction.times):
        return prediction.survival
    return prediction.at(times)


def incidence_at_cuts(prediction: SurvivalPrediction, grid: TimeGrid) -> NDArray[np.float64] | None:
    """Predicted cumulative incidences at the grid's cuts, (n, C, m); None for one cause.

    Times and errors are those of `survival_at_cuts`.
    """
    if prediction.cumulative_incidence is None:
        return None
    times = _times_of_cuts(prediction, grid)
    if np.array_equal(times, prediction.times):
        return prediction.cumulative_incidence
    return prediction.cumulative_incidence_at(times)


def _times_of_cuts(prediction: SurvivalPrediction, grid: TimeGrid) -> NDArray[np.float64]:
    """Return the grid's cuts, those that differ by rounding from a predicted time as that time."""
    rounding = _TIME_ROUNDING * grid.horizon
    if prediction.times[-1] < grid.horizon - rounding:
        raise InputError(
            f"prediction ends at time {prediction.times[-1]}, before the grid's horizon "
            f"{grid.horizon}; predict up to the horizon"
        )
    # A cut that rounding puts just before a predicted time must not lose that time's step.
    step = np.searchsorted(prediction.times, grid.cuts - rounding)
    nearest = prediction.times[np.minimum(step, len(prediction.times) - 1)]
    return np.where(np.abs(nearest - grid.cuts) <= rounding, nearest, grid.cuts)
