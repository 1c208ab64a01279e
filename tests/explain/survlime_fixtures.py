"""The paper's simulated sets with a fitted Cox model, for several test modules."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from survkit.explain import RandomSurvivalData, SurvLimeExplainer

CENTERS = {1: [0.0, 0.0, 0.0, 0.0, 0.0], 2: [4.0, -8.0, 2.0, 4.0, 2.0]}
COEFFICIENTS = {1: [1e-6, 0.1, -0.15, 1e-6, 1e-6], 2: [1e-6, -0.15, 1e-6, 1e-6, -0.1]}


class CoxSet(NamedTuple):
    """Training rows, test rows, and the Cox model of the training rows."""

    features: NDArray[np.float64]
    events: NDArray[np.bool_]
    times: NDArray[np.float64]
    test: NDArray[np.float64]
    model: Any

    def hazards(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Cumulative hazards of the Cox model, faster than scikit-survival computes them."""
        risk = np.exp(features @ self.model.coef_)
        return np.outer(risk, self.model.cum_baseline_hazard_.y)

    def explainer(self, **options: Any) -> SurvLimeExplainer:
        options = {"random_state": 0, **options}
        return SurvLimeExplainer(self.features, self.events, self.times, **options)


def cox_set(number: int, *, train: int = 900) -> CoxSet:
    data = RandomSurvivalData(
        CENTERS[number], 8, COEFFICIENTS[number], 0.9, 1e-5, 2, random_seed=number
    )
    features, times, events = data.random_survival_data(train + 100)
    kept = slice(None, train)
    model = CoxPHSurvivalAnalysis().fit(features[kept], Surv.from_arrays(events[kept], times[kept]))
    return CoxSet(features[kept], events[kept], times[kept], features[train:], model)
