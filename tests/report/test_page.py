from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from survkit.report import load_runs
from survkit.report.__main__ import main
from survkit.report.differences import Resampled
from survkit.report.group_sections import _profile_picture
from survkit.report.material import gather, group_state
from survkit.report.page import tidy_comparison, write_report
from survkit.report.sections import _answer
from survkit.report.tables import PAGE_METRICS, seed_means
from survkit.runs.folder import RunFolder
from survkit.runs.predictions import (
    NotAtHandError,
    average_prediction,
    load_recorded_dataset,
    read_test_predictions,
)
from survkit.types import InputError
from tests.runs.records import change, result_of

pytestmark = pytest.mark.slow

VOID = {"meta", "link", "br", "wbr"}


class Checker(HTMLParser):
    """Checks that every element is closed, and notes what the page would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "data", "srcset"):
                self.loads.append(str(value))
            if name == "id":
                self.ids.append(str(value))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)


@pytest.fixture(scope="module")
def group(log_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A group with finished, failed and unfinished runs, and its report."""
    folder = tmp_path_factory.mktemp("unfinished") / "some"
    shutil.copytree(log_dir / "some", folder)
    (folder / "ffff").mkdir()
    (folder / "ffff" / "config.json").write_text('{"model": "rsf", "seed": 42}')
    (folder / "launcher").mkdir()
    report = {"status": "failed", "model": "coxph", "seed": 42, "note": "<b>no</b>"}
    (folder / "launcher" / "eeee.json").write_text(json.dumps(report))
    run = next(folder.glob("*/result.json")).parent
    change(run, {**result_of(run), "known_leaks": ["charges & <costs>"]})
    assert main(["--log_dir", str(folder.parent), "--group", "some", "--bootstrap", "50"]) == 0
    return folder


def read(group: Path) -> str:
    return (group / "report.html").read_text("utf-8")


def test_the_page_is_whole_and_loads_nothing(group: Path) -> None:
    checker = Checker(read(group))
    outside = [link for link in checker.loads if not link.startswith(("#", "data:,"))]
    assert outside == []
    assert "@import" not in read(group)
    assert re.findall(r"url\((?!#)", read(group)) == []
    assert len(set(checker.ids)) == len(checker.ids)


def test_the_page_answers_the_questions(group: Path) -> None:
    page = read(group)
    for title in (
        "Which model is best",
        "How sure is the verdict",
        "Is it calibrated",
        "Is it worth acting on",
        "Survival over time",
        "What the groups are",
        "Training",
        "Runs",
    ):
        assert f">{title}</h2>" in page
    for label in (
        "calibration of mtlr",
        "Brier score over time",
        "difference over dependent censoring",
        "Kaplan-Meier by expert of personalized_moe",
        "features by expert of personalized_moe",
        "learning curves of mtlr",
    ):
        assert f'aria-label="{label}"' in page
    assert "Adjusted Rand index over 1 pair of seeds" in page


def test_the_page_names_what_is_not_finished(group: Path) -> None:
    page = read(group)
    assert "1 failed, 1 unfinished, 3 not converged, seeds missing" in " ".join(page.split())
    assert "rsf seed=42" in page
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    assert "<b>no</b>" not in page
    assert "mtlr: no run with seed 43, which other models have" in page
    assert "[a] mtlr did not converge: seed 42: training ended at --epochs 2" in page


def test_known_leaks_come_first(group: Path) -> None:
    page = read(group)
    assert "charges &amp; &lt;costs&gt;" in page
    assert page.index("Known leaks") < page.index("Which model is best</h2>")


def test_the_tables_agree_with_the_records(group: Path) -> None:
    tidy = pd.read_csv(group / "comparison.csv").set_index(["model", "metric"])
    runs = load_runs(group.parent, "some")
    own = runs.loc[runs["model"] == "personalized_moe", "test_concordance"] * 100
    row = tidy.loc[("personalized_moe", "concordance")]
    assert row["mean"] == pytest.approx(own.mean())
    assert row["standard_deviation"] == pytest.approx(own.std())
    assert row["runs"] == 2
    assert row["reference"] == "mtlr"
    base = tidy.loc[("mtlr", "concordance")]
    assert base["value"] == pytest.approx(base["mean"])  # one run is its own average
    assert row["difference"] == pytest.approx(row["value"] - base["value"])
    assert row["difference_low"] <= row["difference"] <= row["difference_high"]
    markdown = (group / "comparison.md").read_text("utf-8")
    assert f"{own.mean():.2f} ± {own.std():.2f}" in markdown
    assert f"{own.mean():.2f} $\\pm$ {own.std():.2f}" in (group / "comparison.tex").read_text(
        "utf-8"
    )
    profiles = pd.read_csv(group / "profiles.csv")
    assert set(profiles["model"]) == {"personalized_moe"}


def test_another_reference_and_metrics(group: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--log_dir", str(group.parent), "--group", "some", "--bootstrap", "0"]
    assert main([*flags, "--reference", "personalized_moe", "--metrics", "peak_memory_mb"]) == 0
    assert main([*flags, "--reference", "personalised_moe"]) == 2
    assert "(did you mean personalized_moe?)" in capsys.readouterr().err


def test_a_group_without_a_finished_run_has_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "some" / "ffff").mkdir(parents=True)
    (tmp_path / "some" / "ffff" / "config.json").write_text('{"model": "rsf", "seed": 42}')
    assert main(["--log_dir", str(tmp_path), "--group", "some"]) == 0
    assert "not complete: 1 unfinished" in capsys.readouterr().out
    page = (tmp_path / "some" / "report.html").read_text("utf-8")
    Checker(page)
    assert "rsf seed=42" in page
    assert "Which model is best" not in page


def test_damaged_files_of_a_run_are_named(
    log_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A record that cannot be read is no run; a checkpoint costs a figure, not the page."""
    shutil.copytree(log_dir / "some", tmp_path / "some")
    runs = load_runs(tmp_path)
    Path(runs["path"][0], "result.json").write_text('{"run_id": "x')
    Path(runs["path"][1], "checkpoint.pt").write_bytes(b"no checkpoint")
    flags = ["--log_dir", str(tmp_path), "--group", "some", "--bootstrap", "0"]
    assert main(flags) == 0
    assert "not complete: 1 damaged" in capsys.readouterr().out
    page = read(tmp_path / "some")
    assert "result.json is damaged: " in page
    assert "; train it again with --overwrite" in page
    assert "prototypes, if any, are not shown: " in page
    assert "checkpoint.pt is damaged: " in page
    for path in runs["path"]:
        Path(path, "result.json").write_text("")
    assert main(flags) == 0
    assert "not complete: 3 damaged" in capsys.readouterr().out


def test_models_that_are_best_by_as_many_metrics_are_all_named() -> None:
    def resampled(*values: float) -> Resampled:
        return Resampled(np.array(values), np.array(values) + np.zeros((5, 1)))

    both = {"one": resampled(0.5, 0.3), "other": resampled(0.6, 0.2)}
    material = SimpleNamespace(resampled=both, metrics=("loss", "ece"), models=list(both))
    one, other = _answer(material)  # type: ignore[arg-type]
    assert "one is best by 1 of 2 metrics" in one
    assert "other is best by 1 of 2 metrics" in other


def test_without_the_data_the_page_says_what_is_lacking(log_dir: Path, tmp_path: Path) -> None:
    group = tmp_path / "some"
    shutil.copytree(log_dir / "some", group)
    for path in group.glob("*/config.json"):
        config = json.loads(path.read_text()) | {"dataset": "support2", "data_dir": "nowhere"}
        change(path.parent, config=config)
    runs = load_runs(tmp_path)
    material = gather(runs, metrics=PAGE_METRICS, data_dir=str(tmp_path / "none"))
    write_report(material, group_state(group, runs), group)
    page = read(group)
    assert "No intervals of differences: the censoring distribution comes from the training" in page
    assert "support2.csv is not there" in page
    assert "censoring is estimated from the test subjects themselves" in page
    assert "Brier score over time" not in page
    assert "calibration of mtlr" in page
    assert "difference" not in tidy_comparison(material)


def test_the_dataset_must_be_that_of_the_runs(
    log_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path(load_runs(log_dir)["path"].iloc[0])
    assert len(load_recorded_dataset(run).splits.test) == 30
    shutil.copytree(run, tmp_path / "run")
    config = json.loads((run / "config.json").read_text())
    change(tmp_path / "run", config={**config, "synthetic_rows": 400})
    with pytest.raises(NotAtHandError, match="synthetic data on this machine are not those"):
        load_recorded_dataset(tmp_path / "run")
    monkeypatch.delenv("SURVKIT_DATA_DIR", raising=False)
    change(tmp_path / "run", config={**config, "dataset": "support2", "data_dir": "nowhere"})
    with pytest.raises(NotAtHandError, match=r"nowhere/support2\.csv is not there"):
        load_recorded_dataset(tmp_path / "run")
    monkeypatch.setenv("SURVKIT_DATA_DIR", str(tmp_path / "third"))
    with pytest.raises(NotAtHandError, match=r"nowhere/.* is not there; .*third/"):
        load_recorded_dataset(tmp_path / "run")
    with pytest.raises(NotAtHandError, match=r"^[^;]*named/support2\.csv is not there$"):
        load_recorded_dataset(tmp_path / "run", "named")
    (tmp_path / "run" / "config.json").unlink()
    with pytest.raises(NotAtHandError, match=r"config\.json is missing"):
        load_recorded_dataset(tmp_path / "run")


def test_predictions_of_other_subjects_are_refused(
    log_dir: Path, tmp_path: Path, small_flags: list[str]
) -> None:
    paths = load_runs(log_dir)["path"].tolist()
    predictions, _ = read_test_predictions(paths[1:])
    mean = average_prediction(predictions).survival
    curves = [prediction.survival for prediction in predictions]
    assert mean == pytest.approx((curves[0] + curves[1]) / 2)
    shutil.copytree(paths[0], tmp_path / "run")
    prediction, data = read_test_predictions(paths[:1])[0][0], read_test_predictions(paths[:1])[1]
    RunFolder(tmp_path / "run").write_predictions(
        "test", prediction.subset([1, 0]), data.subset([1, 0])
    )
    change(tmp_path / "run")
    with pytest.raises(InputError, match=r"the test subjects of .* are not those of"):
        read_test_predictions([*paths, tmp_path / "run"])


def test_a_metric_that_is_undefined_in_a_run_has_no_mean(log_dir: Path) -> None:
    runs = load_runs(log_dir)
    runs.loc[1, "test_loss"] = None
    means = seed_means(runs, ["loss"]).set_index("model")["mean"]
    assert means.notna().to_dict() == {"mtlr": True, "personalized_moe": False}


def test_an_ensemble_and_a_run_without_its_checkpoint(log_dir: Path, tmp_path: Path) -> None:
    group = tmp_path / "some"
    shutil.copytree(log_dir / "some", group)
    runs = load_runs(tmp_path)
    for path in runs["path"]:
        Path(path, "checkpoint.pt").unlink()
    ensemble = group / "0000"
    shutil.copytree(runs["path"].iloc[0], ensemble)
    result = result_of(ensemble)
    result |= {"run_id": "0000", "model": "mtlr_ensemble", "seed": None, "best_epoch": None}
    result["members"] = [runs["run_id"][0]]
    (ensemble / "history.jsonl").unlink()
    change(ensemble, result)
    assert main(["--log_dir", str(tmp_path), "--group", "some", "--bootstrap", "20"]) == 0
    page = read(group)
    Checker(page)
    assert "mtlr_ensemble" in page
    assert "seconds of an ensemble leave out the training of its members" in page
    assert "prototypes, if any, are not shown: there is no checkpoint" in page
    assert "seed 42.0" not in page
    tidy = pd.read_csv(group / "comparison.csv").set_index(["model", "metric"])
    assert tidy.loc[("mtlr_ensemble", "loss"), "mean"] == tidy.loc[("mtlr", "loss"), "mean"]
    assert np.isnan(tidy.loc[("mtlr_ensemble", "loss"), "difference"])
    assert "not compared: mtlr_ensemble those of mtlr averaged over its seeds" in page
    named = ["--log_dir", str(tmp_path), "--group", "some", "--reference", "mtlr_ensemble"]
    assert main([*named, "--bootstrap", "20"]) == 0
    assert "not compared: mtlr those of mtlr_ensemble averaged over its seeds" in read(group)


def test_groups_without_a_difference_have_no_picture_of_their_features() -> None:
    """As where one expert has a single subject and no feature varies among the others."""
    rows = {"expert": [1, 2], "feature": ["age", "age"], "difference": [np.nan, np.nan]}
    assert _profile_picture("fixed_moe", pd.DataFrame(rows)) == []
