"""Predicted survival curves, and cumulative incidences of competing causes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.curves import area_under, curve_values, time_of_level
from survkit.types.arrays import BoolArray, IntArray
from survkit.types.errors import InputError, NotFiniteError
from survkit.types.times import as_times, holds_steps

SURVIVAL_TOLERANCE = 1e-6
"""Rounding by which a survival curve may leave [0, 1] or rise before it is refused."""


@dataclass(frozen=True, eq=False)
class SurvivalPrediction:
    """Predicted survival curves of n subjects on a common time axis.

    A curve is 1 at time 0 (unless its first time is 0 too) and linear between its times, or a
    right-continuous step function that falls at its times alone. What is left at the last time is
    the probability of an event beyond the horizon.

    With C competing causes, the cumulative incidence of cause c at time t is P(event time <= t,
    cause = c): at every time, survival and the cumulative incidences sum to 1. They are read as
    survival is, from 0 at time 0.

    Parameters
    ----------
    times : array, shape (T,), float64
        Increasing times, at least 0.
    survival : array, shape (n, T), float64
        P(event time > times[j]), in [0, 1], not rising along a row.
    expert_weights : array, shape (n, E), float64, optional
        The router's weights of a mixture of experts; each row sums to 1.
    step : bool
        Whether the curves are step functions, whose times are exact event times (Cox regression,
        Kaplan-Meier); those of models on a time grid are linear between the cuts.
    cumulative_incidence : array, shape (n, C, T), float64, optional
        P(event time <= times[j], cause = c), of C >= 2 causes, not falling along the last axis.

    Raises
    ------
    InputError
        For wrong shapes, NaN, values outside [0, 1], a rising survival curve, or cumulative
        incidences that fall or do not sum to 1 with survival (by more than 1e-6; smaller rounding
        is accepted and left as it is).

    References
    ----------
    Kvamme & Borgan (2021), Lifetime Data Analysis 27:710, section 4.1: constant density between
    the cuts of a grid.
    """

    times: NDArray[np.float64]
    survival: NDArray[np.float64]
    expert_weights: NDArray[np.float64] | None = None
    step: bool = False
    cumulative_incidence: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", np.asarray(self.times, dtype=np.float64))
        object.__setattr__(self, "survival", np.asarray(self.survival, dtype=np.float64))
        if self.times.ndim != 1 or len(self.times) == 0:
            raise InputError(f"times must be one axis of at least one time, not {self.times.shape}")
        if not np.isfinite(self.times).all() or (np.diff(self.times) <= 0).any():
            raise InputError("times must be finite and increase")
        if self.survival.ndim != 2 or self.survival.shape[1] != len(self.times):
            raise InputError(
                f"survival must have shape (n, {len(self.times)}), not {self.survival.shape}"
            )
        self._check_curves()
        if self.cumulative_incidence is not None:
            self._check_incidences()
        if self.expert_weights is not None and len(self.expert_weights) != len(self.survival):
            raise InputError(
                f"expert_weights has {len(self.expert_weights)} rows for "
                f"{len(self.survival)} survival curves"
            )

    def _check_curves(self) -> None:
        survival = self.survival
        # A comparison with NaN is False, so NaN fails here too.
        in_range = (survival >= -SURVIVAL_TOLERANCE) & (survival <= 1 + SURVIVAL_TOLERANCE)
        if not in_range.all():
            row, column = np.argwhere(~in_range)[0]
            kind = NotFiniteError if np.isnan(survival[row, column]) else InputError
            raise kind(
                f"survival of subject {row} at time {self.times[column]} is "
                f"{survival[row, column]}; it must lie in [0, 1]"
            )
        rising = np.diff(survival, axis=1) > SURVIVAL_TOLERANCE
        if rising.any():
            row, column = np.argwhere(rising)[0]
            raise InputError(
                f"survival of subject {row} rises from {survival[row, column]} to "
                f"{survival[row, column + 1]} at time {self.times[column + 1]}"
            )

    def _check_incidences(self) -> None:
        incidence = np.asarray(self.cumulative_incidence, dtype=np.float64)
        object.__setattr__(self, "cumulative_incidence", incidence)
        n, t = self.survival.shape
        if incidence.ndim != 3 or incidence.shape[::2] != (n, t) or incidence.shape[1] < 2:
            raise InputError(
                f"cumulative_incidence must have shape ({n}, C, {t}) for C >= 2 causes, not "
                f"{incidence.shape}"
            )
        if np.isnan(incidence).any():
            row, cause, column = np.argwhere(np.isnan(incidence))[0]
            raise NotFiniteError(
                f"cumulative incidence of cause {cause + 1} of subject {row} at time "
                f"{self.times[column]} is NaN; it must lie in [0, 1]"
            )
        # Not falling from at least 0, and 1 with survival, so none exceeds 1.
        falling = np.diff(incidence, axis=2, prepend=0.0) < -SURVIVAL_TOLERANCE
        if falling.any():
            row, cause, column = np.argwhere(falling)[0]
            raise InputError(
                f"cumulative incidence of cause {cause + 1} of subject {row} falls to "
                f"{incidence[row, cause, column]} at time {self.times[column]}"
            )
        total = self.survival + incidence.sum(axis=1)
        wrong = np.abs(total - 1.0) > SURVIVAL_TOLERANCE
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise InputError(
                f"survival and cumulative incidences of subject {row} sum to "
                f"{total[row, column]:.6g} at time {self.times[column]}; they must sum to 1"
            )

    def __len__(self) -> int:
        return len(self.survival)

    @property
    def num_causes(self) -> int:
        """Number of causes C whose cumulative incidences are predicted; 1 where none are."""
        return 1 if self.cumulative_incidence is None else self.cumulative_incidence.shape[1]

    def of_cause(self, cause: int) -> SurvivalPrediction:
        """Return 1 minus the cumulative incidence of a cause, 1 to C, in the place of survival.

        It is P(no event of this cause by then), which need not fall to 0: scores of a probability
        over time read it as they read survival.

        Raises
        ------
        InputError
            For a prediction without such a cause.
        """
        incidence = self.cumulative_incidence
        if incidence is None or not 1 <= cause <= self.num_causes:
            raise InputError(f"cause is {cause}; the prediction has {self.num_causes} causes")
        return SurvivalPrediction(
            self.times, 1.0 - incidence[:, cause - 1], self.expert_weights, self.step
        )

    def cumulative_incidence_at(
        self, times: ArrayLike, extrapolate: Literal["constant"] | None = None
    ) -> NDArray[np.float64]:
        """Cumulative incidences at the given times, shape (n, C, len(times)).

        Parameters and errors are those of `at`; also refused for a prediction without causes.
        """
        causes = range(1, max(self.num_causes, 2) + 1)
        return np.stack([1.0 - self.of_cause(c).at(times, extrapolate) for c in causes], axis=1)

    def at(
        self, times: ArrayLike, extrapolate: Literal["constant"] | None = None
    ) -> NDArray[np.float64]:
        """Survival at the given times, shape (n, len(times)).

        Parameters
        ----------
        times : array, shape (t,)
            Any times of at least 0.
        extrapolate : {None, "constant"}
            Beyond the last predicted time nothing is known: None refuses, "constant" keeps the
            last value.

        Raises
        ------
        InputError
            For a negative time, NaN, or a time beyond the last one where `extrapolate` is None.
        """
        hint = "; extrapolate='constant' keeps the last value"
        times = as_times(times, self.times[-1] if extrapolate is None else np.inf, hint)
        return curve_values(self.times, self.survival, times, step=self.step)

    def read(self, times: ArrayLike | None) -> SurvivalPrediction:
        """Return the prediction at other times, or as it is where None is given.

        It stays a step function where `times` hold every step up to the last of them; otherwise
        what is left of it is read linearly.

        Raises
        ------
        InputError
            For times that do not increase, or that `at` refuses.
        """
        if times is None or np.array_equal(times, self.times):
            return self
        times = as_times(times, self.times[-1])
        step = self.step and holds_steps(times, self.times)
        incidence = None
        if self.cumulative_incidence is not None:
            incidence = self.cumulative_incidence_at(times)
        return SurvivalPrediction(times, self.at(times), self.expert_weights, step, incidence)

    def quantile(self, q: float, extrapolate: Literal["line"] | None = None) -> NDArray[np.float64]:
        """Time by which the event has happened with probability q, shape (n,).

        Parameters
        ----------
        q : float
            In (0, 1]; the median is 0.5.
        extrapolate : {None, "line"}
            For a curve that stays above 1 - q: None gives infinity, "line" continues it along the
            straight line through (0, 1) and its last point (infinite for one that never falls).

        Raises
        ------
        InputError
            For another q.
        """
        if not 0 < q <= 1:
            raise InputError(f"q is {q}; it is a probability above 0 and at most 1")
        reached = time_of_level(self.times, self.survival, 1 - q, step=self.step)
        if extrapolate is None:
            return reached
        fall = 1.0 - self.survival[:, -1]
        beyond = np.divide(q * self.times[-1], fall, out=np.full_like(fall, np.inf), where=fall > 0)
        return np.where(np.isinf(reached), beyond, reached)

    def median(self) -> NDArray[np.float64]:
        """Predicted median time, shape (n,): where the curve reaches 1/2.

        A curve that stays above 1/2 is continued along the straight line through (0, 1) and its
        last point; one that never falls has an infinite median.
        """
        return self.quantile(0.5, extrapolate="line")

    def restricted_mean(self, until: float) -> NDArray[np.float64]:
        """Mean time without the event up to a time, shape (n,): the area under the curve.

        Raises
        ------
        InputError
            For a time that is not above 0, or beyond the last predicted one.
        """
        if not until > 0:
            raise InputError(f"the restricted mean is asked for until {until}; it must be above 0")
        (end,) = as_times(until, self.times[-1])
        return area_under(self.times, self.survival, float(end), step=self.step)

    def risk_score(self) -> NDArray[np.float64]:
        """Return a score per subject, shape (n,), higher = riskier: minus the median time."""
        return -self.median()

    def subset(self, rows: IntArray | BoolArray) -> SurvivalPrediction:
        """Return the predictions of the rows chosen by an index or boolean array."""
        weights, incidence = (
            None if array is None else array[rows]
            for array in (self.expert_weights, self.cumulative_incidence)
        )
        return SurvivalPrediction(self.times, self.survival[rows], weights, self.step, incidence)
