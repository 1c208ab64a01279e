"""Calibration of whole curves: D-calibration, and mean curves against nonparametric ones.

There is no D-calibration of a cause. Its uniform variable is F_c(T) / F_c(infinity) of those who
ever have the event (Alberge et al. 2026, AISTATS, PMLR 300:1837), and F_c(infinity) is unknown to a
model that ends at a horizon. With F_c(horizon) in its place, and censored subjects counted in
parts, a p-value would have no known level.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.bootstrap import once_each
from survkit.metrics.brier import integration_weights
from survkit.metrics.calibration import BINS
from survkit.metrics.classes import survival_entering
from survkit.types import BoolArray, FloatArray, IntArray


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
    survival, times : array, shape (n, t) and (t,)
        Predicted survival and its times.
    time, event : array, shape (n,)
        The outcomes.

    Returns
    -------
    lower, upper : array, shape (n,), float64
    """
    interval = np.searchsorted(times, time, side="left")
    step = np.searchsorted(times, time, side="right")
    lower = np.where(event, survival_entering(survival, interval + 1), 0.0)
    upper = survival_entering(survival, np.where(event, interval, step))
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
    from scipy.special import chdtrc  # takes longer to import than all of numpy

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
    sums = counts @ survival.astype(counts.dtype, copy=False)
    mean = sums / counts.sum(axis=1, keepdims=True)
    gap = (mean - _kaplan_meier_at(cuts, time, event, counts)) ** 2
    return np.asarray(gap @ integration_weights(cuts))


def aj_calibration(
    incidence: FloatArray,
    cuts: FloatArray,
    time: FloatArray,
    cause: IntArray,
    counts: FloatArray | None = None,
) -> NDArray[np.float64]:
    """Mean squared distance over time of mean predicted incidences from Aalen-Johansen.

    The counterpart of `km_calibration` for each of C competing causes.

    Parameters
    ----------
    incidence : array, shape (n, C, k)
        Predicted cumulative incidences at the cuts.
    cuts : array, shape (k,)
        Increasing times from 0 to the end of the comparison.
    time, cause : array, shape (n,)
        The outcomes from which Aalen-Johansen is estimated; 0 is no cause but censoring.
    counts : array, shape (b, n), optional
        How often each subject is drawn; once each where not given (b = 1).

    Returns
    -------
    array, shape (b, C), float64
        In [0, 1]; 0 is perfect.

    References
    ----------
    Alberge, Haugomat, Varoquaux & Abecassis (2026), AISTATS, PMLR 300:1837, with the square that
    `km_calibration` has and without the root.
    """
    counts = once_each(len(time)) if counts is None else counts
    n, num_causes, k = incidence.shape
    sums = counts @ incidence.reshape(n, -1).astype(counts.dtype, copy=False)
    mean = (sums / counts.sum(axis=1, keepdims=True)).reshape(-1, num_causes, k)
    gap = (mean - aalen_johansen_at(cuts, time, cause, num_causes, counts)) ** 2
    return np.asarray(gap @ integration_weights(cuts))


def aalen_johansen_at(
    cuts: FloatArray,
    time: FloatArray,
    cause: IntArray,
    num_causes: int,
    counts: FloatArray | None = None,
) -> NDArray[np.float64]:
    """Aalen-Johansen estimate of the cumulative incidences at the cuts, in every resample.

    Parameters
    ----------
    cuts : array, shape (k,)
        Times of at least 0; after the last event the estimate stays as it is.
    time, cause : array, shape (n,)
        Times of event or censoring, and the cause of each event: 1 to C, 0 for censoring.
    num_causes : int
        C.
    counts : array, shape (b, n), optional
        How often each subject is drawn; once each where not given (b = 1).

    Returns
    -------
    array, shape (b, C, k), float64

    References
    ----------
    Aalen & Johansen (1978), Scandinavian Journal of Statistics 5:141.
    """
    counts = once_each(len(time)) if counts is None else counts
    curves = np.zeros((len(counts), num_causes, len(cuts)))
    table = _resampled_life_table(time, cause > 0, counts)
    if len(table.event_times) == 0:
        return curves
    # Divided by the subjects at risk, those that are left just before each event time.
    before = _surviving(table)[:-1]
    np.divide(before, table.at_risk, out=before, where=table.at_risk > 0)
    place = np.searchsorted(table.event_times, cuts, side="right")
    falls = np.zeros((len(table.event_times) + 1, len(counts)))
    for index in range(num_causes):
        rows = np.flatnonzero(cause == index + 1)
        rows = rows[np.argsort(time[rows])]
        times, starts = np.unique(time[rows], return_index=True)
        falls[:] = 0.0
        if len(rows):
            own = np.searchsorted(table.event_times, times)
            falls[own + 1] = np.add.reduceat(counts.T[rows], starts, axis=0) * before[own]
        curves[:, index] = np.cumsum(falls, axis=0)[place].T
    return curves


class _ResampledLifeTable(NamedTuple):
    """The distinct event times (u,), with the events and those at risk at each, of shape (u, b)."""

    event_times: FloatArray
    events: FloatArray
    at_risk: FloatArray


def _resampled_life_table(
    time: FloatArray, event: BoolArray, counts: FloatArray
) -> _ResampledLifeTable:
    order = np.argsort(time)
    time, drawn = time[order], counts.T[order]
    events = np.flatnonzero(event[order])
    event_times, starts = np.unique(time[events], return_index=True)
    if len(event_times) == 0:
        return _ResampledLifeTable(event_times, *np.zeros((2, 0, len(counts))))
    with_event = np.add.reduceat(drawn[events], starts, axis=0)
    # Draws from each event time to before the next are left once the later ones are over.
    between = np.add.reduceat(drawn, np.searchsorted(time, event_times), axis=0)
    at_risk = np.cumsum(between[::-1], axis=0, dtype=np.float64)[::-1]
    return _ResampledLifeTable(event_times, with_event, at_risk)


def _surviving(table: _ResampledLifeTable) -> NDArray[np.float64]:
    """Kaplan-Meier before the first event and after each, shape (u + 1, b)."""
    at_risk = table.at_risk
    curve = np.ones((len(at_risk) + 1, at_risk.shape[1]))
    # A resample may have nobody left at a time: no event there either, so the curve stays.
    np.divide(at_risk - table.events, at_risk, out=curve[1:], where=at_risk > 0)
    np.cumprod(curve, axis=0, out=curve)
    return curve


def _kaplan_meier_at(
    cuts: FloatArray, time: FloatArray, event: BoolArray, counts: FloatArray
) -> NDArray[np.float64]:
    """Kaplan-Meier at the cuts in every resample, shape (b, k)."""
    table = _resampled_life_table(time, event, counts)
    return np.asarray(_surviving(table)[np.searchsorted(table.event_times, cuts, side="right")].T)
