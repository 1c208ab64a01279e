from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sksurv.datasets import load_gbsg2

import survkit
from survkit.datasets import load_dataset
from survkit.datasets.sepsis import one_row_a_subject
from survkit.models.registry import MODELS
from survkit.predict.__main__ import main
from survkit.predict.similar import nearest_neighbours, training_names
from survkit.runs.patients import read_patients
from survkit.runs.read import FittedRun, load_fitted
from survkit.train import main as train
from survkit.training.checkpoint import load_checkpoint, save_checkpoint
from survkit.training.neural_model import NeuralSurvivalModel
from survkit.types import SurvivalData
from tests.args_files import SMALL

ROOT = Path(survkit.__file__).parent.parent


def trained(logs: Path, dataset: str, model: str, *flags: str) -> Path:
    short = ["--bootstrap", "0", "--time_bins", "12"]
    command = [*SMALL, *short, "--dataset", dataset, "--model", model, *flags]
    assert train([*command, "--log_dir", str(logs)]) == 0
    (folder,) = logs.glob("*/*")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("logs"), "gbsg2", "personalized_moe")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The first 30 patients of the source, in another order of columns and with names."""
    features, _ = load_gbsg2()
    features = features.head(30)[features.columns[::-1]].astype({"horTh": object, "tgrade": object})
    features.insert(3, "name", [f"{i:03d}" for i in range(1, 31)])
    path = tmp_path / "patients.csv"
    features.to_csv(path, index=False)
    return path


def predicted(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"name": str})


def flags(run: Path, table: Path, *more: str) -> list[str]:
    given = ["--run", str(run), "--csv", str(table), "--id_column", "name"]
    return [*given, "--times", "30", "365.5", "1500", *more]


def test_the_command_predicts_as_the_model(
    run: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(flags(run, table)) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    found = predicted(table.with_name("patients_predictions.csv"))
    fitted = load_fitted(run)
    assert fitted.preprocessor is not None
    features, _ = fitted.preprocessor.transform(load_gbsg2()[0].head(30))
    expected = fitted.model.predict(features)
    assert list(found["name"]) == [f"{i:03d}" for i in range(1, 31)]
    survival = found[["survival_30", "survival_365.5", "survival_1500"]]
    np.testing.assert_allclose(survival, expected.at([30, 365.5, 1500]), rtol=1e-12)
    within = expected.median() <= 2659
    np.testing.assert_allclose(found["median"][within], expected.median()[within], rtol=1e-12)
    assert found["median"][~within].isna().all()
    weights = found[[f"expert_{e}_weight" for e in range(1, 5)]].to_numpy()
    np.testing.assert_allclose(weights, expected.expert_weights, rtol=1e-12)
    np.testing.assert_array_equal(found["expert"], weights.argmax(axis=1) + 1)
    assert printed.out.count("\n") == 10 + 4  # ten patients, the header and three lines below
    assert "... and 20 more" in printed.out
    assert "days, to recurrence or death" in printed.out


def test_training_patients_find_themselves_in_the_source(run: Path, table: Path) -> None:
    assert main(flags(run, table, "--similar", "2")) == 0
    found = predicted(table.with_name("patients_predictions.csv"))
    dataset = load_dataset("gbsg2", data_dir="", time_bins=12)
    identifier, rows = training_names(dataset)
    assert identifier == "row"
    outcome = load_gbsg2()[1]
    np.testing.assert_array_equal(dataset.splits.train.time, outcome["time"][rows - 1])
    for patient, line in enumerate(found.to_dict("records"), start=1):
        if patient in rows:
            assert line["similar_1_distance"] == pytest.approx(0, abs=1e-5)
        named = int(line["similar_1_row"]) - 1
        assert line["similar_1_time"] == outcome["time"][named]
        assert line["similar_1_event"] == outcome["cens"][named]
    itself = found["similar_1_row"] == np.arange(1, 31)
    assert itself.sum() >= 20  # the others are of the validation or the test split, or have twins


def test_hidden_states_are_what_the_head_sees(run: Path) -> None:
    model = load_fitted(run).model
    assert isinstance(model, NeuralSurvivalModel)
    train = load_dataset("gbsg2", data_dir="", time_bins=12).splits.train
    hidden = model.hidden_state(train.features)
    assert hidden.shape == (len(train), 8)
    assert (hidden >= 0).all()  # after ReLU
    with torch.no_grad():
        from_hidden = model.network.head(torch.from_numpy(hidden)).log_gates.exp()
    np.testing.assert_allclose(from_hidden, model.predict(train.features).expert_weights, rtol=1e-5)


def test_similar_patients_share_the_expert_and_are_nearest(run: Path, table: Path) -> None:
    assert main(flags(run, table, "--similar", "4")) == 0
    found = predicted(table.with_name("patients_predictions.csv"))
    fitted = load_fitted(run)
    model, train = fitted.model, load_dataset("gbsg2", data_dir="", time_bins=12).splits.train
    assert isinstance(model, NeuralSurvivalModel)
    assert fitted.preprocessor is not None
    features, _ = fitted.preprocessor.transform(load_gbsg2()[0].head(30))
    weights = model.predict(train.features).expert_weights
    assert weights is not None
    for patient in range(30):
        gap = model.hidden_state(train.features) - model.hidden_state(features[[patient]])
        distance = np.linalg.norm(gap.astype(float), axis=1)
        same = weights.argmax(axis=1) + 1 == found["expert"][patient]
        listed = [found[f"similar_{rank}_distance"][patient] for rank in range(1, 5)]
        np.testing.assert_allclose(listed, np.sort(distance[same])[:4], atol=1e-5)


@pytest.mark.slow
@given(
    arrays(np.float32, (12, 2), elements=st.integers(-5, 5).map(float)),
    arrays(np.int64, 12, elements=st.integers(0, 2)),
    st.integers(1, 6),
)
def test_neighbours_are_the_nearest_of_the_group(
    points: np.ndarray, groups: np.ndarray, number: int
) -> None:
    here, there = slice(0, 4), slice(4, 12)
    positions, distances = nearest_neighbours(
        points[here], points[there], groups[here], groups[there], number
    )
    for i in range(4):
        gaps = np.linalg.norm(points[there] - points[i], axis=1)[groups[there] == groups[i]]
        known = positions[i] >= 0
        assert known.sum() == min(number, len(gaps))
        assert np.isnan(distances[i][~known]).all()
        np.testing.assert_allclose(distances[i][known], np.sort(gaps)[: known.sum()], rtol=1e-5)
        assert (groups[there][positions[i][known]] == groups[i]).all()


def test_no_more_neighbours_than_there_are() -> None:
    points, groups = np.zeros((6, 2), np.float32), np.zeros(6, np.int64)
    positions, distances = nearest_neighbours(points, points, groups, groups, 10**12)
    assert positions.shape == distances.shape == (6, 6)


def test_what_is_missing_or_unseen_is_counted(
    run: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.read_csv(table, dtype={"name": str})
    frame.loc[:1, "age"] = np.nan
    frame.loc[2, "horTh"] = "maybe"
    frame.loc[3:5, "tgrade"] = None
    frame.to_csv(table, index=False)
    assert main(flags(run, table)) == 0
    warned = capsys.readouterr().err.splitlines()
    assert len(warned) == 3
    assert "'age': missing in 2 of 30 rows, but in no training row" in warned[0]
    assert "'horTh': 1 of 30 rows hold values that no training row has (maybe)" in warned[1]
    assert warned[2] == (
        "warning: column 'tgrade': missing in 3 of 30 rows; treated as in training"
    )


@pytest.mark.parametrize("model", MODELS)
def test_every_model_predicts(
    model: str, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(tmp_path / "logs", "gbsg2", model)
    capsys.readouterr()
    out = tmp_path / "out" / "predictions.csv"
    assert main(flags(run, table, "--out", str(out))) == 0
    found = predicted(out)
    assert found["survival_30"].between(0, 1).all()
    assert ("expert" in found) == model.endswith(("_moe", "_machines", "_mixtures"))
    network = MODELS[model].network != ""
    assert ("similar_1_row" in found) == network
    assert "no similar training patients are named" not in capsys.readouterr().err
    if not network:
        assert main(flags(run, table, "--out", str(out), "--similar", "2")) == 0
        assert "has no hidden space to compare patients in" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("calibrated", [False, True])
def test_bart_alone_has_intervals(
    calibrated: bool,
    table: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("survkit.predict.tables.CURVES_AT_ONCE", 7)
    run = trained(tmp_path, "gbsg2", "bart", *(["--calibrate"] if calibrated else []))
    capsys.readouterr()
    assert main([*flags(run, table), "--times", "1500", "365.5"]) == 0
    found = predicted(table.with_name("patients_predictions.csv"))
    names = [name for name in found if name.startswith("survival_")]
    if calibrated:
        assert names == ["survival_1500", "survival_365.5"]
        return
    bases = ("survival_1500", "survival_365.5")
    assert names == [f"{base}{end}" for base in bases for end in ("", "_low", "_high")]
    fitted = load_fitted(run)
    assert fitted.preprocessor is not None
    features, _ = fitted.preprocessor.transform(load_gbsg2()[0].head(30))
    low, high = fitted.model.interval(features, [365.5, 1500.0])  # type: ignore[attr-defined]
    for column, base in enumerate(bases[::-1]):
        np.testing.assert_allclose(found[f"{base}_low"], low[:, column], rtol=1e-9)
        np.testing.assert_allclose(found[f"{base}_high"], high[:, column], rtol=1e-9)
        assert (found[f"{base}_low"] <= found[base]).all()
        assert (found[base] <= found[f"{base}_high"]).all()
    first = found.iloc[0]
    shown = [f"{first['survival_1500' + end]:.2f}" for end in ("", "_low", "_high")]
    output = capsys.readouterr().out
    assert f"{shown[0]} ({shown[1]} to {shown[2]})" in output
    assert "_low" not in output.replace("_low_", "")


def test_patients_without_names_are_numbered(run: Path, table: Path, tmp_path: Path) -> None:
    pd.read_csv(table).drop(columns="name").to_csv(table, index=False)
    out = str(tmp_path / "new.csv")
    command = ["--run", str(run), "--csv", str(table), "--times", "0", "2612", "--out", out]
    assert main([*command, "--similar", "0"]) == 0
    with Path(out).open() as file:
        header, *rows = csv.reader(file)
    assert header[:3] == ["row", "survival_0", "survival_2612"]
    assert [row[0] for row in rows] == [str(i) for i in range(1, 31)]
    assert not any(name.startswith("similar") for name in header)


def damaged(table: Path, **changes: object) -> Path:
    path = table.with_name("damaged.csv")
    frame = pd.read_csv(table, dtype={"name": str}).assign(**changes)
    frame.drop(columns=[name for name, value in changes.items() if value is None]).to_csv(
        path, index=False
    )
    return path


@pytest.mark.parametrize(
    ("changes", "more", "message"),
    [
        ({"age": None, "tsize": None}, (), "missing columns age, tsize; the run uses age, "),
        ({"wbc": 1.0}, (), "extra column wbc; the run uses"),
        ({"age": None, "wbc": 1.0}, (), "missing column age and extra column wbc"),
        ({"age": "old"}, (), "column 'age', data row 1: 'old', which is not a number"),
        ({}, ("--times", "30", "5000"), "--times 5000: the run's horizon is 2612 (days, to"),
        ({}, ("--times", "30", "30"), "--times names a time twice: 30 30"),
        ({}, ("--times", "-1"), "--times is -1.0; it must be at least 0"),
        ({}, ("--id_column", "patient"), "--id_column names 'patient', but the columns of"),
        ({}, ("--id_column", "age"), "--id_column names 'age', which is a feature"),
        ({}, ("--run", "nowhere"), "there is no checkpoint nowhere/checkpoint.pt"),
        ({}, ("--csv", "nowhere.csv"), "nowhere.csv: No such file"),
        ({}, ("--time", "3"), "unknown flag --time (did you mean --times?)"),
    ],
)
def test_bad_input_is_explained_and_nothing_is_written(
    changes: dict[str, object],
    more: tuple[str, ...],
    message: str,
    run: Path,
    table: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = damaged(table, **changes)
    before = sorted(path.parent.iterdir())
    assert main(flags(run, path, *more)) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("survkit.predict: error: ")
    assert message in printed
    assert sorted(path.parent.iterdir()) == before


@pytest.mark.parametrize("absent", ["--run", "--csv", "--times"])
def test_flags_that_are_needed(absent: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = {"--run": "a", "--csv": "b", "--times": "1"}
    del command[absent]
    assert main([word for pair in command.items() for word in pair]) == 2
    assert f"{absent} is needed" in capsys.readouterr().err


def test_the_table_itself_is_never_overwritten(
    run: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(flags(run, table, "--out", str(table))) == 2
    assert "the table of the patients itself" in capsys.readouterr().err


def test_a_name_column_called_like_a_prediction_is_refused(
    run: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pd.read_csv(table).rename(columns={"name": "median"}).to_csv(table, index=False)
    assert main(flags(run, table, "--id_column", "median")) == 2
    assert "'median' is also a column of the predictions" in capsys.readouterr().err


def test_without_the_training_data_the_rest_is_written(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    features, outcome = load_gbsg2()
    source = tmp_path / "source.csv"
    features.assign(t=outcome["time"], e=outcome["cens"].astype(int)).to_csv(source, index=False)
    columns = ["--time_column", "t", "--event_column", "e"]
    categories = ["--categorical_columns", "horTh", "menostat", "tgrade"]
    run = trained(
        tmp_path / "logs", "csv", "mtlr", "--csv_path", str(source), *columns, *categories
    )
    out = table.with_name("patients_predictions.csv")

    def columns_and_warning() -> tuple[bool, str]:
        capsys.readouterr()
        assert main(flags(run, table)) == 0
        return "similar_1_row" in predicted(out), capsys.readouterr().err

    assert columns_and_warning() == (True, "")
    source.write_text(source.read_text().replace(",Post,", ",Pre,", 1))
    there, warning = columns_and_warning()
    assert not there
    assert "the csv data on this machine are not those of the run" in warning
    source.unlink()
    there, warning = columns_and_warning()
    assert not there
    assert "cannot read" in warning
    assert predicted(out)["survival_30"].notna().all()


def other_version(run: Path, to: Path, **changes: object) -> Path:
    to.mkdir()
    checkpoint = load_checkpoint(run / "checkpoint.pt")
    save_checkpoint(to / "checkpoint.pt", {**checkpoint, "survkit_version": "9.9.9", **changes})
    return to


def test_another_version_is_warned_of(
    run: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(flags(other_version(run, tmp_path / "other"), table)) == 0
    message = f"the run was made by survkit 9.9.9, this is {survkit.__version__}"
    assert message in capsys.readouterr().err
    unreadable = other_version(run, tmp_path / "unreadable", state={"head": "mtlr"})
    assert main(flags(unreadable, table)) == 2
    assert "was made by survkit 9.9.9, and this version" in capsys.readouterr().err
    same = survkit.__version__
    between = other_version(run, tmp_path / "b", state={"head": "mtlr"}, survkit_version=same)
    assert main(flags(between, table)) == 2
    assert f"was made by another state of survkit {same}, and this one" in capsys.readouterr().err


def test_runs_on_generated_data_have_no_patients(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(tmp_path / "logs", "synthetic", "mtlr", "--synthetic_rows", "200")
    assert main(flags(run, table)) == 2
    assert "not made from the columns of a table" in capsys.readouterr().err


def test_hours_of_a_patient_are_averaged_as_in_training(run: Path, table: Path) -> None:
    """Rows of one name become one row where the training averaged a patient's hours."""
    fitted = load_fitted(run)
    hourly = FittedRun(
        fitted.model,
        fitted.preprocessor,
        {**fitted.config, "dataset": "sepsis", "single_record": True},
        fitted.survkit_version,
    )
    frame = pd.read_csv(table).assign(name=["b", "a", "c"] * 10)
    frame.to_csv(table, index=False)
    patients, _ = read_patients(table, hourly, "name")
    assert patients.names == ["b", "a", "c"]
    assert fitted.preprocessor is not None
    features, _ = fitted.preprocessor.transform(frame)
    order = np.argsort(np.arange(30) % 3, kind="stable")
    expected = one_row_a_subject(
        SurvivalData(
            features[order],
            np.zeros(30, bool),
            np.zeros(30),
            categorical=fitted.preprocessor.categorical,
            subject_id=(np.arange(30) % 3)[order],
        )
    )
    np.testing.assert_array_equal(patients.features, expected.features)
    single, _ = read_patients(table, fitted, "name")
    assert len(single.names) == 30


def test_support2_patients(
    real_data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--data_dir", str(real_data_dir)]
    run = trained(tmp_path / "logs", "support2", "personalized_moe", "--epochs", "1", *data)
    fitted = load_fitted(run)
    assert fitted.preprocessor is not None
    source = pd.read_csv(real_data_dir / "support2.csv", dtype=str, keep_default_na=False)
    table = tmp_path / "patients.csv"
    source[list(fitted.preprocessor.columns)].head(40).to_csv(table, index=False)
    capsys.readouterr()
    assert main(["--run", str(run), "--csv", str(table), "--times", "30", "180", "365"]) == 0
    assert "treated as in training" in capsys.readouterr().err
    found = pd.read_csv(tmp_path / "patients_predictions.csv")
    named = found["similar_1_row"].to_numpy() - 1
    np.testing.assert_array_equal(
        found["similar_1_time"], source["d.time"].astype(float).to_numpy()[named]
    )
    missing = ["--run", str(run), "--csv", str(table), "--times", "30", "--data_dir", "nowhere"]
    assert main(missing) == 0
    assert "nowhere/support2.csv is not there" in capsys.readouterr().err


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys; from survkit.predict.__main__ import main; main(['--times', 'x']); "
        "print([m for m in ('torch', 'pandas', 'scipy', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
