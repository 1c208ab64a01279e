from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.stats import norm, rankdata

from survkit.configs.train import TrainConfig
from survkit.datasets import load_dataset
from survkit.models.registry import MODELS
from survkit.training.normal_scores import LEVELS, NormalScores
from survkit.types import CategoricalColumn, SurvivalData

RNG = np.random.default_rng(0)


def test_scores_are_normal_quantiles_of_mid_ranks() -> None:
    features = RNG.normal(size=(300, 3)).astype(np.float32).round(1)
    features[:, 2] = RNG.integers(0, 4, 300)
    scores = NormalScores.fit(features, (CategoricalColumn(2, 4),))
    found = scores.transform(features)
    expected = norm.ppf((rankdata(features[:, :2], axis=0) - 0.5) / 300)
    np.testing.assert_allclose(found[:, :2], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found[:, 2], features[:, 2])
    again = NormalScores.from_state(scores.state()).transform(features)
    np.testing.assert_array_equal(again, found)


def test_values_between_and_beyond_those_of_training() -> None:
    scores = NormalScores.fit(np.array([[0], [1], [1], [4]], np.float32), ())
    at = scores.transform(np.array([[-9], [0.5], [4], [1e30]], np.float32))[:, 0]
    low, middle, high = norm.ppf([0.125, 0.5, 0.875])
    np.testing.assert_allclose(at, [low, (low + middle) / 2, high, high], rtol=1e-6)
    assert NormalScores.fit(np.full((5, 1), 3, np.float32), ()).transform(
        np.array([[7.0]], np.float32)
    ) == pytest.approx(0.0)


def test_a_table_of_categories_alone_stays_as_it_is() -> None:
    codes = RNG.integers(0, 4, (9, 1)).astype(np.float32)
    scores = NormalScores.from_state(NormalScores.fit(codes, (CategoricalColumn(0, 4),)).state())
    np.testing.assert_array_equal(scores.transform(codes), codes)


def test_a_value_that_many_rows_share_keeps_its_score() -> None:
    rng = np.random.default_rng(5)
    column = np.concatenate([np.full(3000, 0.3), rng.lognormal(size=7000)]).astype(np.float32)
    scores = NormalScores.fit(column[:, None], ())
    assert len(scores.values[0]) < LEVELS + 3
    found = scores.transform(column[:, None])[:, 0]
    exact = norm.ppf((rankdata(column) - 0.5) / len(column))
    assert found[0] == pytest.approx(exact[0], abs=1e-6)
    apart = 1 / (LEVELS * norm.pdf(2.5))  # scores of two kept ranks, where they are furthest apart
    assert np.abs(found - exact)[np.abs(exact) < 2.5].max() < apart


@pytest.mark.parametrize("model", ["personalized_moe", "deepsurv"])
def test_predictions_do_not_depend_on_how_numbers_are_scaled(model: str) -> None:
    config = TrainConfig(
        dataset="gbsg2",
        model=model,
        hidden_dim=8,
        num_hidden_layers=1,
        mixture_components=2,
        epochs=3,
        numeric_inputs="normal_scores",
    )
    data = load_dataset("gbsg2", data_dir=".")
    train, validation = data.splits.train, data.splits.validation
    codes = [column for column, _ in train.categorical]
    numbers = np.setdiff1d(np.arange(train.features.shape[1]), codes)

    def stretched(rows: SurvivalData) -> SurvivalData:
        features = rows.features.copy()
        features[:, numbers] = np.exp(features[:, numbers])
        return replace(rows, features=features)

    predictions = []
    for change in (lambda rows: rows, stretched):
        fitted = MODELS[model].build(grid=data.grid, parameters=asdict(config), seed=0)
        fitted.fit(change(train), change(validation))
        rebuilt = MODELS[model].from_state(fitted.state())
        rows = change(train).features
        predictions.append(rebuilt.predict(rows).survival)
        np.testing.assert_array_equal(predictions[-1], fitted.predict(rows).survival)
    np.testing.assert_allclose(*predictions, atol=1e-5)
