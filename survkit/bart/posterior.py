"""Posterior draws of hazard and survival, and what is read from them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.bart.person_period import survival_from_hazard
from survkit.types import InputError


class SurvivalPosterior(NamedTuple):
    """Posterior draws for n subjects at the k times of a fitted model.

    Parameters
    ----------
    times : array, shape (k,)
        Each ends an interval.
    hazard : array, shape (d, n, k)
        p_ij, the probability of the event in interval j for a subject at risk.
    """

    times: NDArray[np.float64]
    hazard: NDArray[np.float64]

    @property
    def survival(self) -> NDArray[np.float64]:
        """Return P(event time > times[j]), shape (d, n, k)."""
        return survival_from_hazard(self.hazard)

    def at(self, times: ArrayLike) -> NDArray[np.float64]:
        """Return survival at any times up to the last, shape (d, n, number of times).

        Survival is a right-continuous step function, 1 before the first time.

        Raises
        ------
        InputError
            For a time beyond the last.
        """
        asked = np.atleast_1d(np.asarray(times, dtype=np.float64))
        if (asked > self.times[-1]).any():
            raise InputError(
                f"survival is known up to time {self.times[-1]:g}, asked for {asked.max():g}"
            )
        survival = self.survival
        start = np.ones((*survival.shape[:-1], 1))
        columns = np.searchsorted(self.times, asked, side="right")
        reached: NDArray[np.float64] = np.concatenate([start, survival], axis=-1)[..., columns]
        return reached


class Summary(NamedTuple):
    """Mean and equal-tailed credible interval over posterior draws, one shape all three."""

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def summarise(draws: NDArray[np.float64], level: float = 0.95) -> Summary:
    """Return the mean and the credible interval of draws along the first axis.

    Parameters
    ----------
    draws : array, shape (d, ...)
    level : float
        Probability that the interval holds: 0.9 reaches from the 5th to the 95th percentile.

    Raises
    ------
    InputError
        For a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise InputError(f"level is {level}; it must lie between 0 and 1")
    tail = (1 - level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=0)
    return Summary(draws.mean(axis=0), low, high)
