"""What the metrics of one prediction share: survival and weights at the cuts, checked once."""

from __future__ import annotations

from dataclasses import dataclass

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
from survkit.types import (
    BoolArray,
    FloatArray,
    InputError,
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
    prediction, data, grid
        What was given.
    survival : array, shape (n, m)
        Predicted survival at the grid's cuts.
    censoring : SurvivalStep
        G, from the training rows.
    weights : CensoringWeights
        Weights under the chosen convention.
    at_cuts : array, shape (n, K + 1)
        Weight of each subject at cuts 0..K.
    happened : array, shape (n, K + 1), bool
        Whether the event was at or before the cut.
    """

    prediction: SurvivalPrediction
    data: SurvivalData
    grid: TimeGrid
    survival: NDArray[np.float64]
    censoring: SurvivalStep
    weights: CensoringWeights
    at_cuts: NDArray[np.float64]
    happened: BoolArray

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
        return self.at_cuts > 0

    def cut_at(self, percentage: int) -> tuple[int, str | None]:
        """Return the cut at a percentage of the grid, and the reason where it cannot be used."""
        cut = percentage * len(self.cuts) // 100
        if cut > self.last_cut:
            return cut, (
                f"cut {cut} (time {self.cuts[cut]:g}) lies beyond cut {self.last_cut}, the last "
                f"with a censoring survival of at least {SMALLEST_CENSORING_SURVIVAL}"
            )
        if not self.at_cuts[:, cut].any():
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
    if len(prediction) != len(data):
        raise InputError(
            f"prediction has {len(prediction)} subjects, but data has {len(data)}; they must match"
        )
    survival = survival_at_cuts(prediction, grid)
    censoring = censoring_distribution(train_time, train_event)
    weights = censoring_weights(data.time, data.event, grid.cuts, censoring, convention)
    upto = grid.cuts[None, : weights.last_cut + 1]
    return Problem(
        prediction,
        data,
        grid,
        survival,
        censoring,
        weights,
        weights_at_cuts(data.time, grid.cuts, weights),
        data.event[:, None] & (data.time[:, None] <= upto),
    )


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
    return prediction.at(np.where(same, nearest, grid.cuts))


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
    rows = np.arange(len(survival))
    padded = np.column_stack([np.ones(len(survival)), survival, np.zeros(len(survival))])
    before = padded[rows, event_class]
    return np.where(event, before - padded[rows, event_class + 1], before)
