"""scikit-survival's gradient boosting with a partial likelihood in n log n steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from sksurv.ensemble import GradientBoostingSurvivalAnalysis
from sksurv.ensemble.survival_loss import CoxPH

from survkit.baselines.coxnet import log_likelihood
from survkit.baselines.proportional_hazards import CumulativeHazard
from survkit.types import Float64Array


class _SortedCoxPH(CoxPH):  # type: ignore[misc]
    """The partial likelihood and its gradient, from sorted times.

    scikit-survival's own compare all pairs of rows: 100 trees on the 6,298 training rows of flchain
    took 116 s with them.
    """

    def __call__(self, y_true: Any, raw_prediction: Any, sample_weight: Any = None) -> float:
        log_risk = np.asarray(raw_prediction, np.float64).reshape(-1, 1)
        value = log_likelihood(log_risk, y_true["event"], y_true["time"])
        return float(-value[0] / len(log_risk))

    def gradient(
        self, y_true: Any, raw_prediction: Any, sample_weight: Any = None, **_: Any
    ) -> Float64Array:
        """Return the martingale residuals, (n,): events minus expected events."""
        log_risk = np.asarray(raw_prediction, np.float64).ravel()
        event, time = y_true["event"], y_true["time"]
        hazard = CumulativeHazard.breslow(log_risk, event, time).log_at(time)
        return np.asarray(event - np.exp(log_risk + hazard))


class CoxBoosting(GradientBoostingSurvivalAnalysis):  # type: ignore[misc]
    """`GradientBoostingSurvivalAnalysis` with that likelihood."""

    def _get_loss(self, sample_weight: Any) -> CoxPH:
        return _SortedCoxPH()
