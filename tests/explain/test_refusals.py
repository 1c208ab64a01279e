"""Models without survival curves are refused with what to do, and those that have them are kept."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sksurv.ensemble import (
    ComponentwiseGradientBoostingSurvivalAnalysis,
    GradientBoostingSurvivalAnalysis,
    RandomSurvivalForest,
)
from sksurv.linear_model import CoxnetSurvivalAnalysis, CoxPHSurvivalAnalysis
from sksurv.svm import FastSurvivalSVM
from sksurv.util import Surv

from survkit.estimators import MTLRSurvival
from survkit.explain import SurvLimeExplainer
from survkit.types import InputError

RNG = np.random.default_rng(2)
FEATURES = RNG.normal(size=(80, 2))
TIMES = 5 * np.exp(-0.5 * FEATURES[:, 0]) * RNG.exponential(size=80) + 0.01
EVENTS = RNG.random(80) < 0.8
OUTCOME = Surv.from_arrays(EVENTS, TIMES)
FRAME = pd.DataFrame(FEATURES, columns=["age", "dose"])
GRID = {"alpha": [0.1, 1.0]}


def explain(model: Any, features: Any = FEATURES) -> np.ndarray:
    explainer = SurvLimeExplainer(features, EVENTS, TIMES, baseline="model", random_state=0)
    return np.asarray(explainer.explain_instance(FEATURES[0], model, num_samples=60))


def fitted(model: Any) -> Any:
    return model.fit(FEATURES, OUTCOME)


def searched(search: type, **options: Any) -> Any:
    return search(CoxPHSurvivalAnalysis(), GRID, cv=2, **options)


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: fitted(GradientBoostingSurvivalAnalysis(loss="squared", n_estimators=2)),
        "with loss='squared', which predicts no survival curves; fit it with loss='coxph'",
    ),
    (
        lambda: fitted(ComponentwiseGradientBoostingSurvivalAnalysis(loss="squared")),
        "ComponentwiseGradientBoostingSurvivalAnalysis with loss='squared'",
    ),
    (
        lambda: fitted(CoxnetSurvivalAnalysis()),
        "CoxnetSurvivalAnalysis without a baseline hazard.*fit_baseline_model=True",
    ),
    (
        lambda: fitted(CoxnetSurvivalAnalysis()).predict_survival_function,
        "CoxnetSurvivalAnalysis without a baseline hazard",
    ),
    (
        lambda: fitted(RandomSurvivalForest(2, low_memory=True)),
        "with low_memory=True, which keeps no survival curves",
    ),
    (lambda: torch.nn.Linear(2, 1), r"a torch.nn.Module \(Linear\).*give a function that takes"),
    (lambda: torch.nn.Sequential(torch.nn.Linear(2, 1)), r"a torch.nn.Module \(Sequential\)"),
    (lambda: fitted(searched(GridSearchCV)), "GridSearchCV, a search; .* its best_estimator_"),
    (
        lambda: fitted(searched(RandomizedSearchCV, n_iter=1, random_state=0)),
        "RandomizedSearchCV, a search; .* its best_estimator_",
    ),
    (lambda: searched(GridSearchCV), "a search that is not fitted; fit it and give its best_est"),
    (
        lambda: fitted(searched(GridSearchCV, refit=False)),
        "refit=False, which keeps no model; fit one with its best_params_",
    ),
    (
        lambda: make_pipeline(StandardScaler(), fitted(searched(GridSearchCV))),
        "a Pipeline, whose last step is a GridSearchCV, a search",
    ),
    (
        lambda: make_pipeline(StandardScaler(), CoxPHSurvivalAnalysis()),
        "a Pipeline, whose last step is a CoxPHSurvivalAnalysis that is not fitted",
    ),
    (
        lambda: fitted(make_pipeline(StandardScaler(), CoxnetSurvivalAnalysis())),
        "last step is a CoxnetSurvivalAnalysis without a baseline hazard",
    ),
    (
        lambda: make_pipeline(StandardScaler(), LinearRegression()).fit(FEATURES, TIMES),
        "last step is a LinearRegression, which predicts one number for each subject",
    ),
    (lambda: CoxPHSurvivalAnalysis(), "a CoxPHSurvivalAnalysis that is not fitted; call its fit"),
    (
        lambda: CoxPHSurvivalAnalysis().predict_cumulative_hazard_function,
        "a CoxPHSurvivalAnalysis that is not fitted",
    ),
    (lambda: MTLRSurvival(), "a MTLRSurvival that is not fitted"),
    (lambda: CoxPHSurvivalAnalysis, "the class CoxPHSurvivalAnalysis, not a model; give a fitted"),
    (lambda: MTLRSurvival, "the class MTLRSurvival, not a model"),
    (lambda: LinearRegression().fit(FEATURES, TIMES), "LinearRegression, which predicts one num"),
    (lambda: LogisticRegression().fit(FEATURES, EVENTS), "LogisticRegression, which predicts cla"),
    (lambda: fitted(FastSurvivalSVM()), "FastSurvivalSVM, which predicts risk scores or times"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_models_without_curves_are_refused_with_what_to_do(
    make: Callable[[], Any], message: str
) -> None:
    model = make()
    with pytest.raises(InputError, match=message):
        explain(model)


def test_a_pycox_model_needs_its_baseline_hazards() -> None:
    import torchtuples as tt

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pycox is compiled where it is first imported
        from pycox.models import CoxPH as DeepSurv
    model = DeepSurv(torch.nn.Linear(2, 1, bias=False), tt.optim.Adam(0.01))
    outcome = (TIMES.astype(np.float32), EVENTS.astype(np.float32))
    model.fit(FEATURES.astype(np.float32), outcome, 40, 1, verbose=False)
    with pytest.raises(InputError, match=r"CoxPH without baseline .*compute_baseline_hazards\(\)"):
        explain(model)
    model.compute_baseline_hazards()
    np.testing.assert_allclose(explain(model), model.net.weight.detach().numpy()[0], atol=1e-3)


@pytest.mark.filterwarnings("ignore:Starting with pandas")
def test_models_of_lifelines_that_cannot_be_explained() -> None:
    from lifelines import CoxPHFitter, KaplanMeierFitter, WeibullAFTFitter

    for model in (CoxPHFitter(), WeibullAFTFitter()):
        with pytest.raises(InputError, match=f"a {type(model).__name__} that is not fitted"):
            explain(model)
    with pytest.raises(InputError, match="the class CoxPHFitter"):
        explain(CoxPHFitter)
    cohort = KaplanMeierFitter().fit(TIMES, EVENTS)
    with pytest.raises(InputError, match="a KaplanMeierFitter, whose curve does not depend on"):
        explain(cohort)


def test_an_unfitted_model_of_xgboost_is_refused() -> None:
    import xgboost

    with pytest.raises(InputError, match="a XGBRegressor that is not fitted"):
        explain(xgboost.XGBRegressor(objective="survival:aft"))


@pytest.mark.parametrize("features", [FEATURES, FRAME], ids=["array", "frame"])
def test_a_pipeline_is_explained_in_the_units_of_its_input(features: Any) -> None:
    cox = CoxPHSurvivalAnalysis()
    pipeline: Pipeline = make_pipeline(StandardScaler(), cox).fit(features, OUTCOME)
    np.testing.assert_allclose(
        explain(pipeline, features), cox.coef_ / FEATURES.std(axis=0), atol=1e-6
    )


def test_the_best_model_of_a_search_is_explained() -> None:
    best = fitted(searched(GridSearchCV)).best_estimator_
    np.testing.assert_allclose(explain(best), best.coef_, atol=1e-6)
