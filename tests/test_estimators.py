from __future__ import annotations

import pickle
import re
import warnings
from dataclasses import fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import (
    check_estimator_repr,
    check_get_params_invariance,
    check_no_attributes_set_in_init,
    check_parameters_default_constructible,
    check_set_params,
    parametrize_with_checks,
)
from sksurv.datasets import load_gbsg2
from sksurv.metrics import concordance_index_censored
from sksurv.nonparametric import kaplan_meier_estimator
from sksurv.preprocessing import OneHotEncoder
from sksurv.util import Surv

import survkit
from survkit import estimators
from survkit.configs.train import TrainConfig
from survkit.estimators import (
    AalenJohansenSurvival,
    AdjustableMoESurvival,
    BARTSurvival,
    CoxnetSurvival,
    CoxPHSurvival,
    DeepCoxMixturesSurvival,
    DeepHitSurvival,
    DeepSurvivalMachinesSurvival,
    DeepSurvSurvival,
    DeepWeibullSurvival,
    ExtraTreesSurvival,
    FixedMoESurvival,
    GradientBoostingSurvival,
    KaplanMeierSurvival,
    LogisticHazardSurvival,
    MTLRSurvival,
    PersonalizedMoESurvival,
    RandomForestSurvival,
    SurvivalBoostSurvival,
    WeibullAFTSurvival,
    XGBAFTSurvival,
    XGBCoxSurvival,
    estimator_class,
)
from survkit.estimators.inputs import hold_out
from survkit.estimators.outcomes import as_outcome
from survkit.explain.survlime import SurvLimeExplainer
from survkit.types import InputError

SMALL: dict[str, Any] = {"hidden_dim": 8, "epochs": 3, "time_bins": 12}
MIXTURE: dict[str, Any] = {**SMALL, "mixture_components": 4}
NETWORKS = [
    MTLRSurvival(**SMALL),
    FixedMoESurvival(**MIXTURE),
    AdjustableMoESurvival(**MIXTURE),
    PersonalizedMoESurvival(**MIXTURE),
    DeepWeibullSurvival(**SMALL),
    DeepSurvivalMachinesSurvival(**SMALL),
    DeepCoxMixturesSurvival(**SMALL),
    DeepSurvSurvival(**SMALL),
    DeepHitSurvival(**SMALL),
    LogisticHazardSurvival(**SMALL),
]
EVERY = [
    *NETWORKS,
    CoxPHSurvival(),
    CoxnetSurvival(folds=3),
    WeibullAFTSurvival(),
    RandomForestSurvival(n_estimators=5, time_bins=12),
    ExtraTreesSurvival(n_estimators=5, time_bins=12),
    GradientBoostingSurvival(n_estimators=5),
    XGBCoxSurvival(n_estimators=5),
    XGBAFTSurvival(n_estimators=5),
    SurvivalBoostSurvival(n_iter=5),
]
every_estimator = pytest.mark.parametrize("estimator", EVERY, ids=lambda e: type(e).__name__)


class PlainOutcome:
    """Lets scikit-learn's checks, which know no censoring, pass one number a subject as y."""

    def fit(self, X: Any, y: Any) -> Any:  # noqa: N803
        return super().fit(X, y if y is None else self.outcome(y))  # type: ignore[misc]

    def score(self, X: Any, y: Any) -> float:  # noqa: N803
        return super().score(X, self.outcome(y))  # type: ignore[misc]

    @staticmethod
    def outcome(y: Any) -> NDArray[np.void]:
        time = np.abs(np.real(np.asarray(y)).astype(float)) + 1
        return Surv.from_arrays(np.ones(len(time), dtype=bool), time.ravel())


class CheckedMTLR(PlainOutcome, MTLRSurvival):
    pass


class CheckedMixture(PlainOutcome, PersonalizedMoESurvival):
    pass


class CheckedWeibull(PlainOutcome, WeibullAFTSurvival):
    pass


class CheckedBoosting(PlainOutcome, GradientBoostingSurvival):
    pass


class CheckedXGB(PlainOutcome, XGBAFTSurvival):
    pass


# None of the checks is expected to fail. scikit-learn itself leaves out:
# check_array_api_input, which runs only where SCIPY_ARRAY_API is set; check_estimators_nan_inf, as
# missing values are allowed; the checks of sample weights, classifiers, regressors, transformers.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # some checks give no sensible rows
@parametrize_with_checks(
    [
        CheckedMTLR(hidden_dim=4, epochs=2),
        CheckedMixture(hidden_dim=4, epochs=2, mixture_components=2),
        CheckedWeibull(alpha=0.1),
        CheckedBoosting(n_estimators=3),
        CheckedXGB(n_estimators=3),
    ]
)
def test_scikit_learns_conventions(estimator: Any, check: Any) -> None:
    check(estimator)


# The mixtures differ in their parameters and their head: what these checks look at.
@pytest.mark.parametrize(
    "check",
    [
        check_get_params_invariance,
        check_set_params,
        check_no_attributes_set_in_init,
        check_parameters_default_constructible,
        check_estimator_repr,
    ],
)
@pytest.mark.parametrize("mixture", [FixedMoESurvival, AdjustableMoESurvival])
def test_the_parameters_of_every_mixture_keep_to_the_conventions(mixture: Any, check: Any) -> None:
    check(mixture.__name__, mixture())


@pytest.fixture(scope="module")
def gbsg2() -> tuple[pd.DataFrame, NDArray[np.void]]:
    features, outcome = load_gbsg2()
    return features, outcome


def numbers(n: int = 80, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.void]]:
    random = np.random.default_rng(seed)
    features = random.normal(size=(n, 3))
    event_time = random.exponential(np.exp(-2 * features[:, 0]))
    censoring = random.uniform(0, 3, n)
    outcome = Surv.from_arrays(event_time <= censoring, np.minimum(event_time, censoring))
    return features, outcome


def known(estimator: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: v for name, v in parameters.items() if name in estimator.get_params()}


def test_every_model_has_an_estimator() -> None:
    from survkit.models.registry import MODELS

    classes = {n: c for n, c in vars(estimators).items() if n in estimators.__all__}
    named = {c.model_name: c for n, c in classes.items() if n.endswith("Survival")}
    assert set(named) == set(MODELS)
    assert all(estimator_class(model) is found for model, found in named.items())


def test_a_model_that_a_user_adds_has_an_estimator(monkeypatch: pytest.MonkeyPatch) -> None:
    from survkit.models.registry import MODELS

    entry = MODELS["gbsa"]
    monkeypatch.setitem(MODELS, "my_trees", entry)
    made = estimator_class("my_trees")
    assert made.__name__ == "MyTreesSurvival"
    like = GradientBoostingSurvival(n_estimators=5)
    assert made().get_params() == GradientBoostingSurvival().get_params()
    features, outcome = numbers()
    model = made(n_estimators=5).fit(features, outcome)
    np.testing.assert_array_equal(
        model.predict(features), like.fit(features, outcome).predict(features)
    )
    monkeypatch.setitem(MODELS, "my_mixture", MODELS["personalized_moe"])
    assert "moe_value_dim" in estimator_class("my_mixture")().get_params()
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(restored.predict(features), model.predict(features))


@every_estimator
def test_parameters_have_the_names_and_defaults_of_the_flags(estimator: Any) -> None:
    from survkit.models.registry import MODELS

    flags = {field.name: field.default for field in fields(TrainConfig)}
    own = {"validation_fraction", "random_state", "verbose", "warm_start"}
    of_model = MODELS[estimator.model_name].parameters
    flag_of = {keyword: flag for flag, keyword in of_model.items()}
    given = type(estimator)().get_params()
    defaults = {flag_of.get(name, name): given[name] for name in given.keys() - own}
    assert set(defaults) <= set(flags)
    of_command = {"initial_curve", "minimize_val_metric", "monitored_val_metric"}
    assert of_model.keys() - of_command <= set(defaults)
    differing = {name for name, value in defaults.items() if value != flags[name]}
    personalized = estimator.model_name == "personalized_moe"
    assert differing == ({"hidden_dim"} if personalized else set())
    assert given.get("random_state", 42) == flags["seed"]


def test_a_value_out_of_range_is_named_as_the_parameter() -> None:
    with pytest.raises(InputError, match=r"^learning_rate is 3; it must be at most 1$"):
        GradientBoostingSurvival(learning_rate=3).fit(*numbers())
    with pytest.raises(InputError, match=r"^max_features is 'many'"):
        GradientBoostingSurvival(max_features="many").fit(*numbers())


@pytest.mark.slow
@every_estimator
def test_mixed_columns_with_missing_values(estimator: Any, gbsg2: Any) -> None:
    features, outcome = gbsg2[0].copy(), gbsg2[1]
    features.loc[::7, "age"] = np.nan
    features.loc[::5, "tgrade"] = None
    features["old"] = features["age"] > 60
    features["text"] = np.where(features["pnodes"] > 3, "many", "few").astype(object)
    model = clone(estimator).fit(features, outcome)
    assert list(model.feature_names_in_) == list(features)
    coded = {column.name for column in model.preprocessor_.coded}
    assert coded == {"horTh", "menostat", "tgrade", "old", "text"}
    assert model.preprocessor_.indicators == ("age",)
    survival = model.predict_survival_function(features, return_array=True)
    assert survival.shape == (len(features), len(model.unique_times_))
    assert (np.diff(survival, axis=1) <= 0).all()
    assert model.largest_time_ == outcome["time"].max()
    if "epochs" in estimator.get_params():
        assert model.n_iter_ == 3
        assert 1 <= model.best_epoch_ <= 3
    assert model.predict(features.iloc[:1]).shape == (1,)


@every_estimator
def test_the_score_is_the_concordance_of_the_risks(estimator: Any) -> None:
    features, outcome = numbers()
    model = clone(estimator).fit(features, outcome)
    risk = model.predict(features)
    expected = concordance_index_censored(outcome["event"], outcome["time"], risk)[0]
    assert model.score(features, outcome) == expected


@pytest.mark.slow
@every_estimator
def test_it_learns_and_a_seed_makes_it_repeatable(estimator: Any) -> None:
    features, outcome = numbers(200)
    longer = {"epochs": 20, "lr": 0.02, "batch_size": 32, "n_estimators": 40, "n_iter": 40}
    model = clone(estimator).set_params(**known(estimator, longer)).fit(features, outcome)
    assert model.score(*numbers(300, seed=1)) > 0.75
    again = clone(model).fit(features, outcome)
    np.testing.assert_array_equal(model.predict(features), again.predict(features))
    if drawn := known(estimator, {"random_state": 1, "subsample": 0.5}):
        other = clone(estimator).set_params(**drawn).fit(features, outcome)
        assert (model.predict(features) != other.predict(features)).any()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*values are below 2.2e-16")  # by DeepSurv, near the end
@pytest.mark.parametrize("estimator", NETWORKS, ids=lambda e: type(e).__name__)
def test_survlime_explains_it_unchanged(estimator: Any) -> None:
    features, outcome = numbers(200)
    model = clone(estimator).set_params(epochs=10, lr=0.02).fit(features, outcome)
    explainer = SurvLimeExplainer(features, outcome["event"], outcome["time"], random_state=0)
    for predict_fn in (model, model.predict_cumulative_hazard_function):
        coefficients = np.asarray(
            explainer.explain_instance(features[0], predict_fn, num_samples=200)
        )
        assert np.argmax(np.abs(coefficients)) == 0  # the log hazard is twice the first feature
        assert coefficients[0] > 0


@pytest.mark.slow
def test_the_documentations_examples_run() -> None:
    text = (Path(survkit.__file__).parent.parent / "docs" / "estimators.md").read_text()
    examples = re.findall("```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(examples) == 4
    names: dict[str, Any] = {}
    for example in examples:
        exec(example, names)
    assert 0.6 < names["search"].best_score_ < 0.75
    assert len(names["explanation"]) == 5


def test_other_rows_may_decide_when_a_fit_stops() -> None:
    features, outcome = numbers(120)
    model = MTLRSurvival(**SMALL).fit(features[:80], outcome[:80], eval_set=numbers(40, seed=1))
    everything = MTLRSurvival(**SMALL, validation_fraction=0).fit(features[:80], outcome[:80])
    # Both train on all 80 rows; only the rows that the loss is validated on differ.
    same = ["train_loss", "gradient_norm"]
    pd.testing.assert_frame_equal(model.history_[same], everything.history_[same])
    differ = model.history_["validation_loss"] != everything.history_["validation_loss"]
    assert differ.all()
    with pytest.raises(InputError, match=r"the eval_set has 40 rows of X and 39 of y"):
        model.fit(features, outcome, eval_set=(features[:40], outcome[:39]))
    with pytest.raises(InputError, match=r"WeibullAFTSurvival looks at no other rows"):
        WeibullAFTSurvival().fit(features, outcome, eval_set=(features, outcome))


def test_a_warm_start_goes_on_where_the_last_fit_ended() -> None:
    features, outcome = numbers()
    longer = {**SMALL, "epochs": 6, "dropout": 0.2}
    at_once = MTLRSurvival(**longer).fit(features, outcome)
    in_two = MTLRSurvival(**{**longer, "epochs": 2}, warm_start=True).fit(features, outcome)
    assert in_two.n_iter_ == 2
    in_two.set_params(epochs=6).fit(features, outcome)
    assert list(in_two.history_["epoch"]) == [1, 2, 3, 4, 5, 6]
    pd.testing.assert_frame_equal(in_two.history_, at_once.history_)
    np.testing.assert_array_equal(in_two.predict(features), at_once.predict(features))


def test_progress_is_shown_where_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    MTLRSurvival(**SMALL).fit(*numbers())
    assert capsys.readouterr().err == ""
    MTLRSurvival(**SMALL, verbose=True).fit(*numbers())
    assert "3/3" in capsys.readouterr().err


def test_outcomes_by_name_and_as_two_arrays() -> None:
    features, outcome = numbers()
    expected = CoxPHSurvival().fit(features, outcome).predict(features)
    event, time = outcome["event"], outcome["time"]
    for y in (
        pd.DataFrame({"time": time, "event": event}),
        pd.DataFrame({"dead": event, "days": time}),
        np.rec.fromarrays([time, event], names="Time,Event"),
        (event, time),
        (pd.Series(event), list(time)),
    ):
        np.testing.assert_array_equal(CoxPHSurvival().fit(features, y).predict(features), expected)


def test_curves_for_everybody() -> None:
    features, outcome = numbers()
    km = KaplanMeierSurvival().fit(features, outcome)
    times, survival = kaplan_meier_estimator(outcome["event"], outcome["time"])
    found = km.predict_survival_function(features[:1], return_array=True)[0]
    at = np.searchsorted(times, km.unique_times_, side="right") - 1
    np.testing.assert_allclose(found, survival[at], atol=1e-12)
    aj = AalenJohansenSurvival().fit(features, outcome)
    np.testing.assert_allclose(
        aj.predict_survival_function(features[:1], return_array=True)[0], found, atol=1e-12
    )


@pytest.mark.slow
def test_bart_as_an_estimator() -> None:
    small = {"trees": 10, "tune": 20, "draws": 20, "chains": 2, "cores": 1, "time_bins": 6}
    features, outcome = numbers(150)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # so short a chain has not converged
        model = BARTSurvival(**small).fit(features, outcome)
    assert model.score(*numbers(100, seed=1)) > 0.7


def test_random_states_of_every_kind_are_taken() -> None:
    features, outcome = numbers()
    fits = [
        MTLRSurvival(**SMALL, random_state=np.random.RandomState(3)).fit(features, outcome)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(fits[0].predict(features), fits[1].predict(features))
    MTLRSurvival(**SMALL, random_state=None).fit(features, outcome)


def test_training_leaves_torchs_threads_alone() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        MTLRSurvival(**SMALL).fit(*numbers())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@every_estimator
def test_clones_and_pickles_predict_the_same(estimator: Any) -> None:
    features, outcome = numbers()
    model = clone(estimator).fit(features, outcome)
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(restored.predict(features), model.predict(features))
    assert not hasattr(clone(model), "model_")


def test_expert_weights_are_those_of_the_router() -> None:
    features, outcome = numbers()
    model = FixedMoESurvival(**MIXTURE, mixture_topk=2).fit(features, outcome)
    weights = model.predict_expert_weights(features)
    assert weights.shape == (80, 4)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
    assert ((weights > 0).sum(axis=1) == 2).all()
    assert not hasattr(MTLRSurvival(), "predict_expert_weights")


def test_a_grid_search_over_a_pipeline_on_gbsg2(gbsg2: Any) -> None:
    model = PersonalizedMoESurvival(mixture_components=2, epochs=2)
    grid = {"personalizedmoesurvival__hidden_dim": np.array([4, 8])}
    search = GridSearchCV(make_pipeline(OneHotEncoder(), model), grid, cv=2)
    search.fit(*gbsg2)
    assert search.best_params_["personalizedmoesurvival__hidden_dim"] in (4, 8)
    assert 0 < search.best_score_ < 1
    assert search.predict(gbsg2[0]).shape == (686,)


def test_it_sits_behind_a_scaler_and_in_cross_validation() -> None:
    features, outcome = numbers()
    scores = cross_val_score(
        make_pipeline(StandardScaler(), MTLRSurvival(**SMALL)), features, outcome, cv=3
    )
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda event, time: np.column_stack([event, time]),
        lambda event, time: pd.DataFrame({"died": event, "days": time}),
        lambda event, time: Surv.from_arrays(event, time, name_event="a", name_time="b"),
        lambda event, time: list(zip(event, time, strict=True)),
    ],
)
def test_outcomes_of_every_form_are_the_same(make: Any) -> None:
    event, time = np.array([True, False, True]), np.array([1.0, 2.5, 0.0])
    found_event, found_time = as_outcome(make(event, time))
    np.testing.assert_array_equal(found_event, event)
    np.testing.assert_array_equal(found_time, time)


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (np.array([1.0, 2.0]), "array of shape"),
        (np.zeros((3, 3)), "array of shape"),
        (np.array([[1, 2.0], [7, 1.0]]), "event in row 1 of y is 7.0"),
        (np.array([[1, 2.0], [1, -1.0]]), "time in row 1 of y is -1.0"),
        (np.array([[1, 2.0], [1, np.nan]]), "time in row 1 of y is nan"),
        (pd.DataFrame({"e": [True], "t": [pd.NA]}), "time in row 0 of y .column 't'. is nan"),
        (pd.DataFrame({"e": True, "t": [pd.Timestamp(0)] * 80}), "1970-01-01, a date"),
        (pd.DataFrame({"e": [True, None], "t": 1.0}), "event in row 1 of y .column 'e'. is None"),
        (np.zeros(2, dtype=[("a", bool), ("b", float), ("c", float)]), "structured array"),
        (Surv.from_arrays(np.zeros(80, bool), np.ones(80)), "all 80 rows of y are censored"),
        (Surv.from_arrays(np.ones(3, bool), np.ones(3)), "X has 80 rows and y 3"),
    ],
)
def test_bad_outcomes_are_explained(outcome: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        MTLRSurvival(**SMALL).fit(numbers()[0], outcome)


DAY = datetime(2020, 1, 2)
WEEK = timedelta(days=7)


@pytest.mark.parametrize(
    ("times", "found"),
    [
        (np.array(["2020-01-02"], "datetime64[D]"), "2020-01-02.*, a date"),
        (np.array([7], "timedelta64[D]"), "7 days.*, a duration"),
        (pd.Series([DAY]), "2020-01-02, a date"),
        (pd.Series([DAY]).dt.tz_localize("Europe/Paris"), r"2020-01-02 .*\+01:00, a date"),
        (pd.Series([WEEK]), "7 days 00:00:00, a duration"),
        (pd.Series(pd.period_range("2020-01", periods=1, freq="M")), "2020-01, a date"),
        (np.array([DAY], object), "2020-01-02.*, a date"),
        (np.array([DAY.date()], object), "2020-01-02, a date"),
        (np.array([WEEK], object), "7 days.*, a duration"),
        (np.array([pd.Timestamp(DAY)], object), "2020-01-02.*, a date"),
        (np.array([pd.Timedelta(WEEK)], object), "7 days.*, a duration"),
        (np.array([pd.NaT], object), "NaT, a date"),
        (np.array([pd.DateOffset(days=7)], object), ".*, a duration"),
        (np.array([1 + 2j]), r"\(1\+2j\), a complex number"),
        (np.array(["7"]), "'7', text"),
        (np.array([True]), "True; times are numbers"),
        (np.array([{7}], object), r"\{7\}, a set"),
    ],
)
def test_times_that_are_not_numbers_are_refused_in_words(times: Any, found: str) -> None:
    right = r".*\(end - start\).dt.days"
    with pytest.raises(InputError, match=rf"row 0 of y \(column 't'\) is {found}{right}"):
        as_outcome(pd.DataFrame({"e": [True], "t": times}))
    values = np.asarray(times)
    structured = np.empty(1, dtype=[("e", bool), ("t", values.dtype)])
    structured["e"], structured["t"] = True, values
    with pytest.raises(InputError, match=r"the time in row 0 of y \(field 't'\) is .*; times are"):
        as_outcome(structured)
    with pytest.raises(InputError, match=r"the time in row 0 of y is .*; times are"):
        as_outcome([(True, values[0])])


@pytest.mark.parametrize(
    ("events", "found"),
    [
        (pd.Series([DAY]), "2020-01-02.*, a date"),
        (pd.Series([DAY]).dt.tz_localize("UTC"), r"2020-01-02 .*\+00:00, a date"),
        (np.array([WEEK], object), "7 days.*, a duration"),
        (np.array(["1"]), "'1', text"),
        (np.array([1 + 0j]), r"\(1\+0j\), a complex number"),
    ],
)
def test_events_that_are_not_true_or_false_are_refused_in_words(events: Any, found: str) -> None:
    expected = rf"the event in row 0 of y \(column 'e'\) is {found}; it must be True/False or 1/0"
    with pytest.raises(InputError, match=expected):
        as_outcome(pd.DataFrame({"e": events, "t": [1.0]}))


@pytest.mark.parametrize("horizon", [1.9, 3.0, 21.7])
@every_estimator
def test_times_of_single_precision_fit_the_same_model(estimator: Any, horizon: float) -> None:
    features, outcome = numbers(200)
    cuts = round(10 * horizon) + 1  # at multiples of 0.1
    time = np.round(np.linspace(0.1, horizon, 200), 1)
    frames = [
        pd.DataFrame({"event": outcome["event"], "time": time.astype(dtype)})
        for dtype in (np.float64, np.float32)
    ]
    double, single = (
        clone(estimator).set_params(time_bins=cuts, quantile_event_times=False).fit(features, frame)
        for frame in frames
    )
    np.testing.assert_array_equal(single.model_.grid.cuts, double.model_.grid.cuts)
    np.testing.assert_array_equal(single.predict(features), double.predict(features))
    np.testing.assert_array_equal(single.unique_times_, np.float32(double.unique_times_))
    survival, expected = (
        m.predict_survival_function(features, return_array=True) for m in (single, double)
    )
    np.testing.assert_allclose(survival, expected, rtol=1e-6)
    functions = single.predict_survival_function(features)
    at_own_times = [f(np.unique(frames[1]["time"][outcome["event"]])) for f in functions]
    np.testing.assert_array_equal(at_own_times, survival)
    for end in (horizon, np.float32(horizon)):
        found = single.predict_survival_frame(features, [end]).to_numpy()
        np.testing.assert_array_equal(found, double.predict_survival_frame(features, [horizon]))
        assert (single.predict_rmst(features, end) <= horizon).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"lr": -1.0}, "lr is -1.0; it must be above 0"),
        ({"hidden_dim": 2.5}, "hidden_dim is 2.5; it must be a whole number"),
        ({"validation_fraction": 1.0}, "validation_fraction is 1.0"),
        ({"moe_value_dim": 10}, "8 or 12 would work"),
        ({"mixture_topk": 9}, "mixture_topk is 9"),
        ({"device": "cuda:77"}, "this machine has cpu"),
    ],
)
def test_bad_parameters_are_explained(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PersonalizedMoESurvival(**{**MIXTURE, **parameters}).fit(*numbers())


def test_bad_features_are_explained() -> None:
    features, outcome = numbers()
    frame = pd.DataFrame(features, columns=["a", "b", "c"])
    dates = frame.assign(b=pd.Timestamp("2020-01-01"))
    with pytest.raises(InputError, match="'b' is of type datetime64"):
        MTLRSurvival(**SMALL).fit(dates, outcome)
    with pytest.raises(InputError, match="repeated: a"):
        MTLRSurvival(**SMALL).fit(frame.set_axis(["a", "a", "c"], axis=1), outcome)
    model = MTLRSurvival(**SMALL).fit(frame, outcome)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["b", "a", "c"]])
    with pytest.raises(InputError, match="'b', data row 1: 'high', which is not a number"):
        model.predict(frame.assign(b="high"))


def test_what_is_left_out_or_replaced_is_warned_of() -> None:
    features, outcome = numbers()
    frame = pd.DataFrame({"a": features[:, 0], "same": 3.0, "kind": ["x", "y"] * 40})
    with pytest.warns(UserWarning, match="'same' dropped: it is 3.0 in every training row"):
        model = MTLRSurvival(**SMALL).fit(frame, outcome)
    with pytest.warns(UserWarning, match=r"'kind': 1 of 80 rows hold values .* \(z\)"):
        model.predict(frame.assign(kind=["z", *["x"] * 79]))
    with pytest.warns(UserWarning, match="'a': missing in 80 of 80 rows, but in no training row"):
        model.predict(frame.assign(a=np.nan))


def test_arrays_of_objects_hold_numbers_and_categories() -> None:
    features, outcome = numbers()
    mixed = np.column_stack([features[:, :1].astype(object), np.array(["x", "y"] * 40)])
    model = MTLRSurvival(**SMALL).fit(mixed, outcome)
    assert [column.name for column in model.preprocessor_.numeric] == ["x0"]
    assert [column.name for column in model.preprocessor_.coded] == ["x1"]


@pytest.mark.parametrize(
    "later",
    [
        lambda old: old.astype(int),
        lambda old: old.astype(float),
        lambda old: old.astype(object),
        lambda old: old.astype("boolean"),
        lambda old: pd.Series([int(value) for value in old], dtype=object),
        lambda old: old.astype(int).astype("category"),
    ],
)
def test_truth_values_stay_what_they_are(later: Any) -> None:
    features, outcome = numbers()
    frame = pd.DataFrame({"a": features[:, 0], "old": features[:, 1] > 0})
    model = MTLRSurvival(**SMALL).fit(frame, outcome)
    expected = model.predict(frame)
    np.testing.assert_array_equal(model.predict(frame.assign(old=later(frame["old"]))), expected)
    np.testing.assert_allclose(model.predict(frame.iloc[[3]]), expected[[3]], rtol=1e-6)


def test_other_values_for_truth_values_are_refused() -> None:
    features, outcome = numbers()
    frame = pd.DataFrame({"a": features[:, 0], "old": features[:, 1] > 0})
    model = MTLRSurvival(**SMALL).fit(frame, outcome)
    with pytest.raises(InputError, match=r"'old' held truth values .* now holds 'yes' in row 0"):
        model.predict(frame.assign(old="yes"))


def test_numbers_stay_categories_and_truth_values_become_them() -> None:
    features, outcome = numbers()
    old = pd.Series((features[:, 1] > 0).astype(int))
    frame = pd.DataFrame({"a": features[:, 0], "old": old.astype("category")})
    model = MTLRSurvival(**SMALL).fit(frame, outcome)
    expected = model.predict(frame)
    for later in (old, old.astype(float), old.astype(bool), old.astype(bool).astype(object)):
        np.testing.assert_array_equal(model.predict(frame.assign(old=later)), expected)


def test_polars_frames_are_those_of_pandas() -> None:
    features, outcome = numbers()
    words = ["x", None, "y", "z"] * 20
    frame = pd.DataFrame({"a": features[:, 0], "b": features[:, 1] > 0, "c": words})
    event, time = (outcome[name] for name in outcome.dtype.names)
    of_polars = pl.DataFrame({"a": features[:, 0], "b": features[:, 1] > 0, "c": words})
    model = MTLRSurvival(**SMALL).fit(frame, outcome)
    again = MTLRSurvival(**SMALL).fit(of_polars, pl.DataFrame({"event": event, "time": time}))
    np.testing.assert_array_equal(again.predict(of_polars), model.predict(frame))
    np.testing.assert_array_equal(again.predict(frame), model.predict(of_polars))
    assert list(again.feature_names_in_) == ["a", "b", "c"]


@given(
    events=st.integers(0, 60),
    censored=st.integers(0, 60),
    fraction=st.floats(0.01, 0.99),
)
def test_held_out_rows_are_stratified(events: int, censored: int, fraction: float) -> None:
    n = events + censored
    if n < 2:
        return
    event = np.random.default_rng(0).permutation(np.repeat([True, False], [events, censored]))
    kept, held_out = hold_out(event, fraction, np.random.RandomState(0))
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, held_out])), np.arange(n))
    assert len(held_out) == min(max(round(fraction * n), 1), n - 1)
    assert abs(event[held_out].sum() - events * len(held_out) / n) <= 1
