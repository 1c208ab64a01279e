"""Decision curves: the net benefit of treating whom a model puts at or above a risk threshold.

Who treats a patient from a risk of t on accepts (1 - t) / t unnecessary treatments for a necessary
one. In that exchange the net benefit is the share of all subjects who are treated and have the
event, minus the share who are treated without having it, times t / (1 - t).

References
----------
Vickers & Elkin (2006), Medical Decision Making 26:565, equation in section "Decision curve
analysis"; Vickers, Cronin, Elkin & Gonen (2008), BMC Medical Informatics and Decision Making 8:53,
sections on censored data, competing risks and the bootstrap.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.metrics.bootstrap import bootstrap_interval, once_each
from survkit.metrics.risk_above import TimeOrder, events_above
from survkit.types import BoolArray, FloatArray, InputError

MOST_UNDEFINED = 0.1
"""Share of the resamples without a net benefit up to which the others give an interval."""


class NetBenefit(NamedTuple):
    """Net benefit at k thresholds in b resamples, each of shape (b, k), float64.

    Parameters
    ----------
    net_benefit : array
        Of treating the subjects whose risk is at or above the threshold.
    treat_all : array
        Of treating everybody. That of treating nobody is 0.
    treated : array
        Share of the subjects who are treated.
    true_positives, false_positives : array
        Share of all subjects who are treated and have the event by the time, and who are treated
        and do not.
    """

    net_benefit: NDArray[np.float64]
    treat_all: NDArray[np.float64]
    treated: NDArray[np.float64]
    true_positives: NDArray[np.float64]
    false_positives: NDArray[np.float64]


def net_benefit(
    risk: ArrayLike,
    time: FloatArray,
    event: BoolArray,
    *,
    at: float,
    thresholds: ArrayLike,
    competing: BoolArray | None = None,
    counts: FloatArray | None = None,
) -> NetBenefit:
    """Compute the net benefit of acting on a predicted risk, at each threshold.

    The risk of the event by the time among those who are treated is 1 minus their Kaplan-Meier
    estimate, or Aalen-Johansen's where there are competing events. Everybody must be observed from
    time 0: late entries leave the share of the treated at time 0 unknown.

    Parameters
    ----------
    risk : array, shape (n,)
        Predicted probability of the event by the time.
    time, event : array, shape (n,)
        Times of event or censoring, and whether the event was seen.
    at : float
        The time by which the event counts.
    thresholds : array, shape (k,)
        Increasing, in [0, 1]. A subject is treated where its risk is at least the threshold.
    competing : array, shape (n,), bool, optional
        Whether a competing event was seen, after which the event cannot happen.
    counts : array, shape (b, n), optional
        How often each subject is drawn; once each where not given (b = 1).

    Returns
    -------
    NetBenefit
        Net benefit and rates of positives are 0 where nobody is treated. They are NaN where the
        follow-up of all who are treated ends before the time, and at a threshold of 1, which
        weighs a false positive without limit.

    Raises
    ------
    InputError
        For columns of different lengths, a risk that is no probability, a time that is not above
        0, or thresholds that do not increase from at least 0 to at most 1.
    """
    risk = np.asarray(risk, np.float64)
    time, event = np.asarray(time, np.float64), np.asarray(event, np.bool_)
    other = np.zeros(len(time), np.bool_) if competing is None else np.asarray(competing, np.bool_)
    levels = np.asarray(thresholds, np.float64)
    _check_outcomes(risk, time, event, other, at)
    _check_thresholds(levels)
    counts = once_each(len(time)) if counts is None else counts
    # Everybody is above a threshold below all risks: that of treating all.
    ordered = TimeOrder.of(time, event & ~other, other, at)
    treated, true = events_above(risk, np.append(-1.0, levels), ordered, counts)
    false = treated - true
    odds = np.full(len(levels), np.nan)
    np.divide(levels, 1 - levels, out=odds, where=levels < 1)
    return NetBenefit(
        true[:, 1:] - odds * false[:, 1:],
        true[:, :1] - odds * false[:, :1],
        treated[:, 1:],
        true[:, 1:],
        false[:, 1:],
    )


def _check_outcomes(
    risk: FloatArray, time: FloatArray, event: BoolArray, competing: BoolArray, at: float
) -> None:
    shapes = [column.shape for column in (risk, time, event, competing)]
    if len(set(shapes)) > 1 or time.ndim != 1 or len(time) == 0:
        raise InputError(
            "risk, time, event and competing must be columns of one length, at least 1; their "
            f"shapes are {', '.join(map(str, shapes))}"
        )
    wrong = np.flatnonzero(~((risk >= 0) & (risk <= 1)))
    if len(wrong):
        raise InputError(f"risk of row {wrong[0]} is {risk[wrong[0]]}; it must be in [0, 1]")
    if not (np.isfinite(at) and at > 0):
        raise InputError(f"at is {at}; it must be a time above 0")


def _check_thresholds(levels: FloatArray) -> None:
    increasing = levels.ndim == 1 and len(levels) > 0 and bool((np.diff(levels) > 0).all())
    if not increasing or not (levels[0] >= 0 and levels[-1] <= 1):
        shown = " ".join(f"{level:g}" for level in levels.ravel()[:5])
        raise InputError(
            f"thresholds are {shown}; they must increase, from at least 0 to 1 at most"
        )


class Limits(NamedTuple):
    """Pointwise limits of a curve, each of shape (k,).

    NaN where more than `MOST_UNDEFINED` of the resamples do not define the net benefit.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]


class Difference(NamedTuple):
    """The net benefit of one model minus that of another, with pointwise limits; (k,) each."""

    thresholds: NDArray[np.float64]
    difference: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DecisionCurve:
    """The net benefit of a model at one time, at k thresholds, and in b resamples.

    Parameters
    ----------
    at : float
        The time by which the event counts.
    thresholds : array, shape (k,), float64
        The thresholds.
    estimate : NetBenefit
        In the sample itself, arrays of shape (k,).
    resampled, resampled_all : array, shape (b, k), float64
        Net benefit of the model and of treating everybody in every resample. Curves of several
        models have the same resamples. b is 0 without intervals.
    reasons : tuple of str or None, length k
        Why the net benefit is NaN; None where it is not.
    observed : float
        The estimated risk of the event by the time among all subjects.
    at_risk : int
        Subjects still at risk at the time.
    """

    at: float
    thresholds: NDArray[np.float64]
    estimate: NetBenefit
    resampled: NDArray[np.float64]
    resampled_all: NDArray[np.float64]
    reasons: tuple[str | None, ...]
    observed: float
    at_risk: int

    @property
    def net_benefit(self) -> NDArray[np.float64]:
        """Net benefit of the model, shape (k,)."""
        return self.estimate.net_benefit

    @property
    def interventions_avoided(self) -> NDArray[np.float64]:
        """Share of subjects who are not treated, without missing an event more, shape (k,).

        Compared with treating everybody (Vickers et al. 2008); NaN at a threshold of 0.
        """
        odds = self.thresholds / np.maximum(1 - self.thresholds, np.finfo(float).tiny)
        gain = self.estimate.net_benefit - self.estimate.treat_all
        avoided = np.full(len(odds), np.nan)
        np.divide(gain, odds, out=avoided, where=odds > 0)
        return avoided

    def interval(self, level: float = 0.95) -> Limits:
        """Return the bootstrap percentile interval of the net benefit at each threshold."""
        return _limits(self.resampled, level)

    def interval_of_all(self, level: float = 0.95) -> Limits:
        """Return that of the net benefit of treating everybody."""
        return _limits(self.resampled_all, level)

    def minus(self, other: DecisionCurve, level: float = 0.95) -> Difference:
        """Return by how much its net benefit is above another's, by paired bootstrap.

        Raises
        ------
        InputError
            For a curve at other thresholds or another time.
        """
        difference = self.net_benefit - self._alike(other).net_benefit
        limits = _limits(self.resampled - other.resampled, level)
        return Difference(self.thresholds, difference, *limits)

    def minus_all(self, level: float = 0.95) -> Difference:
        """Return by how much its net benefit is above that of treating everybody."""
        difference = self.net_benefit - self.estimate.treat_all
        limits = _limits(self.resampled - self.resampled_all, level)
        return Difference(self.thresholds, difference, *limits)

    def _alike(self, other: DecisionCurve) -> DecisionCurve:
        if self.at != other.at or not np.array_equal(self.thresholds, other.thresholds):
            raise InputError(
                f"the other curve is at time {other.at:g} with {len(other.thresholds)} thresholds; "
                f"both must be those of this one, time {self.at:g} with {len(self.thresholds)}"
            )
        return other

    def is_useful(
        self, others: Iterable[DecisionCurve] = (), *, surely: bool = False
    ) -> NDArray[np.bool_]:
        """Return whether it beats treating everybody, treating nobody, and other models, (k,).

        Parameters
        ----------
        others : iterable of DecisionCurve
            Curves of the other models, at the same thresholds and time.
        surely : bool
            Whether the 95 % interval of each of these differences must be above 0 too. The
            intervals hold for one threshold at a time, and are not adjusted for their number.
        """
        nobody = np.zeros_like(self.thresholds)
        rivals = [(nobody, nobody), (self.estimate.treat_all, self.resampled_all)]
        rivals += [(other.net_benefit, other.resampled) for other in map(self._alike, others)]
        useful = np.ones(len(self.thresholds), np.bool_)
        for value, resampled in rivals:
            useful &= self.net_benefit > value
            if surely:
                useful &= _limits(self.resampled - resampled, 0.95).low > 0
        return useful

    def useful_thresholds(
        self, others: Iterable[DecisionCurve] = (), *, surely: bool = False, fewest: int = 1
    ) -> list[tuple[float, float]]:
        """Return the thresholds at which it is useful, by `is_useful`, as intervals.

        Parameters
        ----------
        others, surely
            As in `is_useful`.
        fewest : int
            Fewest neighbouring thresholds of a run; shorter runs are left out.

        Returns
        -------
        list of (float, float)
            The first and the last threshold of each run of neighbouring thresholds. A threshold
            at which a net benefit is undefined ends a run.
        """
        return threshold_ranges(self.thresholds, self.is_useful(others, surely=surely), fewest)


def threshold_ranges(
    thresholds: FloatArray, useful: BoolArray, fewest: int = 1
) -> list[tuple[float, float]]:
    """Return the first and the last threshold of each run of at least `fewest` useful ones."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], useful, [False]]).astype(int)))
    return [
        (float(thresholds[first]), float(thresholds[end - 1]))
        for first, end in zip(edges[::2], edges[1::2], strict=True)
        if end - first >= fewest
    ]


def _limits(resampled: FloatArray, level: float) -> Limits:
    """Return the percentile interval of each column over the resamples that define it."""
    limits = np.full((2, resampled.shape[1]), np.nan)
    missing = np.isnan(resampled).mean(axis=0) if len(resampled) else np.ones(resampled.shape[1])
    whole = missing == 0
    if whole.any():
        limits[:, whole] = np.quantile(resampled[:, whole], [(1 - level) / 2, (1 + level) / 2], 0)
    for column in np.flatnonzero(~whole & (missing <= MOST_UNDEFINED)):
        limits[:, column] = bootstrap_interval(resampled[:, column], level=level) or np.nan
    return Limits(*limits)
