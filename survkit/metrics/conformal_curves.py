"""Calibration of whole survival curves by conformity scores of calibration rows.

Two methods. CSD moves the quantiles of a curve in time, each by a quantile of how far it was off
on the calibration rows. CiPOT (CSD-iPOT) moves them in probability: the predicted survival at the
own event time should be uniform, so a curve's probability is replaced by the share of calibration
rows whose own is at most that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.censoring import SurvivalStep
from survkit.types import BoolArray, FloatArray

LEVELS = np.arange(1, 100) / 100
"""The probabilities at which curves are calibrated; between them they are read linearly."""

MOST_DRAWS, FEWEST_DRAWS, MOST_TIMES = 100, 10, 100_000
"""Event times that stand for a censored one, and for all calibration rows together."""

_ROUNDING = 1e-12


def ipot_percentiles(
    survival: FloatArray, event: BoolArray, levels: FloatArray = LEVELS
) -> NDArray[np.float64]:
    """Percentiles of predicted survival at the own event time, shape (k,).

    That of a row censored at C is spread evenly between 0 and S(C), as if for each of infinitely
    many copies of the row, where the paper draws them.

    Parameters
    ----------
    survival : array, shape (n,)
        Predicted survival of each calibration row at its own time.
    event : array, shape (n,)
        Whether its event was seen.
    levels : array, shape (k,)
        Increasing probabilities in (0, 1).

    Returns
    -------
    array, shape (k,), float64
        The smallest survival that at least this share of the rows does not exceed.

    References
    ----------
    Qi, Yu & Greiner (2024), NeurIPS, Toward conditional distribution calibration in survival
    prediction, section 3.
    """
    survival = np.clip(survival, 0.0, 1.0)
    spread = ~event & (survival > 0)
    values = np.unique(survival[survival > 0])
    place = np.searchsorted(values, survival)
    n, k = len(survival), len(values)
    at_once = np.bincount(place[event & (survival > 0)], minlength=k) / n
    # Rows that are spread over an interval which has not ended before each value.
    density = np.bincount(place[spread], 1.0 / survival[spread], minlength=k) / n
    slope = np.cumsum(density[::-1])[::-1]
    rises = slope * np.diff(values, prepend=0.0)
    start = np.count_nonzero(survival == 0) / n
    after = start + np.cumsum(rises + at_once)
    share = np.concatenate([[start], np.column_stack([after - at_once, after]).ravel()])
    point = np.concatenate([[0.0], np.repeat(values, 2)])
    right = np.searchsorted(share, levels - _ROUNDING, side="left")
    right = np.minimum(right, len(share) - 1)
    left = np.maximum(right - 1, 0)
    width = share[right] - share[left]
    part = np.divide(levels - share[left], width, out=np.ones(len(levels)), where=width > 0)
    return np.asarray(point[left] + np.clip(part, 0.0, 1.0) * (point[right] - point[left]))


def mapped_by_percentiles(
    survival: FloatArray, percentiles: FloatArray, levels: FloatArray = LEVELS
) -> NDArray[np.float64]:
    """Return curves (n, t) with each percentile replaced by its level.

    Between two percentiles the map is linear; it leaves 1 as it is, and 0 where no percentile
    is 0. It is monotone, so curves stay so.
    """
    points = np.concatenate([[0.0], percentiles, [1.0]])
    return np.asarray(np.interp(survival, points, np.concatenate([[0.0], levels, [1.0]])))


def completed_times(
    time: FloatArray, event: BoolArray, population: SurvivalStep
) -> NDArray[np.float64]:
    """Return event times that may have been behind each row, shape (n, draws).

    All are the row's own time where its event was seen. Of a row censored at C they are evenly
    spaced quantiles of the Kaplan-Meier curve of others, given survival beyond C. Where that curve
    does not reach 0, it ends on the straight line through (0, 1) and its last point.

    Parameters
    ----------
    time, event : array, shape (n,)
        The calibration rows.
    population : SurvivalStep
        Kaplan-Meier estimate, from the training rows.

    References
    ----------
    Qi, Yu & Greiner (2024), ICML, Conformalized survival distributions, section 4, "KM-sampling",
    there drawn at random.
    """
    draws = int(np.clip(MOST_TIMES // len(time), FEWEST_DRAWS, MOST_DRAWS))
    left = population.at(time)[:, None] * (1 - (np.arange(draws) + 0.5) / draws)
    # The first time at which the curve is at or below what is left.
    falling = -population.values
    step = np.searchsorted(falling, -left - _ROUNDING, side="left")
    end, floor = population.times[-1], population.values[-1]
    beyond = end / (1 - floor) if floor < 1 else np.inf
    line = end + (beyond - end) * (1 - left / floor) if floor > 0 else np.full(left.shape, end)
    drawn = np.where(
        step < len(population.times),
        population.times[np.minimum(step, len(population.times) - 1)],
        line,
    )
    return np.where(event[:, None], time[:, None], np.maximum(drawn, time[:, None]))


def quantile_shifts(
    quantiles: FloatArray, completed: FloatArray, levels: FloatArray = LEVELS
) -> NDArray[np.float64]:
    """Return by how much each predicted quantile is too late, shape (k,).

    For the quantile of probability p it is the value of rank ceil((1 - p) (N + 1)) among the N
    differences of predicted quantile and event time.

    Parameters
    ----------
    quantiles : array, shape (n, k)
        Predicted times by which the event has happened with each probability; may be infinite.
    completed : array, shape (n, draws)
        From `completed_times`.
    levels : array, shape (k,)
        The probabilities.

    References
    ----------
    Qi, Yu & Greiner (2024), ICML, section 4; Romano, Patterson & Candes (2019), NeurIPS.
    """
    number = completed.size
    rank = np.ceil((1 - levels) * (number + 1) - _ROUNDING).astype(np.int64)
    rank = np.clip(rank, 1, number) - 1
    late = (quantiles[:, None, j] - completed for j in range(len(levels)))
    return np.array(
        [np.partition(each, at, axis=None)[at] for each, at in zip(late, rank, strict=True)]
    )


def shifted_curves(
    quantiles: FloatArray, shifts: FloatArray, times: FloatArray, levels: FloatArray = LEVELS
) -> NDArray[np.float64]:
    """Return curves (n, t) at some times, whose quantiles (n, k) are moved earlier by the shifts.

    Quantiles that would come before 0, or before one of lower probability, are brought to it.
    Between quantiles a curve is linear, and after the last one it follows the straight line
    through (0, 1) and that point. Infinite quantiles stay so: the curve is level before them.
    """
    never = np.isinf(quantiles)
    moved = np.where(never, np.inf, np.where(never, 0.0, quantiles) - shifts)
    moved = np.maximum.accumulate(np.maximum(moved, 0.0), axis=1)
    curves = np.empty((len(quantiles), len(times)))
    survival = np.concatenate([[1.0], 1 - levels])
    for row, own in enumerate(moved):
        known = np.append(0.0, own[np.isfinite(own)])
        values = survival[: len(known)]
        if len(known) == len(survival):  # to the end of the line
            known = np.append(known, max(known[-1] / levels[-1], np.nextafter(known[-1], np.inf)))
            values = np.append(values, 0.0)
        curves[row] = np.interp(times, known, values)
    return curves
