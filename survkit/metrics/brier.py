"""Scores at a time of the grid: Brier, accuracy, cumulative/dynamic AUC."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.bootstrap import once_each, ratio
from survkit.types import BoolArray, FloatArray


def brier_contributions(
    survival: FloatArray, happened: BoolArray, weights: FloatArray
) -> NDArray[np.float64]:
    """Return what each subject adds to the Brier score at each cut: their mean is the score.

    Parameters
    ----------
    survival : array, shape (n, k)
        Predicted survival at the cuts.
    happened : array, shape (n, k), bool
        Whether the subject's event was at or before the cut.
    weights : array, shape (n, k)
        Inverse-probability-of-censoring weights (0 after censoring); ones where nothing is
        censored.

    Returns
    -------
    array, shape (n, k), float64
        weights * S^2 after the event, weights * (1 - S)^2 before it.

    References
    ----------
    Graf et al. (1999), Statistics in Medicine 18:2529, with the left limit G(T-) of Gerds &
    Schumacher (2006), Biometrical Journal 48:1029.
    """
    contributions = survival - ~happened
    contributions *= contributions
    contributions *= weights
    return np.asarray(contributions)


def integration_weights(cuts: FloatArray) -> NDArray[np.float64]:
    """Weights of the trapezoid mean over cuts, shape (k,): they sum to 1.

    Parameters
    ----------
    cuts : array, shape (k,)
        Increasing times; a single one has weight 1.
    """
    if len(cuts) == 1:
        return np.ones(1)
    widths = np.diff(cuts) / (cuts[-1] - cuts[0])
    return np.asarray((np.append(widths, 0.0) + np.append(0.0, widths)) / 2)


def accuracy_contributions(
    survival: FloatArray, happened: BoolArray, weights: FloatArray
) -> NDArray[np.float64]:
    """Return what each subject adds to the weight of correct predictions, shape (n, k).

    Accuracy is their sum over the sum of the weights (a Hajek estimate, so that it stays in
    [0, 1]). The event is predicted by a cut where survival there is at most 1/2.

    Parameters
    ----------
    survival, happened, weights : array, shape (n, k)
        As for `brier_contributions`.
    """
    return np.asarray(weights * ((survival <= 0.5) == happened))


def cumulative_dynamic_auc(
    survival: FloatArray,
    time: FloatArray,
    event: BoolArray,
    cut: float,
    event_weight: FloatArray,
    counts: FloatArray | None = None,
) -> NDArray[np.float64]:
    """Area under the ROC curve at one time: events up to it against those at risk after it.

    Parameters
    ----------
    survival : array, shape (n,)
        Predicted survival at the cut; ties count one half.
    time, event : array, shape (n,)
        Times of event or censoring, and whether the event was seen.
    cut : float
        The time.
    event_weight : array, shape (n,)
        1/G(T-) of the events. (Those at risk share one weight, which cancels.)
    counts : array, shape (b, n), optional
        How often each subject is drawn; once each where not given (b = 1).

    Returns
    -------
    array, shape (b,), float64
        In [0, 1]; NaN without a case or without a control.

    References
    ----------
    Uno et al. (2007), Journal of the American Statistical Association 102:527; Hung & Chiang
    (2010), Canadian Journal of Statistics 38:8.
    """
    counts = once_each(len(time)) if counts is None else counts
    cases = np.flatnonzero(event & (time <= cut))
    controls = np.flatnonzero(time > cut)
    controls = controls[np.argsort(survival[controls])]
    # drawn_before[j] = how many draws are among the first j controls, by resample.
    drawn_before = np.zeros((len(controls) + 1, len(counts)), dtype=counts.dtype)
    np.cumsum(counts.T[controls], axis=0, out=drawn_before[1:])
    low = np.searchsorted(survival[controls], survival[cases], side="left")
    high = np.searchsorted(survival[controls], survival[cases], side="right")
    won = drawn_before[-1] - (drawn_before[low] + drawn_before[high]) / 2
    case_weight = counts.T[cases] * event_weight[cases, None]
    numerator = np.einsum("ib,ib->b", case_weight, won)
    return ratio(numerator, case_weight.sum(axis=0) * drawn_before[-1])
