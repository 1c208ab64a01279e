"""Lower bounds on survival times that hold with a stated probability.

A bound is a quantile of the predicted curve. Which quantile is decided by calibration rows, which
the model has not seen: the highest at which the estimated share of subjects who have had the event
before their bound is at most 1 minus the level. Events are weighted by the inverse probability of
not having been censored before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.curves import time_of_level
from survkit.metrics.censoring import SMALLEST_CENSORING_SURVIVAL
from survkit.types import BoolArray, FloatArray, IntArray

_ROUNDING = 1e-9
"""What 1 minus the level, times a number of subjects, may be off."""


@dataclass(frozen=True, eq=False)
class CensoringCurves:
    """G(t | x) = P(censoring time > t) of n subjects, as right-continuous step functions.

    Parameters
    ----------
    times : array, shape (s,), float64
        Increasing times of the steps.
    values : array, shape (n, s), float64
        G from each time until the next; it is 1 before the first.
    """

    times: NDArray[np.float64]
    values: NDArray[np.float64]

    def before(self, time: FloatArray) -> NDArray[np.float64]:
        """G(t-) of each subject at a time of its own, shape (n,)."""
        steps = np.searchsorted(self.times, time, side="left")
        padded = np.column_stack([np.ones(len(self.values)), self.values])
        return np.asarray(padded[np.arange(len(padded)), steps])

    def until(self, smallest: FloatArray) -> NDArray[np.float64]:
        """Return the last t with G(t-) of at least `smallest` (n,), shape (n,); infinite if all."""
        below = self.values < np.expand_dims(smallest, -1)
        if below.shape[1] == 0:
            return np.full(len(below), np.inf)
        return np.where(below.any(axis=1), self.times[np.argmax(below, axis=1)], np.inf)


class BoundCalibration(NamedTuple):
    """What calibration rows say of the quantiles of predicted curves.

    Parameters
    ----------
    scores : array, shape (k,), float64
        The different predicted probabilities 1 - S(T) that the events had come by their time,
        increasing. The quantile bound of probability q is too late for an event with a score
        below q.
    weight_below : array, shape (k + 1,), float64
        Sum of the weights of the events with a lower score than each; last, of all.
    subjects : int
        Number of calibration subjects n.
    """

    scores: NDArray[np.float64]
    weight_below: NDArray[np.float64]
    subjects: int

    def reaches(self, level: float) -> bool:
        """Whether any bound but 0 can have this level with so few subjects."""
        return bool((1 - level) * (self.subjects + 1) >= 1 - _ROUNDING)


def subjects_needed(level: float) -> int:
    """Return the fewest calibration subjects with which a level can be reached."""
    return math.ceil(1 / (1 - level) - 1 - _ROUNDING)


def calibrate_bounds(
    survival: FloatArray,
    time: FloatArray,
    event: BoolArray,
    censoring: CensoringCurves,
    *,
    horizon: float,
    subject_id: IntArray | None = None,
) -> BoundCalibration:
    """Return what calibration rows say of quantile bounds.

    An event at T weighs 1 / G(T-). Bounds end where G falls below 0.05 and at the horizon, so an
    event from there on cannot come before a bound and has no weight. A subject with several rows
    counts as one: each row by its share.

    Parameters
    ----------
    survival : array, shape (n,)
        Predicted survival of each row at its own time.
    time, event : array, shape (n,)
        The outcomes.
    censoring : CensoringCurves
        G of these rows, from others.
    horizon : float
        The latest bound.
    subject_id : array, shape (n,), optional
        The subject of each row; a row each where not given.

    References
    ----------
    Gui, Hore, Ren & Barber (2024), Biometrika 111:459, and Davidov, Feldman, Shamai, Kimmel &
    Romano (2025), ICLR, for quantiles whose level is calibrated by an estimate of miscoverage, and
    the second for right-censored data.
    """
    end = np.minimum(censoring.until(np.full(len(time), SMALLEST_CENSORING_SURVIVAL)), horizon)
    counted = event & (time < end)
    share, subjects = np.ones(len(time)), len(time)
    if subject_id is not None:
        _, of_subject, sizes = np.unique(subject_id, return_inverse=True, return_counts=True)
        share, subjects = 1.0 / sizes[of_subject], len(sizes)
    weight = share[counted] / censoring.before(time)[counted]
    scores, place = np.unique(1.0 - survival[counted], return_inverse=True)
    sums = np.bincount(place, weight, minlength=len(scores))
    return BoundCalibration(scores, np.concatenate([[0.0], np.cumsum(sums)]), subjects)


def lower_bounds(
    calibration: BoundCalibration,
    level: float,
    times: NDArray[np.float64],
    survival: NDArray[np.float64],
    censoring: CensoringCurves,
    *,
    step: bool,
) -> NDArray[np.float64]:
    """Bound the survival times of new subjects from below.

    The bound b of a subject x is the largest quantile of its curve for which
    sum_i w_i 1(T_i < b_i) + 1 / G(b- | x) <= (1 - level) (n + 1), where b_i is the same quantile
    of calibration subject i. The second term is the largest weight that the new subject's own
    event could have before b. Where G is known, the subjects are exchangeable, and censoring is
    independent of the event time given the features, P(T >= b) is at least the level: the weighted
    loss of the new subject has the expectation P(T < b), and the argument of conformal risk
    control applies to it with this bound on one loss.

    Parameters
    ----------
    calibration : BoundCalibration
        From `calibrate_bounds`.
    level : float
        In (0, 1).
    times, survival, step
        The predicted curves, (t,) and (n, t), as in `survkit.curves.curve_values`; the last time
        is the latest bound.
    censoring : CensoringCurves
        G of the new subjects.

    Returns
    -------
    array, shape (n,), float64
        0, which says nothing, where no later bound has the level.

    References
    ----------
    Angelopoulos, Bates, Fisch, Lei & Schuster (2024), ICLR, Conformal risk control, theorem 1;
    Tibshirani, Barber, Candes & Ramdas (2019), NeurIPS, for the weight of the new subject.
    """
    allowed = (1 - level) * (calibration.subjects + 1) - calibration.weight_below + _ROUNDING
    allowed = allowed[allowed >= 1]
    quantiles = np.append(calibration.scores, 1.0)
    horizon = float(times[-1])

    def quantile(index: IntArray) -> NDArray[np.float64]:
        reached = time_of_level(times, survival, 1.0 - quantiles[index], step=step)
        return np.minimum(reached, horizon)

    def limit(index: IntArray) -> NDArray[np.float64]:
        smallest = np.maximum(1.0 / allowed[index], SMALLEST_CENSORING_SURVIVAL)
        return np.minimum(censoring.until(smallest - _ROUNDING), horizon)

    # A later quantile leaves less weight to the new subject: its limit is earlier. The bound is
    # where the two meet.
    low, high = np.full(len(survival), -1), np.full(len(survival), len(allowed))
    while (high - low > 1).any():
        middle = np.clip((low + high) // 2, 0, len(allowed) - 1)
        fits = quantile(middle) <= limit(middle)
        open_ = high - low > 1
        low, high = np.where(open_ & fits, middle, low), np.where(open_ & ~fits, middle, high)
    bound = np.zeros(len(survival))
    for index in (low, high):
        valid = (index >= 0) & (index < len(allowed))
        if valid.any():
            known = np.clip(index, 0, len(allowed) - 1)
            held = np.minimum(quantile(known), limit(known))
            bound = np.where(valid, np.maximum(bound, held), bound)
    return bound
