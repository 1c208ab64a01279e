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
    log_values : array, shape (s,), float64
        The logarithm of the hazard from each time on: where a feature orders the times the hazard
        itself may exceed the largest number.
    exact : bool
        False where it is known at the cuts of the grid alone, as in records of earlier versions.
    """

    times: NDArray[np.float64]
    log_values: NDArray[np.float64]
    exact: bool = True

    @classmethod
    def breslow(
        cls,
        log_risk: FloatArray,
        event: BoolArray,
        time: FloatArray,
        entry: FloatArray | None = None,
    ) -> Self:
        """Estimate the hazard from the training rows (Breslow 1972).

        Parameters
        ----------
        log_risk : array, shape (n,)
            Logarithm of each row's hazard relative to the baseline.
        event, time : array, shape (n,)
            Their outcomes.
        entry : array, shape (n,), optional
            From when each row is observed, as in `SurvivalData`.
        """
        times, row = np.unique(np.asarray(time, np.float64), return_inverse=True)
        order = np.argsort(row, kind="stable")
        # Of all who are at risk at each row, from the last one back.
        log_at_risk = np.logaddexp.accumulate(np.asarray(log_risk, np.float64)[order][::-1])[::-1]
        first = np.searchsorted(row[order], np.arange(len(times)))
        events = np.bincount(row, weights=event, minlength=len(times))
        rises = events > 0
        log_at_risk = log_at_risk[first[rises]]
        if entry is not None:
            log_at_risk = _log_at_risk(times[rises], np.asarray(log_risk, np.float64), time, entry)
        log_rises = np.log(events[rises]) - log_at_risk
        return cls(times[rises], np.asarray(np.logaddexp.accumulate(log_rises), np.float64))

    def log_at(self, times: ArrayLike) -> NDArray[np.float64]:
        """Return the logarithm of the hazard at any times; constant from the last event on."""
        steps = np.searchsorted(self.times, np.asarray(times, np.float64), side="right")
        return np.asarray(np.concatenate([[-np.inf], self.log_values])[steps])

    def knots(self, grid: TimeGrid) -> Knots:
        """Return the knots of the survival curves that follow from it, up to the horizon."""
        if not self.exact:
            return grid.knots
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
        survival = proportional_hazards_survival(log_risk, self.log_at(asked))
        step = not at_cuts and holds_steps(asked, self.times)
        return SurvivalPrediction(asked, survival, step=step)

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Return times and logarithms of values by name."""
        return {"times": self.times, "log_values": self.log_values}

    @classmethod
    def from_state(cls, state: Any, cuts: FloatArray) -> Self:
        """Rebuild what `state` returned, or what earlier versions kept.

        These kept the values themselves, or no more than the values at the cuts.
        """
        if not isinstance(state, Mapping):
            return cls(np.asarray(cuts), _log(state), exact=False)
        kept = state.get("log_values")
        log_values = _log(state["values"]) if kept is None else np.asarray(kept)
        return cls(np.asarray(state["times"]), log_values)


def _log_at_risk(
    times: FloatArray, log_risk: FloatArray, time: FloatArray, entry: FloatArray
) -> NDArray[np.float64]:
    """Return the log of the summed risks of those at risk at each time, shape (k,).

    Each sum is taken by itself: a difference of sums over all rows would lose small ones.
    """
    start = np.where(entry > 0, entry, -np.inf)
    at_risk = ((start < now) & (now <= time) for now in times)
    return np.array([np.logaddexp.reduce(log_risk[rows]) for rows in at_risk])


def _log(values: Any) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.asarray(values, np.float64)))


def proportional_hazards_survival(
    log_risk: FloatArray, log_baseline: FloatArray
) -> NDArray[np.float64]:
    """Return S(t) = exp(-H0(t) exp(log_risk)), shape (n, m), for H0 at m times.

    Parameters
    ----------
    log_risk : array, shape (n,)
        Logarithm of each subject's hazard relative to the baseline.
    log_baseline : array, shape (m,)
        Logarithm of the cumulative baseline hazard H0, not falling; minus infinity where H0 is 0.
    """
    # On the log scale no risk, however large, meets a hazard of 0 as infinity times 0, and an
    # overflow of the hazard is a survival of 0.
    with np.errstate(over="ignore"):
        log_hazard = np.asarray(log_risk, np.float64)[:, None] + np.asarray(log_baseline)
        return np.asarray(np.exp(-np.exp(log_hazard)))
