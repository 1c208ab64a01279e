"""Lower bounds: their coverage by simulation, and the algorithm against a literal one."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from survkit.curves import own_values, time_of_level
from survkit.datasets import load_dataset
from survkit.metrics.bound_coverage import censored_coverage, true_coverage
from survkit.metrics.censoring import censoring_distribution
from survkit.metrics.conformal_bounds import (
    BoundCalibration,
    CensoringCurves,
    calibrate_bounds,
    lower_bounds,
    subjects_needed,
)
from survkit.types import SurvivalData

Array = NDArray[Any]
GRID = np.linspace(0.0, 10.0, 40)
REPLICATES, CALIBRATION, TEST, FIT = 200, 200, 300, 200


class Curves(NamedTuple):
    """Predictions of fixed curves that nobody fitted."""

    optimism: float

    def of(self, features: Array) -> Array:
        scale = self.optimism * np.exp(-0.4 * features[:, 0] + 0.3 * features[:, 1])
        return np.asarray(np.exp(-((GRID[None] / scale[:, None]) ** 1.1)))


def everybody(curve: Any, n: int) -> CensoringCurves:
    return CensoringCurves(curve.times, np.broadcast_to(curve.values, (n, len(curve.values))))


@cache
def synthetic() -> SurvivalData:
    """Rows of the dataset `synthetic`, whose true times are known."""
    rows = REPLICATES * (CALIBRATION + TEST + FIT)
    return load_dataset("synthetic", data_dir=".", synthetic_rows=rows * 5 // 4 + 9).splits.train


def parts() -> Array:
    """Row numbers of each replicate's calibration, test and fitting rows."""
    return np.arange(REPLICATES * (CALIBRATION + TEST + FIT)).reshape(REPLICATES, -1)


def calibrated(
    data: SurvivalData, rows: Array, curves: Array, censoring: CensoringCurves
) -> BoundCalibration:
    own = own_values(GRID, curves, data.time[rows], step=False)
    return calibrate_bounds(own, data.time[rows], data.event[rows], censoring, horizon=10.0)


def simulated(level: float, *, by_group: bool, optimism: float = 9.0) -> dict[str, Array]:
    """Return the coverage of each replicate, over all and in each of two groups, and without."""
    data, model = synthetic(), Curves(optimism)
    group = data.features[:, 0] > 0.5  # the curves know half of what this feature does
    found: dict[str, list[float]] = {"all": [], "low": [], "high": [], "as_it_is": [], "ipcw": []}
    for replicate in parts():
        rows, test, fit = np.split(replicate, [CALIBRATION, CALIBRATION + TEST])
        curve = censoring_distribution(data.time[fit], data.event[fit])
        of_test, truth = model.of(data.features[test]), data.true_time[test]  # type: ignore[index]
        bound = np.zeros(TEST)
        for which in (False, True) if by_group else (None,):
            chosen = rows if which is None else rows[group[rows] == which]
            here = np.full(TEST, True) if which is None else group[test] == which
            own = everybody(curve, len(chosen))
            calibration = calibrated(data, chosen, model.of(data.features[chosen]), own)
            new = everybody(curve, int(here.sum()))
            bound[here] = lower_bounds(calibration, level, GRID, of_test[here], new, step=False)
        covered = truth >= bound
        found["all"].append(covered.mean())
        found["low"].append(covered[~group[test]].mean())
        found["high"].append(covered[group[test]].mean())
        quantile = time_of_level(GRID, of_test, level, step=False)
        found["as_it_is"].append((truth >= np.minimum(quantile, 10.0)).mean())
        own = everybody(curve, TEST)
        estimate = censored_coverage(
            bound,
            data.time[test],
            data.event[test],
            before_time=own.before(data.time[test]),
            before_bound=own.before(bound),
        )
        found["ipcw"].append(estimate.value)
    return {name: np.array(values) for name, values in found.items()}


def standard_error(values: Array) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


@pytest.mark.slow
def test_bounds_of_an_optimistic_model_have_their_level() -> None:
    found = simulated(0.9, by_group=False)
    error = standard_error(found["all"])
    assert found["all"].mean() == pytest.approx(0.9, abs=3 * error + 1.5 / CALIBRATION)
    assert error < 0.004
    assert found["as_it_is"].mean() < 0.75  # without calibration the test would fail
    assert found["ipcw"].mean() == pytest.approx(found["all"].mean(), abs=0.005)
    # Over all subjects only: the groups differ.
    assert abs(found["low"].mean() - found["high"].mean()) > 0.05


@pytest.mark.slow
def test_bounds_of_groups_have_their_level_in_each() -> None:
    found = simulated(0.9, by_group=True)
    for name, least in (("low", 100), ("high", 40)):
        error = standard_error(found[name])
        assert found[name].mean() == pytest.approx(0.9, abs=3 * error + 1.5 / least), name


@pytest.mark.slow
def test_the_level_holds_with_few_rows_and_known_censoring_that_depends_on_features() -> None:
    """Finite-sample validity: 25 calibration rows, G known exactly."""
    random = np.random.default_rng(3)
    replicates, n, new = 700, 25, 20
    x = random.normal(size=(replicates, n + new))
    truth = random.exponential(np.exp(0.8 * x))
    steps = np.linspace(0.0, 10.0, 201)[1:]
    rate = 0.3 * np.exp(0.8 * x)  # those who live long are censored early
    censored = np.ceil(random.exponential(1 / rate) / 0.05) * 0.05
    time, event = np.minimum(truth, censored), truth <= censored
    survival = np.exp(-GRID / 2.0)  # one curve for everybody, far too late
    values = np.exp(-rate[..., None] * steps)
    coverage, plain = [], []
    for r in range(replicates):
        curves = np.broadcast_to(survival, (n + new, len(GRID)))
        own = own_values(GRID, curves, time[r], step=False)
        calibration = calibrate_bounds(
            own[:n], time[r, :n], event[r, :n], CensoringCurves(steps, values[r, :n]), horizon=10.0
        )
        of_new = CensoringCurves(steps, values[r, n:])
        bound = lower_bounds(calibration, 0.8, GRID, curves[n:], of_new, step=False)
        coverage.append((truth[r, n:] >= bound).mean())
        score = np.sort(1 - own[:n])  # censoring times taken for event times
        naive = time_of_level(GRID, curves[n:], 1 - score[4], step=False)
        plain.append((truth[r, n:] >= naive).mean())
    error = standard_error(np.array(coverage))
    assert np.mean(coverage) >= 0.8 - 3 * error
    assert np.mean(coverage) < 0.9
    assert np.mean(plain) > np.mean(coverage) + 0.03  # valid as well, and less is said


def literal_bound(
    calibration: BoundCalibration, level: float, curve: Array, censoring: Any, step: bool
) -> float:
    """Try every quantile, and every bound up to it, from the definition."""
    budget = (1 - level) * (calibration.subjects + 1)
    best = 0.0
    for place, score in enumerate([*calibration.scores, 1.0]):
        reached = min(float(time_of_level(GRID, curve[None], 1 - score, step=step)[0]), GRID[-1])
        ends = [reached, *(t for t in censoring.times if t < reached)]
        for end in ends:
            probability = float(censoring.before(np.array([end]))[0])
            if probability < 0.05:
                continue
            if calibration.weight_below[place] + 1 / probability <= budget + 1e-9:
                best = max(best, end)
    return best


@pytest.mark.parametrize("step", [False, True])
@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_the_search_finds_the_largest_bound_of_the_definition(level: float, step: bool) -> None:
    random = np.random.default_rng(5)
    for n in (1, 3, 20, 60):
        time = random.integers(0, 12, n).astype(float)  # ties, at cuts or beyond the horizon
        event = random.random(n) < 0.6
        survival = np.round(random.random(n), 1)
        steps = np.arange(1.0, 10.0)
        falls = np.cumprod(random.choice([1.0, 0.7, 0.9], (8, 9)), axis=1)
        rows = CensoringCurves(steps, np.cumprod(random.choice([1.0, 0.8], (n, 9)), axis=1))
        calibration = calibrate_bounds(survival, time, event, rows, horizon=10.0)
        curves = np.sort(np.round(random.random((8, len(GRID))), 1), axis=1)[:, ::-1]
        new = CensoringCurves(steps, falls)
        found = lower_bounds(calibration, level, GRID, curves, new, step=step)
        expected = [
            literal_bound(calibration, level, curve, CensoringCurves(steps, falls[i : i + 1]), step)
            for i, curve in enumerate(curves)
        ]
        np.testing.assert_allclose(found, expected)


def test_without_censoring_it_is_the_split_conformal_quantile() -> None:
    random = np.random.default_rng(1)
    time = random.exponential(2.0, 99)
    curve = np.exp(-GRID / 3.0)
    own = own_values(GRID, np.broadcast_to(curve, (99, len(GRID))), time, step=False)
    nobody = CensoringCurves(np.empty(0), np.empty((99, 0)))
    calibration = calibrate_bounds(own, time, np.full(99, True), nobody, horizon=10.0)
    new = CensoringCurves(np.empty(0), np.empty((1, 0)))
    bound = lower_bounds(calibration, 0.9, GRID, curve[None], new, step=False)
    # The 10th of the 99 smallest scores: alpha (n + 1) = 10.
    assert bound[0] == pytest.approx(np.sort(time)[9])


def test_with_one_end_of_follow_up_it_is_the_bound_for_known_censoring_times() -> None:
    """Candes, Lei and Ren (2023), with the cut-off c0 at the end: no row is left out."""
    random = np.random.default_rng(2)
    end, n, alpha = 1.5, 150, 0.2
    true = random.exponential(2.0, n)
    time, event = np.minimum(true, end), true <= end
    scale = random.uniform(1.0, 6.0, n + 1)
    curves = np.exp(-GRID[None] / scale[:, None])
    # Scores of min(T, c0) by the level of the quantile, as theirs of distributional regression.
    own = own_values(GRID, curves[:n], time, step=False)
    rank = int(np.floor(alpha * (n + 1)))
    threshold = np.sort(np.where(event, 1 - own, 1.0))[rank - 1]
    expected = min(float(time_of_level(GRID, curves[n:], 1 - threshold, step=False)[0]), end)
    censoring = censoring_distribution(time, event)
    calibration = calibrate_bounds(own, time, event, everybody(censoring, n), horizon=end)
    found = lower_bounds(
        calibration, 1 - alpha, GRID, curves[n:], everybody(censoring, 1), step=False
    )
    assert min(found[0], end) == pytest.approx(expected)


def test_a_level_that_too_few_rows_cannot_reach_gives_the_bound_0() -> None:
    assert [subjects_needed(level) for level in (0.5, 0.9, 0.95, 0.99)] == [1, 9, 19, 99]
    curve = np.exp(-GRID / 3.0)[None]
    for n, reached in ((8, False), (9, True)):
        time, nobody = np.full(n, 2.0), CensoringCurves(np.empty(0), np.empty((n, 0)))
        own = own_values(GRID, np.repeat(curve, n, axis=0), time, step=False)
        calibration = calibrate_bounds(own, time, np.full(n, True), nobody, horizon=10.0)
        new = CensoringCurves(np.empty(0), np.empty((1, 0)))
        bound = lower_bounds(calibration, 0.9, GRID, curve, new, step=False)
        assert calibration.reaches(0.9) == reached
        assert bound[0] == pytest.approx(2.0 if reached else 0.0)


def test_a_subject_with_several_rows_counts_once() -> None:
    random = np.random.default_rng(6)
    time, event, survival = random.exponential(size=30), random.random(30) < 0.7, random.random(30)
    once = CensoringCurves(np.array([1.0]), np.full((30, 1), 0.5))
    twice = CensoringCurves(np.array([1.0]), np.full((60, 1), 0.5))
    alone = calibrate_bounds(survival, time, event, once, horizon=10.0)
    doubled = calibrate_bounds(
        *(np.repeat(each, 2) for each in (survival, time, event)),
        twice,
        horizon=10.0,
        subject_id=np.repeat(np.arange(30), 2),
    )
    np.testing.assert_array_equal(doubled.scores, alone.scores)
    np.testing.assert_allclose(doubled.weight_below, alone.weight_below)
    assert doubled.subjects == 30


def test_coverage_by_weights_is_the_share_itself_without_censoring() -> None:
    random = np.random.default_rng(7)
    time, bound = random.exponential(size=(2, 80))
    ones = np.ones(80)
    known = {"before_time": ones, "before_bound": ones, "resamples": 50, "seed": 1}
    found = censored_coverage(bound, time, np.full(80, True), **known)  # type: ignore[arg-type]
    truth = true_coverage(bound, time, resamples=50, seed=1)
    assert found == truth
    assert found.interval is not None
    assert found.interval[0] < found.value < found.interval[1]


def test_coverage_that_cannot_be_told_has_a_reason() -> None:
    late, early, no = np.full(3, 5.0), np.ones(3), np.full(3, False)
    ones = np.ones(3)
    found = censored_coverage(late, early, no, before_time=ones, before_bound=ones)
    assert np.isnan(found.value)
    assert found.reason == "every row is censored before its bound"
    found = censored_coverage(early, late, no, before_time=ones, before_bound=np.zeros(3))
    assert np.isnan(found.value)
    assert "nobody is observed" in found.reason
