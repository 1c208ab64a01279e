"""Resampling subjects, and the weighted ratios that point estimates and resamples share.

Every metric takes `counts`, shape (b, n): how often each of n subjects is drawn in each of b
resamples. The point estimate is the same function of one row of ones, so it and its interval
cannot come from two formulas.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from survkit.types import FloatArray, InputError, IntArray


def once_each(n: int) -> NDArray[np.float64]:
    """Return the counts of the sample itself: each of n subjects once, shape (1, n)."""
    return np.ones((1, n))


def resample_counts(
    n: int, *, resamples: int, seed: int, subject_id: IntArray | None = None
) -> NDArray[np.float32]:
    """How often each row is drawn when subjects are drawn with replacement.

    Parameters
    ----------
    n : int
        Rows.
    resamples : int
        Bootstrap resamples, b.
    seed : int
        Seed of the draws.
    subject_id : array, shape (n,), optional
        The subject of each row: a subject's rows are drawn together. Each row is a subject of its
        own where not given.

    Returns
    -------
    array, shape (b, n), float32
        Whole numbers (exact in float32); the resamples of one row are contiguous.

    Raises
    ------
    InputError
        For fewer than no resamples.

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapters 6 and 13; Davison &
    Hinkley (1997), section 3.8, for subjects with several rows.
    """
    how = {"resamples": resamples, "seed": seed, "at_once": max(resamples, 1)}
    return next(resample_chunks(n, subject_id=subject_id, **how), np.zeros((0, n), np.float32))


def resample_chunks(
    n: int, *, resamples: int, seed: int, subject_id: IntArray | None = None, at_once: int
) -> Iterator[NDArray[np.float32]]:
    """Yield the rows of `resample_counts` in chunks: all of them may be too much for the memory.

    Parameters
    ----------
    n, resamples, seed, subject_id
        As in `resample_counts`.
    at_once : int
        Most resamples in a chunk, at least 1.

    Raises
    ------
    InputError
        For fewer than no resamples.
    """
    if resamples < 0:
        raise InputError(f"bootstrap is {resamples}; it is a number of resamples, at least 0")
    rows = None if subject_id is None else np.unique(subject_id, return_inverse=True)[1]
    subjects = n if rows is None else int(rows.max()) + 1
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, at_once):
        counts = np.empty((n, min(at_once, resamples - start)), dtype=np.float32)
        for resample in range(counts.shape[1]):
            drawn = np.bincount(generator.integers(subjects, size=subjects), minlength=subjects)
            counts[:, resample] = drawn if rows is None else drawn[rows]
        yield counts.T


def ratio(numerator: FloatArray, denominator: FloatArray) -> NDArray[np.float64]:
    """Divide, with NaN where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    result = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result


def weighted_ratio(
    numerator: FloatArray, denominator: FloatArray, counts: FloatArray | None = None
) -> NDArray[np.float64]:
    """Ratio of two sums over subjects, in every resample.

    Parameters
    ----------
    numerator, denominator : array, shape (n, q)
        What each subject adds to the two sums of each of q metrics.
    counts : array, shape (b, n), optional
        How often each subject is drawn; once each where not given (b = 1).

    Returns
    -------
    array, shape (b, q), float64
        NaN where a denominator is 0.
    """
    counts = once_each(len(numerator)) if counts is None else counts
    sides = (numerator, denominator)
    return ratio(*(counts @ values.astype(counts.dtype, copy=False) for values in sides))


def bootstrap_interval(
    resampled: FloatArray, estimate: float | None = None, level: float = 0.95
) -> tuple[float, float] | None:
    """Bootstrap percentile interval of one metric.

    Resampling repeats subjects, which pushes metrics of absolute deviations (calibration errors)
    and of agreement upwards; their percentiles alone lie above the estimate. Where the estimate is
    given, the interval is shifted back by this bias: the mean of the resamples minus the estimate.

    Parameters
    ----------
    resampled : array, shape (b,)
        The metric in each resample; NaN where it is undefined there.
    estimate : float, optional
        The metric in the sample itself, for a metric that resampling pushes upwards.
    level : float
        Coverage in (0, 1).

    Returns
    -------
    tuple of two floats, or None
        Over the resamples in which the metric is defined; None where there is none.

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, equations 10.2 and 13.5.
    """
    defined = resampled[~np.isnan(resampled)]
    if len(defined) == 0:
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    bias = 0.0 if estimate is None else defined.mean(dtype=np.float64) - estimate
    return float(low - bias), float(high - bias)
