"""How often survival times exceed their lower bounds, estimated under censoring."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.bootstrap import (
    bootstrap_interval,
    once_each,
    resample_chunks,
    weighted_ratio,
)
from survkit.types import BoolArray, FloatArray, IntArray


class Coverage(NamedTuple):
    """An estimate of coverage.

    Parameters
    ----------
    value : float
        In [0, 1]; NaN where it is undefined.
    interval : tuple of two floats or None
        Its 95 % bootstrap interval.
    n_used : int
        Rows that carry weight.
    max_weight : float
        The largest weight.
    reason : str
        Why it is undefined; "" where it is not.
    """

    value: float
    interval: tuple[float, float] | None = None
    n_used: int = 0
    max_weight: float = 1.0
    reason: str = ""


def censored_coverage(
    bound: FloatArray,
    time: FloatArray,
    event: BoolArray,
    *,
    before_time: FloatArray,
    before_bound: FloatArray,
    resamples: int = 0,
    seed: int = 0,
    subject_id: IntArray | None = None,
) -> Coverage:
    """Estimate P(T >= bound) from right-censored outcomes.

    A row that is still observed at its bound b has the weight 1 / G(b-), one with an event before
    it 1 / G(T-), and one censored before it none: of those, nothing is known. The estimate is the
    weighted share of the first.

    Parameters
    ----------
    bound, time, event : array, shape (n,)
        The bounds and the outcomes.
    before_time, before_bound : array, shape (n,)
        G(T-) and G(b-): the probability of not being censored before.
    resamples, seed, subject_id
        As in `resample_counts`; no interval for 0 resamples.

    References
    ----------
    Graf, Schmoor, Sauerbrei & Schumacher (1999), Statistics in Medicine 18:2529, for the weights.
    """
    covered = time >= bound
    missed = event & ~covered
    known = covered | missed
    probability = np.where(covered, before_bound, before_time)
    if not known.any():
        return Coverage(np.nan, reason="every row is censored before its bound")
    if (probability[known] <= 0).any():
        return Coverage(np.nan, reason="nobody is observed for as long as some of the bounds")
    weight = np.divide(1.0, probability, out=np.zeros(len(bound)), where=known)
    return _weighted(covered, weight, resamples, seed, subject_id)


def true_coverage(
    bound: FloatArray,
    true_time: FloatArray,
    *,
    resamples: int = 0,
    seed: int = 0,
    subject_id: IntArray | None = None,
) -> Coverage:
    """Return the share of bounds (n,) that the event times before censoring (n,) reach.

    The other parameters are those of `censored_coverage`.
    """
    return _weighted(true_time >= bound, np.ones(len(bound)), resamples, seed, subject_id)


def _weighted(
    covered: BoolArray,
    weight: NDArray[np.float64],
    resamples: int,
    seed: int,
    subject_id: IntArray | None,
) -> Coverage:
    numerator, denominator = (covered * weight)[:, None], weight[:, None]
    value = weighted_ratio(numerator, denominator, once_each(len(weight)))[0, 0]
    at_once = max(1, min(resamples, 10_000_000 // len(weight)))
    chunks = resample_chunks(
        len(weight), resamples=resamples, seed=seed, subject_id=subject_id, at_once=at_once
    )
    drawn = [weighted_ratio(numerator, denominator, counts)[:, 0] for counts in chunks]
    interval = bootstrap_interval(np.concatenate(drawn)) if drawn else None
    n_used = int(np.count_nonzero(weight))
    return Coverage(float(value), interval, n_used, float(weight.max()))
