"""The statistics of model comparisons, against scipy, scikit-posthocs and examples by hand."""

import numpy as np
import pytest
import scikit_posthocs
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from survkit.metrics.model_comparison import (
    PairTest,
    corrected_interval,
    friedman_test,
    holm,
    least_p,
    level_groups,
    ranks,
    signed_rank_tests,
    win_tie_loss,
)

# Table 6 of Demsar (2006): AUC of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 datasets.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)


def test_the_corrected_interval_by_hand() -> None:
    differences = np.array([0.02, 0.01, 0.03, 0.00, 0.04])
    # Mean 0.02, variance 0.00025, error sqrt(0.00025 (1/5 + 1/8)), t of 4 degrees 2.776445.
    found = corrected_interval(differences, n_train=80, n_test=10)
    half = 2.776445 * np.sqrt(0.00025 * 0.325)
    assert found[:3] == pytest.approx((0.02, 0.02 - half, 0.02 + half), abs=1e-8)
    assert found.p == pytest.approx(2 * stats.t.sf(0.02 / np.sqrt(0.00025 * 0.325), 4))
    assert found.splits == 5


def test_without_overlap_the_interval_is_that_of_a_t_test() -> None:
    differences = np.random.default_rng(0).normal(0.1, 1, 20)
    found = corrected_interval(differences, n_train=1, n_test=0)
    expected = stats.ttest_1samp(differences, 0)
    assert found.p == pytest.approx(expected.pvalue)
    assert found[1:3] == pytest.approx(tuple(expected.confidence_interval()))


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ([], (np.nan, np.nan, np.nan, np.nan, 0)),
        ([np.nan, 0.5], (0.5, np.nan, np.nan, np.nan, 1)),
        ([0.25, 0.25, np.nan], (0.25, 0.25, 0.25, 0.0, 2)),
        ([0.0, 0.0], (0.0, 0.0, 0.0, 1.0, 2)),
    ],
)
def test_differences_that_have_no_spread(differences: list[float], expected: tuple) -> None:
    found = corrected_interval(np.array(differences), n_train=80, n_test=10)
    np.testing.assert_equal(tuple(found), expected)


def repeated_splits(seed: int, better: float, *, n: int = 100, splits: int = 10) -> np.ndarray:
    """Return the differences in squared error of two linear models, over splits of one dataset.

    Each sees one of two columns, which say equally much of the outcome unless `better` adds to
    what the first says.
    """
    random = np.random.default_rng(seed)
    columns = random.normal(size=(n, 2))
    outcome = columns @ [1 + better, 1] + random.normal(size=n)
    differences = np.empty(splits)
    for split in range(splits):
        rows = random.permutation(n)
        test, train = rows[: n // 10], rows[n // 5 :]
        errors = []
        for column in columns.T:
            fit = np.polyfit(column[train], outcome[train], 1)
            errors.append(np.mean((outcome[test] - np.polyval(fit, column[test])) ** 2))
        differences[split] = errors[1] - errors[0]
    return differences


def test_equal_models_are_rarely_told_apart_and_a_better_one_is_found() -> None:
    sizes = {"n_train": 80, "n_test": 10}
    null = [repeated_splits(seed, 0.0) for seed in range(200)]
    significant = np.mean([corrected_interval(d, **sizes).p < 0.05 for d in null])
    uncorrected = np.mean([stats.ttest_1samp(d, 0).pvalue < 0.05 for d in null])
    assert significant <= 0.07
    assert uncorrected > 0.1  # what the correction is for
    planted = [corrected_interval(repeated_splits(seed, 2.0), **sizes) for seed in range(50)]
    assert np.mean([found.low > 0 for found in planted]) > 0.9


def test_demsar_s_example() -> None:
    found = ranks(DEMSAR)
    np.testing.assert_allclose(found.mean(axis=0), [3.143, 2.000, 2.893, 1.964], atol=6e-4)
    assert 8.4 * ((found.mean(axis=0) ** 2).sum() - 25) == pytest.approx(9.28, abs=0.01)
    assert friedman_test(DEMSAR).p == pytest.approx(stats.friedmanchisquare(*DEMSAR.T).pvalue)


def test_friedman_by_demsar_s_formula() -> None:
    scores = np.random.default_rng(3).normal(size=(14, 4))
    mean_ranks = ranks(scores).mean(axis=0)
    statistic = 12 * 14 / (4 * 5) * ((mean_ranks**2).sum() - 4 * 5**2 / 4)
    assert friedman_test(scores) == pytest.approx((statistic, 3, stats.chi2.sf(statistic, 3)))


def test_pairs_are_tested_as_scikit_posthocs_does() -> None:
    scores = np.random.default_rng(1).normal([0, 0.5, 1, 1.5], size=(12, 4))
    expected = scikit_posthocs.posthoc_wilcoxon(
        scores.T.tolist(), zero_method="zsplit", p_adjust="holm"
    ).to_numpy()
    for test in signed_rank_tests(scores):
        assert test.adjusted == pytest.approx(expected[test.first, test.second])
        assert test.datasets == 12


def test_a_model_that_is_missing_somewhere_is_compared_where_it_is_there() -> None:
    scores = np.random.default_rng(1).normal([0, 1], size=(12, 2))
    scores[3, 0] = np.nan
    (test,) = signed_rank_tests(scores)
    known = np.delete(scores, 3, axis=0)
    assert test.datasets == 11
    assert test.p == stats.wilcoxon(known[:, 0], known[:, 1]).pvalue


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.integers(0, 8), st.integers(2, 6))
def test_no_pair_falls_below_the_least_p(datasets: int, models: int) -> None:
    scores = np.arange(datasets * models, dtype=float).reshape(datasets, models)
    scores += np.random.default_rng(0).random((datasets, 1)) * np.arange(models)
    least = min(test.adjusted for test in signed_rank_tests(scores))
    assert least == pytest.approx(least_p(datasets, models))


def test_level_groups_are_next_to_each_other_and_have_no_pair_that_differs() -> None:
    def tests(*differ: tuple[int, int]) -> list[PairTest]:
        pairs = [(i, j) for i in range(4) for j in range(i + 1, 4)]
        return [PairTest(i, j, 0.0, 0.01 if (i, j) in differ else 0.5, 9) for i, j in pairs]

    mean_ranks = np.array([3.5, 1.0, 2.0, 3.0])  # order 1, 2, 3, 0
    assert level_groups(mean_ranks, tests()) == [[1, 2, 3, 0]]
    assert level_groups(mean_ranks, tests((0, 1))) == [[1, 2, 3], [2, 3, 0]]
    assert level_groups(mean_ranks, tests((1, 2))) == [[2, 3, 0]]
    everything = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    assert level_groups(mean_ranks, tests(*everything)) == []


def test_models_that_tie_everywhere() -> None:
    same = np.ones((5, 3))
    assert friedman_test(same) == (0.0, 2, 1.0)
    np.testing.assert_array_equal(ranks(same), np.full((5, 3), 2.0))
    assert all(test.p == 1.0 for test in signed_rank_tests(same))
    assert np.isnan(friedman_test(same[:, :2]).p)


def test_wins_are_beyond_the_margin() -> None:
    differences = np.array([0.02, 0.01, -0.005, -0.3, np.nan])
    assert win_tie_loss(differences, 0.01) == (1, 2, 1)
    assert win_tie_loss(differences, 0.0) == (2, 0, 2)
