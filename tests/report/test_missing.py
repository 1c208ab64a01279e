"""Metrics at a time with too few subjects at risk are missing, in whatever a report shows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from survkit.metrics import evaluate
from survkit.report import load_runs
from survkit.report.__main__ import main as report
from survkit.report.differences import best_models, resample_metrics
from survkit.report.material import Material, gather
from survkit.report.missing import (
    least_at_risk,
    metric_times,
    missing_notes,
    recorded_metrics,
    without_unreliable,
)
from survkit.report.tables import (
    comparison_metrics,
    comparison_table,
    page_metrics,
    seed_means,
    table_notes,
)
from survkit.runs.folder import RunFolder
from survkit.runs.predictions import load_recorded_dataset, read_test_predictions
from survkit.runs.read import load_fitted
from survkit.runs.variants import variant_labels
from survkit.train import main as train
from tests.runs.records import change, result_of

TIMES = (180.0, 365.0)
MODELS = (("mtlr", 42), ("mtlr", 43), ("coxph", 42))
AT_CUTS = ("brier@25", "brier@50", "brier@75")
LATE = "brier@t=365, auc@t=365, ece_equal_mass@t=365"


def as_earlier(folder: Path) -> None:
    """Rewrite a record as it was before there was a least number at risk."""
    config = json.loads((folder / "config.json").read_text())
    dataset = load_recorded_dataset(folder)
    rows, test = dataset.splits.train, dataset.splits.test
    prediction = load_fitted(folder).model.predict(test.features)
    outcomes = {"train_time": rows.time, "train_event": rows.event, "grid": dataset.grid}
    options = {"bootstrap": 20, "null_draws": 10, "min_at_risk": 0}
    found = evaluate(prediction, test, **outcomes, **options)
    for details in found.details.values():
        details.pop("time", None)
        details.pop("at_risk", None)
    values = {k: None if np.isscalar(v) and np.isnan(v) else v for k, v in found.values.items()}
    record = result_of(folder)
    record |= {"test": values, "test_details": found.details, "test_interval": found.intervals}
    for flag in ("min_at_risk", "evaluation_times"):
        config.pop(flag, None)
    change(folder, record, config)


def train_group(logs: Path, more: str = "") -> Path:
    """Train on lung's even cuts: 23 test subjects, 16 at risk at day 180 and 4 at day 365.

    They are those of the random split; of a stratified one 2 are at risk much later.
    """
    for model, seed in MODELS:
        words = f"--dataset lung --model {model} --seed {seed} --group lung --mode disabled"
        network = "" if model == "coxph" else "--hidden_dim 4 --epochs 2"
        grid = "--no_quantile_event_times --no_stratified_split"
        flags = f"{words} {network} {grid} --bootstrap 20 --log_dir {logs} {more}".split()
        assert train(flags) == 0
    return logs / "lung"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_group(tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Records that tell the times of metrics."""
    folder = train_group(tmp_path_factory.mktemp("new"), "--evaluation_times 365 180")
    return load_runs(folder.parent, "lung")


@pytest.fixture(scope="module")
def earlier(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Records from before there was a least number at risk."""
    folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp("old") / "lung"))
    for result in folder.glob("*/result.json"):
        as_earlier(result.parent)
    return load_runs(folder.parent, "lung")


@pytest.fixture(scope="module")
def material(runs: pd.DataFrame) -> Material:
    return gather(runs, metrics=page_metrics(runs), resamples=30)


def test_times_are_those_of_the_records_or_of_their_predictions(
    runs: pd.DataFrame, earlier: pd.DataFrame
) -> None:
    dataset = load_recorded_dataset(runs["path"].iloc[0])
    cuts, test = dataset.grid.cuts, dataset.splits.test
    at = {f"{p}": cuts[p * len(cuts) // 100] for p in (25, 50, 75)}
    expected = [(suffix, time, np.count_nonzero(test.time > time)) for suffix, time in at.items()]
    assert metric_times(runs, ["loss", *AT_CUTS, "brier@t=180"]) == [*expected, ("t=180", 180, 16)]
    assert metric_times(earlier, ["loss", *AT_CUTS, "brier@t=180"]) == expected
    assert metric_times(earlier.assign(path=None), AT_CUTS) == []
    assert (least_at_risk(runs), least_at_risk(earlier)) == (10, 10)
    assert least_at_risk(runs.assign(config_min_at_risk=3)) == 3


def test_what_earlier_records_have_at_late_times_is_missing(earlier: pd.DataFrame) -> None:
    assert earlier[["test_brier@75", "test_accuracy@75"]].notna().all().all()
    known = without_unreliable(earlier)
    assert known[["test_brier@75", "test_accuracy@75"]].isna().all().all()
    reason = "0 test subjects are still at risk, fewer than 10"
    assert (known["test_details_brier@75_reason"] == reason).all()
    assert known["test_loss"].equals(earlier["test_loss"])
    assert recorded_metrics(known) == recorded_metrics(earlier)
    published = earlier.assign(evaluation="published")
    assert without_unreliable(published) is published


def test_published_conventions_keep_the_reasons_of_the_records(runs: pd.DataFrame) -> None:
    published = runs.assign(evaluation="published", **{"test_details_brier@50_reason": "because"})
    common, _ = missing_notes(published, variant_labels(published), ["brier@50"])
    assert common == ["brier@50 is missing: because."]


def test_true_times_decide_for_metrics_against_them(trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "g" / "run"
    shutil.copytree(next(trained.glob("*/result.json")).parent, folder)
    as_earlier(folder)
    (prediction,), data = read_test_predictions([folder])
    known = np.full(len(data), prediction.times[-1])
    known[:14] = 0.0  # so that 9 are later than any of the times
    RunFolder(folder).write_predictions(
        "test", prediction, type(data)(data.features, data.event, data.time, true_time=known)
    )
    change(folder)
    frame = load_runs(tmp_path, "g")
    frame["test_brier_true@25"] = 0.2
    found = without_unreliable(frame)
    assert found["test_brier_true@25"].isna().all()
    assert "9 true event times are later than" in found["test_details_brier_true@25_reason"][0]
    common, _ = missing_notes(found, variant_labels(found), ["brier_true@25"])
    assert common == [f"brier_true@25 is missing: {found['test_details_brier_true@25_reason'][0]}."]


def test_the_table_has_evaluation_times_dashes_and_notes(runs: pd.DataFrame) -> None:
    table = comparison_table(runs)
    assert list(table)[:-1] == list(comparison_metrics(runs))
    assert (table[[*AT_CUTS, "brier@t=365", "auc@t=365"]] == "-").all().all()
    assert (table[["brier@t=180", "auc@t=180", "integrated_brier"]] != "-").all().all()
    times, missing = table_notes(runs, num_subjects=23)
    assert "@25: 268.9 days, 8 of 23 test subjects still at risk; @50: 537.9 days, 0 at" in times
    assert "; @t=180: 180 days, 16 at risk; @t=365: 365 days, 4 at risk." in times
    assert missing == (
        f"{', '.join(AT_CUTS)}, {LATE} are missing: fewer than 10 test subjects are still at risk "
        "then."
    )
    assert table_notes(runs, ["loss"]) == []


def test_earlier_records_make_the_same_table(runs: pd.DataFrame, earlier: pd.DataFrame) -> None:
    table, same = comparison_table(earlier), comparison_table(runs)
    for name in ("concordance", *AT_CUTS):
        assert table[name].tolist() == same[name].tolist()
    assert table_notes(earlier)[1].startswith(f"{', '.join(AT_CUTS)} are missing: fewer than 10")


def test_a_mean_does_not_leave_out_the_seeds_that_lack_a_metric(runs: pd.DataFrame) -> None:
    seed = runs["seed"].eq(43)
    partly = runs.assign(
        test_loss=runs["test_loss"].mask(seed),
        test_details_loss_reason=pd.Series("an outcome has probability 0", runs.index).where(seed),
    )
    assert seed_means(partly, ["loss"]).set_index("model")["mean"].isna()["mtlr"]
    assert table_notes(partly, ["loss"]) == [
        "mtlr: loss is missing in 1 of 2 runs (seed 43) and so has no mean: an outcome has "
        "probability 0."
    ]
    common, own = missing_notes(partly, variant_labels(partly), ["loss", "ece"])
    assert (common, list(own)) == ([], ["mtlr"])


def test_nothing_rests_on_a_metric_that_is_missing(material: Material) -> None:
    best = best_models(material.resampled, material.metrics)
    late = [*AT_CUTS, *LATE.split(", ")]
    assert not set(late) & set(best["metric"])
    assert {"brier@t=180", "auc@t=180", "integrated_brier"} <= set(best["metric"])


def test_resampled_values_at_evaluation_times_are_those_of_the_records(material: Material) -> None:
    """Those of a Cox model too, whose curve is no line between the cuts around that time."""
    own = material.runs_of("coxph").iloc[0]
    values = dict(zip(material.metrics, material.resampled["coxph"].estimate, strict=True))
    for metric in ("brier@t=180", "auc@t=180", "integrated_brier", "ece"):
        assert values[metric] == pytest.approx(own[f"test_{metric}"], rel=1e-6)


def test_a_least_number_at_risk_can_be_given(material: Material) -> None:
    assert material.dataset is not None
    found = {
        least: resample_metrics(
            material.predictions,
            material.test,
            ["brier@25"],
            train=material.dataset.splits.train,
            grid=material.dataset.grid,
            resamples=5,
            min_at_risk=least,
        )["mtlr"].estimate[0]
        for least in (0, 8, 9)
    }
    assert found[0] == found[8] > 0
    assert np.isnan(found[9])


@pytest.mark.parametrize("which", ["runs", "earlier"])
def test_page_and_tables_say_it(which: str, request: pytest.FixtureRequest) -> None:
    folder = Path(request.getfixturevalue(which)["path"].iloc[0]).parent
    assert report(["--log_dir", str(folder.parent), "--group", "lung", "--bootstrap", "20"]) == 0
    page = (folder / "report.html").read_text()
    assert "are missing: fewer than 10 test subjects are still at risk then." in page
    assert "the last cut where at least 5 % are uncensored and at least 10 test subjects" in page
    recorded = "The recorded metrics over several cuts use cuts up to"
    assert (recorded in page) == (which == "earlier")
    tables = (folder / "comparison.md").read_text().split("\n\n**")
    assert len(tables) == 3
    for table in tables:
        assert "\n- @25: 268.9 days, 8 of 23 test subjects still at risk; " in table
        assert "are missing: fewer than 10 test subjects" in table
    best = next(line for line in tables[0].splitlines() if line.startswith("| brier@75"))
    assert best.split("|")[2:-1] == [" - "] * 5
    latex = (folder / "comparison.tex").read_text()
    assert latex.count("8 of 23 test subjects still at risk") == 3
    tidy = pd.read_csv(folder / "comparison.csv").set_index(["model", "metric"])
    late = tidy.loc[("coxph", "brier@75")]
    assert late[["mean", "value", "difference"]].isna().all()
    assert late["at_risk"] == 0
    assert late["time"] == pytest.approx(806.842, abs=1e-3)
    assert np.isnan(tidy.loc[("coxph", "loss"), "time"])
    if which == "runs":
        assert "by 180 days, 16 at risk" in page
    else:
        assert "There are no curves of observed against predicted probability" in page
