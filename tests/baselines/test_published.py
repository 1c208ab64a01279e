from __future__ import annotations

import numpy as np
import pytest

from survkit.baselines.published import leave_out_fold, renormalised
from survkit.types import InputError, SurvivalData, SurvivalPrediction


def rows_of(n: int) -> SurvivalData:
    return SurvivalData(np.arange(n, dtype=np.float32)[:, None], np.ones(n, bool), np.ones(n))


def kept(data: SurvivalData, seed: int) -> set[int]:
    return set(leave_out_fold(data, seed).features[:, 0].astype(int).tolist())


@pytest.mark.parametrize("n", [5, 23, 100])
def test_five_seeds_leave_out_every_row_once(n: int) -> None:
    left_out = [set(range(n)) - kept(rows_of(n), seed) for seed in range(42, 47)]
    assert sorted(row for fold in left_out for row in fold) == list(range(n))
    sizes = [len(fold) for fold in left_out]
    assert max(sizes) - min(sizes) <= 1


def test_the_first_fold_is_the_start_of_the_fixed_permutation() -> None:
    expected = set(np.random.RandomState(42).permutation(20)[4:].tolist())
    assert kept(rows_of(20), 42) == expected


@pytest.mark.parametrize(("seed", "same"), [(47, 42), (0, 45), (41, 46)])
def test_other_seeds_reuse_the_five_folds(seed: int, same: int) -> None:
    assert kept(rows_of(31), seed) == kept(rows_of(31), same)


def test_rows_stay_in_order() -> None:
    features = leave_out_fold(rows_of(50), 43).features[:, 0]
    assert (np.diff(features) > 0).all()


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(InputError, match=r"5 folds .* there are 4 rows"):
        leave_out_fold(rows_of(4), 42)


def test_renormalising_leaves_nothing_beyond_the_horizon() -> None:
    prediction = SurvivalPrediction(
        np.array([0.0, 1.0, 2.0]), np.array([[1.0, 0.8, 0.5], [1.0, 1.0, 1.0]])
    )
    spread, flat = renormalised(prediction)
    np.testing.assert_allclose(spread.survival, [[1.0, 0.6, 0.0], [1.0, 1.0, 1.0]])
    assert flat == 1
