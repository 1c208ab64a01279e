"""Probabilities of the classes of a time grid, and of the class that each subject was seen in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survkit.types import BoolArray, FloatArray, IntArray


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


def incidence_likelihood(
    survival: FloatArray,
    incidence: FloatArray,
    cause: IntArray,
    event_class: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Likelihood of each subject's class and cause, shape (n,), with C competing causes.

    An event of cause c in class k < m has the probability that cause c has in that class. A
    censored subject, and an event beyond the horizon, where causes are not told apart, have what
    `class_likelihood` gives them.

    Parameters
    ----------
    survival, incidence : array, shape (n, m) and (n, C, m)
        Predicted survival and cumulative incidences at the grid's cuts.
    cause : array, shape (n,), int
        The cause of each event, 1 to C; 0 where the subject was censored.
    event_class : array, shape (n,), int64
        Class of each time, 0 to m.

    References
    ----------
    Lee, Zame, Yoon & van der Schaar (2018), AAAI: the first loss of DeepHit.
    """
    likelihood = class_likelihood(survival, cause > 0, event_class)
    rows = np.flatnonzero((cause > 0) & (event_class < survival.shape[1]))
    own, upto = incidence[rows, cause[rows] - 1], event_class[rows]
    before = np.where(upto > 0, own[np.arange(len(rows)), upto - 1], 0.0)
    likelihood[rows] = own[np.arange(len(rows)), upto] - before
    return likelihood


def likelihood_given_entry(
    likelihood: FloatArray,
    survival: FloatArray,
    event_class: NDArray[np.int64],
    first_class: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Likelihood of each subject's class given that it is at risk in its first class, shape (n,).

    It is 1 for those who are at risk in no class, as they had the event or were censored in the
    class of their entry, and NaN where a prediction leaves no mass to the first class and later.

    Parameters
    ----------
    likelihood : array, shape (n,)
        From `class_likelihood` or `incidence_likelihood`.
    survival : array, shape (n, m)
        Predicted survival at the grid's cuts.
    event_class, first_class : array, shape (n,), int64
        Class of each time, 0 to m, and of `TimeGrid.classify_entry`.
    """
    entering = survival_entering(survival, first_class)
    given = np.full(len(entering), np.nan)
    np.divide(likelihood, entering, out=given, where=entering > 0)
    return np.where(event_class < first_class, 1.0, given)


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
