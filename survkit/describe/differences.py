"""Standardised differences between groups, which do not depend on the number of subjects."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray


def of_numbers(groups: Sequence[NDArray[np.float64]]) -> float:
    """Return the largest standardised difference of means between two groups.

    |m1 - m2| / sqrt((s1^2 + s2^2) / 2), s the standard deviation with n - 1 (Austin 2009,
    Statistics in Medicine 28:3083, section 2). Groups with fewer than two values have none.

    Parameters
    ----------
    groups : sequence of array, each of shape (n_g,)
        The values of each group, without missing ones.

    Returns
    -------
    float
        NaN where no two groups have a difference.
    """
    known = [(own.mean(), own.var(ddof=1)) for own in groups if len(own) > 1]
    return _largest(
        [_ratio(m1 - m2, (v1 + v2) / 2) for (m1, v1), (m2, v2) in combinations(known, 2)]
    )


def of_categories(counts: Sequence[NDArray[np.int64]]) -> float:
    """Return the largest standardised difference of proportions between two groups.

    sqrt(d' S^-1 d), d the difference of the proportions of all categories but one, S the mean of
    the two groups' multinomial covariances (Yang & Dalton 2012, SAS Global Forum, paper 335). With
    two categories it is |p1 - p2| / sqrt((p1 (1 - p1) + p2 (1 - p2)) / 2).

    Parameters
    ----------
    counts : sequence of array, each of shape (k,)
        How often each group has each category.

    Returns
    -------
    float
        NaN where no two groups have a difference.
    """
    shares = [own / own.sum() for own in counts if own.sum()]
    return _largest([_multinomial(p, q) for p, q in combinations(shares, 2)])


def _multinomial(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    there = (p + q) > 0  # a category that neither group has would make S singular
    p, q = p[there][:-1], q[there][:-1]
    spread = sum(np.diag(own) - np.outer(own, own) for own in (p, q)) / 2
    if not len(p):
        return 0.0
    if np.linalg.matrix_rank(spread) < len(p):  # groups that share no category
        return np.nan
    return float(np.sqrt((p - q) @ np.linalg.solve(spread, p - q)))


def _ratio(difference: float, variance: float) -> float:
    if variance > 0:
        return float(abs(difference) / np.sqrt(variance))
    return 0.0 if difference == 0 else np.nan


def _largest(differences: list[float]) -> float:
    known = [each for each in differences if not np.isnan(each)]
    return max(known, default=np.nan)
