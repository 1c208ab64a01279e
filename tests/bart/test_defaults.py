"""How long a fit samples where that was not said: by the size of the data, and in the record."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from survkit.bart.baseline import BartBaseline
from survkit.bart.defaults import LARGE, LARGE_ROWS, SMALL, data_defaults, on_grid
from survkit.bart.size import count_rows
from survkit.configs.train import TrainConfig
from survkit.datasets import load_dataset
from survkit.runs.identity import resolved, run_id
from survkit.types import SurvivalData, TimeGrid

GRID = TimeGrid.evenly_spaced(100.0, 101)


def subjects(n: int) -> SurvivalData:
    random = np.random.default_rng(0)
    time = np.append(random.uniform(1, 100, n - 1), 100.0)
    return SurvivalData(random.normal(size=(n, 3)), random.random(n) < 0.7, time)


def test_few_rows_have_the_settings_of_moves_alone() -> None:
    few = subjects(200)
    assert count_rows(on_grid(few, GRID).interval)[0] < LARGE_ROWS
    assert data_defaults({}, few, GRID) == SMALL


def test_many_rows_regrow_trees() -> None:
    assert data_defaults({}, subjects(2000), GRID) == {**LARGE, "regrow": 12}
    assert data_defaults({"trees": 10}, subjects(2000), GRID)["regrow"] == 2


def test_what_is_given_stays() -> None:
    given = {"tune": 7, "regrow": 0, "draws": None, "max_rows": 5000}
    chosen = data_defaults(given, subjects(2000), GRID)
    assert chosen == {**LARGE, "regrow": 0, "tune": 7, "max_rows": 5000}


def test_pymc_regrows_nothing() -> None:
    assert data_defaults({"backend": "pymc"}, subjects(2000), GRID) == SMALL


def test_a_subsample_counts_with_its_own_rows() -> None:
    assert data_defaults({"subsample": 100}, subjects(2000), GRID) == SMALL
    assert data_defaults({"subsample": 9000}, subjects(2000), GRID)["regrow"] == 12


def test_outcomes_on_a_grid() -> None:
    time, event = np.array([0.0, 1.0, 1.5, 100.0, 130.0]), np.array([True, True, False, True, True])
    data = SurvivalData(np.zeros((5, 1)), event, time)
    outcomes = on_grid(data, GRID)
    assert_array_equal(outcomes.interval, [1, 1, 2, 100, 100])
    assert_array_equal(outcomes.event, [True, True, False, True, False])
    assert outcomes.at_zero == 1
    floored = on_grid(data, replace(GRID, floor=True))
    assert_array_equal(floored.interval, [1, 2, 2, 101, 101])


def test_a_fit_takes_what_the_data_decide() -> None:
    data = subjects(40)
    model = BartBaseline(grid=GRID, trees=2, chains=1, tune=4, draws=4, cores=1, sweeps=None)
    model.fit(data, data)
    assert (model.bart.settings.sweeps, model.bart.settings.tune) == (10, 4)
    assert (model.bart.settings.regrow, model.max_rows) == (0, 200_000)
    assert BartBaseline.from_state(model.state()).bart.settings == model.bart.settings


@pytest.mark.parametrize(
    ("dataset", "expected"), [("gbsg2", SMALL), ("flchain", {**LARGE, "regrow": 12})]
)
def test_the_record_holds_the_values(dataset: str, expected: dict[str, int]) -> None:
    loaded = load_dataset(dataset, data_dir="unused")
    config = resolved(replace(TrainConfig(), dataset=dataset, model="bart"), loaded)
    assert {name: getattr(config, f"bart_{name}") for name in SMALL} == expected
    same = {f"bart_{name}": value for name, value in SMALL.items()}
    earlier = run_id(replace(config, **same), loaded.sha256)
    assert (run_id(config, loaded.sha256) == earlier) is (expected == SMALL)
