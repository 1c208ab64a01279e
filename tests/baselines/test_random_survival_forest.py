from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest
from sksurv.ensemble import RandomSurvivalForest as ScikitForest
from sksurv.util import Surv

from survkit.baselines import survival_trees
from survkit.baselines.random_survival_forest import (
    RandomSurvivalForest,
    forest_memory,
    times_on_grid,
)
from survkit.baselines.survival_trees import SurvivalTrees
from survkit.datasets import load_dataset
from survkit.datasets.one_hot import one_hot
from survkit.metrics.evaluate import evaluate
from survkit.training.checkpoint import load_checkpoint, save_checkpoint
from survkit.types import FitSummary, InputError, SurvivalData, SurvivalPrediction, TimeGrid

GRID = TimeGrid.evenly_spaced(3.0, 20)


def fitted(data: SurvivalData, seed: int = 0, grid: TimeGrid = GRID) -> RandomSurvivalForest:
    model = RandomSurvivalForest(grid=grid, n_estimators=12, min_samples_split=10, seed=seed)
    return model.fit(data, data)


def test_times_go_to_the_cut_of_their_class_and_to_the_horizon_beyond_it() -> None:
    grid = TimeGrid(np.array([0.0, 1.0, 2.0]))
    time = np.array([0.0, 0.5, 1.0, 1.1, 2.0, 2.5, 0.5])
    event = np.array([True, True, True, True, True, True, False])
    data = SurvivalData(np.zeros((7, 1)), event, time)
    on_grid_event, on_grid = times_on_grid(data, grid)
    np.testing.assert_array_equal(on_grid, [0, 1, 1, 2, 2, 2, 1])
    np.testing.assert_array_equal(on_grid_event, [1, 1, 1, 1, 1, 0, 0])
    _, floored = times_on_grid(data, TimeGrid(grid.cuts, floor=True))
    np.testing.assert_array_equal(floored, [0, 0, 1, 1, 2, 2, 0])


@pytest.mark.parametrize(
    ("max_features", "scikit"), [("sqrt", "sqrt"), ("log2", "log2"), ("5", 5), ("all", None)]
)
def test_predictions_are_those_of_scikit_survival(
    max_features: str, scikit: str | int | None, small_data: SurvivalData
) -> None:
    model = RandomSurvivalForest(
        grid=GRID, n_estimators=12, min_samples_split=10, max_features=max_features, seed=3
    )
    model.fit(small_data, small_data)
    event, time = times_on_grid(small_data, GRID)
    matrix, _ = one_hot(small_data.features, small_data.categorical, small_data.feature_names)
    reference = ScikitForest(
        12, min_samples_split=10, min_samples_leaf=3, max_features=scikit, random_state=3
    )
    reference.fit(matrix, Surv.from_arrays(event, time))
    curves = reference.predict_survival_function(matrix, return_array=True)
    curves = np.column_stack([np.ones(len(curves)), curves])
    expected = curves[:, np.searchsorted(reference.unique_times_, GRID.cuts, side="right")]
    found = model.predict(small_data.features)
    np.testing.assert_allclose(found.survival, expected, atol=1e-6)
    np.testing.assert_array_equal(found.times, GRID.cuts)
    assert model.fit_summary == FitSummary()


def test_chunks_do_not_change_predictions(
    small_data: SurvivalData, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fitted(small_data)
    whole = model.predict(small_data.features).survival
    monkeypatch.setattr(survival_trees, "PREDICTION_ROWS", 7)
    np.testing.assert_array_equal(model.predict(small_data.features).survival, whole)


def test_more_columns_than_there_are_cannot_be_tried(small_data: SurvivalData) -> None:
    forest = RandomSurvivalForest(grid=GRID, n_estimators=10, max_features="99")
    with pytest.raises(InputError, match="--rsf_max_features is 99, and there are 6 columns"):
        forest.fit(small_data, small_data)


def test_the_seed_alone_decides_the_trees(small_data: SurvivalData) -> None:
    first, again, other = (
        fitted(small_data, seed).predict(small_data.features).survival for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_a_rebuilt_forest_predicts_the_same_bits(small_data: SurvivalData, tmp_path: Path) -> None:
    model = fitted(small_data)
    save_checkpoint(tmp_path / "model.pt", model.state())
    rebuilt = RandomSurvivalForest.from_state(load_checkpoint(tmp_path / "model.pt"))
    np.testing.assert_array_equal(
        rebuilt.predict(small_data.features).survival, model.predict(small_data.features).survival
    )
    assert rebuilt.seed == model.seed


def test_a_single_leaf_is_the_kaplan_meier_curve_and_in_the_record(
    small_data: SurvivalData,
) -> None:
    class Monitor:
        messages: list[str]

        def __init__(self) -> None:
            self.messages = []

        def warn(self, message: str) -> None:
            self.messages.append(message)

    monitor = Monitor()
    model = RandomSurvivalForest(grid=GRID, n_estimators=4, min_samples_split=1000)
    model.fit(small_data, small_data, monitor=monitor)  # type: ignore[arg-type]
    assert "no tree was split" in monitor.messages[0]
    survival = model.predict(small_data.features).survival
    np.testing.assert_array_equal(survival, survival[:1].repeat(len(survival), 0))
    assert np.ptp(survival[0]) > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gbsg2", "whas500", "flchain"])
def test_the_grid_costs_no_accuracy_against_raw_times(name: str, tmp_path: Path) -> None:
    dataset = load_dataset(name, data_dir=tmp_path)
    train, _, test = dataset.splits
    rows = np.arange(len(train)) < 1500  # flchain's 6,000 raw times would take a minute
    train = train.subset(rows)
    scores = {}
    for label in ("grid", "raw"):
        found = []
        for seed in range(3):
            prediction = (
                _on_grid(train, dataset.grid, seed, test)
                if label == "grid"
                else _on_raw_times(train, dataset.grid, seed, test)
            )
            values = evaluate(
                prediction,
                test,
                train_time=train.time,
                train_event=train.event,
                grid=dataset.grid,
                bootstrap=0,
            ).values
            found.append([values["concordance"], values["integrated_brier"]])
        scores[label] = np.mean(found, axis=0)
    concordance, brier = scores["grid"] - scores["raw"]
    # The forests' own spread over seeds is about 0.01 and 0.002 here.
    assert concordance > -0.015
    assert brier < 0.003


def _on_grid(
    train: SurvivalData, grid: TimeGrid, seed: int, test: SurvivalData
) -> SurvivalPrediction:
    model = RandomSurvivalForest(grid=grid, n_estimators=40, min_samples_split=40, seed=seed)
    return model.fit(train, train).predict(test.features)


def _on_raw_times(
    train: SurvivalData, grid: TimeGrid, seed: int, test: SurvivalData
) -> SurvivalPrediction:
    encode = (train.categorical, train.feature_names)
    forest = ScikitForest(40, min_samples_split=40, n_jobs=-1, random_state=seed)
    forest.fit(one_hot(train.features, *encode)[0], Surv.from_arrays(train.event, train.time))
    trees = SurvivalTrees.take_from(forest, grid.cuts)
    return SurvivalPrediction(grid.cuts, trees.predict(one_hot(test.features, *encode)[0]))


def test_memory_is_estimated_first(
    small_data: SurvivalData, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="survkit"):
        RandomSurvivalForest(grid=GRID, n_estimators=3).fit(small_data, small_data)
    assert "random survival forest: 3 trees on 120 rows at 20 times" in caplog.text


@pytest.mark.parametrize("min_samples_split", [6, 20, 100])
def test_the_estimate_covers_the_nodes_that_a_forest_has(min_samples_split: int) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(1500, 10)).astype(np.float32)
    time = rng.exponential(np.exp(-features[:, 0] - 0.5 * features[:, 1]))
    data = SurvivalData(features, rng.random(1500) < 0.6, time)
    grid = TimeGrid.evenly_spaced(float(time.max()), 30)
    event, on_grid = times_on_grid(data, grid)
    forest = ScikitForest(10, min_samples_split=min_samples_split, random_state=0)
    forest.fit(features, Surv.from_arrays(event, on_grid))
    used = sum(tree.tree_.value.nbytes for tree in forest.estimators_)
    estimate = forest_memory(
        1500, num_times=30, n_estimators=10, min_samples_split=min_samples_split
    )
    assert used < estimate < 4 * used


def test_fewer_events_than_a_leaf_needs_are_refused(small_data: SurvivalData) -> None:
    event = np.zeros(120, bool)
    event[:2] = True
    data = SurvivalData(small_data.features, event, small_data.time)
    with pytest.raises(InputError, match=r"rsf needs at least 3 events .* True in 2 of 120"):
        fitted(data)


def test_a_bootstrap_sample_without_events_has_a_curve_too(small_data: SurvivalData) -> None:
    event = np.zeros(120, bool)
    event[:3] = True
    data = SurvivalData(small_data.features, event, small_data.time)
    survival = fitted(data).predict(data.features).survival
    assert np.isfinite(survival).all()


@pytest.mark.skipif(os.cpu_count() == 1, reason="needs two processors")
def test_the_number_of_threads_changes_nothing(small_data: SurvivalData) -> None:
    import joblib

    expected = fitted(small_data).predict(small_data.features).survival
    with joblib.parallel_config(n_jobs=1):
        found = fitted(small_data).predict(small_data.features).survival
    np.testing.assert_array_equal(found, expected)
