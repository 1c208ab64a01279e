"""The folds of the search on the sepsis data, and one of its fits."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from benchmarks.sepsis_search import PERSONALIZED, folds, measure
from survkit.configs.train import TrainConfig
from survkit.datasets import load_dataset
from survkit.types import SurvivalData


def rows(start: int, stop: int) -> SurvivalData:
    values = np.arange(start, stop, dtype=np.float32)
    return SurvivalData(values[:, None], np.ones(stop - start, bool), values + 1.0)


def test_folds_validate_other_patients_and_lose_none() -> None:
    train, validation = rows(0, 80), rows(80, 90)
    parts = list(folds(train, validation, 3))
    assert len(parts) == 3
    assert parts[0] == (train, validation)
    validated = set()
    for fitted, held_out in parts:
        together = np.concatenate([fitted.features[:, 0], held_out.features[:, 0]])
        assert sorted(together) == list(range(90))
        assert len(held_out) == 10
        assert validated.isdisjoint(held_out.time)
        validated.update(held_out.time)


@pytest.mark.slow
def test_a_fit_is_scored_on_the_validation_rows() -> None:
    data = load_dataset("gbsg2", data_dir=".")
    small = {"hidden_dim": 8, "mixture_components": 2, "epochs": 2, "min_at_risk": 0}
    settings = asdict(TrainConfig(dataset="gbsg2")) | PERSONALIZED | small
    found = measure(settings, [1, 2], data.splits.train, data.splits.validation, data.grid)
    assert [len(row) for row in found] == [5, 5]
    assert all(0.3 < row[1] < 0.9 for row in found)  # concordance
    assert found[0][:3] != found[1][:3]
