from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from survkit.metrics.sample_size import sample_size, subjects_for_power
from survkit.types import InputError


@pytest.mark.parametrize("difference", [0.3, -0.1, 0.02])
@pytest.mark.parametrize(("power", "level"), [(0.8, 0.95), (0.9, 0.99)])
def test_it_agrees_with_the_paired_t_test(difference: float, power: float, level: float) -> None:
    n, deviation = 400, 0.7
    needed = subjects_for_power(difference, deviation / math.sqrt(n), n, power=power, level=level)
    effect = abs(difference) / deviation
    reference = TTestPower().solve_power(effect_size=effect, power=power, alpha=1 - level)
    # The t test needs about z^2 / 2 subjects more than the normal approximation.
    assert 0 <= reference - needed + 1 < 5


def test_that_many_subjects_find_the_difference_four_times_in_five() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(0.05, 0.5, 300)
    error = float(first.std(ddof=1) / math.sqrt(300))
    needed = int(subjects_for_power(0.05, error, 300))
    samples = rng.normal(0.05, first.std(ddof=1), (2000, needed))
    errors = samples.std(axis=1, ddof=1) / math.sqrt(needed)
    found = np.abs(samples.mean(axis=1)) > 1.96 * errors
    assert found.mean() == pytest.approx(0.8, abs=0.03)


def test_twice_the_difference_needs_a_quarter() -> None:
    small, large = (subjects_for_power(d, 0.01, 1000) for d in (0.004, 0.008))
    assert large == pytest.approx(small / 4, abs=1)


def test_no_number_finds_a_difference_of_zero() -> None:
    assert subjects_for_power(0.0, 0.01, 100) == math.inf
    assert sample_size(0.0, 0.01, (-0.02, 0.02), 100).more == math.inf


def test_what_is_unknown_stays_unknown() -> None:
    assert math.isnan(subjects_for_power(math.nan, 0.01, 100))
    assert math.isnan(subjects_for_power(0.1, math.nan, 100))
    assert math.isnan(sample_size(0.1, math.nan, (math.nan, math.nan), 100).more)


def test_the_ends_of_the_interval_bound_the_number() -> None:
    open_ended = sample_size(-0.01, 0.02, (-0.05, 0.03), 500)
    assert open_ended.least == subjects_for_power(-0.05, 0.02, 500) < open_ended.needed
    assert open_ended.most == math.inf
    assert open_ended.more == open_ended.needed - 500
    settled = sample_size(0.05, 0.01, (0.03, 0.07), 500)
    assert settled.least < settled.needed < settled.most < math.inf
    assert settled.more == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"subjects": 0}, "subjects is 0"),
        ({"standard_error": -0.1}, "standard_error is -0.1"),
        ({"power": 1.0}, "power is 1.0"),
        ({"level": 0.0}, "level is 0.0"),
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, float], message: str) -> None:
    arguments = {"difference": 0.1, "standard_error": 0.1, "subjects": 10, **change}
    with pytest.raises(InputError, match=message):
        subjects_for_power(**arguments)
