"""Conformal calibration by the command, from the held-out rows to the predictions of others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import survkit
from survkit.datasets import load_dataset
from survkit.ensemble.__main__ import main as ensemble
from survkit.models.conformal import POOLED, ConformalModel
from survkit.predict.__main__ import main as predict
from survkit.report.__main__ import main as report
from survkit.report.conformal_section import guarantees_section
from survkit.runs.conformal_text import conformal_sentences, rests_on
from survkit.runs.read import load_fitted, read_predictions
from survkit.runs.record_schema import wrong_in_result
from survkit.train import main as train

ROOT = Path(survkit.__file__).parent.parent
SYNTHETIC = "--dataset synthetic --synthetic_rows 500 --time_bins 12 --bootstrap 20"
MOE = "--model fixed_moe --mixture_components 3 --hidden_dim 8 --epochs 2 --lr 0.01"


def folders(flags: str, log_dir: Path) -> list[Path]:
    assert train([*flags.split(), "--mode", "disabled", "--log_dir", str(log_dir)]) == 0
    return sorted(path.parent for path in log_dir.glob("*/*/result.json"))


def result(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "result.json").read_text()))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    logs = tmp_path_factory.mktemp("logs")
    flags = f"{SYNTHETIC} {MOE} --conformal cipot --conformal_groups expert --conformal_level 0.8"
    (folder,) = folders(flags, logs)
    return folder


def test_the_record_says_what_was_held_out_and_reached(run: Path) -> None:
    record = result(run)
    assert wrong_in_result(record) is None
    found = record["conformal"]
    assert (found["method"], found["level"], found["by_expert"]) == ("cipot", 0.8, True)
    assert (found["n_calibration"], found["n_fit"], record["n_train"]) == (80, 320, 320)
    assert found["reached"]
    assert found["subjects_needed"] == 4
    groups = found["calibration_groups"]
    assert sum(group["rows"] for group in groups) == 80
    assert all(group["own"] == (group["rows"] >= group["needed"] == 50) for group in groups)
    everybody, *experts = found["test"]
    assert everybody["expert"] is None
    assert sum(group["rows"] for group in experts) == everybody["rows"] == 50
    low, high = everybody["coverage"]["interval"]
    assert low <= everybody["coverage"]["value"] <= high
    # Against the bounds of the saved model, and the true times.
    model = load_fitted(run).model
    assert isinstance(model, ConformalModel)
    test = load_dataset("synthetic", data_dir=".", synthetic_rows=500, time_bins=12).splits.test
    bound = model.lower_bound(test.features)
    assert test.true_time is not None
    assert everybody["true_coverage"]["value"] == np.mean(test.true_time >= bound)
    assert everybody["median_bound"] == np.median(bound)


def test_card_and_command_say_it_in_sentences(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = result(run)
    folders(
        f"{SYNTHETIC} {MOE} --conformal cipot --conformal_groups expert --conformal_level 0.8",
        run.parent.parent,
    )
    printed = capsys.readouterr().out
    card = (run / "model_card.md").read_text()
    section = card.partition("\n## What is guaranteed\n")[2].partition("\n## ")[0]
    for sentence in conformal_sentences(record):
        assert sentence in printed
        assert sentence.replace("_", r"\_") in section
    for sentence in rests_on(record["conformal"]):
        assert sentence in section
    assert "80 rows (" in section
    assert "calibrated with all rows" in section  # of the 3 experts, two have fewer than 50
    assert "| `--conformal_level` | 0.8 |" in card


def test_the_held_out_rows_are_those_of_every_seed_and_of_the_split(tmp_path: Path) -> None:
    flags = f"{SYNTHETIC} --model mtlr --hidden_dim 4 --epochs 1 --conformal csd"
    first, second = folders(f"{flags} --seeds 1 2", tmp_path / "a")
    models = [load_fitted(path).model for path in (first, second)]
    events = [model.groups[POOLED].events for model in models]  # type: ignore[attr-defined]
    assert events[0] == events[1]
    curves = [model.censoring.curve.values for model in models]  # type: ignore[attr-defined]
    np.testing.assert_array_equal(*curves)
    alone = folders(f"{flags} --seed 2", tmp_path / "b")[0]
    together = next(p for p in (first, second) if p.name == alone.name)
    np.testing.assert_array_equal(
        read_predictions(alone, "test")[0].survival, read_predictions(together, "test")[0].survival
    )


@pytest.mark.slow
def test_a_fresh_process_predicts_the_same_bits_and_bounds(tmp_path: Path) -> None:
    flags = "--dataset gbsg2 --model coxph --conformal cipot --conformal_censoring coxph"
    (folder,) = folders(f"{flags} --time_bins 12 --bootstrap 0 --seed 3", tmp_path)
    script = """
import sys, numpy as np
from survkit.datasets import load_dataset
from survkit.runs.read import load_fitted
test = load_dataset("gbsg2", data_dir="", time_bins=12).splits.test
model = load_fitted(sys.argv[1]).model
np.savez(sys.argv[2], survival=model.predict(test.features).survival,
         bound=model.lower_bound(test.features))
"""
    out = tmp_path / "found.npz"
    subprocess.run(
        [sys.executable, "-c", script, str(folder), str(out)],
        check=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    with np.load(out) as found:
        recorded, _ = read_predictions(folder, "test")
        np.testing.assert_array_equal(found["survival"], recorded.survival)
        everybody = result(folder)["conformal"]["test"][0]
        assert np.median(found["bound"]) == everybody["median_bound"]
    assert "true_coverage" not in everybody


@pytest.mark.slow
def test_predictions_for_others_have_a_bound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = "--dataset gbsg2 --model coxph --conformal cipot --conformal_level 0.95 --time_bins 12"
    (folder,) = folders(f"{flags} --bootstrap 0", tmp_path)
    raw = load_dataset("gbsg2", data_dir="").raw
    assert raw is not None
    patients = tmp_path / "patients.csv"
    raw.features.head(30).to_csv(patients, index=False)
    assert predict(["--run", str(folder), "--csv", str(patients), "--times", "365"]) == 0
    shown = capsys.readouterr()
    table = pd.read_csv(tmp_path / "patients_predictions.csv")
    assert "lower_bound_95" in table
    assert (table["lower_bound_95"] >= 0).all()
    assert "lower_bound_95" in shown.out
    # Few rows for a high level: every bound is 0, and all say that it is.
    again = f"{flags.replace('0.95', '0.999')} --bootstrap 0 --group other"
    assert train([*again.split(), "--mode", "disabled", "--log_dir", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "Every lower bound is 0 and says nothing: the level 99.9 % needs at least 999" in printed
    assert "(100 %) are 0: vacuous" in printed
    (vacuous,) = (path.parent for path in tmp_path.glob("other/*/result.json"))
    assert predict(["--run", str(vacuous), "--csv", str(patients), "--times", "365"]) == 0
    shown = capsys.readouterr()
    assert "30 of 30 lower bounds are 0 and say nothing" in shown.err
    assert "0 (says nothing)" in shown.out


@pytest.mark.slow
def test_the_page_has_what_is_guaranteed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs = run.parent.parent
    assert report(["--log_dir", str(logs), "--group", "synthetic", "--bootstrap", "0"]) == 0
    page = (run.parent / "report.html").read_text("utf-8")
    section = page.partition('id="what-is-guaranteed"')[2].partition("</section>")[0]
    assert "Guaranteed at 80 %" in section
    assert "(pooled)" in section
    assert section.count("<svg") == 2
    assert ensemble(["--log_dir", str(logs), "--group", "synthetic"]) == 2
    assert "is calibrated itself" in capsys.readouterr().err


def test_the_section_takes_plain_data() -> None:
    undefined = {"value": None, "interval": None, "reason": "every row is censored"}
    group = {"expert": None, "rows": 40, "events": 9, "coverage": undefined, "vacuous": 40}
    bounds = {"mean_bound": 0.0, "median_bound": 0.0, "bound_quantiles": [0.0] * 5}
    record = {
        **{"level": 0.975, "by_expert": False, "censoring": "kaplan_meier"},
        **{"dependent_censoring": True, "calibration_groups": [], "test": [{**group, **bounds}]},
    }
    section = guarantees_section([("one", record)], "days")
    assert section.paragraphs[0].startswith("Nothing is guaranteed: the censoring")
    row = section.tables[0].text.iloc[0]
    assert row["coverage"] == "undefined (every row is censored)"
    assert (row["level"], row["vacuous"]) == ("97.5 %", "40")
    assert len(section.pictures) == 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--conformal csd --calibrate", "--calibrate and --conformal both map"),
        ("--conformal csd --evaluation published", "--conformal needs --evaluation standard"),
        ("--conformal_level 0.8", "--conformal_level: read only with --conformal"),
        ("--conformal csd --conformal_groups expert", "coxph has no experts"),
        ("--conformal csd --conformal_level 1", "conformal_level"),
        ("--conformal csd --conformal_share 0.001", "leaves 1 rows with"),
        ("--conformal best", "--conformal"),
        ("--conformal csd --dataset synthetic_competing", "is for one cause"),
    ],
)
def test_what_cannot_be_done_is_refused(
    flags: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = "--dataset synthetic --synthetic_rows 300 --model coxph --time_bins 12"
    if "competing" in flags:
        base = "--model coxph"
    command = [*base.split(), *flags.split(), "--log_dir", str(tmp_path), "--mode", "disabled"]
    assert train(command) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("*/*/config.json"))


def test_late_entries_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    entry = random.uniform(0, 1, 200)
    columns = {"age": random.normal(size=200), "start": entry}
    columns |= {"time": entry + random.exponential(size=200), "dead": random.integers(0, 2, 200)}
    pd.DataFrame(columns).to_csv(tmp_path / "own.csv", index=False)
    flags = (
        f"--dataset csv --csv_path {tmp_path / 'own.csv'} --time_column time --event_column dead"
    )
    flags += f" --entry_column start --model coxph --conformal csd --log_dir {tmp_path}"
    assert train([*flags.split(), "--mode", "disabled"]) == 2
    assert "not exchangeable with new subjects" in capsys.readouterr().err


def test_a_search_leaves_the_coverage_out(tmp_path: Path) -> None:
    flags = f"{SYNTHETIC} --model kaplan_meier --conformal cipot --no_evaluate_test"
    (folder,) = folders(flags, tmp_path)
    assert "test" not in result(folder)["conformal"]


@pytest.mark.slow
def test_dependent_censoring_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = "--dataset digits --model kaplan_meier --conformal cipot --bootstrap 0"
    (folder,) = folders(flags, tmp_path)
    assert result(folder)["conformal"]["dependent_censoring"]
    card = (folder / "model_card.md").read_text()
    assert "Nothing is guaranteed: the censoring of these data depends" in card
