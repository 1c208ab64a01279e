from __future__ import annotations

import numpy as np
import pytest

from survkit.bart.person_period import training_rows
from survkit.bart.size import MIN_TIMES, choose_scale, count_rows
from survkit.types import InputError

TIME = np.random.default_rng(0).integers(1, 60, 300).astype(float)


@pytest.mark.parametrize("scale", [1.0, 3.0, 7.0])
def test_rows_are_counted_without_making_them(scale: float) -> None:
    rows = training_rows(TIME, np.ones(300, bool), scale=scale)
    assert count_rows(TIME, scale) == (len(rows.subject), len(rows.times))


@pytest.mark.parametrize("max_rows", [10_000, 4_000, 2_000])
def test_the_scale_is_the_smallest_that_does(max_rows: int) -> None:
    scale = choose_scale(TIME, max_rows)
    assert count_rows(TIME, scale)[0] <= max_rows
    assert scale == 1 or count_rows(TIME, scale - 1)[0] > max_rows


def test_no_scale_leaves_fewer_times_than_needed() -> None:
    with pytest.raises(InputError, match=r"--bart_max_rows 400; --bart_subsample (\d+) would do"):
        choose_scale(TIME, 400)
    assert count_rows(TIME, 14)[1] == MIN_TIMES


@pytest.mark.parametrize("seed", range(20))
def test_the_subsample_named_would_do(seed: int) -> None:
    with pytest.raises(InputError) as refused:
        choose_scale(TIME, 400)
    subjects = int(str(refused.value).split("--bart_subsample ")[1].split()[0])
    assert subjects > 100
    choose_scale(np.random.default_rng(seed).permutation(TIME)[:subjects], 400)
