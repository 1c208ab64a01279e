"""Survival curves under proportional hazards, shared by Cox regression and DeepSurv."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survkit.types import BoolArray, FloatArray


def baseline_cumulative_hazard(
    log_risk: FloatArray, event: BoolArray, time: FloatArray, cuts: FloatArray
) -> NDArray[np.float64]:
    """Estimate the baseline cumulative hazard (Breslow 1972) and read it at the cuts, (m,).

    `log_risk` (n,) is the logarithm of each training row's hazard relative to the baseline. The
    step function is 0 before the first event, and constant from the last one on.
    """
    from sksurv.linear_model.coxph import BreslowEstimator

    estimate = BreslowEstimator().fit(np.asarray(log_risk, np.float64), event, time)
    hazard = estimate.cum_baseline_hazard_
    steps = np.concatenate([[0.0], hazard.y])
    return np.asarray(steps[np.searchsorted(hazard.x, cuts, side="right")])


def proportional_hazards_survival(
    log_risk: FloatArray, baseline: FloatArray
) -> NDArray[np.float64]:
    """Return S(t) = exp(-H0(t) exp(log_risk)), (n, m), for the cumulative hazard H0 at m times."""
    # On the log scale no risk, however large, meets a hazard of 0 as infinity times 0, and an
    # overflow of the hazard is a survival of 0.
    with np.errstate(divide="ignore", over="ignore"):
        log_hazard = np.asarray(log_risk, np.float64)[:, None] + np.log(baseline)
        return np.asarray(np.exp(-np.exp(log_hazard)))
