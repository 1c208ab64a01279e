"""Survival curves under proportional hazards, shared by Cox regression and DeepSurv."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.types import (
    BoolArray,
    FloatArray,
    Knots,
    SurvivalPrediction,
    TimeGrid,
    as_times,
    holds_steps,
)


class CumulativeHazard(NamedTuple):
    """A cumulative baseline hazard: a step function, 0 before its first time.

    Parameters
    ----------
    times : array, shape (s,), float64
        The distinct event times of the training rows.
    values : array, shape (s,), float64
        The hazard from each time on.
    exact : bool
        False where it is known at the cuts of the grid alone, as in records of earlier versions.
    """

    times: NDArray[np.float64]
    values: NDArray[np.float64]
    exact: bool = True

    @classmethod
    def breslow(cls, log_risk: FloatArray, event: BoolArray, time: FloatArray) -> Self:
        """Estimate the hazard from the training rows (Breslow 1972).

        Parameters
        ----------
        log_risk : array, shape (n,)
            Logarithm of each row's hazard relative to the baseline.
        event, time : array, shape (n,)
            Their outcomes.
        """
        from sksurv.linear_model.coxph import BreslowEstimator

        estimate = BreslowEstimator().fit(np.asarray(log_risk, np.float64), event, time)
        hazard = estimate.cum_baseline_hazard_
        rises = np.diff(hazard.y, prepend=0.0) > 0
        return cls(hazard.x[rises], hazard.y[rises])

    def at(self, times: ArrayLike) -> NDArray[np.float64]:
        """Return the hazard at any times; constant from the last event on."""
        steps = np.searchsorted(self.times, np.asarray(times, np.float64), side="right")
        return np.asarray(np.concatenate([[0.0], self.values])[steps])

    def knots(self, grid: TimeGrid) -> Knots:
        """Return the knots of the survival curves that follow from it, up to the horizon."""
        if not self.exact:
            return Knots(grid.cuts, np.empty(0))
        return Knots(grid.cuts[-1:], self.times[self.times <= grid.horizon])

    def survival(
        self, log_risk: FloatArray, grid: TimeGrid, times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Return the survival curves of subjects, at the cuts or at increasing times.

        Parameters
        ----------
        log_risk : array, shape (n,)
            Logarithm of each subject's hazard relative to the baseline.
        grid : TimeGrid
            The grid whose cuts are the default, and whose horizon is the last time.
        times : array, shape (t,), optional
            Other times.

        Raises
        ------
        InputError
            For a time beyond the horizon, or times that do not increase.
        """
        at_cuts = times is None
        asked = grid.cuts if times is None else as_times(times, grid.horizon)
        if not (at_cuts or self.exact):
            return self.survival(log_risk, grid).read(asked)
        survival = proportional_hazards_survival(log_risk, self.at(asked))
        step = not at_cuts and holds_steps(asked, self.times)
        return SurvivalPrediction(asked, survival, step=step)

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Return times and values by name."""
        return {"times": self.times, "values": self.values}

    @classmethod
    def from_state(cls, state: Any, cuts: FloatArray) -> Self:
        """Rebuild what `state` returned, or what earlier versions kept: the values at the cuts."""
        if isinstance(state, Mapping):
            return cls(np.asarray(state["times"]), np.asarray(state["values"]))
        return cls(np.asarray(cuts), np.asarray(state), exact=False)


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
