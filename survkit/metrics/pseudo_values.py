"""Pseudo-values of the probability of an event by one time, which censored subjects have too."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.censoring import life_table
from survkit.types import FloatArray, IntArray


def pseudo_values(
    time: FloatArray, cause: IntArray, at: float, number: int | None = None
) -> NDArray[np.float64]:
    """Jackknife pseudo-values of the cumulative incidence of a cause at one time.

    With F the Aalen-Johansen estimate from all n rows and F_i that without row i, the pseudo-value
    of row i is n F - (n - 1) F_i. Without censoring it is 1 for a row with the event by then and 0
    for any other; with censoring that does not depend on the features, its mean given the features
    is the probability of the event given them. All rows take one pass over the times, not n.

    Parameters
    ----------
    time, cause : array, shape (n,)
        Times of event or censoring, and the cause of each event: 1 and up, 0 for censoring.
    at : float
        The time.
    number : int, optional
        The cause, from 1; an event of any cause where not given, so that F is 1 minus
        Kaplan-Meier.

    Returns
    -------
    array, shape (n,), float64
        It may lie outside [0, 1].

    References
    ----------
    Andersen, Klein & Rosthoj (2003), Biometrika 90:15; Klein & Andersen (2005), Biometrics 61:223,
    for competing risks.
    """
    time, cause = np.asarray(time, dtype=np.float64), np.asarray(cause)
    own = cause > 0 if number is None else cause == number
    times, events, at_risk, _ = life_table(time, cause > 0)
    place = np.searchsorted(times, time)
    of_cause = np.bincount(place, weights=own, minlength=len(times))
    last = int(np.searchsorted(times, at, side="right"))
    events, at_risk, of_cause = events[:last], at_risk[:last], of_cause[:last]
    before = _entering(1 - events / at_risk)
    rises = before[:-1] * of_cause / at_risk
    # Up to a row's own time one subject fewer is at risk; there is another, as it is still there.
    fewer = np.maximum(at_risk - 1, 1)
    before_without = _entering(1 - np.minimum(events / fewer, 1.0))
    risen_without = _sums(before_without[:-1] * of_cause / fewer)
    place = np.minimum(place, last)
    without = risen_without[place]
    reached = np.flatnonzero(place < last)
    row = place[reached]
    left_events = events[row] - (cause[reached] > 0)
    without[reached] += before_without[row] * (of_cause[row] - own[reached]) / fewer[row]
    # After it the rows at risk are those of the whole sample.
    later = rises.sum() - _sums(rises)[row + 1]
    survivors = before_without[row] * (1 - left_events / fewer[row])
    share = np.divide(survivors, before[row + 1], out=np.zeros(len(row)), where=before[row + 1] > 0)
    without[reached] += share * later
    n = len(time)
    return np.asarray(n * rises.sum() - (n - 1) * without)


def _entering(factors: FloatArray) -> NDArray[np.float64]:
    """Return the product of all factors before each of k + 1 places."""
    return np.concatenate([[1.0], np.cumprod(factors)])


def _sums(values: FloatArray) -> NDArray[np.float64]:
    """Return the sum of all values before each of k + 1 places."""
    return np.concatenate([[0.0], np.cumsum(values)])
