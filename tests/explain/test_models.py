"""Models of every supported package, passed as they are."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sksurv.ensemble import GradientBoostingSurvivalAnalysis, RandomSurvivalForest
from sksurv.linear_model import CoxnetSurvivalAnalysis
from sksurv.svm import FastSurvivalSVM
from sksurv.util import Surv

from survkit.baselines.coxph import CoxPH
from survkit.baselines.kaplan_meier import KaplanMeier
from survkit.configs.train import TrainConfig
from survkit.estimators import MTLRSurvival
from survkit.explain import SurvLimeExplainer
from survkit.explain.hazards import HazardReader
from survkit.explain.models import predictor
from survkit.training.neural_model import NeuralSurvivalModel
from survkit.types import InputError, SurvivalData, SurvivalPrediction, TimeGrid

RNG = np.random.default_rng(0)
NAMES = ["age", "dose", "noise"]
FEATURES = RNG.normal(size=(300, 3)).astype(np.float32).astype(np.float64)
EVENT_TIME = 10 * np.exp(-(0.8 * FEATURES[:, 0] - 0.6 * FEATURES[:, 1])) * RNG.exponential(size=300)
CENSORING = RNG.uniform(2, 15, 300)
TIMES = np.minimum(EVENT_TIME, CENSORING)
EVENTS = EVENT_TIME <= CENSORING
FRAME = pd.DataFrame(FEATURES, columns=NAMES)
OUTCOME = Surv.from_arrays(EVENTS, TIMES)


def explain(model: Any, features: Any = FEATURES, **options: Any) -> np.ndarray:
    explainer = SurvLimeExplainer(
        features, EVENTS, TIMES, baseline="model", random_state=0, **options
    )
    return np.asarray(explainer.explain_instance(FEATURES[0], model, num_samples=400))


def has_the_signs_of_the_truth(coefficients: np.ndarray) -> bool:
    return bool(coefficients[0] > 0.1 and coefficients[1] < -0.1)


def test_scikit_survival_models() -> None:
    coxnet = CoxnetSurvivalAnalysis(alphas=[1e-4], fit_baseline_model=True).fit(FEATURES, OUTCOME)
    np.testing.assert_allclose(explain(coxnet), coxnet.coef_[:, 0], atol=1e-8)
    forest = RandomSurvivalForest(30, min_samples_leaf=8, random_state=0).fit(FEATURES, OUTCOME)
    boosted = GradientBoostingSurvivalAnalysis(n_estimators=30, random_state=0)
    for model in (forest, boosted.fit(FEATURES, OUTCOME)):
        found = explain(model, kernel_width=1.0)
        assert has_the_signs_of_the_truth(found)
        as_function = explain(model.predict_cumulative_hazard_function, kernel_width=1.0)
        np.testing.assert_allclose(as_function, found, atol=1e-9)


def test_models_fitted_on_a_frame_get_frames() -> None:
    forest = RandomSurvivalForest(5, random_state=0).fit(FRAME, OUTCOME)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # scikit-learn warns of nameless features
        found = explain(forest, FRAME)
        np.testing.assert_allclose(
            explain(forest.predict_cumulative_hazard_function, FRAME), found, atol=1e-9
        )


# lifelines 0.30 passes arguments as pandas 4 will not take them.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Starting with pandas")
def test_lifelines_models() -> None:
    from lifelines import CoxPHFitter, WeibullAFTFitter

    table = FRAME.assign(time=TIMES, event=EVENTS)
    cox = CoxPHFitter().fit(table, "time", "event")
    np.testing.assert_allclose(explain(cox, FRAME), cox.params_, atol=1e-6)
    weibull = WeibullAFTFitter().fit(table, "time", "event")
    shape = np.exp(weibull.params_[("rho_", "Intercept")])
    expected = -shape * weibull.params_["lambda_"][NAMES]
    np.testing.assert_allclose(explain(weibull, FRAME), expected, atol=1e-6)


def test_pycox_models() -> None:
    import torchtuples as tt

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pycox is compiled where it is first imported
        from pycox.models import CoxPH as DeepSurv
        from pycox.models import LogisticHazard

    torch.manual_seed(0)
    inputs = FEATURES.astype(np.float32)
    outcome = (TIMES.astype(np.float32), EVENTS.astype(np.float32))
    linear = torch.nn.Linear(3, 1, bias=False)
    deepsurv = DeepSurv(linear, tt.optim.Adam(0.05))
    deepsurv.fit(inputs, outcome, 64, 20, verbose=False)
    deepsurv.compute_baseline_hazards()
    weight = linear.weight.detach().numpy()[0]
    np.testing.assert_allclose(explain(deepsurv), weight, atol=1e-3)

    labels = LogisticHazard.label_transform(12)
    target = labels.fit_transform(*outcome)
    discrete = LogisticHazard(
        torch.nn.Linear(3, labels.out_features), tt.optim.Adam(0.05), duration_index=labels.cuts
    )
    discrete.fit(inputs, target, 64, 20, verbose=False)
    assert has_the_signs_of_the_truth(explain(discrete))


@pytest.mark.slow
@pytest.mark.parametrize("distribution", ["normal", "logistic", "extreme"])
def test_xgboosts_curves_are_those_of_its_own_likelihood(distribution: str) -> None:
    import xgboost

    matrix = xgboost.DMatrix(FEATURES)
    matrix.set_float_info("label_lower_bound", TIMES)
    matrix.set_float_info("label_upper_bound", np.where(EVENTS, TIMES, np.inf))
    parameters = {
        "objective": "survival:aft",
        "eval_metric": "aft-nloglik",
        "aft_loss_distribution": distribution,
        "aft_loss_distribution_scale": 0.9,
        "max_depth": 2,
        "seed": 0,
    }
    reported: dict[str, Any] = {}
    booster = xgboost.train(
        parameters, matrix, 40, evals=[(matrix, "train")], evals_result=reported, verbose_eval=False
    )
    times = np.unique(TIMES)
    # A censored subject costs H(t), an event H(t) - ln h(t); h by a difference quotient.
    step = 1e-6
    cost = np.empty(len(TIMES))
    for i, (t, event) in enumerate(zip(TIMES, EVENTS, strict=True)):
        around = np.array([t * (1 - step), t, t * (1 + step)])
        predict = predictor(booster, kind="cumulative", times=around, feature_names=NAMES)
        low, at, high = predict(FEATURES[[i]]).values[0]
        cost[i] = at - np.log((high - low) / (2 * step * t)) if event else at
    assert cost.mean() == pytest.approx(reported["train"]["aft-nloglik"][-1], abs=2e-3)
    curves = predictor(booster, kind="survival", times=times, feature_names=NAMES)(FEATURES)
    assert curves.kind == "cumulative"
    assert has_the_signs_of_the_truth(explain(booster, kernel_width=1.0))


def test_xgboosts_wrapper_predicts_by_its_best_trees_after_early_stopping() -> None:
    import xgboost

    matrix = xgboost.DMatrix(FEATURES)
    matrix.set_float_info("label_lower_bound", TIMES)
    matrix.set_float_info("label_upper_bound", np.where(EVENTS, TIMES, np.inf))
    settings = {"objective": "survival:aft", "aft_loss_distribution_scale": 0.9, "max_depth": 6}
    booster = xgboost.train(settings, matrix, 30)
    booster.set_attr(best_iteration="4")
    stopped = xgboost.XGBRegressor(**settings)
    stopped.load_model(booster.save_raw())
    assert stopped.best_iteration == 4
    times = np.unique(TIMES)
    curves = [
        predictor(model, kind="cumulative", times=times, feature_names=NAMES)(FEATURES).values
        for model in (stopped, booster[:5], booster)
    ]
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-5)
    assert not np.allclose(curves[0], curves[2], rtol=0.1)


def test_xgboosts_wrapper_and_other_objectives() -> None:
    import xgboost

    plain = xgboost.XGBRegressor(n_estimators=2).fit(FEATURES, TIMES)
    with pytest.raises(InputError, match="objective reg:squarederror, which predicts no survival"):
        explain(plain)


def test_models_of_survkit() -> None:
    data = SurvivalData(FEATURES.astype(np.float32), EVENTS, TIMES)
    grid = TimeGrid.evenly_spaced(15.0, 50)
    model = CoxPH(grid=grid, alpha=1e-4).fit(data, data)
    np.testing.assert_allclose(explain(model), model.coefficients, atol=1e-4)


def test_models_without_survival_curves_are_refused() -> None:
    with pytest.raises(InputError, match="predict_fn is a FastSurvivalSVM"):
        explain(FastSurvivalSVM())


def survkit_model(name: str) -> Any:
    data = SurvivalData(FEATURES.astype(np.float32), EVENTS, TIMES)
    grid = TimeGrid.evenly_spaced(12.0, 8)
    if name == "coxph":
        return CoxPH(grid=grid, alpha=1e-4).fit(data, data)
    if name == "kaplan_meier":
        return KaplanMeier(grid=grid).fit(data, data)
    parameters = asdict(TrainConfig(hidden_dim=8, epochs=3))
    return NeuralSurvivalModel("mtlr", grid=grid, parameters=parameters).fit(data, data)


@pytest.mark.parametrize("name", ["mtlr", "coxph", "kaplan_meier"])
def test_models_of_survkit_are_asked_at_the_explainers_times(name: str) -> None:
    model = survkit_model(name)
    reader = HazardReader(np.unique(TIMES), None, None)
    predict = predictor(model, kind="survival", times=reader.times, feature_names=NAMES)
    hazards = reader.read(predict(FEATURES[:20]), 20)
    inside = reader.times[reader.times <= 12.0]
    assert len(inside) < len(reader.times)
    single = FEATURES[:20].astype(np.float32)
    expected = -np.log(model.predict(single, inside).survival)
    np.testing.assert_allclose(hazards[:, : len(inside)], expected, rtol=1e-12)
    at_horizon = -np.log(model.predict(single, [12.0]).survival)
    beyond = np.broadcast_to(at_horizon, (20, len(reader.times) - len(inside)))
    np.testing.assert_allclose(hazards[:, len(inside) :], beyond, rtol=1e-12)


@pytest.mark.parametrize("step", [False, True])
def test_a_prediction_that_a_function_returns_is_read_in_its_own_way(step: bool) -> None:
    prediction = SurvivalPrediction(
        np.array([1.0, 3.0]), np.array([[0.8, 0.4], [0.9, 0.1]]), step=step
    )
    times = np.array([0.5, 1.0, 2.0, 3.0, 4.0])
    reader = HazardReader(times, None, None)
    predict = predictor(lambda x: prediction, kind="survival", times=times, feature_names=NAMES)
    expected = -np.log(prediction.at(times, "constant"))
    np.testing.assert_allclose(reader.read(predict(FEATURES[:2]), 2), expected, rtol=1e-12)


def test_the_times_of_a_model_of_survkit_may_be_named_and_are_checked() -> None:
    model = survkit_model("coxph")
    named = explain(model, model_output_times=model.grid.cuts)
    np.testing.assert_array_equal(named, explain(model))
    with pytest.raises(InputError, match="but the model predicts at 8 times from 0 to 12; leave"):
        explain(model, model_output_times=[1.0, 2.0])


def test_estimators_are_asked_at_the_times_of_the_explainer() -> None:
    estimator = MTLRSurvival(hidden_dim=4, epochs=2, time_bins=6).fit(FRAME, OUTCOME)
    reader = HazardReader(np.unique(TIMES), None, None)
    predict = predictor(estimator, kind="survival", times=reader.times, feature_names=NAMES)
    known = np.minimum(reader.times, estimator.largest_time_)
    expected = -np.log(estimator.predict_survival_frame(FRAME[:5], known).to_numpy())
    np.testing.assert_allclose(reader.read(predict(FEATURES[:5]), 5), expected, rtol=1e-6)
