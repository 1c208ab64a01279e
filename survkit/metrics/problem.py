"""What metrics share: outcomes with their weights, and one prediction of them at the cuts."""

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
    censoring_distribution,
    censoring_weights,
    weights_at_cuts,
)
from survkit.metrics.concordance import ComparablePairs, comparable_pairs
from survkit.metrics.point_error import PseudoObservations, pseudo_observations
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
class Outcomes:
    """Outcomes of n subjects on a time grid, and the training outcomes that weigh them.

    Everything that depends on these alone is computed on first use and kept. Scoring the same
    split again, as every epoch does, then costs only what depends on the prediction.

    Parameters
    ----------
    data : SurvivalData
        The outcomes.
    train_time, train_event : array, shape (n_train,)
        Outcomes of the training rows: they alone estimate censoring and pseudo-observations.
    grid : TimeGrid
        The time grid of the metrics over time.
    convention : {"standard", "published"}
        See `censoring_weights`.

    Raises
    ------
    InputError
        When first used: for training outcomes of wrong shape or an unknown convention.
    """

    data: SurvivalData
    train_time: FloatArray
    train_event: BoolArray
    grid: TimeGrid
    convention: Convention = "standard"

    @cached_property
    def censoring(self) -> SurvivalStep:
        """G, from the training rows."""
        return censoring_distribution(self.train_time, self.train_event)

    @cached_property
    def weights(self) -> CensoringWeights:
        """Weights under the chosen convention."""
        return censoring_weights(
            self.data.time, self.data.event, self.grid.cuts, self.censoring, self.convention
        )

    @cached_property
    def at_cuts(self) -> NDArray[np.float64]:
        """Weight of each subject at cuts 0..K, shape (n, K + 1)."""
        return weights_at_cuts(self.data.time, self.grid.cuts, self.weights)

    @cached_property
    def happened(self) -> BoolArray:
        """Whether the event was at or before cuts 0..K, shape (n, K + 1)."""
        upto = self.grid.cuts[: self.weights.last_cut + 1]
        return self.data.event[:, None] & (self.data.time[:, None] <= upto)

    @cached_property
    def event_class(self) -> NDArray[np.int64]:
        """Class of each subject's time on the grid, shape (n,)."""
        return self.grid.classify(self.data.time)

    @cached_property
    def used(self) -> BoolArray:
        """Whether each subject carries weight at cuts 0..K, shape (n, K + 1)."""
        return self.at_cuts > 0

    @cached_property
    def pairs(self) -> ComparablePairs:
        """All comparable pairs."""
        return comparable_pairs(self.data.time, self.data.event)

    @cached_property
    def pseudo(self) -> PseudoObservations | None:
        """See `pseudo_observations`; None where no training row has an event after time 0."""
        event = np.asarray(self.train_event, dtype=np.bool_)
        time = np.asarray(self.train_time)
        if not (event & (time > 0)).any():
            return None
        return pseudo_observations(self.data.time, self.data.event, time, event)

    def weighed_from(self, first_cut: int) -> tuple[int, float]:
        """Count the subjects with weight at some cut from this one to K; and the largest weight."""
        if first_cut not in self._weighed:
            subjects = int(np.count_nonzero(self.used[:, first_cut:].any(axis=1)))
            self._weighed[first_cut] = subjects, float(self.at_cuts[:, first_cut:].max())
        return self._weighed[first_cut]

    @cached_property
    def _weighed(self) -> dict[int, tuple[int, float]]:
        return {}


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
    def median(self) -> NDArray[np.float64]:
        """Predicted median times, shape (n,)."""
        return self.prediction.median()

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
        return self.outcomes.data.time

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
