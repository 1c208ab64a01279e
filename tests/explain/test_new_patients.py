"""The command explains patients of a table, in the table's own units."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from survkit.explain.__main__ import main
from survkit.runs.patients import read_patients
from survkit.runs.read import load_fitted
from survkit.train import main as train
from tests.args_files import SMALL

pytestmark = pytest.mark.slow

N = 120
QUICK = ["--num_samples", "120", "--num_repetitions", "2"]
LONG = "x" * 300


def cohort() -> pd.DataFrame:
    random = np.random.default_rng(6)
    age, stage = random.normal(62, 9, N).round(1), random.choice(["I", "II", "III"], N)
    time = random.exponential(30 * np.exp(-0.05 * (age - 62) - 0.6 * (stage == "III")))
    return pd.DataFrame(
        {
            "patient": [f"{i:04d}" for i in range(N)],
            "age": age,
            "stage": stage,
            "icd": random.choice(["250.00", "250", "01"], N),
            "lab": np.where(random.random(N) < 0.2, np.nan, random.gamma(3, 1, N).round(2)),
            "months": (np.minimum(time, 50) + 0.01).round(2),
            "status": np.where(time < 50, "dead", "alive"),
        }
    )


FLAGS = [
    *("--time_column", "months", "--event_column", "status", "--event_value", "dead"),
    *("--id_column", "patient", "--categorical_columns", "icd", "--time_unit", "months"),
]

NEW = pd.DataFrame(
    {
        "lab": ["1.5", "", "2.25", "4", "3"],
        "who": ["A/1", LONG, "A/1", "a_1", "../../$x$ Zoë"],
        "icd": ["250.00", "01", "250", "01", "250"],
        "stage": ["III", "I", "IV", "II", ""],
        "age": ["71", "50.5", "64", "88", "60"],
    }
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hospital")


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    source = folder / "cohort.csv"
    cohort().to_csv(source, index=False)
    flags = ["--dataset", "csv", "--csv_path", str(source), *FLAGS, "--model", "coxph"]
    assert train([*SMALL, *flags, "--log_dir", str(folder / "logs")]) == 0
    (run,) = (folder / "logs").glob("*/*")
    return run


@pytest.fixture(scope="module")
def new(folder: Path) -> Path:
    path = folder / "new.csv"
    NEW.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def nameless(folder: Path) -> Path:
    path = folder / "nameless.csv"
    NEW.drop(columns="who").to_csv(path, index=False)
    return path


def explained(run: Path, table: Path, *flags: str) -> pd.DataFrame:
    command = ["--run", str(run), "--csv", str(table), *QUICK]
    assert main([*command, "--max_hazard_value_allowed", "700", *flags]) == 0
    written = run / "explain" / table.stem / "explanation.csv"
    return pd.read_csv(written, dtype={"value": str, "reference": str, "patient": str})


def test_values_are_those_of_the_table(
    run: Path, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = explained(run, new, "--id_column", "who")
    printed = capsys.readouterr()
    first = table[table["row"] == 1].set_index("feature")
    assert first["patient"].unique().tolist() == ["A/1"]
    assert first.loc["age", "value"] == "71"
    assert first.loc["stage=III", "value"] == "III"
    assert first.loc[first["column"] == "icd", "value"].unique().tolist() == ["250.00"]
    assert first.loc["lab", "value"] == "1.5"
    second = table[table["row"] == 2].set_index("feature")
    assert second.loc["lab", "value"].startswith("missing (")
    assert second.loc["lab_missing", "value"] == "yes"
    stages = table[table["column"] == "stage"].groupby("row")["value"].first()
    assert stages.tolist() == ["III", "I", "IV (not in training)", "II", "missing"]
    of_stage = table[table["column"] == "stage"]
    assert of_stage.groupby("row")["known"].any().tolist() == [True, True, False, True, False]
    assert "column 'stage': 1 of 5 rows hold values that no training row has (IV)" in printed.err
    assert "patient A/1 (row 3): stage is IV (not in training); no training row" in printed.err
    assert "column 'lab': missing in 1 of 5 rows; treated as in training" in printed.err
    assert "patient A/1 (row 1): predicted median survival" in printed.out
    assert "age = 71" in printed.out
    assert "missing, or not in the training data: stage = IV (not in training)" in printed.out
    assert "5 explained in " in printed.out


def test_hazard_ratios_are_those_of_the_cox_models_own_predictions(run: Path, new: Path) -> None:
    """One value of the table changed to the reference changes the cumulative hazard as told."""
    table = explained(run, new, "--id_column", "who")
    fitted = load_fitted(run)

    def hazard(row: pd.Series) -> float:
        path = new.with_name("changed.csv")
        row.to_frame().T.to_csv(path, index=False)
        patients, _ = read_patients(path, fitted, "who")
        survival = fitted.model.predict(patients.features, [5.0]).survival
        return float(-np.log(survival[0, 0]))

    checked = 0
    for i in (0, 3):
        rows = table[(table["row"] == i + 1) & table["column"].isin(["age", "lab", "stage", "icd"])]
        for _, each in rows[rows["hazard_ratio"].notna()].iterrows():
            changed = NEW.iloc[i].copy()
            changed[each["column"]] = each["reference"]
            ratio = hazard(NEW.iloc[i]) / hazard(changed)
            assert each["hazard_ratio"] == pytest.approx(ratio, rel=1e-3)
            assert each["low"] == pytest.approx(ratio, rel=1e-3)
            checked += abs(ratio - 1) > 0.05
    assert checked >= 3


def test_what_the_patient_does_not_have_is_not_in_front(run: Path, nameless: Path) -> None:
    for _, table in explained(run, nameless).groupby("row", sort=False):
        sizes = table["contribution"].abs()
        has = sizes.notna()
        assert not has[~has.cummin()].any()
        assert (sizes[has].diff().dropna() <= 1e-12).all()


def test_every_patient_has_a_figure_of_its_own(run: Path, new: Path) -> None:
    explained(run, new, "--id_column", "who")
    folder = run / "explain" / "new"
    figures = sorted(path.name for path in folder.glob("patient_*.png"))
    assert figures == [
        "patient_1_A_1.png",
        f"patient_2_{'x' * 40}.png",
        "patient_3_A_1.png",
        "patient_4_a_1.png",
        "patient_5_x_Zo.png",
    ]
    assert json.loads((folder / "explanation.json").read_text())["figures"] == figures
    explained(run, new, "--id_column", "who", "--ids", "a_1", LONG)
    names = sorted(path.name for path in folder.glob("patient_*.png"))
    assert names == [figures[1], figures[3]]


def test_ids_choose_patients_and_repeated_ones_are_all_explained(
    run: Path, new: Path, nameless: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = explained(run, new, "--id_column", "who", "--ids", "A/1")
    assert table["row"].unique().tolist() == [1, 3]
    table = explained(run, nameless, "--ids", "2", "5")
    assert table["patient"].unique().tolist() == ["2", "5"]
    assert "patient 5: predicted" in capsys.readouterr().out


def test_the_same_patient_is_explained_alike_alone_and_among_others(
    run: Path, nameless: Path
) -> None:
    together = explained(run, nameless)
    first = explained(run, nameless, "--ids", "1").set_index("feature")
    again = together[together["row"] == 1].set_index("feature")
    pd.testing.assert_frame_equal(first, again)


def test_two_tables_of_the_same_name_do_not_share_a_folder(
    run: Path, new: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    explained(run, new, "--id_column", "who")
    before = {path: path.read_bytes() for path in (run / "explain" / "new").iterdir()}
    other = tmp_path / "new.csv"
    NEW.iloc[:1].to_csv(other, index=False)
    flags = ["--run", str(run), "--csv", str(other), "--id_column", "who", *QUICK]
    assert main(flags) == 2
    assert f"holds explanations of {new}" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in (run / "explain" / "new").iterdir()}
    out = tmp_path / "figures"
    (out).mkdir()
    (out / "patient_9.png").write_text("a figure of someone else")
    assert main([*flags, "--out", str(out)]) == 0
    assert (out / "patient_9.png").read_text() == "a figure of someone else"
    assert (out / "patient_1_A_1.png").exists()
    other_run = tmp_path / "moved"
    shutil.copytree(run, other_run)
    moved = [str(other_run) if flag == str(run) else flag for flag in flags]
    assert main([*moved, "--out", str(out)]) == 2
    assert "figures holds explanations of" in capsys.readouterr().err


def test_a_run_that_has_moved_and_a_table_by_another_path_are_the_same(
    run: Path, new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(run, moved, ignore=shutil.ignore_patterns("explain"))
    flags = ["--id_column", "who", "--ids", "a_1"]
    explained(moved, new, *flags)
    again = tmp_path / "again"
    moved.rename(again)
    monkeypatch.chdir(new.parent)
    assert explained(again, Path(new.name), *flags)["row"].unique().tolist() == [4]


def test_bad_input_is_explained_and_nothing_is_written(
    run: Path, new: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("explain"))
    many = tmp_path / "many.csv"
    pd.concat([NEW.drop(columns="who")] * 5).to_csv(many, index=False)
    empty = tmp_path / "empty.csv"
    NEW.drop(columns="who").iloc[:0].to_csv(empty, index=False)
    file = tmp_path / "file"
    file.write_text("")
    csv = ["--csv", str(new), "--id_column", "who"]
    cases: list[tuple[Sequence[str], str]] = [
        ([*csv, "--rows", "0"], "--rows names test subjects and --csv is a table of new patients"),
        (["--id_column", "who"], "--id_column belongs to a table of new patients; --csv names it"),
        (["--ids", "3"], "--ids belongs to a table of new patients"),
        ([*csv, "--ids", "A/2"], "--ids has 'A/2', which is not in column 'who' of"),
        (["--csv", str(new), "--id_column", "name"], "--id_column names 'name', but the columns"),
        (["--csv", str(many)], "many.csv has 25 patients, and explaining one takes seconds"),
        (["--csv", str(many), "--ids", "26"], "--ids has '26', which is not in"),
        (["--csv", str(tmp_path / "none.csv")], "none.csv"),
        (["--csv", str(empty)], "empty.csv"),
        ([*csv, "--out", str(file)], "is a file; --out names a folder"),
    ]
    for flags, message in cases:
        assert main(["--run", str(copy), *flags]) == 2, flags
        error = capsys.readouterr().err
        assert message in error
        assert "Traceback" not in error
    assert not (copy / "explain").exists()


def test_a_table_for_a_run_without_one_is_refused(
    new: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--dataset", "digits", "--model", "kaplan_meier", "--log_dir", str(tmp_path)]
    assert train([*SMALL, *flags]) == 0
    (run,) = tmp_path.glob("*/*/")
    assert main(["--run", str(run), "--csv", str(new)]) == 2
    assert "whose features are not made from the columns of a table" in capsys.readouterr().err
