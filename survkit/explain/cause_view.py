"""One cause of a model with competing causes, as a model whose hazard can be explained.

Its curve is 1 minus the cumulative incidence of the cause, so its hazard is that of the
subdistribution (Fine & Gray 1999): subjects who had an event of another cause stay at risk, and
the hazard says how fast the probability of this cause grows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.baselines.aalen_johansen import IncidenceCurves
from survkit.metrics.censoring import life_table
from survkit.types import (
    Float64Array,
    Knots,
    SurvivalData,
    SurvivalModel,
    SurvivalPrediction,
)


class CauseView:
    """A fitted model that predicts 1 minus the cumulative incidence of one cause.

    Parameters
    ----------
    inner : SurvivalModel
        A fitted model that predicts cumulative incidences.
    cause : int
        The cause, from 1.
    """

    def __init__(self, inner: SurvivalModel, cause: int) -> None:
        self.inner = inner
        self.cause = cause
        self.grid = inner.grid
        self.fit_summary = inner.fit_summary

    @property
    def knots(self) -> Knots:
        """Those of the model."""
        return self.inner.knots

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict as the model does; parameters and errors are its own."""
        return self.inner.predict(features, times).of_cause(self.cause)


def subdistribution_hazard(data: SurvivalData, cause: int) -> Float64Array:
    """Return the cumulative hazard of a cause's subdistribution at the distinct times, shape (m,).

    It is -log(1 - F), F the Aalen-Johansen estimate of the rows.
    """
    assert data.cause is not None
    curves = IncidenceCurves.estimate(data.time, data.cause, data.num_causes, data.entry)
    _, incidence = curves.at(np.unique(data.time))
    return np.asarray(-np.log1p(-incidence[cause - 1]), dtype=np.float64)


def hazard_with_entries(data: SurvivalData) -> Float64Array:
    """Return the Nelson-Aalen cumulative hazard at the distinct times, shape (m,).

    The rows at risk are those under observation, see `SurvivalData.entry`.
    """
    _, events, at_risk, _ = life_table(data.time, data.event, data.entry)
    rises = np.divide(events, at_risk, out=np.zeros(len(events)), where=at_risk > 0)
    return np.asarray(np.cumsum(rises), dtype=np.float64)
