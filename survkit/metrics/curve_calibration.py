"""Calibration of whole curves: D-calibration, and the mean curve against Kaplan-Meier."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from survkit.metrics.bootstrap import once_each
from survkit.metrics.brier import integration_weights
from survkit.types import BoolArray, FloatArray

BINS = 10


def survival_bounds(
    survival: FloatArray, times: FloatArray, time: FloatArray, event: BoolArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bounds of the predicted survival at each subject's own event time.

    On a grid an event in (times[k-1], times[k]] is known to lie between S(times[k]) and
    S(times[k-1]); read as a step function alone, every event would take the upper value, and the
    first interval's events would all look like survival 1. A subject censored at C lies between
    0 and S(C).

    Parameters
    ----------
    survival : array, shape (n, t)
        Predicted survival.
    times : array, shape (t,)
        Its times.
    time, event : array, shape (n,)
        The outcomes.

    Returns
    -------
    lower, upper : array, shape (n,), float64
    """
    n = len(time)
    padded = np.column_stack([np.ones(n), survival, np.zeros(n)])
    rows = np.arange(n)
    interval = np.searchsorted(times, time, side="left")
    step = np.searchsorted(times, time, side="right")
    lower = np.where(event, padded[rows, interval + 1], 0.0)
    upper = np.where(event, padded[rows, interval], padded[rows, step])
    return lower, upper


def d_calibration_histogram(lower: FloatArray, upper: FloatArray) -> NDArray[np.float64]:
    """Spread each subject uniformly over the bins of survival between its bounds.

    Parameters
    ----------
    lower, upper : array, shape (n,)
        From `survival_bounds`. Where they are equal the subject counts in one bin.

    Returns
    -------
    array, shape (10,), float64
        Subjects by survival in [0, 0.1), ..., [0.9, 1]; sums to n.
    """
    edges = np.linspace(0.0, 1.0, BINS + 1)
    width = upper - lower
    overlap = np.minimum(edges[1:], upper[:, None]) - np.maximum(edges[:-1], lower[:, None])
    share = np.zeros((len(lower), BINS))
    spread = width > 0
    np.divide(np.maximum(overlap, 0.0), width[:, None], out=share, where=spread[:, None])
    points = np.clip(np.searchsorted(edges, upper, side="right") - 1, 0, BINS - 1)
    share[np.flatnonzero(~spread), points[~spread]] = 1.0
    return np.asarray(share.sum(axis=0))


def d_calibration(lower: FloatArray, upper: FloatArray) -> float:
    """p-value of the chi-square test that survival at the own event time is uniform.

    Spreading subjects over bins makes the test conservative: p is larger than uniform under
    calibration.

    Parameters
    ----------
    lower, upper : array, shape (n,)
        From `survival_bounds`.

    References
    ----------
    Haider, Hoehn, Davis & Greiner (2020), Journal of Machine Learning Research 21(85), section
    3.5 and appendix B; Czado, Gneiting & Held (2009), Biometrics 65:1254, for intervals.
    """
    histogram = d_calibration_histogram(lower, upper)
    expected = len(lower) / BINS
    return float(chdtrc(BINS - 1, ((histogram - expected) ** 2 / expected).sum()))


def km_calibration(
    survival: FloatArray,
    cuts: FloatArray,
    time: FloatArray,
    event: BoolArray,
    counts: FloatArray | None = None,
) -> NDArray[np.float64]:
    """Mean squared distance over time of the mean predicted curve from Kaplan-Meier.

    The trapezoid integral over the cuts, divided by their length.

    Parameters
    ----------
    survival : array, shape (n, k)
        Predicted survival at the cuts.
    cuts : array, shape (k,)
        Increasing times from 0 to the end of the comparison.
    time, event : array, shape (n,)
        The outcomes from which Kaplan-Meier is estimated; after the last one its value holds.
    counts : array, shape (b, n), optional
        How often each subject is drawn; once each where not given (b = 1).

    Returns
    -------
    array, shape (b,), float64
        In [0, 1]; 0 is perfect.

    References
    ----------
    Qi, Sun & Greiner (2023), SurvivalEVAL, AAAI Fall Symposium: `km_calibration`, there on the
    event times, here on the cuts.
    """
    counts = once_each(len(time)) if counts is None else counts
    mean = (counts @ survival.astype(counts.dtype)) / counts.sum(axis=1, keepdims=True)
    gap = (mean - _kaplan_meier_at(cuts, time, event, counts)) ** 2
    return np.asarray(gap @ integration_weights(cuts))


def _kaplan_meier_at(
    cuts: FloatArray, time: FloatArray, event: BoolArray, counts: FloatArray
) -> NDArray[np.float64]:
    """Kaplan-Meier at the cuts in every resample, shape (b, k)."""
    event_times = np.unique(time[event])
    if len(event_times) == 0:
        return np.ones((len(counts), len(cuts)))
    order = np.argsort(time[event], kind="stable")
    starts = np.searchsorted(time[event][order], event_times)
    events = np.add.reduceat(counts[:, np.flatnonzero(event)[order]], starts, axis=1)
    order = np.argsort(time)
    before = np.zeros((len(counts), len(time) + 1))
    np.cumsum(counts[:, order], axis=1, out=before[:, 1:])
    at_risk = before[:, -1:] - before[:, np.searchsorted(time[order], event_times)]
    # A resample may have nobody left at a time: no event there either, so the curve stays.
    hazard = np.divide(events, at_risk, out=np.zeros_like(at_risk), where=at_risk > 0)
    curve = np.ones((len(counts), len(event_times) + 1))
    np.cumprod(1 - hazard, axis=1, out=curve[:, 1:])
    return np.asarray(curve[:, np.searchsorted(event_times, cuts, side="right")])
