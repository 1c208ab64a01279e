"""Baseline hazards of a mixture of Cox models: Breslow's estimator with weights, smoothed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survkit.types import BoolArray, Float64Array, FloatArray

OWN_BAND = 0.3
"""Share of a subject that starts with the component of its band of times."""

EVENTS_IN_AN_INTERVAL = 20
FEWEST_INTERVALS, MOST_INTERVALS = 5, 50
"""Intervals where their number is not given: with more of them components fit single events of a
small table, with fewer they miss the shape of the hazard in a large one."""


def start_responsibilities(time: FloatArray, components: int) -> Float64Array:
    """Return what each component has to do with each subject before anything is learned, (n, K).

    Component k leans to the subjects of the k-th of K equal parts in the order of time, so that the
    components start apart. Each row sums to 1.
    """
    rank = np.argsort(np.argsort(time, kind="stable"), kind="stable")
    own = np.eye(components)[rank * components // len(time)]
    return np.asarray(OWN_BAND * own + (1 - OWN_BAND) / components)


def interval_ends(
    time: NDArray[np.float32], event: BoolArray, intervals: int | None
) -> NDArray[np.float32]:
    """Return where the intervals of the baseline hazards end, from 0 on.

    Each ends at a quantile of the event times, so that it holds an event, and the last ends with
    the observation. Where there are fewer of them the last end is repeated.

    Parameters
    ----------
    time, event : array, shape (n,)
        Outcomes of the training rows.
    intervals : int, optional
        Number of intervals; one for each `EVENTS_IN_AN_INTERVAL` events where not given.

    Returns
    -------
    array, shape (J + 1,)
        J is `intervals`, or `MOST_INTERVALS` where not given.
    """
    length = (intervals or MOST_INTERVALS) + 1
    if intervals is None:
        wanted = int(event.sum()) // EVENTS_IN_AN_INTERVAL
        intervals = min(max(wanted, FEWEST_INTERVALS), MOST_INTERVALS)
    shares = np.arange(1, intervals) / intervals
    inside = np.unique(np.quantile(time[event], shares, method="inverted_cdf"))
    inside = inside[(inside > 0) & (inside < time[event].max())]
    ends = np.full(length, time.max(), np.float32)
    ends[: len(inside) + 1] = np.concatenate([np.zeros(1, np.float32), inside])
    return ends


def weighted_breslow(
    log_risk: Float64Array,
    log_weight: Float64Array,
    event: BoolArray,
    time: NDArray[np.float32],
    ends: NDArray[np.float32],
) -> Float64Array:
    """Estimate the hazards, constant in each interval, whose integrals are Breslow's at its end.

    Component k's cumulative baseline hazard rises at an event time t by the weight of the events at
    t over the sum of weight times hazard ratio of those at risk (Breslow 1972, with weights). Read
    linearly between the ends of the intervals it has a density, which the likelihood of an event
    under each component needs.

    Parameters
    ----------
    log_risk, log_weight : array, shape (n, K)
        Logarithms of each subject's hazard ratio and weight under each component.
    event, time : array, shape (n,)
        Their outcomes.
    ends : array, shape (J + 1,)
        As of `interval_ends` for these outcomes.

    Returns
    -------
    array, shape (K, J)
        Logarithms of the hazards.
    """
    row = np.unique(time, return_inverse=True)[1]
    order = np.argsort(row, kind="stable")
    # Of all who are at risk at each row, from the last one back.
    log_at_risk = np.logaddexp.accumulate((log_risk + log_weight)[order][::-1])[::-1]
    first = np.searchsorted(row[order], row[event])
    widths = np.diff(ends.astype(np.float64))
    held = widths > 0
    log_hazard = np.full((held.sum(), log_risk.shape[1]), -np.inf)
    interval = np.searchsorted(ends[1:], time[event])
    np.logaddexp.at(log_hazard, interval, log_weight[event] - log_at_risk[first])
    log_hazard -= np.log(widths[held])[:, None]
    repeated = np.repeat(log_hazard[-1:], len(held) - held.sum(), axis=0)
    return np.concatenate([log_hazard, repeated]).T


def log_cumulative_hazard(
    time: Float64Array, log_hazard: Float64Array, ends: Float64Array
) -> Float64Array:
    """Return the logarithms of K cumulative baseline hazards at T times, shape (K, T).

    Parameters
    ----------
    time : array, shape (T,)
        In the unit of the ends.
    log_hazard : array, shape (K, J)
        As of `weighted_breslow`.
    ends : array, shape (J + 1,)
        Where the intervals end; the last hazard has no end.
    """
    starts = ends[:-1]
    interval = np.minimum(np.searchsorted(ends[1:], time), len(starts) - 1)
    with np.errstate(divide="ignore"):
        by_end = np.logaddexp.accumulate(log_hazard + np.log(np.diff(ends)), axis=1)
        passed = np.log(time - starts[interval])
    by_start = np.column_stack([np.full(len(log_hazard), -np.inf), by_end[:, :-1]])
    return np.asarray(np.logaddexp(by_start[:, interval], log_hazard[:, interval] + passed))
