"""Calibration at times of the grid: the expected calibration error and its null distribution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.bootstrap import once_each, ratio
from survkit.metrics.censoring import CensoringWeights, SurvivalStep
from survkit.types import BoolArray, FloatArray, IntArray

BINS = 10


def equal_width_bins(predicted: FloatArray) -> NDArray[np.int64]:
    """Bin predicted probabilities by [0, 0.1), ..., [0.9, 1].

    Parameters
    ----------
    predicted : array, any shape
        Probabilities; rounding outside [0, 1] goes to the first or last bin.

    Returns
    -------
    array of the same shape, int64
        Bin of each, 0 to 9.
    """
    return np.clip(np.floor(predicted * BINS), 0, BINS - 1).astype(np.int64)


def equal_mass_bins(predicted: FloatArray) -> NDArray[np.int64]:
    """Bin predicted probabilities by tenths of the subjects, at each cut.

    Equal predictions share a bin (that of their mean rank), so bins hold equal numbers only as
    far as ties allow, and the order of subjects does not matter.

    Parameters
    ----------
    predicted : array, shape (n, k)
        Probabilities of n subjects at k cuts.

    Returns
    -------
    array, shape (n, k), int64
        Bin of each, 0 to 9.
    """
    values = np.ascontiguousarray(predicted.T)
    k, n = values.shape
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    position = np.arange(n)
    starts, ends = np.ones((k, n), dtype=bool), np.ones((k, n), dtype=bool)
    starts[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    ends[:, :-1] = starts[:, 1:]
    first = np.maximum.accumulate(np.where(starts, position, 0), axis=1)
    last = np.minimum.accumulate(np.where(ends, position, n)[:, ::-1], axis=1)[:, ::-1]
    bins = np.empty((k, n), dtype=np.int64)
    np.put_along_axis(bins, order, (first + last + 1) * BINS // (2 * n), axis=1)
    return bins.T


def expected_calibration_error(
    predicted: FloatArray,
    happened: BoolArray,
    weights: FloatArray,
    bins: IntArray,
    counts: FloatArray | None = None,
) -> NDArray[np.float64]:
    """Calibration error expected over bins of event probabilities, averaged over cuts.

    At each cut: the mean over bins, by their share of subjects, of the distance between the mean
    predicted probability and the event rate. The rate is the Hajek estimate sum(w y) / sum(w): it
    stays in [0, 1], is exact for a bin in which all had the event, and has less variance than
    sum(w y) / n, whose weights add up to the bin's size only on average. A bin whose subjects are
    all censored says nothing; the other bins' shares are rescaled to 1.

    Bins are given, not made again in each resample: resampling moves subjects, not the bins' edges.

    Parameters
    ----------
    predicted : array, shape (n, k)
        Predicted probability of an event by each cut: 1 - S.
    happened : array, shape (n, k), bool
        Whether the subject's event was at or before the cut.
    weights : array, shape (n, k)
        Inverse-probability-of-censoring weights (0 after censoring).
    bins : array, shape (n, k), int
        From `equal_width_bins` or `equal_mass_bins`.
    counts : array, shape (b, n), optional
        How often each subject is drawn; once each where not given (b = 1).

    Returns
    -------
    array, shape (b,), float64
        In [0, 1]; NaN where at some cut no subject has weight, or without cuts.

    References
    ----------
    Naeini, Cooper & Hauskrecht (2015), AAAI, for the error; Hajek (1971) for the rate.
    """
    n, k = predicted.shape
    counts = once_each(n) if counts is None else counts
    total = np.zeros(len(counts))
    rows = np.arange(n)
    for cut in range(k):
        weight = weights[:, cut]
        columns = (np.ones(n), predicted[:, cut], weight, weight * happened[:, cut])
        # Each subject's four values stand in the four columns of its bin.
        values = np.zeros((n, BINS, 4), dtype=counts.dtype)
        values[rows, bins[:, cut]] = np.column_stack(columns)
        sums = (counts @ values.reshape(n, -1)).astype(np.float64).reshape(-1, BINS, 4)
        total += _error_at_cut(*np.moveaxis(sums, 2, 0))
    return ratio(total, np.array(float(k)))


def _error_at_cut(
    size: FloatArray, predicted: FloatArray, weight: FloatArray, happened: FloatArray
) -> NDArray[np.float64]:
    """Calibration error from sums over each bin's subjects, all of shape (b, bins)."""
    known = weight > 0
    share = np.where(known, size, 0.0)
    gap = np.abs(ratio(happened, weight) - ratio(predicted, size))
    return ratio((share * np.where(known, gap, 0.0)).sum(axis=1), share.sum(axis=1))


def calibration_error_null(
    survival: FloatArray,
    cuts: FloatArray,
    bins: IntArray,
    censoring: SurvivalStep,
    weights: CensoringWeights,
    *,
    draws: int = 200,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Draw the calibration error that the same predictions would have if they were true.

    In each draw every subject gets an event time (a cut) from its own predicted curve and a
    censoring time from G, and the error is computed as for real outcomes. An error within this
    distribution is no evidence of miscalibration: few subjects alone explain it.

    Parameters
    ----------
    survival : array, shape (n, K)
        Predicted survival at cuts 1..K.
    cuts : array, shape (K,)
        Those cuts.
    bins : array, shape (n, K)
        The bins of the predictions.
    censoring : SurvivalStep
        G.
    weights : CensoringWeights
        The weights used for the real outcomes.
    draws : int
        Number of draws.
    seed : int
        Seed of the draws.

    Returns
    -------
    array, shape (draws,), float64
        The error in each draw; NaN where at some cut all subjects are censored.

    References
    ----------
    Broecker & Smith (2007), Weather and Forecasting 22:651 (consistency resampling).
    """
    n, k = survival.shape
    generator = np.random.default_rng(seed)
    level = generator.random((draws, n))
    # G falls to the drawn level or below at the censoring time; never, where G stays above it.
    steps = np.searchsorted(-censoring.values, -generator.random((draws, n)), side="left")
    censored_at = np.append(censoring.times, np.inf)[steps]
    alive = np.ones((draws, n), dtype=bool)
    event_weight = np.zeros((draws, n), dtype=np.float32)
    total = np.zeros(draws)
    for cut in range(k):
        survives = level < survival[:, cut]
        event_here = alive & ~survives & (censored_at >= cuts[cut])
        event_weight[event_here] = weights.event_at_cut[cut + 1]
        alive &= survives
        at_risk = (alive & (censored_at > cuts[cut])).astype(np.float32)
        member = np.eye(BINS, dtype=np.float32)[bins[:, cut]]
        happened = (event_weight @ member).astype(np.float64)
        weight = happened + (at_risk @ member) * weights.at_cut[cut + 1]
        size = member.sum(axis=0, dtype=np.float64)[None]
        predicted = (1.0 - survival[None, :, cut]) @ member
        total += _error_at_cut(size, predicted, weight, happened)
    return ratio(total, np.array(float(k)))
