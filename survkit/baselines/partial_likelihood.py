"""Cox's partial likelihood without a penalty: maximum, standard errors, proportional hazards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.stats import chi2

from survkit.metrics.censoring import not_entered
from survkit.types import BoolArray, FloatArray

MAX_STEPS = 40
HALVINGS = 20
TOLERANCE = 1e-10
"""Newton decrement (twice the rise in log-likelihood still to come) at which a fit ends."""

GREATEST_LOG_RISK = 300.0
"""Spread of log risks beyond which the likelihood has no maximum that numbers can reach."""

FELT = 0.1
"""Share of the largest effect of a standard deviation, in a fit without end, that is named."""

INFLATION = 1e4
"""Growth of a variance from equal risks to the maximum that shows an effect without bound."""


class Maximum(NamedTuple):
    """Where the partial likelihood of q columns is largest.

    Parameters
    ----------
    coefficients : array, shape (q,)
    covariance : array, shape (q, q)
        Inverse of the observed information.
    unbounded : tuple of int
        Columns whose coefficients grow without bound; empty where there is a maximum.
    """

    coefficients: NDArray[np.float64]
    covariance: NDArray[np.float64]
    unbounded: tuple[int, ...]


class ChiSquared(NamedTuple):
    """A chi-squared test."""

    statistic: float
    degrees_of_freedom: int
    p: float

    @classmethod
    def of(cls, statistic: float, degrees_of_freedom: int) -> Self:
        """Return the test with its p value."""
        return cls(statistic, degrees_of_freedom, float(chi2.sf(statistic, df=degrees_of_freedom)))


class Late(NamedTuple):
    """Who is not in the risk sets yet, of n rows in the order of their times.

    Parameters
    ----------
    entry : array, shape (n,)
        From when each row is observed.
    rows : array, shape (number of late rows,)
        The rows observed from after time 0 on, in the order of their entries.
    entered : array, shape (number of events,)
        How many of them have entered before each event.
    before : array, shape (number of late rows,)
        How many events are at or before the entry of each.
    """

    entry: NDArray[np.float64]
    rows: NDArray[np.int64]
    entered: NDArray[np.int64]
    before: NDArray[np.int64]

    @classmethod
    def of(cls, entry: NDArray[np.float64], time: FloatArray, event: BoolArray) -> Self:
        """Compare entries with the times of events; rows are sorted by time."""
        order = np.argsort(entry, kind="stable")
        rows = order[entry[order] > 0]
        entered = np.searchsorted(entry[rows], time[event], side="left")
        before = np.searchsorted(time[event], entry[rows], side="right")
        return cls(entry, rows, entered, before)

    def not_entered(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return sums of values (n, ...) over the rows not observed yet at each event."""
        sums = np.zeros((len(self.rows) + 1, *values.shape[1:]))
        np.cumsum(values[self.rows][::-1], axis=0, out=sums[:-1])
        sums[:-1] = sums[:-1][::-1].copy()
        return sums[self.entered]

    def events_before(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return sums of events' values at or before the entry of each row, shape (n,)."""
        sums = np.zeros(len(self.entry))
        sums[self.rows] = np.concatenate([[0.0], np.cumsum(values)])[self.before]
        return sums


@dataclass(frozen=True, eq=False)
class PartialLikelihood:
    """The partial likelihood of n rows in the order of their times; ties by Efron (1977).

    Tied events leave the risk set one after the other, each by its share: the l-th of d tied
    events sees the risk set without l/d of the others' hazard.

    Parameters
    ----------
    matrix : array, shape (n, q)
        The columns, centered, each row at its time.
    event : array, shape (n,)
    first, last : array, shape (n,)
        The first row and the row behind the last one with the time of each row.
    share : array, shape (number of events,)
        l / d of each event; 0 for ties by Breslow.
    time : array, shape (n,)
    late : Late, optional
        Where subjects come under observation late, who is not yet in a risk set.
    """

    matrix: NDArray[np.float64]
    event: BoolArray
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    share: NDArray[np.float64]
    time: NDArray[np.float64]
    late: Late | None = None

    @classmethod
    def of(
        cls,
        matrix: FloatArray,
        event: BoolArray,
        time: FloatArray,
        entry: FloatArray | None = None,
        *,
        breslow: bool = False,
    ) -> Self:
        """Sort rows by time; the columns should have similar scales.

        With entries (n,) a row is at risk at t where entry < t <= time, as in `SurvivalData`.
        """
        order = np.argsort(time, kind="stable")
        time, event = np.asarray(time, np.float64)[order], np.asarray(event)[order]
        matrix = np.asarray(matrix, np.float64)[order]
        first = np.searchsorted(time, time, side="left")
        last = np.searchsorted(time, time, side="right")
        before = np.concatenate([[0], np.cumsum(event)])
        tied = (before[last] - before[first])[event]
        share = (before[:-1] - before[first])[event] / tied * (not breslow)
        late = None if entry is None else Late.of(np.asarray(entry, np.float64)[order], time, event)
        return cls(matrix - matrix.mean(axis=0), event, first, last, share, time, late)

    def value(self, coefficients: FloatArray) -> float:
        """Return the log-likelihood."""
        log_risk = self.matrix @ coefficients
        top = log_risk.max()
        denominators = self._denominators(np.exp(log_risk - top))
        if self.late is not None and (denominators <= 0).any():
            return -np.inf  # too small a part of all risks for their difference
        return float((log_risk[self.event] - top - np.log(denominators)).sum())

    def derivatives(
        self, coefficients: FloatArray
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the gradient, shape (q,), and the observed information, shape (q, q)."""
        risk = self._risk(coefficients)
        denominators = self._denominators(risk)
        means = self._means(risk, denominators)
        # How often each row's risk counts in a denominator, and by what weight.
        weight = np.zeros(len(risk) + 1)
        np.add.at(weight, self.last[self.event], 1 / denominators)
        within = np.zeros(len(risk))
        np.add.at(within, self.first[self.event], self.share / denominators)
        same_time = np.zeros(len(risk))
        np.add.at(same_time, self.first[self.event], 1 / denominators)
        counted = np.cumsum(weight)[:-1] + same_time[self.first]
        if self.late is not None:
            counted -= self.late.events_before(1 / denominators)
        counted -= np.where(self.event, within[self.first], 0.0)
        information = (self.matrix * (risk * counted)[:, None]).T @ self.matrix - means.T @ means
        return (self.matrix[self.event] - means).sum(axis=0), information

    def maximum(self) -> Maximum:
        """Find the maximum by Newton's method; halve a step that lowers the likelihood."""
        coefficients = np.zeros(self.matrix.shape[1])
        _, start = self.derivatives(coefficients)
        value, bounded = self.value(coefficients), False
        information = start
        for _ in range(MAX_STEPS):
            gradient, information = self.derivatives(coefficients)
            try:
                step = cho_solve(cho_factor(information), gradient)
            except np.linalg.LinAlgError:
                break
            if gradient @ step < TOLERANCE:
                coefficients, bounded = coefficients + step, True
                break
            for _ in range(HALVINGS):
                if np.ptp(self.matrix @ (coefficients + step)) < GREATEST_LOG_RISK:
                    reached = self.value(coefficients + step)
                    if reached >= value:
                        break
                step = step / 2
            else:
                break
            coefficients, value = coefficients + step, reached
        covariance = np.asarray(np.linalg.pinv(information, hermitian=True), np.float64)
        unbounded = _without_information(start, information)
        if not bounded:
            effect = np.abs(coefficients) * self.matrix.std(axis=0)
            unbounded |= effect >= FELT * effect.max()
        return Maximum(coefficients, covariance, tuple(np.flatnonzero(unbounded).tolist()))

    def schoenfeld_residuals(self, coefficients: FloatArray) -> NDArray[np.float64]:
        """Return each event's columns minus their mean over its risk set, shape (events, q).

        Tied events share the mean of Efron's risk sets (Schoenfeld 1982).
        """
        risk = self._risk(coefficients)
        means = self._means(risk, self._denominators(risk))
        tied = self._of_ties(np.ones(len(means)))
        return np.asarray(self.matrix[self.event] - self._of_ties(means) / tied[:, None])

    def proportional_hazards(
        self, maximum: Maximum, groups: list[list[int]]
    ) -> tuple[list[ChiSquared], ChiSquared]:
        """Test groups of columns, and all, for effects that change over time.

        The score test of Grambsch and Therneau (1994) with the mean of the information in place of
        that at each event, against 1 minus the Kaplan-Meier curve before the event.

        Parameters
        ----------
        maximum : Maximum
            From `maximum`.
        groups : list of lists of int
            The columns of each feature, tested together.
        """
        gap = self._kaplan_meier_time()
        gap = gap - gap.mean()
        trend = gap @ self.schoenfeld_residuals(maximum.coefficients)
        scale = len(gap) / (gap @ gap)
        covariance = maximum.covariance
        slopes = covariance @ trend

        def test(columns: list[int]) -> ChiSquared:
            of_group = slopes[columns]
            inverse = np.linalg.solve(covariance[np.ix_(columns, columns)], of_group)
            return ChiSquared.of(float(of_group @ inverse * scale), len(columns))

        overall = ChiSquared.of(float(trend @ slopes * scale), len(trend))
        return [test(columns) for columns in groups], overall

    def _risk(self, coefficients: FloatArray) -> NDArray[np.float64]:
        log_risk = self.matrix @ coefficients
        return np.asarray(np.exp(log_risk - log_risk.max()))

    def _at_risk(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return sums over the risk set of each event."""
        sums = np.cumsum(values[::-1], axis=0)[::-1]
        at_risk = np.asarray(sums[self.first[self.event]])
        return at_risk if self.late is None else at_risk - self.late.not_entered(values)

    def _of_ties(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return sums of events' values over the events at the same time, one for each event."""
        first = self.first[self.event]
        starts = np.flatnonzero(np.diff(first, prepend=-1))
        counts = np.diff(starts, append=len(first))
        return np.repeat(np.add.reduceat(values, starts, axis=0), counts, axis=0)

    def _denominators(self, risk: NDArray[np.float64]) -> NDArray[np.float64]:
        tied = self._of_ties(risk[self.event])
        return np.asarray(self._at_risk(risk) - self.share * tied)

    def _means(
        self, risk: NDArray[np.float64], denominators: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        weighted = self.matrix * risk[:, None]
        sums = self._at_risk(weighted)
        if self.share.any():
            tied = self._of_ties(weighted[self.event])
            sums = sums - self.share[:, None] * tied
        return np.asarray(sums / denominators[:, None])

    def _kaplan_meier_time(self) -> NDArray[np.float64]:
        """Return 1 minus the Kaplan-Meier curve just before each event."""
        n = len(self.time)
        starts = np.unique(self.first)
        events = np.add.reduceat(self.event.astype(np.float64), starts)
        at_risk = n - starts
        if self.late is not None:
            at_risk = at_risk - not_entered(self.late.entry, self.time[starts])
        survival = np.cumprod(1 - events / at_risk)
        before = np.concatenate([[1.0], survival[:-1]])
        return np.asarray(1 - before[np.searchsorted(starts, self.first[self.event])])


def _without_information(
    start: NDArray[np.float64], information: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether hardly any information on each column is left where the search ended, shape (q,)."""
    variance = np.diag(np.linalg.pinv(start, hermitian=True))
    values, vectors = np.linalg.eigh(information)
    # Where the information is singular its inverse is too: a floor stands for what is lost.
    floor = max(values[-1], 1e-300) * 1e-14
    found = (vectors**2 / np.maximum(values, floor)).sum(axis=1)
    return np.asarray(found > INFLATION * variance)
