"""Kaplan-Meier and Aalen-Johansen curves with their intervals, as figures show them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from sksurv.nonparametric import kaplan_meier_estimator

from survkit.baselines.aalen_johansen import IncidenceCurves
from survkit.pages.palette import GREY
from survkit.types import BoolArray, FloatArray, IntArray, SurvivalData


class ObservedCurve(NamedTuple):
    """A step function from time 0 to the last time, values (T,) at times (T,), and 95 % limits."""

    times: NDArray[np.float64]
    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def complement(self) -> ObservedCurve:
        """The curve of 1 minus the values: the probability of an event for survival."""
        return ObservedCurve(self.times, 1.0 - self.value, 1.0 - self.high, 1.0 - self.low)

    def draw(self, axes: Axes, *, label: str, band: bool = True, **line: Any) -> None:
        """Draw the steps, and the interval where wanted; grey unless `line` has another style."""
        look = {"color": GREY, "linewidth": 1.2, **line}
        axes.step(self.times, self.value, where="post", label=label, **look)
        if band:
            shade = {"color": look["color"], "alpha": 0.2, "linewidth": 0}
            axes.fill_between(self.times, self.low, self.high, step="post", **shade)


def kaplan_meier_curve(
    time: FloatArray, event: BoolArray, entry: FloatArray | None = None
) -> ObservedCurve:
    """Estimate survival, with its log-log interval.

    Parameters
    ----------
    time, event : array, shape (n,)
        The outcomes; event is True where the event was seen.
    entry : array, shape (n,), optional
        From when each subject is observed.
    """
    if entry is not None:  # for one cause Aalen-Johansen is 1 minus Kaplan-Meier
        return aalen_johansen_curve(time, np.asarray(event, np.int64), 1, entry).complement
    times, survival, interval = kaplan_meier_estimator(event, time, conf_type="log-log")
    return ObservedCurve(
        np.concatenate([[0.0], times]),
        np.concatenate([[1.0], survival]),
        *np.column_stack([[1.0, 1.0], interval]),
    )


def aalen_johansen_curve(
    time: FloatArray, cause: IntArray, number: int, entry: FloatArray | None = None
) -> ObservedCurve:
    """Estimate the cumulative incidence of a cause, with its log-log interval.

    Parameters
    ----------
    time, cause : array, shape (n,)
        The outcomes; cause is 0 for the censored ones.
    number : int
        The cause, from 1.
    entry : array, shape (n,), optional
        From when each subject is observed.
    """
    curves = IncidenceCurves.estimate(time, cause, max(int(cause.max()), number), entry)
    times = np.unique(np.concatenate([[0.0], curves.times, [np.max(time)]]))
    of_cause = np.stack([curves.incidence[number - 1], *(e[number - 1] for e in curves.interval())])
    step = np.searchsorted(curves.times, times, side="right")
    return ObservedCurve(times, *np.column_stack([np.zeros(3), of_cause])[:, step])


def survival_of(data: SurvivalData) -> ObservedCurve:
    """Return the Kaplan-Meier curve of subjects, for an event of any cause."""
    return kaplan_meier_curve(data.time, data.event, data.entry)


def incidence_of(data: SurvivalData, cause: int) -> ObservedCurve:
    """Return the Aalen-Johansen curve of a cause, from 1, among subjects with competing causes."""
    assert data.cause is not None
    return aalen_johansen_curve(data.time, data.cause, cause, data.entry)
