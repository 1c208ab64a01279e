"""The Kaplan-Meier curve, its interval, quantiles and numbers at risk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from survkit.curves import time_of_level
from survkit.metrics.censoring import SurvivalStep, life_table
from survkit.types import BoolArray

_ROUNDING = 1e-9
"""Times that differ by less than this share are the same: 0.1 + 0.2 and 0.3, or two ways to divide
days by 365.25."""

Z = float(ndtri(0.975))
"""The normal quantile of a two-sided 95 % interval."""


class Estimate(NamedTuple):
    """A number with its 95 % interval; a bound that the data do not give is NaN or infinite."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Curve:
    """A Kaplan-Meier curve with its pointwise 95 % interval.

    Parameters
    ----------
    times : array, shape (u,), float64
        Increasing distinct times of the subjects, of events and of censoring.
    survival, low, high : array, shape (u,), float64
        Survival from each time until the next, and its interval. The interval is NaN where
        survival is 0: Greenwood's variance does not exist there.
    sorted_time : array, shape (n,), float64
        All subjects' times in increasing order.
    sorted_entry : array, shape (n,), float64, optional
        Their entries in increasing order, where subjects come under observation late.
    """

    times: NDArray[np.float64]
    survival: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    sorted_time: NDArray[np.float64]
    sorted_entry: NDArray[np.float64] | None = None

    def at_risk(self, time: ArrayLike) -> NDArray[np.int64]:
        """Return how many subjects have at least each time: those at risk just before it.

        Of those who come under observation late, the ones who have entered before.
        """
        earliest = np.asarray(time, dtype=np.float64) * (1 - _ROUNDING)
        below = np.searchsorted(self.sorted_time, earliest, side="left")
        if self.sorted_entry is None:
            return np.asarray(len(self.sorted_time) - below)
        at_start = np.searchsorted(self.sorted_entry, 0.0, side="right")
        entered = np.searchsorted(self.sorted_entry, earliest, side="left")
        return np.asarray(np.maximum(entered, at_start) - below)

    def at(self, time: float) -> Estimate:
        """Return survival at a time.

        It is NaN after the last subject's time unless the curve has reached 0 by then.
        """
        time *= 1 + _ROUNDING
        value, low, high = (
            float(SurvivalStep(self.times, each).at(time))
            for each in (self.survival, self.low, self.high)
        )
        if time > self.times[-1] * (1 + 2 * _ROUNDING) and value > 0:
            return Estimate(np.nan, np.nan, np.nan)
        return Estimate(value, low, high)

    def time_at(self, level: float) -> Estimate:
        """Return the first time at which survival is at or below a level, infinite where none is.

        The interval inverts that of the curve (Brookmeyer & Crowley 1982, Biometrics 38:29): it
        holds the times at which the interval of survival includes the level.
        """
        curves = np.stack([self.survival, self.low, self.high])
        return Estimate(*time_of_level(self.times, curves, level, step=True).tolist())


def kaplan_meier_curve(
    time: NDArray[np.float64], event: BoolArray, entry: NDArray[np.float64] | None = None
) -> Curve:
    """Return the Kaplan-Meier estimate with Greenwood's variance and log-log intervals.

    Parameters
    ----------
    time, event : array, shape (n,)
        Times of event or censoring, and whether the event was seen.
    entry : array, shape (n,), optional
        From when each subject is observed; it is at risk at t where entry < t <= time.

    References
    ----------
    Kaplan & Meier (1958), Journal of the American Statistical Association 53:457; Kalbfleisch &
    Prentice (2002), The Statistical Analysis of Failure Time Data, equation 1.13, for the interval.
    """
    times, events, at_risk, _ = life_table(time, event, entry)
    survival = np.cumprod(1 - events / at_risk, dtype=np.float64)
    left = at_risk - events
    steps = np.divide(events, at_risk * left, out=np.zeros(len(times)), where=left > 0)
    low, high = np.full((2, len(times)), np.nan)
    low[survival == 1], high[survival == 1] = 1.0, 1.0
    inside = (survival > 0) & (survival < 1)
    log_survival = np.log(survival[inside])
    width = Z * np.sqrt(np.cumsum(steps)[inside]) / np.abs(log_survival)
    low[inside] = np.exp(log_survival * np.exp(width))
    high[inside] = np.exp(log_survival * np.exp(-width))
    entries = None if entry is None else np.sort(entry)
    return Curve(times, survival, low, high, np.sort(time), entries)


def reverse_kaplan_meier(time: NDArray[np.float64], event: BoolArray) -> Curve:
    """Return the Kaplan-Meier estimate of the follow-up: events and censorings change their roles.

    Its median is the median follow-up that there would have been without events (Schemper &
    Smith 1996, Controlled Clinical Trials 17:343). Parameters are those of `kaplan_meier_curve`.
    """
    return kaplan_meier_curve(time, ~event)
