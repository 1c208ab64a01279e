"""Calibration at times of the grid: the expected calibration error and its null distribution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.bootstrap import once_each, ratio
from survkit.metrics.censoring import CensoringWeights, SurvivalStep
from survkit.metrics.drawn_outcomes import (
    DrawnOutcomes,
    add_by_bin,
    first_at_or_below,
    first_is_of_cause,
)
from survkit.types import BoolArray, FloatArray, IntArray

BINS = 10

_BLOCK_ROWS = 1_000
"""Subjects summed at once, so that what is computed of them stays in the cache."""

_RESAMPLED_CUTS = 20
"""Cuts summed at once where there are many resamples: bounds the memory."""

_SORTED_ELEMENTS = 200_000
"""Predictions sorted at once, so that they stay in the cache."""

_DRAWN_ELEMENTS = 2_000_000
"""Most outcomes drawn at once (draws x subjects): bounds the memory."""

_CACHED_ELEMENTS = 200_000
"""Outcomes followed over all cuts at once, so that they stay in the cache."""


def equal_width_bins(predicted: FloatArray) -> NDArray[np.int8]:
    """Bin predicted probabilities by [0, 0.1), ..., [0.9, 1].

    Parameters
    ----------
    predicted : array, any shape
        Probabilities; rounding outside [0, 1] goes to the first or last bin.

    Returns
    -------
    array of the same shape, int8
        Bin of each, 0 to 9.
    """
    scaled = predicted * BINS
    return np.clip(np.floor(scaled, out=scaled), 0, BINS - 1, out=scaled).astype(np.int8)


def equal_mass_bins(predicted: FloatArray) -> NDArray[np.int8]:
    """Bin predicted probabilities by tenths of the subjects, at each cut.

    Equal predictions share a bin (that of their mean rank), so bins hold equal numbers only as
    far as ties allow, and the order of subjects does not matter.

    Parameters
    ----------
    predicted : array, shape (n, k)
        Probabilities of n subjects at k cuts.

    Returns
    -------
    array, shape (n, k), int8
        Bin of each, 0 to 9.
    """
    n, k = predicted.shape
    bins = np.zeros((k, n), dtype=np.int8)
    step = max(1, _SORTED_ELEMENTS // n)
    for start in range(0, k, step):
        block = slice(start, start + step)
        _add_equal_mass_bins(np.ascontiguousarray(predicted[:, block].T), bins[block])
    return np.ascontiguousarray(bins.T)


def _add_equal_mass_bins(values: FloatArray, bins: NDArray[np.int8]) -> None:
    """Add to `bins` (k, n), which are 0, the bins of values (k, n) along the rows."""
    n = values.shape[1]
    ordered = np.sort(values, axis=1)
    for lowest in range(1, BINS):
        # Without ties, the first value of this bin or a higher one stands at this position.
        position = min(-(-(2 * n * lowest - BINS) // (2 * BINS)), n - 1)
        edge = ordered[:, position].copy()
        beside = ordered[:, [max(position - 1, 0), min(position + 1, n - 1)]]
        for row in np.flatnonzero((beside == edge[:, None]).any(axis=1)):
            before = ordered[row].searchsorted(edge[row], "left")
            upto = ordered[row].searchsorted(edge[row], "right")
            if (before + upto) * BINS < 2 * n * lowest:  # twice the mean rank, from 0, plus 1
                edge[row] = ordered[row, upto] if upto < n else np.inf
        bins += values >= edge[:, None]


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
    step = max(k, 1) if len(counts) == 1 else _RESAMPLED_CUTS
    for start in range(0, k, step):
        cuts = slice(start, start + step)
        sums = np.zeros((4, len(counts), len(range(k)[cuts]), BINS))
        for rows in _row_blocks(n):
            weight = weights[rows, cuts]
            columns = (None, predicted[rows, cuts], weight, weight * happened[rows, cuts])
            sums += _bin_sums(columns, bins[rows, cuts], counts[:, rows])
        total += _summed_errors(*sums)
    return ratio(total, np.array(float(k)))


def _row_blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK_ROWS) for start in range(0, n, _BLOCK_ROWS))


def _bin_sums(
    columns: Sequence[FloatArray | None], bins: IntArray, counts: FloatArray
) -> NDArray[np.float64]:
    """Sum each column (n, k) over the subjects in each bin, shape (len(columns), b, k, BINS).

    None means a column of ones.
    """
    n, k = bins.shape
    place = bins + np.arange(0, k * BINS, BINS)
    shape = (len(columns), len(counts), k, BINS)
    if len(counts) == 1:
        drawn = np.broadcast_to(counts.T, (n, k))
        values = [drawn if column is None else drawn * column for column in columns]
        sums = [np.bincount(place.ravel(), each.ravel(), minlength=k * BINS) for each in values]
        return np.asarray(sums, dtype=np.float64).reshape(shape)
    # Each subject's values go into the columns of its bins, so that one product sums them all.
    placed = np.zeros((n, len(columns), k * BINS), dtype=counts.dtype)
    for index, column in enumerate(columns):
        placed[np.arange(n)[:, None], index, place] = 1.0 if column is None else column
    product = (counts @ placed.reshape(n, -1)).reshape(len(counts), len(columns), k, BINS)
    return np.asarray(np.moveaxis(product, 1, 0), dtype=np.float64)


def _summed_errors(
    size: FloatArray, predicted: FloatArray, weight: FloatArray, happened: FloatArray
) -> NDArray[np.float64]:
    """Calibration errors summed over cuts (b,), from sums over each bin's subjects (b, k, bins)."""
    known = weight > 0
    # size * |happened / weight - predicted / size| in every bin that says something.
    gap = happened * size
    gap /= weight + ~known
    gap -= predicted
    np.abs(gap, out=gap)
    gap *= known
    return np.asarray(ratio(gap.sum(axis=2), (size * known).sum(axis=2)).sum(axis=1))


def calibration_error_null(
    survival: FloatArray,
    cuts: FloatArray,
    bins: IntArray,
    censoring: SurvivalStep,
    weights: CensoringWeights,
    *,
    incidence: FloatArray | None = None,
    draws: int = 200,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Draw the calibration error that the same predictions would have if they were true.

    In each draw every subject gets an event time (a cut) from its own predicted curve and a
    censoring time from G, and the error is computed as for real outcomes. An error within this
    distribution is no evidence of miscalibration: the small sample explains it. For the error of a
    cause, the event's cause is drawn too, from the predicted incidence at its time.

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
    incidence : array, shape (n, K), optional
        Predicted cumulative incidence of the cause whose error it is; the error is that of an
        event of any cause where not given.
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
    # Two stretches of one stream of numbers, so that not all need be drawn at once.
    levels = np.random.Generator(np.random.PCG64(seed))
    censoring_levels = np.random.Generator(np.random.PCG64(seed).advance(draws * n))
    after, before = censoring.at(cuts), np.append(censoring.before(cuts), 0.0)
    by_cut = np.array(survival.T, order="C")
    np.minimum.accumulate(by_cut, axis=0, out=by_cut)  # rounding may let a curve rise
    of_cause = None if incidence is None else np.diff(incidence.T, axis=0, prepend=0.0)
    size, expected = _expected_by_bin(1.0 - survival if incidence is None else incidence, bins)
    errors = []
    at_once = max(1, _DRAWN_ELEMENTS // n)
    for start in range(0, draws, at_once):
        shape = (min(at_once, draws - start), n)
        level, censoring_level = levels.random(shape), censoring_levels.random(shape)
        weight, happened = np.zeros((2, shape[0], k, BINS))
        step = max(1, _CACHED_ELEMENTS // shape[0])
        for first in range(0, n, step):
            part = slice(first, first + step)
            event_cut = first_at_or_below(by_cut[:, part], level[:, part])
            # A censoring comes after a cut where G there is above the level, and not before the
            # cut where G just before it is.
            seen = censoring_level[:, part] < before[event_cut]
            censored_cut = np.searchsorted(-after, -censoring_level[:, part], side="left")
            counted = None
            if of_cause is not None:
                columns = by_cut[:, part], of_cause[:, part], level[:, part]
                counted = first_is_of_cause(*columns, event_cut)
            drawn = DrawnOutcomes(event_cut, seen, np.minimum(event_cut, censored_cut), counted)
            add_by_bin(weight, happened, drawn, bins[part], weights)
        errors.append(_summed_errors(size, expected, weight, happened))
    return ratio(np.concatenate(errors), np.array(float(k)))


def _expected_by_bin(predicted: FloatArray, bins: IntArray) -> NDArray[np.float64]:
    """Count subjects and expected events in each bin, shape (2, 1, k, BINS)."""
    n, k = bins.shape
    sums = np.zeros((2, 1, k, BINS))
    for rows in _row_blocks(n):
        sums += _bin_sums((None, predicted[rows]), bins[rows], once_each(len(bins[rows])))
    return sums
