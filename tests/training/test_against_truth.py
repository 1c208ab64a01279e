"""Trained networks against the known truth of generated data."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from benchmarks import competing_truth
from survkit.configs.train import TrainConfig
from survkit.datasets import load_dataset, synthetic_competing
from survkit.datasets.synthetic import true_survival
from survkit.metrics import evaluate
from survkit.metrics.censoring import kaplan_meier
from survkit.training.neural_model import NeuralSurvivalModel
from survkit.types import SurvivalPrediction

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("process", ["proportional", "nonproportional"])
def test_a_trained_model_closes_most_of_the_gap_to_the_truth(process: str) -> None:
    dataset = load_dataset("synthetic", data_dir="", synthetic_process=process)
    train, validation, test = dataset.splits
    grid = dataset.grid
    config = TrainConfig(num_hidden_layers=1, mixture_components=8, lr=1e-3)
    model = NeuralSurvivalModel("personalized_moe", grid=grid, parameters=asdict(config))

    marginal = kaplan_meier(train.time, train.event).at(grid.cuts)
    predictions = {
        "kaplan_meier": SurvivalPrediction(grid.cuts, np.tile(marginal, (len(test), 1))),
        "truth": SurvivalPrediction(
            grid.cuts, true_survival(test.features, grid.cuts, process=process)
        ),
        "model": model.fit(train, validation).predict(test.features),
    }
    score = {
        name: float(
            evaluate(
                prediction,
                test,
                train_time=train.time,
                train_event=train.event,
                grid=grid,
                bootstrap=0,
                null_draws=0,
            ).values["integrated_brier"]  # type: ignore[arg-type]
        )
        for name, prediction in predictions.items()
    }
    gap = score["kaplan_meier"] - score["truth"]
    assert gap > 0.05
    assert score["kaplan_meier"] - score["model"] >= 0.8 * gap


def test_a_model_of_competing_causes_closes_most_of_the_gap_to_the_truth_for_each() -> None:
    dataset = load_dataset("synthetic_competing", data_dir="")
    features, cuts = dataset.splits.test.features, dataset.grid.cuts
    truth = SurvivalPrediction(
        cuts,
        synthetic_competing.true_survival(features, cuts),
        cumulative_incidence=synthetic_competing.true_incidence(features, cuts),
    )
    fitted = (
        competing_truth.fitted_prediction(dataset, model, 42)
        for model in ("aalen_johansen", "personalized_moe")
    )
    of_truth, of_nobody, of_model = (
        competing_truth.scores(dataset, each) for each in (truth, *fitted)
    )
    gap = of_nobody - of_truth
    assert (gap > 0.05).all()
    assert (of_nobody - of_model >= 0.8 * gap).all()


def test_counting_the_other_cause_as_censored_overestimates_the_risk() -> None:
    dataset = load_dataset("synthetic_competing", data_dir="")
    for line in competing_truth.risks(dataset):
        assert line["aalen_johansen"] == pytest.approx(line["truth"], abs=2.5)  # percent
        assert line["one_minus_kaplan_meier"] > line["truth"]
    assert line["one_minus_kaplan_meier"] > line["truth"] + 10
