"""The further baselines predict what the libraries that fit them predict."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xgboost
from hazardous import SurvivalBoost
from lifelines import WeibullAFTFitter
from sksurv.ensemble import ExtraSurvivalTrees, GradientBoostingSurvivalAnalysis
from sksurv.linear_model import CoxnetSurvivalAnalysis, CoxPHSurvivalAnalysis
from sksurv.util import Surv

from survkit.baselines import hazardous_trees
from survkit.baselines.coxnet import (
    coefficient_path,
    fold_of_rows,
    largest_alpha,
    log_likelihood,
)
from survkit.baselines.log_times import log_density, log_survival, marginal_fit
from survkit.baselines.random_survival_forest import times_on_grid
from survkit.datasets.one_hot import one_hot
from survkit.types import SurvivalData, TimeGrid
from tests.baselines.further_models import Warnings, fitted
from tests.conftest import make_data


@pytest.fixture(scope="module")
def tied() -> SurvivalData:
    """150 subjects with tied times; the first two columns count."""
    data = make_data(150, 4)
    return SurvivalData(
        data.features, data.event, np.ceil(data.time * 8) / 8, categorical=data.categorical
    )


def matrix_of(data: SurvivalData) -> np.ndarray[Any, Any]:
    return one_hot(data.features, data.categorical, data.feature_names)[0]


def at_cuts(functions: Any, grid: TimeGrid) -> np.ndarray[Any, Any]:
    """Read step functions, which start at their first time, at the cuts."""
    first = functions[0].x[0]
    values = [[1.0 if cut < first else f(cut) for cut in grid.cuts] for f in functions]
    return np.array(values)


GRID = TimeGrid.evenly_spaced(2.875, 24)


def test_gradient_boosting_is_that_of_scikit_survival(tied: SurvivalData) -> None:
    model = fitted("gbsa", tied, seed=3, grid=GRID, gbsa_n_estimators=25, gbsa_subsample=0.7)
    library = GradientBoostingSurvivalAnalysis(n_estimators=25, subsample=0.7, random_state=3)
    matrix = matrix_of(tied)
    library.fit(matrix, Surv.from_arrays(tied.event, tied.time))
    np.testing.assert_allclose(
        model.predict(tied.features).survival,
        at_cuts(library.predict_survival_function(matrix), GRID),
        atol=1e-10,
    )


def test_extra_trees_are_those_of_scikit_survival(tied: SurvivalData) -> None:
    model = fitted("extra_survival_trees", tied, seed=3, grid=GRID)
    event, time = times_on_grid(tied, GRID)
    library = ExtraSurvivalTrees(10, random_state=3)
    matrix = matrix_of(tied)
    library.fit(matrix, Surv.from_arrays(event, time))
    np.testing.assert_allclose(
        model.predict(tied.features).survival,
        at_cuts(library.predict_survival_function(matrix), GRID),
        atol=1e-6,
    )


def test_xgboost_gets_the_order_of_the_times(tied: SurvivalData) -> None:
    """Where no time is 0, it may as well get the times."""
    model: Any = fitted("xgb_cox", tied, xgb_early_stopping_rounds=0, xgb_max_depth=3)
    label = np.where(tied.event, tied.time, -tied.time)
    parameters = {"objective": "survival:cox", "max_depth": 3, "eta": 0.1, "base_score": 1.0}
    parameters |= {"tree_method": "hist", "nthread": 1}
    rows = xgboost.DMatrix(matrix_of(tied), label=label)
    library = xgboost.train(parameters, rows, 20)
    margin = library.predict(rows, output_margin=True)
    np.testing.assert_allclose(model._output(tied.features), margin, atol=1e-6)
    risk = np.exp(margin.astype(np.float64))
    time = tied.time
    hazard = [
        sum(1 / risk[time >= t].sum() for t in time[tied.event & (time <= cut)])
        for cut in model.grid.cuts
    ]
    expected = np.exp(-np.outer(risk, hazard))
    np.testing.assert_allclose(model.predict(tied.features).survival, expected, atol=1e-6)


def test_a_censoring_at_time_0_is_no_event_to_xgboost() -> None:
    data = make_data(100, 8)
    time = data.time.copy()
    time[:40] = 0.0
    later = SurvivalData(data.features, data.event & (time > 0), np.maximum(time, 1e-6))
    at_zero = SurvivalData(data.features, later.event, time)
    curves = [
        fitted("xgb_cox", rows, grid=TimeGrid.evenly_spaced(3.0, 9)).predict(data.features)
        for rows in (later, at_zero)
    ]
    np.testing.assert_array_equal(curves[0].survival, curves[1].survival)


DISTRIBUTIONS = {
    "normal": scipy.stats.norm,
    "logistic": scipy.stats.logistic,
    "extreme": scipy.stats.gumbel_l,
}


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_xgboost_log_times_are_its_own(distribution: str, tied: SurvivalData) -> None:
    flags = {"xgb_aft_distribution": distribution, "xgb_aft_scale": 0.8, "xgb_max_depth": 3}
    model: Any = fitted("xgb_aft", tied, xgb_early_stopping_rounds=0, **flags)
    horizon = model.grid.horizon
    rows = xgboost.DMatrix(matrix_of(tied))
    rows.set_float_info("label_lower_bound", tied.time / horizon)
    rows.set_float_info("label_upper_bound", np.where(tied.event, tied.time / horizon, np.inf))
    log_time = np.log(tied.time / horizon)
    start = np.exp(marginal_fit(log_time, tied.event, distribution)[0])
    parameters = {"objective": "survival:aft", "max_depth": 3, "eta": 0.1, "nthread": 1}
    parameters |= {"aft_loss_distribution": distribution, "aft_loss_distribution_scale": 0.8}
    library = xgboost.train({**parameters, "base_score": start}, rows, 20)
    location = np.log(library.predict(rows).astype(np.float64))
    times = np.linspace(0.05, horizon, 31)
    errors = DISTRIBUTIONS[distribution](scale=0.8)
    expected = errors.sf(np.log(times / horizon) - location[:, None])
    found = model.predict(tied.features, times).survival
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_distributions_are_those_of_scipy(distribution: str) -> None:
    z = np.linspace(-8, 3, 60)
    errors = DISTRIBUTIONS[distribution]
    np.testing.assert_allclose(log_survival(z, distribution), errors.logsf(z), rtol=1e-9)
    np.testing.assert_allclose(log_density(z, distribution), errors.logpdf(z), rtol=1e-9)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_the_marginal_fit_is_the_maximum_of_scipy(distribution: str) -> None:
    rng = np.random.default_rng(0)
    errors = DISTRIBUTIONS[distribution]
    log_time = errors.rvs(loc=-1.0, scale=0.5, size=300, random_state=rng)
    event = rng.random(300) < 0.7
    censored = scipy.stats.CensoredData(uncensored=log_time[event], right=log_time[~event])
    expected = errors.fit(censored)
    np.testing.assert_allclose(marginal_fit(log_time, event, distribution), expected, rtol=1e-3)


def test_the_scale_and_start_are_those_of_the_times_without_features(tied: SurvivalData) -> None:
    model: Any = fitted("xgb_aft", tied)
    log_time = np.log(tied.time / model.grid.horizon)
    location, scale = marginal_fit(log_time, tied.event, "normal")
    assert model.scale == scale
    parameters = {"xgb_min_child_weight": 1e6, "xgb_early_stopping_rounds": 0}
    curve = fitted("xgb_aft", tied, **parameters).predict(tied.features).survival
    shares = np.log(model.grid.cuts[1:] / model.grid.horizon)
    expected = scipy.stats.norm.sf((shares - location) / scale)
    np.testing.assert_allclose(curve[0, 1:], expected, atol=1e-5)


def test_early_stopping_keeps_the_best_trees(tied: SurvivalData) -> None:
    validation = make_data(60, 11)
    few, none = (
        fitted("xgb_cox", tied, validation, xgb_n_estimators=300, xgb_early_stopping_rounds=rounds)
        for rounds in (5, 0)
    )
    kept = few.booster.num_boosted_rounds()  # type: ignore[attr-defined]
    assert 0 < kept < 300 == none.booster.num_boosted_rounds()  # type: ignore[attr-defined]
    same = fitted("xgb_cox", tied, xgb_n_estimators=kept, xgb_early_stopping_rounds=0)
    np.testing.assert_array_equal(
        few.predict(tied.features).survival, same.predict(tied.features).survival
    )


@pytest.mark.parametrize("ipcw", ["alternating", "kaplan-meier"])
def test_survivalboost_is_that_of_hazardous(
    ipcw: str, tied: SurvivalData, monkeypatch: pytest.MonkeyPatch
) -> None:
    boosters = []

    class Kept(SurvivalBoost):  # type: ignore[misc]
        def fit(self, *arguments: Any, **keywords: Any) -> Any:
            boosters.append(self)
            return super().fit(*arguments, **keywords)

    monkeypatch.setattr(hazardous_trees, "SurvivalBoost", Kept)
    flags = {"survivalboost_n_iter": 30, "survivalboost_ipcw": ipcw}
    model = fitted("survivalboost", tied, grid=GRID, **flags)
    (library,) = boosters
    library.show_progressbar = False
    expected = library.predict_survival_function(matrix_of(tied), GRID.cuts)
    found = model.predict(tied.features).survival
    np.testing.assert_allclose(found, np.sort(expected, axis=1)[:, ::-1], atol=1e-12)
    default = {"min_samples_leaf": 50, "learning_rate": 0.05, "n_horizons_per_observation": 3}
    plain = SurvivalBoost(show_progressbar=False)
    assert default.items() <= plain.get_params().items() & library.get_params().items()


def test_hazardous_is_left_as_it_was(tied: SurvivalData) -> None:
    from hazardous import _ipcw, _survival_boost
    from sklearn.ensemble import HistGradientBoostingClassifier

    numbers = np.random.get_state()[1]  # noqa: NPY002
    fitted("survivalboost", tied)
    for module in (_ipcw, _survival_boost):
        assert module.HistGradientBoostingClassifier is HistGradientBoostingClassifier
    np.testing.assert_array_equal(np.random.get_state()[1], numbers)  # noqa: NPY002


def test_weibull_regression_is_that_of_lifelines(tied: SurvivalData) -> None:
    numbers = SurvivalData(tied.features[:, :4], tied.event, tied.time)
    model = fitted("weibull_aft", numbers, weibull_alpha=0.0)
    table = pd.DataFrame(numbers.features, columns=list("abcd")).assign(
        time=numbers.time, event=numbers.event
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library = WeibullAFTFitter().fit(table, "time", "event")
        times = np.linspace(0.1, 2.5, 20)
        expected = library.predict_survival_function(table, times=times).to_numpy().T
    np.testing.assert_allclose(model.predict(numbers.features, times).survival, expected, atol=2e-4)
    shape = np.exp(library.params_["rho_"]["Intercept"])
    assert model.shape == pytest.approx(shape, rel=1e-3)  # type: ignore[attr-defined]


def test_weibull_regression_does_not_depend_on_the_unit_of_time(tied: SurvivalData) -> None:
    days = SurvivalData(tied.features, tied.event, tied.time * 365.25, categorical=tied.categorical)
    for alpha in (0.0, 0.01):
        years, in_days = (
            fitted("weibull_aft", data, weibull_alpha=alpha).predict(tied.features).survival
            for data in (tied, days)
        )
        np.testing.assert_allclose(in_days, years, atol=1e-6)


def test_a_ridge_penalty_makes_weibull_regression_unique(tied: SurvivalData) -> None:
    """The same column twice shares its effect, as half of a column with half the penalty."""
    one = SurvivalData(tied.features[:, :1], tied.event, tied.time)
    two = SurvivalData(tied.features[:, [0, 0]], tied.event, tied.time)
    single: Any = fitted("weibull_aft", one, weibull_alpha=0.05)
    double: Any = fitted("weibull_aft", two, weibull_alpha=0.1)
    np.testing.assert_allclose(double.coefficients.sum(), single.coefficients[0], rtol=1e-5)
    np.testing.assert_allclose(*double.coefficients, rtol=1e-6)


def test_shapes_without_a_maximum_are_told() -> None:
    data = make_data(80, 2)
    alone = SurvivalData(data.features, np.ones(80, bool), np.full(80, 3.0))
    monitor = Warnings()
    model = fitted("weibull_aft", alone, monitor=monitor)
    assert model.fit_summary.converged is False
    assert "the event times are fitted exactly" in monitor.messages[-1]


def test_coxnet_solves_at_the_penalty_that_predicts_left_out_rows_best(
    tied: SurvivalData,
) -> None:
    """Against a search of its own: all folds by scikit-survival, likelihoods by hand."""
    numbers = SurvivalData(tied.features[:, :4], tied.event, tied.time)
    model: Any = fitted("coxnet", numbers, coxnet_folds=4, coxnet_alphas=12, seed=9)
    matrix = numbers.features.astype(np.float64)
    outcome = Surv.from_arrays(numbers.event, numbers.time)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = CoxnetSurvivalAnalysis(n_alphas=12, alpha_min_ratio=1e-4).fit(matrix, outcome)

        def likelihood(coefficients: Any, rows: Any) -> float:
            risk, time, event = matrix[rows] @ coefficients, numbers.time[rows], numbers.event[rows]
            return sum(
                risk[i] - np.log(np.exp(risk[time >= time[i]]).sum()) for i in np.flatnonzero(event)
            )

        fold = fold_of_rows(numbers, 4, 9)
        scores = np.zeros(12)
        for number in range(4):
            rows, every = fold != number, np.ones(150, bool)
            own = CoxnetSurvivalAnalysis(alphas=path.alphas_).fit(matrix[rows], outcome[rows])
            gained = [likelihood(c, every) - likelihood(c, rows) for c in own.coef_.T]
            scores = scores[: len(gained)] + gained[: len(scores)]  # a path may end early
        expected = path.alphas_[np.argmax(scores)]
        assert 0 < np.argmax(scores) < 11
        final = CoxnetSurvivalAnalysis(alphas=[expected], tol=1e-9).fit(matrix, outcome)
    assert model.alpha == pytest.approx(expected)
    np.testing.assert_allclose(model.coefficients, final.coef_[:, 0], atol=1e-5)


def test_the_path_starts_where_scikit_survivals_does(tied: SurvivalData) -> None:
    matrix = tied.features[:, :4].astype(np.float64)
    path = CoxnetSurvivalAnalysis(l1_ratio=0.3, n_alphas=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path.fit(matrix, Surv.from_arrays(tied.event, tied.time))
    found = largest_alpha(matrix, tied.event, tied.time, 0.3)
    assert found == pytest.approx(path.alphas_[0])


def test_the_likelihood_is_highest_at_the_unpenalised_fit(tied: SurvivalData) -> None:
    matrix = tied.features[:, :2].astype(np.float64)
    model = CoxPHSurvivalAnalysis(ties="breslow", tol=1e-12)
    model.fit(matrix, Surv.from_arrays(tied.event, tied.time))
    steps = np.array([[0, 0], [0.01, 0], [-0.01, 0], [0, 0.01], [0, -0.01]]).T
    values = log_likelihood(matrix @ (model.coef_[:, None] + steps), tied.event, tied.time)
    assert (values[1:] < values[0]).all()


def test_folds_hold_whole_subjects_and_share_the_events() -> None:
    data = make_data(200, 0)
    subject = np.repeat(np.arange(100), 2)
    rows = SurvivalData(data.features, data.event, data.time, subject_id=subject)
    fold = fold_of_rows(rows, 5, 1)
    assert (fold[::2] == fold[1::2]).all()
    assert set(fold) == set(range(5))
    per_fold = np.bincount(fold_of_rows(data, 5, 1), data.event)
    assert np.ptp(per_fold) <= 1
    assert (fold != fold_of_rows(rows, 5, 2)).any()


def test_a_path_that_breaks_down_is_shortened_to_what_can_be_solved(tied: SurvivalData) -> None:
    ordered = np.column_stack([tied.features[:, :2], tied.time * 100]).astype(np.float64)
    alphas = np.geomspace(10, 1e-12, 40)
    path = coefficient_path(ordered, tied.event, tied.time, alphas, 0.5)
    assert np.isfinite(path).all()
    assert 1 <= path.shape[1] < 40


def test_coxnet_says_so_where_no_column_helps() -> None:
    data = make_data(100, 0).subset(np.arange(60))
    noise = SurvivalData(
        np.random.default_rng(0).normal(size=(60, 300)).astype(np.float32), data.event, data.time
    )
    monitor = Warnings()
    model = fitted("coxnet", noise, monitor=monitor)
    assert "no column improves the prediction" in " ".join(monitor.messages)
    assert "alpha" not in " ".join(monitor.messages)
    survival = model.predict(noise.features).survival
    np.testing.assert_array_equal(survival, survival[:1].repeat(60, 0))
