from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from survkit.configs.train import TrainConfig
from survkit.datasets import load_configured, load_dataset
from survkit.datasets.assemble import Dataset
from survkit.models.registry import MODELS
from survkit.runs.model_card import model_card, used_flags
from survkit.train import main

SMALL = ["--epochs", "2", "--bootstrap", "20", "--mode", "disabled", "--time_bins", "12"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    logs = tmp_path_factory.mktemp("logs")
    flags = ["--dataset", "whas500", "--model", "fixed_moe", "--hidden_dim", "4"]
    assert main([*SMALL, *flags, "--log_dir", str(logs)]) == 0
    (folder,) = logs.glob("whas500/*")
    return folder


def content(run: Path) -> tuple[Dataset, dict[str, Any], dict[str, Any]]:
    config = json.loads((run / "config.json").read_text())
    return load_configured(config), config, json.loads((run / "result.json").read_text())


def section(card: str, title: str) -> str:
    return card.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.slow
def test_the_card_beside_the_checkpoint_is_that_of_the_record(run: Path) -> None:
    assert (run / "model_card.md").read_text() == model_card(*content(run), folder=run)


def test_the_card_tells_what_the_record_and_the_dataset_know(run: Path) -> None:
    card = (run / "model_card.md").read_text()
    dataset, _, result = content(run)
    assert card.startswith("# Model card: fixed_moe on whas500\n")
    assert "500 subjects, 215 events" in section(card, "Data")
    for known in (dataset.card.source, dataset.card.licence, *dataset.card.notes):
        assert known in section(card, "Data")
    for split, data in zip(dataset.splits._fields, dataset.splits, strict=True):
        assert f"| {split} | {len(data):,} | {data.event.sum():,} |" in section(card, "Data")
    features = section(card, "Features")
    assert "`los`: length of the stay" in features
    assert dataset.preprocessor is not None
    assert all(f"`{name}`" in features for name in dataset.preprocessor.columns)
    assert dataset.card.known_leaks[0] in section(card, "Known leaks")
    assert "| `--hidden_dim` | 4 |" in section(card, "Model")
    low, high = (100 * end for end in result["test_interval"]["concordance"])
    value = 100 * result["test"]["concordance"]
    line = f"| `concordance` | {value:.2f} % | {low:.2f} % to {high:.2f} % |"
    assert line in section(card, "Test metrics")
    assert f"{100 * result['test']['ece_null_p95']:.2f} %" in section(card, "Calibration")
    assert section(card, "Experts").count("%") == 10
    for warning in result["warnings"]:
        assert warning in section(card, "Warnings")
    assert f"--run {run} " in section(card, "Predicting with it")


def test_calibration_is_judged_by_its_null_distribution(run: Path) -> None:
    dataset, config, result = content(run)
    for error, verdict in ((0.01, "no evidence of miscalibration"), (0.5, "are miscalibrated")):
        test = {**result["test"], "ece_equal_mass": error}
        card = model_card(dataset, config, {**result, "test": test}, folder=run)
        assert verdict in section(card, "Calibration")
    undefined = {**result["test"], "ece_null_p95": None, "loss": float("nan")}
    details = {"loss": {"reason": "an outcome has probability 0"}}
    card = model_card(
        dataset,
        config,
        {**result, "test": undefined, "test_details": details},
        folder=run,
    )
    assert "undefined on the test rows" in section(card, "Calibration")
    assert "undefined (an outcome has probability 0)" in section(card, "Test metrics")


def test_the_card_tells_the_times_of_metrics_and_who_is_at_risk(run: Path) -> None:
    dataset, config, result = content(run)
    time, test_rows = dataset.grid.cuts[3], dataset.splits.test
    at_risk = (test_rows.time > time).sum()
    metrics = section((run / "model_card.md").read_text(), "Test metrics")
    note = f"\n@25: {time:.4g} days, {at_risk} of {len(test_rows)} test subjects still at risk"
    assert note in metrics
    test = {**result["test"], "brier@t=30": 0.1, "auc@t=30": None}
    details = {"brier@t=30": {"time": 30.0, "at_risk": 41}, "auc@t=30": {"reason": "no event"}}
    card = model_card(
        dataset, config, {**result, "test": test, "test_details": details}, folder=run
    )
    metrics = section(card, "Test metrics")
    assert "| `brier@t=30` | 10.00 % |" in metrics
    assert "| `auc@t=30` | undefined (no event) |" in metrics
    assert "\n@t=30: 30 days, 41 of 50 test subjects still at risk." in metrics
    earlier = model_card(dataset, config, {**result, "test_details": {}}, folder=run)
    assert "at risk" not in section(earlier, "Test metrics")


@pytest.mark.parametrize(
    ("converged", "said"),
    [
        (True, "\nThe fit converged: because.\n"),
        (False, "\n**The fit did not converge: because.**\n"),
        (None, None),
    ],
)
def test_the_card_says_whether_the_fit_converged(
    run: Path, converged: bool | None, said: str | None
) -> None:
    dataset, config, result = content(run)
    summary = {"converged": converged, "convergence_reason": "because"}
    model = section(model_card(dataset, config, {**result, **summary}, folder=run), "Model")
    assert ("because" in model) == (said is not None)
    assert said is None or said in model


@pytest.mark.parametrize("model", MODELS)
def test_the_flags_are_those_that_matter_for_the_model(model: str) -> None:
    flags = used_flags({**vars(TrainConfig(model=model)), "dataset": "support2"})
    assert {"time_bins", "support2_features", "seed"} <= set(flags)
    assert "data_dir" not in flags
    assert ("hidden_dim" in flags) == (MODELS[model].network != "")
    assert ("mixture_components" in flags) == model.endswith("_moe")
    assert ("group_ent_lambda" in flags) == model.endswith("_moe")
    assert ("cox_alpha" in flags) == (model == "coxph")
    assert ("rsf_n_estimators" in flags) == (model in ("rsf", "extra_survival_trees"))


def test_a_card_of_data_without_a_table(tmp_path: Path) -> None:
    data = "--dataset synthetic --synthetic_rows 200 --bootstrap 20"
    flags = [*data.split(), "--model", "coxph"]
    assert main([*flags, "--mode", "disabled", "--log_dir", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*/*/model_card.md")
    card = path.read_text()
    assert "8 columns, used as they are" in section(card, "Features")
    assert "Left out: none." in section(card, "Features")
    assert "load_fitted" in section(card, "Predicting with it")
    assert "## Experts" not in card
    assert re.search(r"\| `--cox_alpha` \| 0.001 \|", card)


def test_missing_indicators_bins_and_leaks_of_support2(real_data_dir: Path, run: Path) -> None:
    _, config, result = content(run)
    dataset = load_dataset("support2", data_dir=real_data_dir)
    card = model_card(dataset, {**config, "dataset": "support2"}, result, folder=run)
    features = section(card, "Features")
    assert "`hday` (5 bins)" in features
    assert "`alb` (3.5)" in features
    assert "`sfdm2`: functional disability" in features
    assert "Numbers with an indicator of missing values: " in features
    assert "not known at day 3" in section(card, "Known leaks")


def test_a_table_of_ones_own_has_the_checks_in_place_of_known_leaks(run: Path) -> None:
    dataset, config, result = content(run)
    assert "leak_checks" not in result  # somebody examined these data
    finding = {"column": "score", "detail": "0.97 in 80 rows", "value": 0.97, "used": True}
    checks = [
        {"name": "ranking", "title": "Columns that rank", "rule": "from 0.95", "found": [finding]},
        {"name": "constants", "title": "Columns with one value", "rule": "", "found": []},
    ]
    card = model_card(dataset, config, {**result, "leak_checks": checks}, folder=run)
    leaks = section(card, "Known leaks")
    assert "for its owner to check" in leaks
    assert "- Columns that rank: `score` (0.97 in 80 rows)." in leaks
    assert "- Columns with one value: none." in leaks
    assert "What counts:\n\n- Columns that rank: from 0.95." in leaks
    assert "None known" not in leaks
    assert dataset.card.known_leaks[0] not in leaks


def test_names_of_a_table_stay_text_in_a_card(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = {"age": "<script>alert(1)</script>", "arm": "a|b\n# c `d`"}
    frame = pd.DataFrame(
        {
            names["age"]: rng.normal(60, 10, 60).round(1),
            names["arm"]: rng.choice(["<img src=x onerror=alert(2)>", "[x](y)"], 60),
            "same\nvalue": "**x**",
            "days": rng.integers(1, 90, 60),
            "dead": rng.integers(0, 2, 60),
        }
    )
    frame.to_csv(tmp_path / "patients.csv", index=False)
    flags = ["--csv_path", str(tmp_path / "patients.csv"), "--time_column", "days"]
    flags += ["--event_column", "dead", "--time_unit", "days|since <b>entry</b>"]
    logs = ["--log_dir", str(tmp_path / "logs"), "--bootstrap", "20", "--mode", "disabled"]
    assert main(["--dataset", "csv", "--model", "coxph", *flags, *logs]) == 0
    (card,) = (path.read_text("utf-8") for path in (tmp_path / "logs").rglob("model_card.md"))
    outside_code = re.sub(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)|```.*?```", "", card, flags=re.DOTALL)
    assert not re.search(r"(?<!\\)<", outside_code)
    assert [line for line in card.splitlines() if line.startswith("# ")] == [
        "# Model card: coxph on csv"
    ]
    hazards = section(card, "Hazard ratios").strip().splitlines()
    cells = {len(re.findall(r"(?<!\\)\|", line)) for line in hazards if line.startswith("|")}
    assert len(cells) == 1
