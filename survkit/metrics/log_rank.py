"""The log-rank test of whether groups have the same survival."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.censoring import not_entered
from survkit.types import BoolArray


class LogRank(NamedTuple):
    """The log-rank statistic, its degrees of freedom and its p value."""

    chi_square: float
    degrees: int
    p: float


def log_rank_test(
    time: NDArray[np.float64],
    event: BoolArray,
    group: NDArray[np.int64],
    entry: NDArray[np.float64] | None = None,
) -> LogRank | None:
    """Test whether groups have the same survival.

    Parameters
    ----------
    time, event : array, shape (n,)
        Times of event or censoring, and whether the event was seen.
    group : array, shape (n,), int64
        Number of each subject's group, from 0.
    entry : array, shape (n,), optional
        From when each subject is observed.

    Returns
    -------
    LogRank or None
        None where fewer than two groups have anybody at risk at an event. Such a group has no
        part in the test, as in R's survdiff.

    References
    ----------
    Mantel (1966), Cancer Chemotherapy Reports 50:163; Kalbfleisch & Prentice (2002), section 1.4.
    """
    from scipy.special import chdtrc  # takes longer to import than all of numpy

    at = np.unique(time[event])
    groups = np.unique(group)
    sorted_times = [np.sort(time[group == g]) for g in groups]
    at_risk = np.stack([len(own) - np.searchsorted(own, at) for own in sorted_times])
    if entry is not None:
        at_risk = at_risk - np.stack([not_entered(entry[group == g], at) for g in groups])
    events = np.stack([_counts(time[event & (group == g)], at) for g in groups])
    used = at_risk.sum(axis=1) > 0  # the rest left before the first event
    if used.sum() < 2:
        return None
    at_risk, events = at_risk[used].astype(np.float64), events[used].astype(np.float64)
    n, d = at_risk.sum(axis=0), events.sum(axis=0)
    share = at_risk / n
    spread = d * np.divide(n - d, n - 1, out=np.zeros(len(n)), where=n > 1)
    difference = (events - d * share).sum(axis=1)
    covariance = np.diag(share @ spread) - (share * spread) @ share.T
    # The differences sum to 0, so one group is redundant.
    difference, covariance = difference[:-1], covariance[:-1, :-1]
    if np.linalg.matrix_rank(covariance) < len(difference):
        return None
    chi_square = float(difference @ np.linalg.solve(covariance, difference))
    degrees = len(difference)
    return LogRank(chi_square, degrees, float(chdtrc(degrees, chi_square)))


def _counts(times: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.bincount(np.searchsorted(at, times), minlength=len(at))
