from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sksurv.nonparametric import cumulative_incidence_competing_risks

import survkit
from survkit.datasets import load_dataset
from survkit.external_validation.__main__ import main as evaluate
from survkit.external_validation.recalibration import part_of_subjects, recalibrated_model
from survkit.metrics import evaluate as all_metrics
from survkit.models.calibration import Calibration
from survkit.predict.__main__ import main as predict
from survkit.report import load_runs
from survkit.runs.predictions import load_recorded_dataset
from survkit.runs.read import load_fitted
from survkit.train import main as train
from survkit.types import SurvivalData
from tests.args_files import SMALL
from tests.late_entry import late_data
from tests.models.competing_fixtures import CAUSES, make_competing

OUTCOME = ["--time_column", "years", "--event_column", "dead"]
COX = ["--model", "coxph", "--mode", "disabled", "--time_bins", "12", "--bootstrap", "20"]
SITES = np.array(["north", "south", "west"])


def hospital(n: int, seed: int, *, faster: float = 1.0) -> pd.DataFrame:
    """Patients whose hazard depends on age and site; some values of crp are missing."""
    rng = np.random.default_rng(seed)
    age, site = rng.normal(60, 10, n).round(1), rng.integers(0, 2, n)
    crp = np.where(rng.random(n) < 0.1, np.nan, rng.exponential(5, n).round(2))
    hazard = faster * 0.2 * np.exp(0.08 * (age - 60) + 0.5 * site)
    event_time, censoring = rng.exponential(1 / hazard), rng.uniform(1, 12, n)
    return pd.DataFrame(
        {
            "age": age,
            "crp": crp,
            "site": SITES[site],
            "years": np.minimum(event_time, censoring).round(3) + 0.001,
            "dead": np.where(event_time <= censoring, "yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Cox regression on a table of one hospital."""
    folder = tmp_path_factory.mktemp("hospital")
    hospital(500, 1).to_csv(folder / "ours.csv", index=False)
    table = ["--dataset", "csv", "--csv_path", str(folder / "ours.csv"), "--time_unit", "years"]
    assert train([*table, *OUTCOME, *COX, "--log_dir", str(folder / "logs")]) == 0
    (path,) = (folder / "logs").glob("*/*")
    return path


@pytest.fixture
def other(tmp_path: Path) -> Path:
    path = tmp_path / "other.csv"
    hospital(300, 2).to_csv(path, index=False)
    return path


def judged(run: Path, *flags: str | Path, out: Path | None = None) -> dict[str, Any]:
    folder = out or run / "evaluations" / "test_rows"
    given = [] if out is None else ["--out", str(out)]
    assert evaluate(["--run", str(run), *map(str, flags), *given]) == 0
    assert (folder / "evaluation.html").stat().st_size > 10_000

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    text = (folder / "evaluation.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return found


def refused(capsys: pytest.CaptureFixture[str], run: Path | str, *flags: str | Path) -> str:
    assert evaluate(["--run", str(run), *map(str, flags)]) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error.strip().splitlines()[-1]


def check_own_rows(run: Path) -> dict[str, Any]:
    result = json.loads((run / "result.json").read_text("utf-8"))
    before = {path: path.read_bytes() for path in run.iterdir() if path.is_file()}
    found = judged(run)
    metrics = found["metrics"]["as trained"]
    assert metrics["values"] == result["test"]
    assert metrics["intervals"] == result["test_interval"]
    assert metrics["details"] == result["test_details"]
    assert "those of the record" in found["agreement_with_record"]
    assert found["censoring_from"] == "training rows"
    assert {path: path.read_bytes() for path in run.iterdir() if path.is_file()} == before
    return found


def test_own_test_rows_score_what_the_record_says(run: Path) -> None:
    found = check_own_rows(run)
    assert found["data"]["own_test_rows"]
    assert len(load_runs(run.parent.parent)) == 1  # an evaluation is no run


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [
        ["--dataset", "gbsg2", "--model", "personalized_moe", "--evaluation_times", "365", "1000"],
        ["--dataset", "whas500", "--model", "kaplan_meier", "--evaluation", "published"],
        ["--dataset", "gbsg2", "--model", "mtlr", "--calibrate", "--quantile_event_times"],
        ["--dataset", "bmt", "--model", "coxph"],
    ],
)
def test_own_test_rows_of_other_runs(flags: list[str], tmp_path: Path) -> None:
    short = ["--bootstrap", "10", "--time_bins", "12", "--log_dir", str(tmp_path)]
    assert train([*SMALL, *flags, *short]) == 0
    (run,) = tmp_path.glob("*/*")
    check_own_rows(run)


def test_metrics_of_a_new_table_are_weighted_by_its_own_censoring(run: Path, other: Path) -> None:
    out = other.parent / "out"
    found = judged(run, "--csv", other, "--evaluation_times", "3", out=out)
    table, fitted = pd.read_csv(other), load_fitted(run)
    assert fitted.preprocessor is not None
    features, _ = fitted.preprocessor.transform(table)
    data = SurvivalData(features, table["dead"] == "yes", table["years"].to_numpy())
    grid = load_recorded_dataset(run).grid
    expected = all_metrics(
        fitted.model.predict(features, np.union1d(grid.cuts, [3.0])),
        data,
        train_time=data.time,
        train_event=data.event,
        grid=grid,
        bootstrap=20,
        evaluation_times=[3.0],
    )
    metrics = found["metrics"]["as trained"]
    for name, value in expected.values.items():
        assert metrics["values"][name] == pytest.approx(value, nan_ok=True) or np.isnan(value)
        if np.isnan(value):
            assert metrics["values"][name] is None
            assert metrics["details"][name]["reason"]
    for name, interval in expected.intervals.items():
        assert metrics["intervals"][name] == pytest.approx(interval)
    (at_three,) = (each for each in found["calibration"]["as trained"] if each["time"] == 3.0)
    assert at_three["ratio"]["low"] < 1 < at_three["ratio"]["high"]  # from the same process
    assert at_three["slope"]["low"] < 1 < at_three["slope"]["high"]
    assert found["shift"]["membership_c_statistic"] == pytest.approx(0.5, abs=0.1)


def test_shift_tells_what_differs(run: Path, tmp_path: Path) -> None:
    table = hospital(300, 3)
    table["age"] += 10.0
    table["site"] = np.where(np.arange(300) % 3 == 0, "west", table["site"])
    table.loc[:59, "crp"] = np.nan
    table["smoker"] = 1
    table.to_csv(tmp_path / "older.csv", index=False)
    found = judged(run, "--csv", tmp_path / "older.csv", out=tmp_path / "out")
    columns = {each["name"]: each for each in found["shift"]["columns"]}
    train_rows = load_recorded_dataset(run)
    assert train_rows.raw is not None
    assert train_rows.rows is not None
    ours = train_rows.raw.features["age"].to_numpy(float)[train_rows.rows.train]
    spread = np.sqrt((ours.var(ddof=1) + table["age"].var(ddof=1)) / 2)
    difference = abs(ours.mean() - table["age"].mean()) / spread
    assert columns["age"]["standardised_difference"] == pytest.approx(difference)
    assert columns["crp"]["missing"]["new"] == pytest.approx(table["crp"].isna().mean())
    assert columns["site"]["unseen_in_training"] == pytest.approx(1 / 3)
    assert columns["site"]["shares"]["west"] == {"training": 0.0, "new": pytest.approx(1 / 3)}
    assert found["shift"]["membership_c_statistic"] > 0.7
    notes = " ".join(found["notes"])
    assert "no training row has (west)" in notes
    assert "1 column not read, as training did not use them: smoker" in notes
    assert "outside the training range" in notes


def test_without_the_training_rows_the_rest_goes_on(run: Path, other: Path, tmp_path: Path) -> None:
    source = run.parents[2] / "ours.csv"
    hidden = source.rename(source.with_suffix(".hidden"))
    try:
        found = judged(run, "--csv", other, "--bootstrap", "0", out=tmp_path / "out")
    finally:
        hidden.rename(source)
    assert "the training rows are needed" in found["shift"]["reason"]
    assert found["metrics"]["as trained"]["values"]["concordance"] > 0.6


def test_all_censored_and_no_overlap_give_reasons(run: Path, tmp_path: Path) -> None:
    table = hospital(100, 4)
    table.assign(dead="no").to_csv(tmp_path / "alive.csv", index=False)
    found = judged(run, "--csv", tmp_path / "alive.csv", out=tmp_path / "alive")
    metrics = found["metrics"]["as trained"]
    assert metrics["values"]["concordance"] is None
    assert metrics["details"]["concordance"]["reason"]
    first = found["calibration"]["as trained"][0]
    assert first["observed"]["value"] == 0
    assert first["reasons"]["slope"] == "no event by then"
    table.assign(years=table["years"] / 1e4).to_csv(tmp_path / "short.csv", index=False)
    found = judged(run, "--csv", tmp_path / "short.csv", out=tmp_path / "short")
    for each in found["calibration"]["as trained"]:
        assert each["observed"]["value"] is None
        assert "still at risk" in each["reasons"]["observed"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"drop": ["dead"]}, "the run's event column is 'dead', which is not there"),
        ({"drop": ["years", "age"]}, "missing column age"),
        ({"dead": "moved"}, "which the run's own table did not have"),
        ({"age": "old"}, "is not a number"),
        ({"years": -1.0}, "times are at least 0"),
    ],
)
def test_unusable_tables_are_refused(
    change: dict[str, Any],
    words: str,
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = hospital(50, 5).astype(object)
    drop = change.pop("drop", [])
    for name, value in change.items():
        table.loc[3, name] = value
    table.drop(columns=drop).to_csv(tmp_path / "bad.csv", index=False)
    assert words in refused(capsys, run, "--csv", tmp_path / "bad.csv")
    assert not (run / "evaluations" / "bad").exists()


def test_flags_that_contradict_the_run_are_refused(
    run: Path, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for flags, words in (
        (["--csv", other, "--time_unit", "months"], "--time_unit is in months, and the run's"),
        (["--csv", other, "--dataset", "gbsg2"], "give one of them"),
        (["--csv", other, "--numeric_columns", "age"], "not read in evaluating on a table"),
        (["--csv", other, "--time_column", "age"], "which is a feature of the run"),
        (["--csv", other, "--time_column", "yearz"], "did you mean years?"),
        (["--csv", tmp_path / "none.csv"], "cannot read"),
        (["--csv", other, "--out", run], "an evaluation has a folder of its own"),
        (["--csv", other, "--evaluation_times", "99"], "nothing is predicted beyond it"),
        (["--dataset", "gbsg2"], "is in days, and the run's times are in years"),
        (["--dataset", "digits"], "digits has no table"),
        (["--recalibrate", "slope"], "needs other data"),
        (["--csv", other, "--cause_of_interest", "death"], "--cause_of_interest is death"),
    ):
        assert words in refused(capsys, run, *flags), flags
    assert "there is no checkpoint" in refused(capsys, tmp_path / "unknown", "--csv", other)


def test_outcome_columns_may_have_other_names_and_codes(
    run: Path, other: Path, tmp_path: Path
) -> None:
    expected = judged(run, "--csv", other, out=tmp_path / "one")
    table = pd.read_csv(other, dtype=str, keep_default_na=False)  # old pandas rounds numbers
    table = table.rename(columns={"years": "t", "dead": "status"})
    table["status"] = table["status"].map({"yes": 2, "no": 1})
    table[table.columns[::-1]].to_csv(tmp_path / "renamed.csv", index=False, sep=";")
    flags = ["--time_column", "t", "--event_column", "status", "--event_value", "2"]
    found = judged(run, "--csv", tmp_path / "renamed.csv", *flags, out=tmp_path / "two")
    assert found["metrics"] == expected["metrics"]


@pytest.mark.slow
def test_recalibration_on_a_part_of_the_new_data(run: Path, tmp_path: Path) -> None:
    faster = tmp_path / "faster.csv"
    hospital(800, 6, faster=2.0).to_csv(faster, index=False)
    flags = ["--csv", faster, "--evaluation_times", "3", "--recalibrate_share", "0.4"]
    found = judged(run, *flags, "--recalibrate", "intercept", out=tmp_path / "map")
    fitted = found["recalibration"]
    assert (fitted["rows"], found["data"]["rows"], fitted["slope"]) == (320, 480, 1.0)
    assert fitted["intercept"] < -0.4  # survival is lower than predicted
    before, after = (
        next(each for each in found["calibration"][name] if each["time"] == 3.0)
        for name in ("as trained", "recalibrated")
    )
    assert before["observed"] == after["observed"]  # the same rows
    assert abs(after["ratio"]["value"] - 1) < 0.1 < before["ratio"]["value"] - 1
    auc = [each["values"]["auc@t=3"] for each in found["metrics"].values()]
    assert auc[0] == pytest.approx(auc[1])
    # What is written predicts as what was judged, and an evaluation without a map removes it.
    patients = hospital(5, 7).drop(columns=["years", "dead"])
    patients.to_csv(tmp_path / "patients.csv", index=False)
    ask = ["--csv", str(tmp_path / "patients.csv"), "--times", "3", "--similar", "0"]
    table = tmp_path / "predictions.csv"
    assert predict(["--run", str(tmp_path / "map"), *ask, "--out", str(table)]) == 0
    original, preprocessor = load_fitted(run).model, load_fitted(run).preprocessor
    assert preprocessor is not None
    survival = original.predict(preprocessor.transform(patients)[0], original.knots.times)
    mapped = Calibration(True, fitted["intercept"], fitted["slope"]).apply(survival).at([3.0])[:, 0]
    np.testing.assert_allclose(pd.read_csv(table)["survival_3"], mapped, rtol=1e-6)
    judged(run, "--csv", faster, out=tmp_path / "map")
    assert not (tmp_path / "map" / "checkpoint.pt").exists()


def test_recalibration_on_few_events_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = hospital(60, 8)
    table.loc[np.arange(60) >= 20, "dead"] = "no"
    table.to_csv(tmp_path / "few.csv", index=False)
    error = refused(capsys, run, "--csv", tmp_path / "few.csv", "--recalibrate", "slope")
    assert "at least 20 events, and its part of the rows has" in error


def test_the_part_for_a_recalibration_has_whole_subjects_and_its_share_of_events() -> None:
    rng = np.random.default_rng(0)
    subject, event = np.arange(200) // 2, np.repeat(rng.random(100) < 0.3, 2)
    data = SurvivalData(np.zeros((200, 1)), event, np.ones(200), subject_id=subject)
    part, rest = part_of_subjects(data, 0.25, seed=1)
    assert not set(subject[part]) & set(subject[rest])
    assert len(part) == 50
    assert event[part].mean() == pytest.approx(event.mean(), abs=0.02)
    again, _ = part_of_subjects(data, 0.25, seed=1)
    np.testing.assert_array_equal(part, again)


def test_a_second_map_is_one_with_the_first(run: Path) -> None:
    model, grid = load_fitted(run).model, load_recorded_dataset(run).grid
    features = load_recorded_dataset(run).splits.test.features
    first, second = Calibration(True, 0.3, 0.8), Calibration(True, -0.5, 1.2)
    once = recalibrated_model(model, first, grid)
    twice = recalibrated_model(once, second, grid)
    assert twice.inner is model
    expected = second.apply(first.apply(model.predict(features)))
    np.testing.assert_allclose(twice.predict(features).survival, expected.survival, atol=1e-12)


@pytest.mark.slow
def test_a_run_on_a_dataset_takes_another_dataset_and_a_table(tmp_path: Path) -> None:
    logs = ["--log_dir", str(tmp_path / "logs"), "--data_dir", str(tmp_path)]
    assert train(["--dataset", "survset:GBSG2", *COX, *logs]) == 0
    (run,) = (tmp_path / "logs").glob("*/*")
    shared = ["--dataset", "survset:GBSG2", "--data_dir", str(tmp_path)]
    found = judged(run, *shared, out=tmp_path / "set")
    assert found["data"]["rows"] == 686
    raw = load_dataset("survset:GBSG2", data_dir=tmp_path).raw
    assert raw is not None
    table = raw.features.assign(days=raw.time, seen=raw.event.astype(int))
    table.to_csv(tmp_path / "gbsg2.csv", index=False)
    flags = ["--csv", tmp_path / "gbsg2.csv", "--time_column", "days", "--event_column", "seen"]
    again = judged(run, *flags, "--data_dir", tmp_path, out=tmp_path / "table")
    assert again["metrics"] == found["metrics"]


@pytest.mark.slow
def test_competing_causes_are_those_of_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = np.array(["alive", *CAUSES])

    def write(n: int, seed: int) -> Path:
        data = make_competing(n, seed=seed)
        assert data.cause is not None
        table = pd.DataFrame(data.features, columns=["a", "b", "c"])
        path = tmp_path / f"{seed}.csv"
        table.assign(years=data.time, what=words[data.cause]).to_csv(path, index=False)
        return path

    flags = ["--dataset", "csv", "--time_column", "years", "--event_column", "what", *COX]
    coded = ["--causes", *(f"{name}={name}" for name in CAUSES), "--censored_values", "alive"]
    table = ["--csv_path", str(write(400, 5)), "--log_dir", str(tmp_path / "logs")]
    assert train([*flags, *coded, *table]) == 0
    (run,) = (tmp_path / "logs").glob("*/*")
    check_own_rows(run)
    new = write(300, 6)
    found = judged(run, "--csv", new, out=tmp_path / "out")
    causes = {each["cause"] for each in found["calibration"]["as trained"]}
    assert causes == {"", *CAUSES}
    # The same numbers from scikit-survival, and from the model itself.
    table, fitted = pd.read_csv(new), load_fitted(run)
    assert fitted.preprocessor is not None
    features, _ = fitted.preprocessor.transform(table)
    cause = np.array([["alive", *CAUSES].index(word) for word in table["what"]])
    times, curves = cumulative_incidence_competing_risks(cause, table["years"])
    incidence = fitted.model.predict(features).cumulative_incidence_at
    for each in found["calibration"]["as trained"]:
        number = ["", *CAUSES].index(each["cause"])  # 0 is the sum of all causes in both
        place = np.searchsorted(times, each["time"], side="right") - 1
        assert each["observed"]["value"] == pytest.approx(curves[number][place])
        of_causes = incidence([each["time"]])[:, :, 0]
        predicted = of_causes.sum(axis=1) if number == 0 else of_causes[:, number - 1]
        assert each["expected"] == pytest.approx(predicted.mean())
    # The other way round they are the same causes, and keep the numbers of the run.
    turned = [*(f"{name}={name}" for name in CAUSES[::-1]), "--censored_values", "alive"]
    again = judged(run, "--csv", new, "--causes", *turned, out=tmp_path / "turned")
    assert again["metrics"] == found["metrics"]
    mapped = judged(run, "--csv", new, "--recalibrate", "slope", out=tmp_path / "map")
    assert mapped["recalibration"]["events"] >= 20
    named = ["--causes", "relapse=cough", "death=death", "--censored_values", "alive"]
    assert "have the cause cough" in refused(capsys, run, "--csv", new, *named)
    alone = ["--event_value", CAUSES[0]]
    one = judged(run, "--csv", new, *alone, out=tmp_path / "alone")
    assert any("do not tell the causes" in note for note in one["notes"])


@pytest.mark.slow
def test_late_entry_has_reasons_and_no_recalibration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(n: int, seed: int) -> Path:
        data = late_data(n, seed)
        path = tmp_path / f"{seed}.csv"
        table = pd.DataFrame(data.features, columns=["a", "b"])
        table.assign(years=data.time, dead=data.event.astype(int), entry=data.entry).to_csv(
            path, index=False
        )
        return path

    flags = ["--dataset", "csv", *OUTCOME, "--entry_column", "entry", *COX]
    table = ["--csv_path", str(write(500, 5)), "--log_dir", str(tmp_path / "logs")]
    assert train([*flags, *table]) == 0
    (run,) = (tmp_path / "logs").glob("*/*")
    check_own_rows(run)
    new = write(400, 6)
    found = judged(run, "--csv", new, out=tmp_path / "out")
    assert found["data"]["late_entry"]
    assert found["metrics"]["as trained"]["values"]["concordance"] > 0.5
    assert all(
        "observed from time 0" in each["reasons"]["slope"]
        for each in found["calibration"]["as trained"]
    )
    error = refused(capsys, run, "--csv", new, "--recalibrate", "slope")
    assert "come under observation late" in error


def test_the_module_of_the_command_leaves_the_public_function() -> None:
    assert survkit.evaluate is all_metrics  # though this file imports the package of the command
    command = [sys.executable, "-m", "survkit.evaluate"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert found.stderr.startswith("survkit.evaluate: error: --run is needed")


def test_subgroups_and_decision_curves_of_new_data(
    run: Path, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Columns that the run does not use make subgroups too; missing values are one."""
    table = pd.read_csv(other).assign(ward=np.where(np.arange(300) % 3 == 0, "A", "B"))
    table.to_csv(other, index=False)
    asked = ["--subgroups", "ward", "age:60", "--decision_times", "4", "--bootstrap", "20"]
    out = tmp_path / "out"
    found = judged(run, "--csv", other, *asked, out=out)
    (of_ward, of_age) = found["subgroups"]["coxph"]
    assert [each["subjects"] for each in of_ward["subgroups"]] == [100, 200]
    ages = table["age"] < 60
    assert [each["subjects"] for each in of_age["subgroups"]] == [ages.sum(), (~ages).sum()]
    curves = pd.read_csv(out / "decision_curves.csv")
    assert set(curves["time"]) == {4.0}
    assert set(curves["model"]) == {"coxph"}
    page = (out / "evaluation.html").read_text("utf-8")
    assert "For whom" in page
    assert "Is it worth acting on" in page
    assert "coxph does" in capsys.readouterr().out
    for wrong, message in (
        (["--subgroups", "wards"], "--subgroups names 'wards' (did you mean ward?)"),
        (["--subgroups", "dead"], "--subgroups names 'dead'"),
        (["--decision_thresholds", "0.5", "0.2"], "--decision_thresholds is 0.5 0.2"),
    ):
        flags = ["--run", str(run), "--csv", str(other), *wrong, "--out", str(tmp_path / "no")]
        assert evaluate(flags) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "no").exists()


def test_both_models_of_a_recalibration_are_in_every_part(
    run: Path, other: Path, tmp_path: Path
) -> None:
    asked = ["--recalibrate", "slope", "--subgroups", "site", "--bootstrap", "20"]
    found = judged(run, "--csv", other, *asked, out=tmp_path / "out")
    assert list(found["subgroups"]) == ["coxph as trained", "coxph recalibrated"]
    curves = pd.read_csv(tmp_path / "out" / "decision_curves.csv")
    assert set(curves["model"]) == {"coxph as trained", "coxph recalibrated"}
