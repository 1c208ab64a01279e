"""What the metrics of one prediction share: survival and weights at the cuts, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.censoring import (
    SMALLEST_CENSORING_SURVIVAL,
    CensoringWeights,
    Convention,
    SurvivalStep,
)
from survkit.metrics.outcomes import Outcomes
from survkit.types import (
    BoolArray,
    FloatArray,
    InputError,
    IntArray,
    SurvivalData,
    SurvivalPrediction,
    TimeGrid,
)

PERCENTAGES = (25, 50, 75)
"""Metrics at one time use the cuts at these percentages of the grid's length."""

NO_CUTS = f"no cut after time 0 has a censoring survival of at least {SMALLEST_CENSORING_SURVIVAL}"

_TIME_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Problem:
    """One prediction, its outcomes, and both on the time grid.

    Parameters
    ----------
    prediction, outcomes
        What was given.
    survival : array, shape (n, m)
        Predicted survival at the grid's cuts.
    """

    prediction: SurvivalPrediction
    outcomes: Outcomes
    survival: NDArray[np.float64]

    @cached_property
    def median(self) -> NDArray[np.float64]:
        """Predicted median times, shape (n,)."""
        return self.prediction.median()

    @property
    def data(self) -> SurvivalData:
        """The outcomes as given."""
        return self.outcomes.data

    @property
    def grid(self) -> TimeGrid:
        """The time grid."""
        return self.outcomes.grid

    @property
    def censoring(self) -> SurvivalStep:
        """G, from the training rows."""
        return self.outcomes.censoring

    @property
    def weights(self) -> CensoringWeights:
        """Weights under the chosen convention."""
        return self.outcomes.weights

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
        return self.data.time

    @property
    def event(self) -> BoolArray:
        """True where the event was seen, shape (n,)."""
        return self.data.event

    @property
    def cuts(self) -> NDArray[np.float64]:
        """The grid's cuts, shape (m,)."""
        return self.grid.cuts

    @property
    def last_cut(self) -> int:
        """K, the last cut of the metrics over time."""
        return self.weights.last_cut

    @property
    def used(self) -> BoolArray:
        """Whether each subject carries weight at cuts 0..K, shape (n, K + 1)."""
        return self.outcomes.used

    def cut_at(self, percentage: int) -> tuple[int, str | None]:
        """Return the cut at a percentage of the grid, and the reason where it cannot be used."""
        cut = percentage * len(self.cuts) // 100
        if cut > self.last_cut:
            return cut, (
                f"cut {cut} (time {self.cuts[cut]:g}) lies beyond cut {self.last_cut}, the last "
                f"with a censoring survival of at least {SMALLEST_CENSORING_SURVIVAL}"
            )
        if not self.used[:, cut].any():
            return cut, f"every subject is censored by time {self.cuts[cut]:g}"
        return cut, None


def build_problem(
    prediction: SurvivalPrediction,
    data: SurvivalData,
    train_time: FloatArray,
    train_event: BoolArray,
    grid: TimeGrid,
    convention: Convention,
) -> Problem:
    """Check that a prediction fits its data and grid, and compute what its metrics share.

    Raises
    ------
    InputError
        For different numbers of subjects, training outcomes of wrong shape, an unknown
        convention, or a prediction that ends before the horizon.
    """
    return problem_of(prediction, Outcomes(data, train_time, train_event, grid, convention))


def problem_of(prediction: SurvivalPrediction, outcomes: Outcomes) -> Problem:
    """Check that a prediction fits outcomes, which may have served other predictions.

    Raises
    ------
    InputError
        As `build_problem`.
    """
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
    nearest = prediction.times[
        np.minimum(
            np.searchsorted(prediction.times, grid.cuts - rounding), len(prediction.times) - 1
        )
    ]
    same = np.abs(nearest - grid.cuts) <= rounding
    cuts = np.where(same, nearest, grid.cuts)
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
