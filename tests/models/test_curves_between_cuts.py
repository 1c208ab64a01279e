"""Every model is right at any time: between cuts linear, or exact where it knows more."""

from __future__ import annotations

import numpy as np
import pytest
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from survkit.configs.train import TrainConfig
from survkit.datasets import load_dataset
from survkit.datasets.assemble import Dataset
from survkit.datasets.one_hot import one_hot
from survkit.datasets.synthetic import true_survival
from survkit.metrics.censoring import kaplan_meier
from survkit.models.calibrated import CalibratedModel, rebuild
from survkit.models.calibration import Calibration
from survkit.models.ensemble import EnsembleModel
from survkit.models.registry import MODELS
from survkit.predict.tables import prediction_table
from survkit.runs.patients import Patients
from survkit.types import InputError, SurvivalData, SurvivalModel

EXACT = ("coxph", "kaplan_meier", "aalen_johansen", "deepsurv", "coxnet", "gbsa", "xgb_cox")
SMOOTH = ("deep_weibull", "weibull_aft", "xgb_aft", "deep_survival_machines", "deep_cox_mixtures")
CLOSE = dict.fromkeys(SMOOTH, 1e-3)
"""Smooth curves: what reading them linearly between knots may cost."""
SMALL = {"hidden_dim": 40, "num_hidden_layers": 1, "lr": 5e-3, "epochs": 30}
SMALL |= {"bart_trees": 20, "bart_tune": 30, "bart_draws": 30, "bart_chains": 2, "bart_sweeps": 2}


def fitted(name: str, dataset: Dataset, **flags: object) -> SurvivalModel:
    parameters = {**vars(TrainConfig()), **SMALL, **flags}
    model = MODELS[name].build(grid=dataset.grid, parameters=parameters, seed=42)
    return model.fit(dataset.splits.train, dataset.splits.validation)


@pytest.fixture(scope="module")
def synthetic() -> Dataset:
    return load_dataset("synthetic", data_dir="", synthetic_rows=2000, time_bins=15)


@pytest.fixture(scope="module")
def models(synthetic: Dataset) -> dict[str, SurvivalModel]:
    return {name: fitted(name, synthetic) for name in MODELS}


@pytest.mark.parametrize("name", MODELS)
def test_the_mean_curve_is_as_right_between_cuts_as_at_them(
    name: str, synthetic: Dataset, models: dict[str, SurvivalModel]
) -> None:
    features = np.concatenate([part.features for part in synthetic.splits])
    cuts = synthetic.grid.cuts
    between = np.linspace(0, cuts[-1], 203)[1:-1]

    def largest_error(times: np.ndarray) -> float:
        predicted = models[name].predict(features, times).survival.mean(axis=0)
        return float(np.abs(predicted - true_survival(features, times).mean(axis=0)).max())

    assert largest_error(between) <= largest_error(cuts) + 0.01


@pytest.mark.parametrize("name", MODELS)
def test_predictions_at_any_times_are_those_of_the_whole_curve(
    name: str, synthetic: Dataset, models: dict[str, SurvivalModel]
) -> None:
    model, features = models[name], synthetic.splits.test.features[:20]
    at_cuts = model.predict(features)
    whole = model.predict(features, model.knots.times)
    assert at_cuts.step is False
    assert whole.step == (name in EXACT)
    times = np.sort(np.random.default_rng(0).uniform(0, synthetic.grid.horizon, 30))
    asked = model.predict(features, times)
    np.testing.assert_allclose(asked.survival, whole.at(times), atol=CLOSE.get(name, 1e-12))
    np.testing.assert_array_equal(
        model.predict(features, synthetic.grid.cuts).survival, at_cuts.survival
    )
    if name not in (*EXACT, *CLOSE):
        np.testing.assert_allclose(asked.survival, at_cuts.at(times), atol=1e-12)
    if at_cuts.expert_weights is not None:
        np.testing.assert_array_equal(asked.expert_weights, at_cuts.expert_weights)
    again = rebuild(model.state())
    np.testing.assert_array_equal(again.predict(features, times).survival, asked.survival)
    for wrong in ([synthetic.grid.horizon + 1], [-1.0], [2.0, 1.0]):
        with pytest.raises(InputError):
            model.predict(features, wrong)


def test_ensembles_read_each_curve_in_its_own_way(
    synthetic: Dataset, models: dict[str, SurvivalModel]
) -> None:
    features = synthetic.splits.test.features[:50]
    members = [models[name] for name in ("mtlr", "coxph", "kaplan_meier")]
    ensemble = EnsembleModel(members, grid=synthetic.grid, weights=[0.5, 0.3, 0.2])
    times = np.linspace(0, synthetic.grid.horizon, 301)
    parts = [model.predict(features, times).survival for model in members]
    expected = 0.5 * parts[0] + 0.3 * parts[1] + 0.2 * parts[2]
    np.testing.assert_allclose(ensemble.predict(features, times).survival, expected, atol=1e-12)
    whole = ensemble.predict(features, ensemble.knots.times)
    np.testing.assert_allclose(whole.at(times), expected, atol=1e-9)
    steps = EnsembleModel(members[1:], grid=synthetic.grid)
    assert steps.predict(features, steps.knots.times).step


def test_a_calibrated_curve_is_read_as_the_one_inside(
    synthetic: Dataset, models: dict[str, SurvivalModel]
) -> None:
    features = synthetic.splits.test.features[:50]
    calibration = Calibration(True, intercept=0.3, slope=0.8)
    times = np.linspace(0, synthetic.grid.horizon, 101)
    for name in ("mtlr", "coxph"):
        model = CalibratedModel(models[name], grid=synthetic.grid, calibration=calibration)
        asked = model.predict(features, times)
        whole = model.predict(features, model.knots.times)
        np.testing.assert_allclose(asked.survival, whole.at(times), atol=1e-12)
        assert whole.step == (name in EXACT)
        at_cuts = model.predict(features)
        inside = whole.at(synthetic.grid.cuts)
        np.testing.assert_allclose(at_cuts.survival, inside, atol=1e-12)


def test_median_and_survival_of_one_patient_never_contradict_each_other(
    synthetic: Dataset, models: dict[str, SurvivalModel]
) -> None:
    mixed = EnsembleModel([models["mtlr"], models["coxph"]], grid=synthetic.grid)
    calibration = Calibration(True, intercept=-0.2, slope=1.3)
    every = {
        **models,
        "ensemble": mixed,
        "calibrated": CalibratedModel(mixed, grid=synthetic.grid, calibration=calibration),
    }
    features = synthetic.splits.test.features
    patients = Patients("row", [str(i) for i in range(len(features))], features)
    times = np.round(np.linspace(0.05, synthetic.grid.horizon, 60), 3)
    for name, model in every.items():
        table = prediction_table(patients, model, times.tolist(), None)
        survival = table.filter(regex=r"^survival_[\d.]+$").to_numpy()
        median = table["median"].fillna(np.inf).to_numpy()[:, None]
        assert ((survival <= 0.5) == (median <= times)).all(), name
        expected = model.predict(features, times).survival
        close = CLOSE.get(name, 1e-9)
        np.testing.assert_allclose(survival, expected, atol=close, err_msg=name)


DAYS = (10.0, 30.0, 50.0, 51.0, 53.0, 100.0)


def veteran() -> Dataset:
    """All rows of the trial as the training rows, so that figures are those of the literature."""
    return load_dataset("veteran", data_dir="")


def everybody(dataset: Dataset) -> SurvivalData:
    parts = dataset.splits
    arrays = (np.concatenate([getattr(p, n) for p in parts]) for n in ("features", "event", "time"))
    first = parts.train
    return SurvivalData(*arrays, first.feature_names, first.categorical)


def test_coxph_on_veteran_is_that_of_scikit_survival_at_any_day() -> None:
    dataset = veteran()
    rows = everybody(dataset)
    model = MODELS["coxph"].build(
        grid=dataset.grid, parameters={"cox_alpha": 0.0, "cox_l1_ratio": 0.5}, seed=0
    )
    model.fit(rows, rows)
    matrix = one_hot(rows.features, rows.categorical, rows.feature_names)[0].astype(float)
    # A category is implied by the others; Newton's method needs full rank.
    basis: list[int] = []
    for j in range(matrix.shape[1]):
        columns = np.column_stack([np.ones(len(matrix)), matrix[:, [*basis, j]]])
        if np.linalg.matrix_rank(columns) == columns.shape[1]:
            basis.append(j)
    reference = CoxPHSurvivalAnalysis(ties="breslow").fit(
        matrix[:, basis], Surv.from_arrays(rows.event, rows.time)
    )
    curves = reference.predict_survival_function(matrix[:, basis])
    expected = np.array([[curve(day) for day in DAYS] for curve in curves]).mean(axis=0)
    np.testing.assert_allclose(expected, [0.899, 0.698, 0.616, 0.592, 0.560, 0.398], atol=1e-3)
    found = model.predict(rows.features, DAYS).survival.mean(axis=0)
    np.testing.assert_allclose(found, expected, atol=5e-3)


@pytest.mark.parametrize("name", ["mtlr", "rsf", "kaplan_meier", "personalized_moe"])
def test_models_on_veteran_are_near_kaplan_meier_at_any_day(name: str) -> None:
    dataset = veteran()
    rows = everybody(dataset)
    model = MODELS[name].build(
        grid=dataset.grid, parameters={**vars(TrainConfig()), "hidden_dim": 160}, seed=42
    )
    model.fit(rows, rows)
    expected = kaplan_meier(rows.time, rows.event).at(DAYS)
    np.testing.assert_allclose(expected, [0.898, 0.700, 0.619, 0.597, 0.568, 0.418], atol=5e-4)
    found = model.predict(rows.features, DAYS).survival.mean(axis=0)
    np.testing.assert_allclose(found, expected, atol=0.05)
