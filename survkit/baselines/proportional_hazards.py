"""Survival curves under proportional hazards, shared by Cox regression and DeepSurv."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survkit.types import BoolArray, FloatArray


def baseline_cumulative_hazard(
    log_risk: FloatArray, event: BoolArray, time: FloatArray, cuts: FloatArray
) -> NDArray[np.float64]:
    """Estimate the baseline cumulative hazard (Breslow 1972) and read it at the cuts.

    Parameters
    ----------
    log_risk : array, shape (n,)
        Logarithm of each training row's hazard relative to the baseline.
    event, time : array, shape (n,)
        Outcomes of the training rows, on their own time scale.
    cuts : array, shape (m,)
        Times at which the step function is read.

    Returns
    -------
    array, shape (m,), float64
        0 before the first event; constant from the last one on.
    """
    from sksurv.linear_model.coxph import BreslowEstimator

    estimate = BreslowEstimator().fit(np.asarray(log_risk, np.float64), event, time)
    hazard = estimate.cum_baseline_hazard_
    steps = np.concatenate([[0.0], hazard.y])
    return np.asarray(steps[np.searchsorted(hazard.x, cuts, side="right")])


def proportional_hazards_survival(
    log_risk: FloatArray, baseline: FloatArray
) -> NDArray[np.float64]:
    """Return S(t) = exp(-H0(t) exp(log_risk)), shape (n, m), for H0 at m times.

    Parameters
    ----------
    log_risk : array, shape (n,)
        Logarithm of each subject's hazard relative to the baseline.
    baseline : array, shape (m,)
        Cumulative baseline hazard H0, at least 0 and not falling.
    """
    # On the log scale no risk, however large, meets a hazard of 0 as infinity times 0, and an
    # overflow of the hazard is a survival of 0.
    with np.errstate(divide="ignore", over="ignore"):
        log_hazard = np.asarray(log_risk, np.float64)[:, None] + np.log(baseline)
        return np.asarray(np.exp(-np.exp(log_hazard)))
