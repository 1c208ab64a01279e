"""Which of several models is better: over the splits of one dataset, and over datasets.

References
----------
Nadeau, Bengio (2003), Inference for the Generalization Error, Machine Learning 52.
Demsar (2006), Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7.
Benavoli, Corani, Mangili (2016), Should We Really Use Post-Hoc Tests Based on Mean-Ranks?, JMLR 17.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95
"""Of intervals; a test is significant below 1 - LEVEL."""


class MeanDifference(NamedTuple):
    """A mean difference over splits, its interval, its two-sided p value and how many splits."""

    mean: float
    low: float
    high: float
    p: float
    splits: int


def corrected_interval(
    differences: NDArray[np.float64], *, n_train: float, n_test: float
) -> MeanDifference:
    """Return the corrected resampled t interval of a mean difference over splits.

    The training rows of different splits overlap, so their differences vary less than those of
    independent data would: the variance of the mean is s^2 (1/R + n_test/n_train), with R - 1
    degrees of freedom (Nadeau and Bengio 2003, section 3).

    Parameters
    ----------
    differences : array, shape (R,)
        Of a metric between two models, one for each split; NaN where either has none.
    n_train, n_test : float
        Number of training and test rows of a split.

    Returns
    -------
    MeanDifference
        With NaN for the interval and p where fewer than two splits have a difference.
    """
    known = differences[~np.isnan(differences)]
    count = len(known)
    if count == 0:
        return MeanDifference(np.nan, np.nan, np.nan, np.nan, 0)
    mean = float(known.mean())
    if count == 1:
        return MeanDifference(mean, np.nan, np.nan, np.nan, 1)
    error = float(np.sqrt(known.var(ddof=1) * (1 / count + n_test / n_train)))
    if error == 0:  # the same difference in every split
        return MeanDifference(mean, mean, mean, float(mean == 0), count)
    half = error * stats.t.ppf((1 + LEVEL) / 2, count - 1)
    p = 2 * stats.t.sf(abs(mean) / error, count - 1)
    return MeanDifference(mean, mean - half, mean + half, float(p), count)


def ranks(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank of each model on each dataset, 1 for the highest score, ties averaged.

    Parameters
    ----------
    scores : array, shape (d, k)
        Of k models on d datasets; higher is better.
    """
    return np.asarray(stats.rankdata(-scores, axis=1), np.float64).reshape(scores.shape)


class Friedman(NamedTuple):
    """Friedman's test that k models do not differ over d datasets."""

    statistic: float
    degrees_of_freedom: int
    p: float


def friedman_test(scores: NDArray[np.float64]) -> Friedman:
    """Test that no model differs from another, by their ranks (Demsar 2006, section 3.2.2).

    Parameters
    ----------
    scores : array, shape (d, k)
        Of k models on d datasets, without NaN; higher is better.

    Returns
    -------
    Friedman
        NaN for fewer than three models, for which the test has no meaning, or fewer than two
        datasets; p is 1 where all models tie everywhere.
    """
    datasets, models = scores.shape
    if models < 3 or datasets < 2:
        return Friedman(np.nan, max(models - 1, 0), np.nan)
    if np.all(scores == scores[:, :1]):
        return Friedman(0.0, models - 1, 1.0)
    statistic, p = stats.friedmanchisquare(*scores.T)
    return Friedman(float(statistic), models - 1, float(p))


class PairTest(NamedTuple):
    """A Wilcoxon signed-rank test between two models (their places) over datasets.

    `adjusted` is p by Holm's method over all pairs; `datasets` is how many both models have.
    """

    first: int
    second: int
    p: float
    adjusted: float
    datasets: int


def signed_rank_tests(scores: NDArray[np.float64]) -> list[PairTest]:
    """Test each pair of models over the datasets that both have.

    A difference of 0 counts half for either model (Demsar 2006, section 3.1.3).

    Parameters
    ----------
    scores : array, shape (d, k)
        Of k models on d datasets; NaN where a model has none.
    """
    pairs = list(combinations(range(scores.shape[1]), 2))
    found = [_signed_rank(scores[:, first] - scores[:, second]) for first, second in pairs]
    adjusted = holm([p for p, _ in found])
    return [
        PairTest(first, second, p, corrected, count)
        for (first, second), (p, count), corrected in zip(pairs, found, adjusted, strict=True)
    ]


def _signed_rank(differences: NDArray[np.float64]) -> tuple[float, int]:
    known = differences[~np.isnan(differences)]
    if not known.any():  # none, or no difference at all
        return 1.0, len(known)
    return float(stats.wilcoxon(known, zero_method="zsplit").pvalue), len(known)


def holm(p: list[float]) -> list[float]:
    """Return p values adjusted for their number by Holm's method (1979)."""
    order = np.argsort(p, kind="stable")
    factors = len(p) - np.arange(len(p))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * np.asarray(p)[order]))
    return [float(value) for value in adjusted]


def least_p(datasets: int, models: int) -> float:
    """Return the least p value, adjusted by Holm's method, that any pair can have.

    With d datasets the signed-rank test has 2^d equally likely outcomes, two of them extreme.
    """
    pairs = models * (models - 1) // 2
    return float(min(1.0, max(pairs, 1) * 2.0 ** (1 - datasets)))


def level_groups(mean_ranks: NDArray[np.float64], tests: list[PairTest]) -> list[list[int]]:
    """Return the largest groups of models, next to each other by rank, with no pair that differs.

    They are the bars of a critical-difference diagram, by pairwise tests and not by mean ranks,
    as the latter depend on which other models take part (Benavoli, Corani and Mangili 2016).

    Parameters
    ----------
    mean_ranks : array, shape (k,)
        Of each model.
    tests : list of PairTest
        For all pairs.

    Returns
    -------
    list of list of int
        Places of at least two models each, from the best rank on.
    """
    differ = {(t.first, t.second) for t in tests if t.adjusted < 1 - LEVEL}
    order = [int(place) for place in np.argsort(mean_ranks, kind="stable")]
    groups: list[list[int]] = []
    for start in range(len(order)):
        end = start + 1
        while end < len(order) and not any(
            tuple(sorted((order[end], other))) in differ for other in order[start:end]
        ):
            end += 1
        is_new = not groups or order[end - 1] not in groups[-1]
        if end - start > 1 and is_new:
            groups.append(order[start:end])
    return groups


class WinTieLoss(NamedTuple):
    """On how many datasets a model is better than another by more than a margin, level, worse."""

    wins: int
    ties: int
    losses: int


def win_tie_loss(differences: NDArray[np.float64], margin: float) -> WinTieLoss:
    """Count datasets by the difference of two models' scores, (d,); NaN does not count.

    A difference of at most `margin` either way is a tie.
    """
    known = differences[~np.isnan(differences)]
    wins, losses = int((known > margin).sum()), int((known < -margin).sum())
    return WinTieLoss(wins, len(known) - wins - losses, losses)
