"""How near models of competing causes come to the known truth, and what censoring a cause does.

python -m benchmarks.competing_truth                            # all models, as in docs/results.md
python -m benchmarks.competing_truth --models mtlr --seeds 42 --rows 1000

A model closes the share (A - M) / (A - T) of the gap in the integrated Brier score of a cause's
cumulative incidence: A is the Aalen-Johansen curve of the training rows for everybody, M the model
and T the truth. Last come the risks of each cause at several times: the truth, Aalen-Johansen, and
1 minus Kaplan-Meier with the other cause counted as censored, which is no risk.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from survkit.baselines.aalen_johansen import IncidenceCurves
from survkit.configs.train import TrainConfig
from survkit.datasets import load_dataset
from survkit.datasets.assemble import Dataset
from survkit.datasets.synthetic_competing import true_incidence, true_survival
from survkit.metrics import evaluate
from survkit.metrics.censoring import kaplan_meier
from survkit.models.fitting import build_model
from survkit.models.registry import MODELS
from survkit.runs.results import evaluated_outcomes
from survkit.types import SurvivalPrediction

MODEL_NAMES = [name for name, entry in MODELS.items() if entry.causes]
TIMES = (1.0, 2.5, 5.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="+", choices=MODEL_NAMES, default=MODEL_NAMES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[42, 43, 44, 45, 46])
    parser.add_argument("--rows", type=int, default=4000)
    arguments = parser.parse_args()
    dataset = load_dataset("synthetic_competing", data_dir="", synthetic_rows=arguments.rows)
    features, cuts = dataset.splits.test.features, dataset.grid.cuts
    truth = scores(
        dataset,
        SurvivalPrediction(
            cuts,
            true_survival(features, cuts),
            cumulative_incidence=true_incidence(features, cuts),
        ),
    )
    nobody = scores(dataset, fitted_prediction(dataset, "aalen_johansen", 42))
    for model in arguments.models:
        seeds = arguments.seeds[:1] if MODELS[model].is_deterministic else arguments.seeds
        found = np.stack([scores(dataset, fitted_prediction(dataset, model, s)) for s in seeds])
        closed = (nobody - found) / (nobody - truth)
        for cause, name in enumerate(dataset.splits.train.cause_names):
            line = {
                "model": model,
                "cause": name,
                "seeds": len(seeds),
                "integrated_brier": round(100 * float(found[:, cause].mean()), 2),
                "of_truth": round(100 * float(truth[cause]), 2),
                "of_aalen_johansen": round(100 * float(nobody[cause]), 2),
                "closed": round(float(closed[:, cause].mean()), 3),
                "least": round(float(closed[:, cause].min()), 3),
            }
            print(json.dumps(line), flush=True)
    for line in risks(dataset):
        print(json.dumps(line))


def fitted_prediction(dataset: Dataset, model: str, seed: int) -> SurvivalPrediction:
    """Fit a model with its defaults, as the training command does, and predict the test rows."""
    train, validation, test = dataset.splits
    settings = {**asdict(TrainConfig()), "model": model, "seed": seed, "device": "cpu"}
    built = build_model(settings, evaluated_outcomes(dataset, settings)["validation"])
    return built.fit(train, validation).predict(test.features)


def scores(dataset: Dataset, prediction: SurvivalPrediction) -> NDArray[np.float64]:
    """Return the integrated Brier score of each cause's cumulative incidence on the test rows."""
    train, _, test = dataset.splits
    values = evaluate(
        prediction,
        test,
        train_time=train.time,
        train_event=train.event,
        grid=dataset.grid,
        bootstrap=0,
        null_draws=0,
    ).values
    return np.array([values[f"{name}/integrated_brier"] for name in test.cause_names])


def risks(dataset: Dataset) -> list[dict[str, object]]:
    """Return the risk of each cause at `TIMES` by the truth and by two estimates of it."""
    train = dataset.splits.train
    assert train.cause is not None
    mean_truth = true_incidence(train.features, TIMES).mean(axis=0)
    curves = IncidenceCurves.estimate(train.time, train.cause, train.num_causes)
    _, estimate = curves.at(TIMES)
    lines: list[dict[str, object]] = []
    for cause, name in enumerate(train.cause_names):
        censored = 1 - kaplan_meier(train.time, train.cause == cause + 1).at(TIMES)
        for j, time in enumerate(TIMES):
            numbers = (mean_truth[cause, j], estimate[cause, j], censored[j])
            kinds = ("truth", "aalen_johansen", "one_minus_kaplan_meier")
            percent = {k: round(100 * float(v), 1) for k, v in zip(kinds, numbers, strict=True)}
            lines.append({"cause": name, "time": time, **percent})
    return lines


if __name__ == "__main__":
    main()
