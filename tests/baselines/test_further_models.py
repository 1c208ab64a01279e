"""What the further baselines have in common: states, seeds, threads, and awkward tables."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from survkit.models.registry import MODELS
from survkit.train import main
from survkit.training.checkpoint import load_checkpoint, save_checkpoint
from survkit.types import InputError, SurvivalData, TimeGrid
from tests.baselines.further_models import NAMES, QUICK, Warnings, assert_curves, fitted
from tests.conftest import make_data

SEEDED = ["coxnet", "extra_survival_trees", "gbsa", "survivalboost"]
"""Models that the seed changes at the default flags."""

PREDICT_AGAIN = """
import sys
from pathlib import Path
import numpy as np
from survkit.models.states import rebuild_registered
from survkit.training.checkpoint import load_checkpoint
folder = Path(sys.argv[1])
features, times = np.load(folder / "features.npy"), np.load(folder / "times.npy")
for path in folder.glob("*.pt"):
    model = rebuild_registered(load_checkpoint(path))
    np.save(path.with_suffix(".again.npy"), model.predict(features, times).survival)
"""


def test_a_fresh_process_predicts_the_same_bits(tmp_path: Path) -> None:
    data, times = make_data(150, 0), np.linspace(0, 2.5, 37)
    np.save(tmp_path / "features.npy", data.features)
    np.save(tmp_path / "times.npy", times)
    expected = {}
    for name in NAMES:
        model = fitted(name, data)
        save_checkpoint(tmp_path / f"{name}.pt", model.state())
        expected[name] = model.predict(data.features, times).survival
    subprocess.run([sys.executable, "-c", PREDICT_AGAIN, str(tmp_path)], check=True, timeout=300)
    for name, survival in expected.items():
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.again.npy"), survival, name)


@pytest.mark.parametrize("name", NAMES)
def test_a_state_holds_plain_values_and_all_of_the_model(
    name: str, small_data: SurvivalData, tmp_path: Path
) -> None:
    model = fitted(name, small_data, seed=7)
    save_checkpoint(tmp_path / "model.pt", model.state())
    rebuilt = MODELS[name].from_state(load_checkpoint(tmp_path / "model.pt"))
    assert rebuilt.state().keys() == model.state().keys()
    for kept in (*MODELS[name].parameters.values(), "fit_summary"):
        assert getattr(rebuilt, kept) == getattr(model, kept)


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_alone_decides_the_model(name: str, small_data: SurvivalData) -> None:
    features = small_data.features
    first, again, other = (
        fitted(name, small_data, seed=seed, coxnet_alphas=60).predict(features).survival
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (np.abs(first - other).max() > 0) == (name in SEEDED)
    assert MODELS[name].is_deterministic == (name == "weibull_aft")


@pytest.mark.parametrize("name", ["gbsa", "xgb_cox", "xgb_aft"])
def test_a_seed_draws_the_rows_of_each_tree(name: str, small_data: SurvivalData) -> None:
    flags = {"gbsa_subsample": 0.5, "xgb_subsample": 0.5}
    first, again, other = (
        fitted(name, small_data, seed=seed, **flags).predict(small_data.features).survival
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.001


@pytest.mark.parametrize("name", ["xgb_cox", "xgb_aft", "survivalboost"])
def test_the_number_of_threads_changes_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_data(3000, 3)
    few = {"xgb_n_estimators": 5, "survivalboost_n_iter": 2}
    found = []
    for threads in (1, 3):
        with threadpool_limits(threads, user_api="openmp"):
            found.append(fitted(name, data, **few).predict(data.features[:50]).survival)
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("name", NAMES)
def test_models_rank_and_beat_one_curve_for_everybody(name: str) -> None:
    from survkit.metrics.evaluate import evaluate

    train, test = make_data(400, 0), make_data(400, 1)
    grid = TimeGrid.evenly_spaced(3.0, 20)
    more = {"survivalboost_n_iter": 20, "gbsa_n_estimators": 40, "rsf_n_estimators": 40}
    scores = []
    for model in (fitted(name, train, grid=grid, **more), fitted("kaplan_meier", train, grid=grid)):
        prediction = model.predict(test.features)
        outcome = {"train_time": train.time, "train_event": train.event, "grid": grid}
        scores.append(evaluate(prediction, test, **outcome, bootstrap=0).values)
    assert scores[0]["concordance"] > 0.7
    assert scores[0]["integrated_brier"] < 0.9 * scores[1]["integrated_brier"]


def awkward_tables() -> dict[str, SurvivalData]:
    data = make_data(120, 5)
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(60, 300)).astype(np.float32)
    constant = data.features.copy()
    constant[:, 1:4] = 2.5
    at_zero = data.time.copy()
    at_zero[:30] = 0.0
    ordered = np.column_stack([data.features[:, :2], data.time, data.event]).astype(np.float32)
    category = (data.features[:, 4] == 1).astype(np.float32)[:, None]
    few = np.zeros(120, bool)
    few[[3, 50, 80]] = True
    huge = (data.features[:, :2] * 1e15).astype(np.float32)
    return {
        "more columns than rows": SurvivalData(wide, data.event[:60], data.time[:60]),
        "constant columns": SurvivalData(constant[:, :4], data.event, data.time),
        "all columns constant": SurvivalData(constant[:, 1:4], data.event, data.time),
        "ties at time 0": SurvivalData(data.features, data.event, at_zero, categorical=((4, 3),)),
        "copies of the outcome": SurvivalData(ordered, data.event, data.time),
        "all events": SurvivalData(data.features, np.ones(120, bool), data.time),
        "all events at one time": SurvivalData(data.features, data.event, np.full(120, 5.0)),
        "separated events": SurvivalData(category, category[:, 0] == 1, data.time),
        "three events": SurvivalData(data.features, few, data.time),
        "large numbers": SurvivalData(huge, data.event, data.time),
        "short times": SurvivalData(data.features, data.event, data.time * 1e-15),
        "long times": SurvivalData(data.features, data.event, data.time * 1e15),
        "six rows": data.subset(np.flatnonzero(data.event)[:6]),
    }


@pytest.mark.parametrize("case", awkward_tables())
@pytest.mark.parametrize("name", NAMES)
def test_awkward_tables_give_curves(name: str, case: str) -> None:
    data = awkward_tables()[case]
    if (name, case) == ("survivalboost", "all events at one time"):
        with pytest.raises(InputError, match="before the last time nobody has had the event"):
            fitted(name, data)
        return
    survival = assert_curves(fitted(name, data), data.features)
    if case == "all columns constant":
        np.testing.assert_allclose(survival, survival[:1].repeat(len(survival), 0), atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_one_event_gives_curves_or_a_reason(name: str, small_data: SurvivalData) -> None:
    event = np.zeros(120, bool)
    event[int(np.argsort(small_data.time)[60])] = True
    data = SurvivalData(small_data.features, event, small_data.time)
    reasons = {
        "extra_survival_trees": "extra_survival_trees needs at least 3 events .* True in 1 of 120",
        "survivalboost": "survivalboost cannot be fitted to 1 events? among 120 training rows",
    }
    if name in reasons:
        with pytest.raises(InputError, match=reasons[name]):
            fitted(name, data, **{"survivalboost_n_iter": 200})
        return
    assert_curves(fitted(name, data), data.features)


@pytest.mark.parametrize("name", NAMES)
def test_rows_without_an_event_are_refused(name: str, small_data: SurvivalData) -> None:
    data = SurvivalData(small_data.features, np.zeros(120, bool), small_data.time)
    with pytest.raises(InputError, match=rf"{name} needs at least \d events? among the training"):
        fitted(name, data)


@pytest.mark.parametrize("name", NAMES)
def test_censored_validation_rows_are_no_obstacle(name: str, small_data: SurvivalData) -> None:
    validation = SurvivalData(small_data.features, np.zeros(120, bool), small_data.time)
    monitor = Warnings()
    model = fitted(name, small_data, validation, monitor=monitor)
    assert_curves(model, small_data.features)
    told = [text for text in monitor.messages if "no event among the validation rows" in text]
    assert len(told) == (name in ("xgb_cox", "xgb_aft"))


@pytest.mark.parametrize("name", NAMES)
def test_an_unseen_category_is_read_as_missing(name: str, small_data: SurvivalData) -> None:
    seen = small_data.subset(small_data.features[:, 4] != 2)
    model = fitted(name, seen)
    features = small_data.features.copy()
    features[:, 4] = 2
    assert_curves(model, features)


@pytest.mark.parametrize("name", NAMES)
def test_features_beyond_those_of_training_give_curves(name: str, small_data: SurvivalData) -> None:
    features = small_data.features.copy()
    features[:, :4] *= 1e6
    assert_curves(fitted(name, small_data), features)


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["gbsg2", "veteran", "lung"])
@pytest.mark.parametrize("name", NAMES)
def test_the_command_makes_a_record(name: str, dataset: str, tmp_path: Path) -> None:
    own = MODELS[name].parameters
    quick = [str(word) for key in QUICK if key in own for word in (f"--{key}", QUICK[key])]
    flags = ["--dataset", dataset, "--model", name, "--bootstrap", "20", "--mode", "disabled"]
    assert main([*flags, *quick, "--log_dir", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*/*/result.json")
    record = json.loads(path.read_text())
    assert record["model"] == name
    assert record["converged"] == (True if name in ("coxnet", "weibull_aft") else None)
    assert 0 < record["test"]["integrated_brier"] < 0.5
    if name == "coxnet":
        notes = " ".join(record["hazard_ratio_notes"])
        assert "a cross-validated penalty of" in notes
        assert "--coxnet_l1_ratio 0.5" in notes
