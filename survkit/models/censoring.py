"""Models of censoring, for weights that make up for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, Protocol, Self, get_args

import numpy as np
from numpy.typing import NDArray

from survkit.baselines.coxph import CoxPH
from survkit.metrics.censoring import SurvivalStep, censoring_distribution
from survkit.metrics.conformal_bounds import CensoringCurves
from survkit.types import InputError, SurvivalData, TimeGrid

CensoringMethod = Literal["kaplan_meier", "coxph"]


class CensoringModel(Protocol):
    """Predicts the distribution of censoring times."""

    problem: str
    """Why the fit is no optimum; "" where it is."""

    def curves(self, features: NDArray[np.float32]) -> CensoringCurves:
        """Return G(t | x) for features (n, p)."""

    def state(self) -> dict[str, Any]:
        """Return the fitted model as arrays and plain values."""


class SameForAll:
    """Censoring that does not depend on the features: Kaplan-Meier.

    Parameters
    ----------
    curve : SurvivalStep
        G, from `censoring_distribution`.
    """

    problem = ""

    def __init__(self, curve: SurvivalStep) -> None:
        self.curve = curve

    def curves(self, features: NDArray[np.float32]) -> CensoringCurves:
        """Return the same curve for each row."""
        shape = (len(features), len(self.curve.values))
        return CensoringCurves(self.curve.times, np.broadcast_to(self.curve.values, shape))

    def state(self) -> dict[str, Any]:
        """Return the curve."""
        return {"times": self.curve.times, "values": self.curve.values}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild what `state` returned."""
        return cls(SurvivalStep(np.asarray(state["times"]), np.asarray(state["values"])))


class CoxCensoring:
    """Censoring that depends on the features: a Cox regression whose events are the censorings.

    Parameters
    ----------
    cox : CoxPH
        The fitted regression.
    end : float
        When nobody is observed any longer: G is 0 from there on.
    """

    def __init__(self, cox: CoxPH, end: float) -> None:
        self.cox = cox
        self.end = end
        summary = cox.fit_summary
        self.problem = "" if summary.converged in (True, None) else summary.convergence_reason

    def curves(self, features: NDArray[np.float32]) -> CensoringCurves:
        """Return the predicted curves at the censoring times of the rows that it was fitted on."""
        steps = self.cox.knots.steps
        values = self.cox.predict(features, steps).survival
        return CensoringCurves(
            np.append(steps, self.end), np.column_stack([values, np.zeros(len(values))])
        )

    def state(self) -> dict[str, Any]:
        """Return the regression."""
        return {"cox": self.cox.state(), "end": self.end}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild what `state` returned."""
        return cls(CoxPH.from_state(state["cox"]), state["end"])


def fit_censoring(method: CensoringMethod, data: SurvivalData, grid: TimeGrid) -> CensoringModel:
    """Estimate the distribution of censoring times.

    At a tied time events come first: they are no longer at risk of being censored. The regression
    leaves out those who are censored at the last time of all: the end of a study comes for
    everybody, whatever the features.

    Parameters
    ----------
    method : {"kaplan_meier", "coxph"}
        Without or with the features.
    data : SurvivalData
        The rows to estimate it from.
    grid : TimeGrid
        Its horizon is the last time.

    Raises
    ------
    InputError
        For another method, or a Cox regression where nobody is censored or that cannot be fitted.
    """
    if method not in get_args(CensoringMethod):
        raise InputError(f"conformal_censoring is '{method}'; it must be kaplan_meier or coxph")
    if method == "kaplan_meier":
        return SameForAll(censoring_distribution(data.time, data.event))
    end = float(data.time.max())
    censored = ~data.event & (data.time < end)
    if not censored.any():
        raise InputError(
            "--conformal_censoring coxph: nobody is censored before the last time, so there is "
            "nothing to regress; use kaplan_meier"
        )
    # Just before its time an event leaves those at risk of being censored then.
    time = np.where(data.event, np.nextafter(data.time, 0.0), data.time)
    flipped = replace(data, time=time, event=censored, true_time=None)
    return CoxCensoring(CoxPH(grid=grid).fit(flipped, flipped), end)


def rebuild_censoring(state: Mapping[str, Any]) -> CensoringModel:
    """Rebuild a model of censoring from what its `state` returned."""
    return CoxCensoring.from_state(state) if "cox" in state else SameForAll.from_state(state)
