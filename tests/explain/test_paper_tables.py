"""Each table of the SurvLIME paper, computed anew, beside its printed values."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torchtuples
from pycox.models import DeepHitSingle
from sksurv.ensemble import RandomSurvivalForest
from sksurv.metrics import concordance_index_censored
from sksurv.util import Surv

from survkit.baselines.pycox_models import PycoxModel
from survkit.configs.train import TrainConfig
from survkit.explain import RandomSurvivalData, SurvLimeExplainer, paper_models, paper_tables
from survkit.explain.paper_datasets import MissingRiskScore, PaperDataset, load_paper_dataset
from survkit.types import InputError, SurvivalData, TimeGrid

NAMES = ("udca", "lung", "veteran")
EVENTS = {"udca": 9.467, "lung": 70.335, "veteran": 93.431}

COX_TOLERANCE = {"udca": 1.5e-4, "lung": 6e-5, "veteran": 6e-5}
"""UDCA's printed digits are those of a penalty below 1e-4, which moves the fourth one by 1."""

DEFAULT_FLOOR, NO_FLOOR = 1e-3, 1e-12
"""Of |ln H| in the weight H / ln H, which the authors leave bare. Without it the medians of lung
are noisier; with it those of veteran are too large."""

SURVLIME_CASES = [
    # dataset, floor, repetitions, tolerance of SurvLIME's coefficients
    ("udca", NO_FLOOR, 30, 0.025),
    ("lung", NO_FLOOR, 30, 0.0015),
    ("lung", DEFAULT_FLOOR, 100, 0.0005),
    ("veteran", NO_FLOOR, 30, 0.01),
    ("veteran", DEFAULT_FLOOR, 30, 0.03),
]


@pytest.fixture(params=[pytest.param(name, id=name) for name in NAMES])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def load(
    name: str, request: pytest.FixtureRequest, missing: MissingRiskScore = "median"
) -> PaperDataset:
    folder: Path | None = request.getfixturevalue("real_data_dir") if name == "udca" else None
    return load_paper_dataset(name, folder, missing_riskscore=missing)


def test_tables_1_to_3(name: str, request: pytest.FixtureRequest) -> None:
    data = load(name, request, "drop")
    table = paper_tables.event_percentages(data)
    assert list(table.index.unique("feature")) == list(paper_tables.PERCENTAGES[name])
    assert set(table.index.unique("feature")) == set(data.features)
    # The tables print three digits, not always rounded to the nearest.
    np.testing.assert_allclose(table["difference"], 0, atol=0.06)
    assert 100 * data.event.mean() == pytest.approx(EVENTS[name], abs=1e-3)


@pytest.mark.parametrize("missing", ["median", "drop"])
def test_table_4(name: str, missing: MissingRiskScore, request: pytest.FixtureRequest) -> None:
    assert (paper_tables.sizes(load(name, request, missing))["difference"] == 0).all()


def concordance(kind: str, data: PaperDataset) -> float:
    train, test = data.split()
    inputs = data.encode(train)
    model = paper_models.fit(kind, data, inputs, train)
    return paper_models.concordance(model, data, inputs, test)


@pytest.mark.parametrize("kind", ["cox", "rsf"])
def test_table_5_cox_and_forest(kind: str, name: str, request: pytest.FixtureRequest) -> None:
    """The authors print the mean over 100 bootstrap samples of 14 to 21 subjects."""
    found = concordance(kind, load(name, request))
    assert found == pytest.approx(paper_tables.CONCORDANCE[name][kind], abs=0.035)


def test_table_5_without_the_subject_who_has_no_risk_score(
    request: pytest.FixtureRequest,
) -> None:
    assert concordance("cox", load("udca", request, "drop")) == pytest.approx(0.641, abs=5e-4)


def test_table_5_xgboost() -> None:
    """Only lung comes out; the authors' model for the other two is a neighbour model on trees."""
    pytest.importorskip("xgboost", reason="needs xgboost, which is not installed")
    found = concordance("xgb", load_paper_dataset("lung"))
    assert found == pytest.approx(paper_tables.CONCORDANCE["lung"]["xgb"], abs=0.02)


@pytest.mark.parametrize("kind", ["deepsurv", "deephit"])
def test_table_5_networks_on_veteran(kind: str) -> None:
    """On lung and udca the networks rank better here than the paper's 0.50."""
    found = concordance(kind, load_paper_dataset("veteran"))
    assert found == pytest.approx(paper_tables.CONCORDANCE["veteran"][kind], abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("dataset", "floor", "repetitions", "tolerance"), SURVLIME_CASES)
def test_tables_6_to_8(
    dataset: str, floor: float, repetitions: int, tolerance: float, request: pytest.FixtureRequest
) -> None:
    data = load(dataset, request)
    train, test = data.split()
    inputs = data.encode(train)
    cox = paper_models.fit("cox", data, inputs, train)
    baseline = cox.cum_baseline_hazard_
    explainer = SurvLimeExplainer(
        inputs.iloc[train],
        data.event[train],
        data.time[train],
        model_output_times=baseline.x,
        log_floor=floor,
        random_state=0,
    )
    found = explainer.montecarlo_explanation(
        inputs.iloc[test],
        # Faster than scikit-survival computes its own hazards.
        lambda x: np.outer(np.exp(x @ cox.coef_), baseline.y),
        num_repetitions=repetitions,
    )
    table = paper_tables.coefficients(
        dataset,
        pd.Series(cox.coef_, inputs.columns),
        pd.Series(np.median(found.coefficients, axis=0), inputs.columns),
    )
    np.testing.assert_allclose(table["cox", "difference"], 0, atol=COX_TOLERANCE[dataset])
    np.testing.assert_allclose(table["survlime", "difference"], 0, atol=tolerance)


def set_1() -> SurvivalData:
    coefficients = [true for true, _ in paper_tables.SET_1.values()]
    sample = RandomSurvivalData([0.0] * 5, 8, coefficients, 0.9, 1e-5, 2, random_seed=1)
    features, times, events = sample.random_survival_data(1000)
    names = tuple(paper_tables.SET_1)
    return SurvivalData(features.astype(np.float32), events, times, feature_names=names)


def network(kind: str, data: SurvivalData) -> Any:
    grid = TimeGrid.evenly_spaced(float(data.time[:900].max()), 15)
    config = TrainConfig(
        epochs=100, hidden_dim=32, num_hidden_layers=2, dropout=0.2, lr=1e-2, batch_size=256
    )
    model = PycoxModel(kind, grid=grid, parameters=asdict(config))
    return model.fit(data.subset(np.arange(800)), data.subset(np.arange(800, 900)))


@pytest.mark.parametrize("kind", ["deepsurv", "deephit"])
def test_table_9(kind: str) -> None:
    """The true coefficients rank these 100 subjects with 0.644: the printed 0.70 is not reached."""
    data = set_1()
    test = data.subset(np.arange(900, 1000))
    risk = network(kind, data).predict(test.features).risk_score()
    found = concordance_index_censored(test.event, test.time, risk)[0]
    assert found == pytest.approx(paper_tables.NETWORK_CONCORDANCE[kind], abs=0.08)
    truth = test.features @ np.array([true for true, _ in paper_tables.SET_1.values()])
    best = concordance_index_censored(test.event, test.time, truth)[0]
    assert best == pytest.approx(0.644, abs=1e-3)
    assert found > best - 0.05


# DeepSurv predicts survival below the smallest number for a few neighbours.
@pytest.mark.filterwarnings("ignore:.* of .* predicted survival values are below")
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["deepsurv", "deephit"])
def test_table_10_by_sign_and_order(kind: str) -> None:
    data = set_1()
    model = network(kind, data)
    explainer = SurvLimeExplainer(
        data.features[:900], data.event[:900], data.time[:900], random_state=0
    )
    found = explainer.montecarlo_explanation(data.features[900:], model, num_repetitions=1)
    median = np.median(found.coefficients, axis=0)
    printed = np.array([survlime for _, survlime in paper_tables.SET_1.values()])
    two_and_three = [1, 2]
    np.testing.assert_array_equal(np.sign(median[two_and_three]), np.sign(printed[two_and_three]))
    assert set(np.argsort(-np.abs(median))[:2]) == set(two_and_three)
    assert (median.argmax(), median.argmin()) == (printed.argmax(), printed.argmin())


def slopes_of_deephit(data: SurvivalData, alpha: float) -> Any:
    """Return the slopes of log hazards at the median time on features, for pycox's DeepHit."""
    torch.manual_seed(0)
    labels = DeepHitSingle.label_transform(15)
    single = data.time.astype(np.float32), data.event.astype(np.float32)
    targets = labels.fit_transform(*(values[:800] for values in single))
    watched = labels.transform(*(values[800:900] for values in single))
    network = torchtuples.practical.MLPVanilla(5, [32, 32], labels.out_features, False, 0.2)
    optimizer = torchtuples.optim.Adam(1e-2)
    model = DeepHitSingle(network, optimizer, duration_index=labels.cuts, alpha=alpha)
    stop = torchtuples.callbacks.EarlyStopping(patience=10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pycox and torchtuples call what torch deprecates
        model.fit(
            data.features[:800],
            targets,
            256,
            100,
            [stop],
            verbose=False,
            val_data=(data.features[800:900], watched),
        )
        survival = model.predict_surv_df(data.features)
    median = float(np.median(data.time))
    at_median = [np.interp(median, survival.index, survival[k]) for k in survival]
    design = np.column_stack([np.ones(len(data.time)), data.features])
    return np.linalg.lstsq(design, np.log(-np.log(at_median)), rcond=None)[0][1:]


@pytest.mark.slow
def test_deephits_ranking_loss_shrinks_its_hazard_ratios() -> None:
    """The network's own log hazards have small slopes; those by likelihood alone do not."""
    data = set_1()
    truth = np.array([true for true, _ in paper_tables.SET_1.values()])
    default, likelihood = (slopes_of_deephit(data, alpha) for alpha in (0.2, 1.0))
    assert np.linalg.norm(default) < 0.4 * np.linalg.norm(truth)
    assert np.linalg.norm(likelihood) == pytest.approx(np.linalg.norm(truth), rel=0.3)
    assert likelihood @ truth / np.linalg.norm(likelihood) / np.linalg.norm(truth) > 0.9


def test_a_model_or_package_that_is_missing_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    data = load_paper_dataset("veteran")
    train, _ = data.split()
    inputs = data.encode(train)
    with pytest.raises(InputError, match="unknown model 'forest'; cox, rsf, xgb"):
        paper_models.fit("forest", data, inputs, train)
    monkeypatch.setattr("survkit.extras.find_spec", lambda _: None)
    with pytest.raises(InputError, match="the model 'xgb' needs xgboost"):
        paper_models.fit("xgb", data, inputs, train)


def test_a_row_that_was_not_found_shows_as_missing() -> None:
    table = paper_tables.beside(pd.Series({"a": 2.0}), pd.Series({"a": 1.5, "b": 1.0}))
    np.testing.assert_array_equal(table["difference"], [0.5, np.nan])


def test_a_forest_without_a_hazard_for_some_subjects_explains_the_others(
    real_data_dir: Path,
) -> None:
    data = load_paper_dataset("udca", real_data_dir)
    train, _ = data.split()
    inputs = data.encode(train).to_numpy()
    outcomes = Surv.from_arrays(data.event[train], data.time[train])
    forest = RandomSurvivalForest(random_state=0).fit(inputs[train], outcomes)
    rows = inputs[:6]
    hazards = forest.predict_cumulative_hazard_function(rows, return_array=True)
    without = hazards.max(axis=1) == 0
    assert without.tolist() == [False, False, True, False, False, False]
    explainer = SurvLimeExplainer(
        inputs[train], data.event[train], data.time[train], baseline="model", random_state=0
    )
    with pytest.warns(UserWarning, match="1 of 6 rows, counted from 0, has no .*; row 2: at no"):
        found = explainer.montecarlo_explanation(rows, forest, num_repetitions=2, num_samples=200)
    np.testing.assert_array_equal(found.num_solved, np.where(without, 0, 2))
    assert np.isfinite(found.coefficients[~without]).all()
