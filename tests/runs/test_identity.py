"""What identifies a run: what decides its numbers, and nothing else."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest

from survkit.configs.options import option
from survkit.configs.train import TrainConfig
from survkit.datasets import DATASETS, load_dataset
from survkit.models.registry import MODELS
from survkit.runs.flags import is_read
from survkit.runs.identity import RunFinder, configuration_id, recorded_run_id, resolved, run_id
from survkit.runs.table import load_runs
from survkit.train import main as train
from survkit.types import InputError

EARLIER = Path(__file__).parent / "earlier"
"""Records as survkit wrote them when identifiers depended on every flag."""

MTLR = "--model mtlr --hidden_dim 4 --num_hidden_layers 1 --epochs 2 --initial_curve random"
COX = "--model coxph"


def command(model_flags: str, log_dir: Path) -> list[str]:
    data = "--dataset synthetic --synthetic_rows 100 --time_bins 6 --bootstrap 10 --group earlier"
    # What these records were made with.
    data += " --no_stratified_split --no_quantile_event_times --min_at_risk 0"
    return [*f"{data} {model_flags} --mode disabled".split(), "--log_dir", str(log_dir)]


def another_value(config: TrainConfig, name: str) -> object:
    """Return a value of the flag's type that is not its own."""
    value = getattr(config, name)
    choices = {"optimizer": "SGD", "point_error": "log", "evaluation": "published"}
    numbers = {"dropout": 0.1, "cox_l1_ratio": 0.9, "mnist_sample_pct": 0.5}
    known = {**choices, **numbers, "rsf_max_features": "all", "bart_backend": "pymc"}
    known |= {"bart_leaf_deviation": "learned", "gbsa_max_features": "sqrt", "gbsa_subsample": 0.5}
    known |= {"xgb_aft_distribution": "logistic", "survivalboost_ipcw": "kaplan-meier"}
    known |= {"dsm_distribution": "lognormal", "dsm_loss": "likelihood"}
    known |= {"expert_metric": "euclidean", "time_warp_function": "beta_cdf"}
    known |= {
        "monitored_val_metric": "concordance",
        "support2_features": "baseline",
        "synthetic_process": "nonproportional",
        "cause_of_interest": "relapse",
        "initial_curve": "random",
        "numeric_inputs": "normal_scores",
        "evaluation_times": (2.0,),
        "quantile_event_times": True,
        "stratified_split": True,
        "split": "holdout",
        "conformal": "cipot",
        "conformal_groups": "expert",
        "conformal_censoring": "coxph",
    }
    if name in known:
        return known[name]
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        return (2.0,) * 10 if value else ("x",)
    if value is None:
        return "x" if name.endswith(("column", "_value", "_format")) else 3
    return value + 1 if isinstance(value, int) else value / 2 + 0.001


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("dataset", ["support2", "sepsis", "csv", "synthetic", "digits"])
def test_a_flag_counts_exactly_where_it_is_read(dataset: str, model: str) -> None:
    config = replace(TrainConfig(), dataset=dataset, model=model, split="folds", inner_folds=3)
    identifier = run_id(config, "data")
    assert re.fullmatch("[0-9a-f]{16}", identifier)
    for field in fields(TrainConfig):
        if not field.metadata["identity"] or field.name in ("dataset", "model"):
            continue
        changed = replace(config, **{field.name: another_value(config, field.name)})
        counts = run_id(changed, "data") != identifier
        assert counts == is_read(field.name, dataset, model), field.name


def test_data_dataset_and_model_always_count() -> None:
    config = replace(TrainConfig(), dataset="flchain", model="coxph")
    others = [replace(config, dataset="gbsg2"), replace(config, model="kaplan_meier")]
    identifiers = [run_id(config, "data"), run_id(config, "other data")]
    identifiers += [run_id(other, "data") for other in others]
    assert len(set(identifiers)) == 4


def test_where_a_run_is_made_and_kept_does_not_count() -> None:
    config = TrainConfig()
    changes = {"device": "cuda", "data_dir": "/elsewhere", "log_dir": "/logs", "group": "g"}
    changes |= {"overwrite": True, "resume": False}
    assert run_id(replace(config, **changes), "data") == run_id(config, "data")


def test_a_flag_that_a_later_version_adds_changes_no_identifier() -> None:
    @dataclass(frozen=True)
    class LaterConfig(TrainConfig):
        label_smoothing: float = option(0.0, topic="Model", help="a flag of a later version")

    for dataset in DATASETS:
        for model in MODELS:
            now = replace(TrainConfig(), dataset=dataset, model=model, time_bins=20)
            later = replace(LaterConfig(), dataset=dataset, model=model, time_bins=20)
            assert run_id(later, "data") == run_id(now, "data")
    assert run_id(replace(later, label_smoothing=0.1), "data") != run_id(later, "data")


def test_a_default_that_a_later_version_changes_changes_no_identifier() -> None:
    @dataclass(frozen=True)
    class LaterConfig(TrainConfig):
        lr: float = option(1e-3, topic="Optimisation", help="learning rate", neutral=5e-4)

    before = replace(TrainConfig(), lr=1e-3)
    assert run_id(LaterConfig(), "data") == run_id(before, "data")
    assert run_id(replace(LaterConfig(), lr=5e-4), "data") == run_id(TrainConfig(), "data")


@pytest.mark.parametrize(
    ("changes", "identifier"),
    [
        ({}, "34b2a70384cc8eb8"),
        ({"model": "coxph"}, "69bb8b52ea2f55bc"),
        ({"model": "rsf", "dataset": "sepsis"}, "2846af2723598dfc"),
        ({"model": "bart", "dataset": "digits"}, "8fdcc64ff72b1553"),
        ({"model": "adjustable_moe", "dataset": "csv", "seed": 43}, "90960cd4a93eb27a"),
        ({"model": "deephit", "dataset": "synthetic"}, "1f77a7a648b47f78"),
    ],
)
def test_identifiers_stay_as_they_are(changes: dict[str, str], identifier: str) -> None:
    """A failure means that a default has changed: give its option the old one as `neutral`."""
    known = {"time_bins": 100, "quantile_event_times": False, "min_at_risk": 0}
    known |= {"initial_curve": "random", "stratified_split": False, "bart_max_rows": 200_000}
    known |= {"bart_tune": 200, "bart_draws": 200, "bart_sweeps": 10, "bart_regrow": 0}
    config = replace(TrainConfig(), **known, **changes)
    assert run_id(config, "data") == identifier


def test_the_least_number_at_risk_counts_where_it_decides() -> None:
    config = replace(TrainConfig(), dataset="lung")
    lung = load_dataset("lung", data_dir="unused")
    assert resolved(config, lung).min_at_risk == 10
    assert resolved(replace(config, evaluation="published"), lung).min_at_risk == 0
    flchain = load_dataset("flchain", data_dir="unused")
    config = replace(config, dataset="flchain")
    assert resolved(config, flchain).min_at_risk == 0
    assert resolved(replace(config, min_at_risk=500), flchain).min_at_risk == 500


def test_how_rows_were_split_counts_where_it_is_not_the_random_split() -> None:
    for name, stratified in (("lung", True), ("flchain", False)):
        config = replace(TrainConfig(), dataset=name)
        known = resolved(config, load_dataset(name, data_dir="unused"))
        assert known.stratified_split is stratified
        random = replace(known, stratified_split=False)
        assert (run_id(known, "data") != run_id(random, "data")) is stratified


def test_evaluation_times_lie_within_the_horizon() -> None:
    lung = load_dataset("lung", data_dir="unused")
    config = replace(TrainConfig(), dataset="lung", evaluation_times=(30.0, 2000.0))
    with pytest.raises(InputError, match=r"--evaluation_times 2000: the time grid ends at 1022"):
        resolved(config, lung)


def test_whole_numbers_and_fractions_of_one_value_are_one_run() -> None:
    config = replace(TrainConfig(), lr=1)
    assert run_id(config, "data") == run_id(replace(config, lr=1.0), "data")


def test_runs_that_differ_in_the_seed_share_their_configuration() -> None:
    first, second = (replace(TrainConfig(), seed=seed) for seed in (42, 43))
    assert run_id(first, "data") != run_id(second, "data")
    assert configuration_id(first, "data") == configuration_id(second, "data")


@pytest.mark.parametrize("flags", [MTLR, COX])
def test_records_of_earlier_versions_are_found_by_the_same_command(
    flags: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(EARLIER, tmp_path / "earlier")
    results = {path: path.read_bytes() for path in tmp_path.glob("*/*/result.json")}
    assert train(command(flags, tmp_path)) == 0
    assert "is complete; --overwrite trains it again" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in tmp_path.glob("*/*/result.json")} == results


def test_an_unfinished_run_of_an_earlier_version_keeps_its_folder(tmp_path: Path) -> None:
    shutil.copytree(EARLIER, tmp_path / "earlier")
    before = set(tmp_path.glob("*/*"))
    (unfinished,) = [path for path in before if "mtlr" in (path / "result.json").read_text()]
    for _ in range(2):
        (unfinished / "result.json").unlink()
        assert train(command(MTLR, tmp_path)) == 0
        assert (unfinished / "result.json").exists()
    assert set(tmp_path.glob("*/*")) == before


def test_runs_of_earlier_versions_are_grouped_with_new_ones(tmp_path: Path) -> None:
    shutil.copytree(EARLIER, tmp_path / "earlier")
    assert train([*command(MTLR, tmp_path), "--seed", "43"]) == 0
    runs = load_runs(tmp_path, "earlier")
    assert runs.loc[runs["model"] == "mtlr", "configuration"].nunique() == 1


def test_a_damaged_configuration_is_no_earlier_run(tmp_path: Path) -> None:
    for name, text in (("a", "{"), ("b", "[]"), ("c", '{"lr": "x"}'), ("d", '{"model": 3}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(text)
    assert RunFinder(tmp_path).folder("0" * 16) == tmp_path / ("0" * 16)


def test_an_ensemble_is_no_training_run() -> None:
    assert recorded_run_id({"model": "mtlr_ensemble", "data_sha256": "data"}) is None
    config = json.loads(next(EARLIER.glob("*/config.json")).read_text())
    assert recorded_run_id(config) is not None
