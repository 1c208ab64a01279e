"""The Aalen-Johansen cumulative incidences of the training rows, the same for everybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from survkit.baselines.columns import FeatureColumns
from survkit.baselines.late_entry import warn_of_early_end
from survkit.metrics.censoring import not_entered
from survkit.types import (
    FitMonitor,
    FitSummary,
    Float64Array,
    FloatArray,
    IntArray,
    Knots,
    SurvivalData,
    SurvivalPrediction,
    TimeGrid,
    as_times,
    holds_steps,
)


class IncidenceCurves(NamedTuple):
    """Survival and cumulative incidences of C causes as step functions.

    Parameters
    ----------
    times : array, shape (s,), float64
        The distinct event times, increasing.
    survival : array, shape (s,), float64
        Survival from each time until the next.
    incidence : array, shape (C, s), float64
        Cumulative incidence of each cause from each time until the next.
    standard_error : array, shape (C, s), float64
        Standard error of each cumulative incidence.
    """

    times: Float64Array
    survival: Float64Array
    incidence: Float64Array
    standard_error: Float64Array

    @classmethod
    def estimate(
        cls,
        time: FloatArray,
        cause: IntArray,
        num_causes: int,
        entry: FloatArray | None = None,
    ) -> Self:
        """Estimate the curves from times (n,) and causes (n,), 1 to C and 0 where censored.

        With entries (n,) a subject is at risk at t where entry < t <= time, as in `SurvivalData`.

        scikit-survival's `cumulative_incidence_competing_risks` gives the same numbers. It needs
        events of the last cause, and memory for every pair of times where it estimates the
        variance; here both are sums over time.

        References
        ----------
        Aalen & Johansen (1978), Scandinavian Journal of Statistics 5:141; Pintilie (2006),
        Competing Risks: A Practical Perspective, equation 4.5, for Aalen's variance.
        """
        times, row = np.unique(np.asarray(time, np.float64), return_inverse=True)
        at_risk = np.cumsum(np.bincount(row)[::-1])[::-1]
        if entry is not None:
            at_risk = at_risk - not_entered(entry, times)
        rises = np.unique(row[np.asarray(cause) > 0])
        events = np.stack(
            [np.bincount(row[cause == c], minlength=len(times)) for c in range(1, num_causes + 1)]
        )
        times, at_risk, events = times[rises], at_risk[rises], events[:, rises]
        survival = np.cumprod(1 - events.sum(axis=0) / at_risk)
        before = np.concatenate([[1.0], survival[:-1]])
        incidence = np.cumsum(events / at_risk * before, axis=1)
        variance = _variance(events, at_risk, before, incidence)
        return cls(times, survival, incidence, np.sqrt(np.maximum(variance, 0.0)))  # rounding

    def interval(self, level: float = 0.95) -> tuple[Float64Array, Float64Array]:
        """Return lower and upper limits of the cumulative incidences, each (C, s), at every time.

        Pointwise, with log(-log F) normal, so that they lie in (0, 1).
        """
        inside = (self.incidence > 0) & (self.incidence < 1)
        log = np.log(np.where(inside, self.incidence, 0.5))
        spread = ndtri(0.5 + level / 2) * self.standard_error / (np.exp(log) * log)  # below 0
        with np.errstate(over="ignore"):  # to 0
            lower, upper = (np.exp(log * np.exp(sign * spread)) for sign in (-1, 1))
        return np.where(inside, lower, self.incidence), np.where(inside, upper, self.incidence)

    def at(self, times: ArrayLike) -> tuple[Float64Array, Float64Array]:
        """Return survival (k,) and incidences (C, k) at k times; constant from the last event."""
        step = np.searchsorted(self.times, np.asarray(times, np.float64), side="right")
        none = np.zeros((len(self.incidence), 1))
        survival = np.concatenate([[1.0], self.survival])
        return survival[step], np.concatenate([none, self.incidence], axis=1)[:, step]


def _variance(
    events: NDArray[np.int64], at_risk: NDArray[np.int64], before: Float64Array, f: Float64Array
) -> Float64Array:
    """Return Aalen's variance of the incidences f, all (C, s); its squares are multiplied out."""
    every, n = events.sum(axis=0), at_risk.astype(np.float64)

    def ratio(above: FloatArray, below: FloatArray) -> Float64Array:
        shape = np.broadcast_shapes(np.shape(above), np.shape(below))
        return np.divide(above, below, out=np.zeros(shape), where=np.broadcast_to(below > 0, shape))

    a = ratio(every, (n - 1) * (n - every))
    of_cause = events * (n - events)
    b = of_cause * ratio(before**2, (n - 1) * n**2)
    c = of_cause * ratio(before, n * (n - every) * (n - 1))
    squares = f**2 * np.cumsum(a) - 2 * f * np.cumsum(f * a, axis=1) + np.cumsum(f**2 * a, axis=1)
    products = f * np.cumsum(c, axis=1) - np.cumsum(f * c, axis=1)
    return np.asarray(squares + np.cumsum(b, axis=1) - 2 * products)


class AalenJohansen:
    """Predicts the Aalen-Johansen curves of the training rows for every subject.

    The counterpart of `KaplanMeier` for competing causes, and equal to it where there is one
    cause: it ranks nobody, and what another model gains over it is what the features are worth.
    The curves are step functions of the raw times, which `predict` reads at any time: at the cuts
    of the grid by default. Beyond the last training time they stay where they are.

    Parameters
    ----------
    grid : TimeGrid
        The cuts at which curves are predicted by default; its horizon is the last time.

    References
    ----------
    Aalen & Johansen (1978), Scandinavian Journal of Statistics 5:141.
    """

    def __init__(self, *, grid: TimeGrid) -> None:
        self.grid = grid
        self.fit_summary = FitSummary()

    def fit(
        self, train: SurvivalData, validation: SurvivalData, *, monitor: FitMonitor | None = None
    ) -> Self:
        """Estimate the curves on the training rows, with or without events of each cause."""
        self.columns = FeatureColumns.of(train, takes_entry=True)
        cause = train.event.astype(np.int64) if train.cause is None else train.cause
        time = self.grid.snap(train.time)
        entry = self.grid.snap_entry(train.entry, time)
        self.curves = IncidenceCurves.estimate(time, cause, train.num_causes, entry)
        if entry is not None:
            warn_of_early_end(time, train.event, entry, "aalen_johansen", monitor)
        return self

    @property
    def knots(self) -> Knots:
        """The training event times, at which the curves move, and the horizon."""
        times = self.curves.times
        return Knots(self.grid.cuts[-1:], times[times <= self.grid.horizon])

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict for features of shape (n, p), at the grid's cuts or at other times."""
        self.columns.check(features)
        asked = self.grid.cuts if times is None else as_times(times, self.grid.horizon)
        step = times is not None and holds_steps(asked, self.curves.times)
        survival, incidence = self.curves.at(asked)
        several = len(incidence) > 1
        return SurvivalPrediction(
            asked,
            np.tile(survival, (len(features), 1)),
            step=step,
            cumulative_incidence=np.tile(incidence, (len(features), 1, 1)) if several else None,
        )

    def state(self) -> dict[str, Any]:
        """Return the fitted model as arrays and plain values."""
        return {
            "model": "aalen_johansen",
            "cuts": self.grid.cuts,
            "floor": self.grid.floor,
            "columns": self.columns.state(),
            "curves": self.curves._asdict(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a fitted model from what `state` returned."""
        model = cls(grid=TimeGrid(np.asarray(state["cuts"]), state["floor"]))
        model.columns = FeatureColumns.from_state(state["columns"])
        curves = {name: np.asarray(values) for name, values in state["curves"].items()}
        model.curves = IncidenceCurves(**curves)
        return model
