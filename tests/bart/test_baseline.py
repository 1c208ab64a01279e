"""BART as a model of the training command: on a grid, within a number of rows, in a record."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from survkit import train
from survkit.bart.baseline import BartBaseline, fill_in
from survkit.bart.chains import SamplerSettings
from survkit.runs.read import load_fitted, read_predictions
from survkit.types import InputError, SurvivalData, TimeGrid

pytestmark = pytest.mark.slow

QUICK = SamplerSettings(trees=10, tune=20, draws=20, sweeps=1, chains=1)


class Monitor:
    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.logged: dict[str, float] = {}

    def log(self, epoch: int, values: Any) -> None:
        self.logged = dict(values)

    def save(self, state: Any, *, always: bool = False) -> None: ...

    def load(self) -> None: ...

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def fit(data: SurvivalData, grid: TimeGrid, **arguments: Any) -> tuple[BartBaseline, Monitor]:
    monitor = Monitor()
    model = BartBaseline(grid=grid, **asdict(QUICK), cores=1, **arguments)
    return model.fit(data, data, monitor=monitor), monitor


def grid_of(data: SurvivalData, bins: int = 13) -> TimeGrid:
    return TimeGrid.evenly_spaced(data.time.max(), bins)


def test_prediction_is_the_posterior_mean_on_the_grid(small_data: SurvivalData) -> None:
    model, monitor = fit(small_data, grid_of(small_data))
    prediction = model.predict(small_data.features)
    assert_array_equal(prediction.times, model.grid.cuts)
    assert (prediction.survival[:, 0] == 1).all()
    fitted = model.bart.times.astype(int)
    assert_allclose(prediction.survival[:, fitted], model.bart.predict(small_data.features))
    assert {"rhat_ok@25", "rhat_ok@50", "rhat_ok@75", "ess_median"} <= set(monitor.logged)
    assert model.fit_summary.converged is model.convergence().converged
    again = BartBaseline.from_state(model.state())
    assert again.fit_summary == model.fit_summary
    assert_array_equal(again.predict(small_data.features).survival, prediction.survival)


@pytest.mark.parametrize("max_rows", [200_000, 500])
def test_the_interval_is_that_of_the_draws_and_holds_the_mean(
    max_rows: int, small_data: SurvivalData
) -> None:
    model, _ = fit(small_data, grid_of(small_data), max_rows=max_rows)
    features = small_data.features[:20]
    cuts = model.grid.cuts
    known = model.bart.times.astype(int)
    known = known[known < len(cuts)]  # a merged interval may end beyond the horizon
    low, high = model.interval(features, level=0.9)
    draws = model.bart.posterior(features).survival[..., : len(known)]
    assert_allclose(low[:, known], np.quantile(draws, 0.05, axis=0))
    assert_allclose(high[:, known], np.quantile(draws, 0.95, axis=0))
    times = np.union1d(cuts, (cuts[:-1] + 0.3 * np.diff(cuts)))
    low, high = model.interval(features, times)
    mean = model.predict(features, times).survival
    assert (low <= mean + 1e-12).all()
    assert (mean <= high + 1e-12).all()
    assert (low[:, 1:] < high[:, 1:]).any(axis=0).all()
    at_cuts = model.interval(features)[0]
    between = 0.7 * at_cuts[:, :-1] + 0.3 * at_cuts[:, 1:]
    assert_allclose(low[:, 1::2], between)
    with pytest.raises(InputError, match="level is 95"):
        model.interval(features, level=95)


def test_merged_intervals_are_warned_of(small_data: SurvivalData) -> None:
    everything, _ = fit(small_data, grid_of(small_data, 40))
    merged, monitor = fit(small_data, grid_of(small_data, 40), max_rows=700)
    assert any("every 2 intervals of the grid are merged" in text for text in monitor.warnings)
    assert len(merged.bart.times) < len(everything.bart.times)
    survival = merged.predict(small_data.features).survival
    assert survival.shape == (120, 40)
    assert (np.diff(survival, axis=1) < 0).all()
    expected = everything.predict(small_data.features).survival.mean(axis=0)
    assert_allclose(survival.mean(axis=0), expected, atol=0.1)


def test_times_of_a_single_interval_are_refused(small_data: SurvivalData) -> None:
    early = replace(small_data, time=np.full(len(small_data), small_data.time.min()))
    with pytest.raises(InputError, match=r"same interval of the time grid.* more --time_bins"):
        fit(early, grid_of(small_data))


def test_too_many_rows_are_refused_and_a_subsample_recorded(small_data: SurvivalData) -> None:
    grid = grid_of(small_data, 40)
    with pytest.raises(InputError, match="more than --bart_max_rows 150; --bart_subsample"):
        fit(small_data, grid, max_rows=150)
    _, monitor = fit(small_data, grid, max_rows=150, subsample=40)
    assert any("fitted on 40 of 120 training subjects" in text for text in monitor.warnings)


def test_time_zero_counts_in_the_first_interval(small_data: SurvivalData) -> None:
    time = np.where(np.arange(120) < 3, 0.0, small_data.time)
    data = SurvivalData(small_data.features, small_data.event, time)
    _, monitor = fit(data, grid_of(data))
    assert any("3 training subjects have time 0" in text for text in monitor.warnings)


def test_floor_grid_starts_with_the_interval_of_its_first_cut(small_data: SurvivalData) -> None:
    grid = TimeGrid(np.linspace(0, small_data.time.max(), 8), floor=True)
    model, monitor = fit(small_data, grid)
    assert not any("time 0" in text for text in monitor.warnings)
    survival = model.predict(small_data.features).survival
    in_first = small_data.event & (small_data.time < grid.cuts[1])
    assert_allclose(survival[:, 0].mean(), 1 - in_first.mean(), atol=0.08)


def test_events_beyond_the_horizon_only_say_that_they_came_later(
    small_data: SurvivalData,
) -> None:
    horizon = float(np.median(small_data.time))
    model, _ = fit(small_data, TimeGrid.evenly_spaced(horizon, 6))
    known = small_data.event & (small_data.time <= horizon)
    last = model.predict(small_data.features).survival[:, -1].mean()
    assert last > 1 - 2 * known.mean()
    assert model.bart.times[-1] == 5


def test_a_fit_that_has_not_converged_says_so(small_data: SurvivalData) -> None:
    model, monitor = fit(small_data, grid_of(small_data))
    assert model.fit_summary.converged is False
    assert model.fit_summary.convergence_reason == str(model.convergence())
    assert f"{model.convergence().warning()} (bart)" in monitor.warnings


@given(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), st.integers(1, 4))
def test_constant_hazard_is_filled_in_exactly(falls: list[float], step: int) -> None:
    known = np.array([1.0, 2.0, 3.0]) * step
    survival = np.cumprod(falls)[None, :]
    asked = np.arange(3 * step + 3)
    filled = fill_in(survival, known, asked)
    assert_allclose(filled[0, known.astype(int)], survival[0], rtol=1e-9)
    assert_allclose(filled[0, 3 * step :], survival[0, -1], rtol=1e-9)
    ratios = filled[0, 1:] / filled[0, :-1]
    for j in range(3):
        assert_allclose(ratios[j * step : (j + 1) * step], falls[j] ** (1 / step), rtol=1e-9)


def test_nobody_left_stays_so() -> None:
    filled = fill_in(np.array([[0.5, 0.0, 0.0]]), np.array([2.0, 4.0, 6.0]), np.arange(8))
    assert_allclose(filled[0], [1, np.sqrt(0.5), 0.5, 0, 0, 0, 0, 0])


def test_command_writes_a_complete_record(tmp_path: Path, capsys: Any) -> None:
    flags = (
        "--dataset rossi --model bart --bart_cores 1 --bart_chains 2 --bart_tune 20 --bart_draws 20"
    )
    argv = [*flags.split(), "--mode", "disabled", "--bootstrap", "20", "--log_dir", str(tmp_path)]
    assert train.main(argv) == 0
    output = capsys.readouterr().out
    assert "rows (344 subjects at up to 19 times); about" in output
    (path,) = (tmp_path / "rossi").iterdir()
    result = json.loads((path / "result.json").read_text())
    assert result["model"] == "bart"
    assert result["converged"] is False
    assert "R-hat of survival" in result["convergence_reason"]
    assert result["timing"]["fit_seconds"] > 0
    (line,) = (path / "history.jsonl").read_text().splitlines()
    assert json.loads(line)["rhat_p95"] > 1
    prediction, data = read_predictions(path, "test")
    assert len(prediction) == len(data)
    summary = load_fitted(path).model.fit_summary
    assert (summary.converged, summary.convergence_reason) == (False, result["convergence_reason"])


def test_command_refuses_what_the_model_refuses(tmp_path: Path, capsys: Any) -> None:
    argv = ["--dataset", "rossi", "--model", "bart", "--bart_max_rows", "400", "--mode", "disabled"]
    assert train.main([*argv, "--log_dir", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "--bart_subsample" in error
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())
