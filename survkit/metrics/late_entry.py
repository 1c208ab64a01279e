"""Evaluation of subjects who come under observation late, over those at risk at each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.bootstrap import ratio
from survkit.types import BoolArray, FloatArray, SurvivalPrediction

_BLOCK_ELEMENTS = 4_000_000


@dataclass(frozen=True, eq=False)
class PairsAtRisk:
    """The comparable pairs of n subjects who are both at risk at the time of an event.

    Parameters
    ----------
    anchors : array, shape (a,), int64
        The subjects with an event.
    comparable : array, shape (a, n), bool
        Whether a subject is followed for longer than the anchor and has entered before its event.
    """

    anchors: NDArray[np.int64]
    comparable: NDArray[np.bool_]

    @property
    def subjects(self) -> int:
        """Number of subjects that are in some pair."""
        used = np.asarray(self.comparable.any(axis=0))
        used[self.anchors] |= self.comparable.any(axis=1)
        return int(np.count_nonzero(used))

    def wins(self, risk: FloatArray, own: FloatArray) -> NDArray[np.float64]:
        """Return what each pair adds, shape (a, n): 1 where the anchor has the higher risk.

        A tie adds one half. `risk` (a, n) is that of all subjects at each event, `own` (a,) that of
        the anchor.
        """
        against = own[:, None]
        return np.where(self.comparable, (against > risk) + 0.5 * (against == risk), 0.0)

    def concordance(
        self, wins: Sequence[NDArray[np.float64]], counts: FloatArray
    ) -> NDArray[np.float64]:
        """Return the share of concordant pairs in every resample, by kinds of wins.

        Parameters
        ----------
        wins : sequence of q arrays, shape (a, n)
            From `wins`.
        counts : array, shape (b, n)
            How often each subject is drawn.

        Returns
        -------
        array, shape (b, q), float64
            In [0, 1]; NaN without comparable pairs.
        """
        comparable = self._drawn(self.comparable.astype(np.float64), counts)
        return np.column_stack([ratio(self._drawn(each, counts), comparable) for each in wins])

    def _drawn(self, pairs: NDArray[np.float64], counts: FloatArray) -> NDArray[np.float64]:
        """Sum values of the pairs (a, n) over the pairs that are drawn, shape (b,)."""
        total = np.zeros(len(counts))
        step = max(1, _BLOCK_ELEMENTS // max(pairs.size, 1))
        for start in range(0, len(counts), step):
            drawn = np.asarray(counts[start : start + step], np.float64)
            total[start : start + step] = ((drawn[:, self.anchors] @ pairs) * drawn).sum(axis=1)
        return total


def pairs_at_risk(time: FloatArray, event: BoolArray, entry: FloatArray) -> PairsAtRisk:
    """Find the comparable pairs of n subjects, as in `comparable_pairs`, who are both at risk.

    Who enters at or after an event says nothing of who would have had it first: those who did
    before they could enter are missing.

    Parameters
    ----------
    time, event, entry : array, shape (n,)
        As in `SurvivalData`.
    """
    anchors = np.flatnonzero(event)
    at = time[anchors, None]
    longer = (time > at) | ((time == at) & ~event)
    return PairsAtRisk(anchors, longer & ((entry < at) | (entry == 0)))


def expected_curves(
    prediction: SurvivalPrediction, time: FloatArray, entry: FloatArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what a prediction expects of the subjects at risk, beside Kaplan-Meier's curve.

    Subjects who come under observation late have survived until then, so the mean of their curves
    is above the curve that is estimated from them. In each interval between predicted times the
    hazards of those who are at risk at its start are averaged (Ederer's second method); survival
    and incidences follow from the means.

    Parameters
    ----------
    prediction : SurvivalPrediction
        Of n subjects, at T times.
    time, entry : array, shape (n,)
        When they had the event or were censored, and from when they are observed.

    Returns
    -------
    survival : array, shape (T,), float64
    incidence : array, shape (C, T), float64
        Of each cause; where the prediction has one, 1 minus survival.

    References
    ----------
    Ederer & Heise (1959), Methodological Note 10, End Results Evaluation Section, National Cancer
    Institute.
    """
    n, times = len(prediction), prediction.times
    incidence = prediction.cumulative_incidence
    if incidence is None:
        incidence = 1.0 - prediction.survival[:, None]
    begins = np.concatenate([[0.0], times[:-1]])
    before = np.column_stack([np.ones(n), prediction.survival[:, :-1]])
    at_risk = (entry[:, None] <= begins) & ((time[:, None] > begins) | (begins == 0))
    at_risk &= before > 0
    weight = np.divide(1.0, before, out=np.zeros_like(before), where=at_risk)
    rises = (np.diff(incidence, axis=2, prepend=0.0) * weight[:, None]).sum(axis=0)
    hazards = rises / np.maximum(at_risk.sum(axis=0), 1)
    survival = np.cumprod(1.0 - hazards.sum(axis=0))
    entering = np.concatenate([[1.0], survival[:-1]])
    return survival, np.cumsum(hazards * entering, axis=1)
