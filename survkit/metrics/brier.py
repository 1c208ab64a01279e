"""Scores at a time of the grid: Brier, accuracy, cumulative/dynamic AUC."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.bootstrap import once_each, ratio
from survkit.types import BoolArray, FloatArray, IntArray


def brier_contributions(
    survival: FloatArray, happened: BoolArray, weights: FloatArray
) -> NDArray[np.float64]:
    """Return what each subject adds to the Brier score at each cut: their mean is the score.

    Parameters
    ----------
    survival : array, shape (n, k)
        Predicted survival at the cuts; of a cause, 1 minus its cumulative incidence.
    happened : array, shape (n, k), bool
        Whether the subject's event (of the cause) was at or before the cut.
    weights : array, shape (n, k)
        Inverse-probability-of-censoring weights (0 after censoring); ones where nothing is
        censored. An event of another cause is no censoring: it keeps its weight.

    Returns
    -------
    array, shape (n, k), float64
        weights * S^2 after the event, weights * (1 - S)^2 before it.

    References
    ----------
    Graf et al. (1999), Statistics in Medicine 18:2529, with the left limit G(T-) of Gerds &
    Schumacher (2006), Biometrical Journal 48:1029. Of a cause: Schoop, Beyersmann,
    Schumacher & Binder (2011), Biometrical Journal 53:88.
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
    case_weight = counts.T[cases] * event_weight[cases, None]
    return _area_under_roc(survival, cases, controls, case_weight, counts.T[controls])


def incidence_auc(
    incidence: FloatArray,
    happened: BoolArray,
    weights: FloatArray,
    counts: FloatArray | None = None,
) -> NDArray[np.float64]:
    """Area under the ROC curve of a cause at one time: its events up to it against all others.

    A control is free of any event at the time, or had an event of another cause by then: its own
    event can no longer come. Cases and controls have the weights of their own censoring, so those
    of the controls do not cancel.

    Parameters
    ----------
    incidence : array, shape (n,)
        Predicted cumulative incidence of the cause at the time; ties count one half.
    happened : array, shape (n,), bool
        Whether the subject had an event of the cause by then.
    weights : array, shape (n,)
        1/G(T-) of events of any cause by then, 1/G(t) of those still at risk; 0 after censoring.
    counts : array, shape (b, n), optional
        How often each subject is drawn; once each where not given (b = 1).

    Returns
    -------
    array, shape (b,), float64
        In [0, 1]; NaN without a case or without a control.

    References
    ----------
    Blanche, Dartigues & Jacqmin-Gadda (2013), Statistics in Medicine 32:5381, the second of its
    two definitions of controls.
    """
    counts = once_each(len(weights)) if counts is None else counts
    cases = np.flatnonzero(happened & (weights > 0))
    controls = np.flatnonzero(~happened & (weights > 0))
    case_weight = counts.T[cases] * weights[cases, None]
    control_weight = counts.T[controls] * weights[controls, None].astype(counts.dtype)
    return _area_under_roc(-incidence, cases, controls, case_weight, control_weight)


def _area_under_roc(
    survival: FloatArray,
    cases: IntArray,
    controls: IntArray,
    case_weight: FloatArray,
    control_weight: FloatArray,
) -> NDArray[np.float64]:
    """Share of pairs in which the case has lower survival (n,); weights (rows, b), values (b,)."""
    order = np.argsort(survival[controls])
    controls = controls[order]
    # before[j] = the weight of the first j controls, by resample.
    before = np.zeros((len(controls) + 1, control_weight.shape[1]), dtype=control_weight.dtype)
    np.cumsum(control_weight[order], axis=0, out=before[1:])
    low = np.searchsorted(survival[controls], survival[cases], side="left")
    high = np.searchsorted(survival[controls], survival[cases], side="right")
    won = before[-1] - (before[low] + before[high]) / 2
    numerator = np.einsum("ib,ib->b", case_weight, won)
    return ratio(numerator, case_weight.sum(axis=0) * before[-1])
