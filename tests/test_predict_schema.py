"""New patients are read as the training table was, whatever of it a file holds."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from survkit.datasets.preprocessing import Preprocessor
from survkit.datasets.schema import Schema
from survkit.models.registry import MODELS
from survkit.predict.__main__ import main
from survkit.runs.new_values import outside_training
from survkit.runs.patients import read_patients
from survkit.runs.read import load_fitted
from survkit.runs.table import load_runs
from survkit.train import main as train
from survkit.training.checkpoint import load_checkpoint, save_checkpoint
from tests.args_files import SMALL

N = 80
TIMES = np.array([5.0, 40.0, 90.0])


def cohort() -> pd.DataFrame:
    """Text as it stands in a file: codes, bounds, missing values, truth values, an identifier."""
    random = np.random.default_rng(11)
    codes = np.array(["250.00", "250", "01", "1", "1e1", "10", "V27"])
    return pd.DataFrame(
        {
            "patient": [f"{i:04d}" for i in random.permutation(N) * 3],
            "age": [f"{x:.1f}" for x in random.normal(60, 9, N)],
            "icd": codes[random.integers(0, len(codes), N)],
            "lab": np.where(random.random(N) < 0.2, "<5", random.integers(5, 90, N).astype(str)),
            "bili": np.where(random.random(N) < 0.3, "NA", random.integers(1, 9, N).astype(str)),
            "smoker": np.where(random.random(N) < 0.4, "TRUE", "FALSE"),
            "seen": [f"2020-01-{i % 28 + 1:02d}" for i in range(N)],
            "days": random.integers(1, 200, N).astype(str),
            "status": np.where(random.random(N) < 0.6, "dead", "alive"),
        }
    )


FLAGS = [
    *("--time_column", "days", "--event_column", "status", "--event_value", "dead"),
    *("--id_column", "patient", "--numeric_columns", "lab", "--categorical_columns", "icd"),
    *("--drop_columns", "seen"),
]
FEATURES = ["age", "icd", "lab", "bili", "smoker"]


class Trained(NamedTuple):
    """A run, and its curves for the training table, by patient."""

    folder: Path
    curves: pd.DataFrame


def curves_of(folder: Path, table: Path, id_column: str | None) -> pd.DataFrame:
    run = load_fitted(folder)
    patients, _ = read_patients(table, run, id_column)
    survival = run.model.predict(patients.features, run.model.knots.times).at(TIMES)
    return pd.DataFrame(survival, index=patients.names)


def fitted(folder: Path, model: str, table: pd.DataFrame | None = None) -> Trained:
    source = folder / "cohort.csv"
    (cohort() if table is None else table).to_csv(source, index=False)
    flags = ["--dataset", "csv", "--csv_path", str(source), *FLAGS, "--model", model]
    assert train([*SMALL, *flags, "--time_bins", "10", "--log_dir", str(folder / "logs")]) == 0
    (run,) = (folder / "logs").glob("*/*")
    return Trained(run, curves_of(run, source, "patient"))


@pytest.fixture(scope="module", params=MODELS)
def any_run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return fitted(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return fitted(tmp_path_factory.mktemp("run"), "coxph")


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(st.integers(0, N - 1), min_size=1, max_size=N, unique=True),
    others=st.lists(st.sampled_from(["seen", "days", "status"]), unique=True),
    seed=st.integers(0, 2**16),
    separator=st.sampled_from(",;\t|"),
    row_numbers=st.booleans(),
)
def test_any_part_of_the_training_table_gives_the_same_curves(
    any_run: Trained,
    rows: list[int],
    others: list[str],
    seed: int,
    separator: str,
    row_numbers: bool,
) -> None:
    names = np.random.default_rng(seed).permutation(["patient", *FEATURES, *others])
    part = cohort().iloc[rows][list(names)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "part.csv"
        part.to_csv(path, index=row_numbers, sep=separator)
        found = curves_of(any_run.folder, path, "patient")
    assert list(found.index) == list(part["patient"])
    expected = any_run.curves.loc[found.index]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_a_code_of_one_patient_means_what_it_meant(
    run: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "one.csv"
    patient = cohort().query("icd == '250.00'").iloc[[0]]
    patient[["patient", *FEATURES]].to_csv(path, index=False)
    given_flags = ["--run", str(run.folder), "--csv", str(path), "--id_column", "patient"]
    assert main([*given_flags, "--times", *map(str, TIMES), "--similar", "0"]) == 0
    assert "no training row has" not in capsys.readouterr().err
    found = pd.read_csv(tmp_path / "one_predictions.csv", dtype={"patient": str})
    expected = run.curves.loc[found["patient"]]
    np.testing.assert_allclose(found.iloc[:, 1:4], expected, rtol=1e-6)


def test_the_schema_is_in_the_record(run: Trained) -> None:
    schema = load_fitted(run.folder).schema
    assert schema is not None
    record = json.loads((run.folder / "config.json").read_text())["schema"]
    assert Schema.from_state(record) == schema
    kinds = {column.name: column.kind for column in schema.columns}
    assert kinds == {
        "patient": "identifier",
        "age": "number",
        "icd": "category",
        "lab": "number",
        "bili": "number",
        "smoker": "category",
        "seen": "dropped",
    }
    assert schema.event == {"column": "status", "seen": ["dead"], "censored": ["alive"]}


def test_what_training_left_out_is_not_read(run: Trained, tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    cohort().assign(status="unknown", days="x").to_csv(path)
    _, notes = read_patients(path, load_fitted(run.folder), None)
    assert (
        "columns unnamed_1, patient, seen, days, status not read: training did not use them"
        in notes
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wbc": "1"}, "extra column wbc; the run uses"),
        ({"age": None}, "missing column age; the run uses"),
        ({"age": "old"}, "column 'age' has 'old' in 80 rows (data rows 1, 2, 3, 4, 5, ...)"),
        ({"age": "61,5"}, "column 'age' has '61,5' in 80 rows"),
        ({"age": "old", "lab": "high"}, "has 2 problems"),
    ],
)
def test_bad_tables_are_refused(
    changes: dict[str, str | None],
    message: str,
    run: Trained,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "bad.csv"
    frame = cohort().assign(**changes)
    frame.drop(columns=[k for k, v in changes.items() if v is None]).to_csv(path, index=False)
    assert main(["--run", str(run.folder), "--csv", str(path), "--times", "5"]) == 2
    assert message in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["bad.csv"]


def test_an_unseen_code_counts_as_missing_and_is_said(run: Trained, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    cohort().assign(icd="250.0").to_csv(path, index=False)
    _, notes = read_patients(path, load_fitted(run.folder), "patient")
    assert any("80 rows hold values that no training row has (250.0)" in note for note in notes)


def test_values_outside_the_training_range_are_said(run: Trained, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    ages = cohort()["age"].astype(float)
    limits = f"{ages.min():.10g} to {ages.max():.10g}"
    new = cohort().head(4)
    new["age"] = ["999", f"{ages.min()}", "-4.5", f"{ages.max()}"]
    new["lab"] = ["7", "8", "9", "8000"]
    lines = new.to_csv(index=False).splitlines()
    path.write_text("\n".join([*lines[:3], "," * (len(new.columns) - 1), *lines[3:]]))
    _, notes = read_patients(path, load_fitted(run.folder), "patient")
    assert (
        f"column 'age': 999, -4.5 in 2 rows (data rows 1, 4) are outside the training range "
        f"{limits}; if 999 means unknown, leave the cell empty"
    ) in notes
    (lab,) = [note for note in notes if note.startswith("column 'lab'")]
    assert lab.startswith("column 'lab': 8000 in data row 5 is outside the training range 5 to ")


def test_training_rows_are_inside_the_training_range(tmp_path: Path) -> None:
    """The value of a training row is not rounded on its way into the state and back."""
    numbers = np.random.default_rng(0).normal(1e6, 1e-3, 30)
    preprocessor = Preprocessor.fit(pd.DataFrame({"x": numbers}))
    again = Preprocessor.from_state(json.loads(json.dumps(preprocessor.state())))
    rows = list(range(1, 31))
    assert outside_training(pd.DataFrame({"x": numbers}), rows, again) == []
    above = outside_training(pd.DataFrame({"x": numbers + 1e-2}), rows, again)
    assert "in 30 rows (data rows 1, 2, 3, 4, 5, ...) are outside" in above[0]
    earlier = {**preprocessor.state(), "numeric": [["x", 1e6, 1e6, 1e-3]]}
    old = Preprocessor.from_state(earlier)
    assert outside_training(pd.DataFrame({"x": numbers + 9}), rows, old) == []


def test_bounds_that_count_as_numbers_are_said(run: Trained, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    cohort().head(3).assign(lab=["<5", "12", "< 6"]).to_csv(path, index=False)
    _, notes = read_patients(path, load_fitted(run.folder), "patient")
    assert (
        "column 'lab': <5 becomes 5, < 6 becomes 6 in 2 rows (data rows 1, 3), by the rule of "
        "training"
    ) in notes


def test_one_column_that_is_not_read_is_it(run: Trained, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    cohort().head(3).drop(columns=["days", "status"]).to_csv(path, index=False)
    _, notes = read_patients(path, load_fitted(run.folder), "patient")
    assert "column seen not read: training did not use it" in notes


def test_decimal_commas_stay(tmp_path: Path) -> None:
    table = cohort().assign(age=lambda frame: frame["age"].str.replace(".", ","))
    source = tmp_path / "german.csv"
    table.to_csv(source, index=False, sep=";")
    flags = ["--dataset", "csv", "--csv_path", str(source), *FLAGS, "--model", "coxph"]
    assert train([*SMALL, *flags, "--log_dir", str(tmp_path / "logs")]) == 0
    (folder,) = (tmp_path / "logs").glob("*/*")
    expected = curves_of(folder, source, "patient")
    with_commas = tmp_path / "commas.csv"
    table.to_csv(with_commas, index=False)  # 61,5 is in quotes
    pd.testing.assert_frame_equal(curves_of(folder, with_commas, "patient"), expected)


def test_a_checkpoint_of_an_earlier_version_has_no_schema(tmp_path: Path) -> None:
    table = cohort().drop(columns=["icd", "smoker"]).assign(lab="7")
    table["lab"] = [str(i) for i in range(N)]
    run = fitted(tmp_path, "coxph", table.assign(icd=["a", "b"] * (N // 2), smoker=["c", "d"] * 40))
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    checkpoint = dict(load_checkpoint(run.folder / "checkpoint.pt"))
    del checkpoint["schema"]
    save_checkpoint(earlier / "checkpoint.pt", checkpoint)
    assert load_fitted(earlier).schema is None
    path = tmp_path / "new.csv"
    pd.read_csv(tmp_path / "cohort.csv", dtype=str, keep_default_na=False)[
        ["patient", *FEATURES]
    ].to_csv(path, index=False)
    found = curves_of(earlier, path, "patient")
    np.testing.assert_allclose(found, run.curves, rtol=1e-6)


def test_the_schema_is_no_setting_that_runs_differ_in(run: Trained) -> None:
    runs = load_runs(run.folder.parent.parent, "csv")
    assert len(runs) == 1
    assert not [name for name in runs if "schema" in name]


def test_what_was_understood_is_shown(run: Trained) -> None:
    schema = load_fitted(run.folder).schema
    assert schema is not None
    assert schema.describe().splitlines() == [
        "cohort.csv: separator ',', decimal point, utf-8",
        "  numbers: age, lab, bili",
        "  categories: icd (7), smoker (2)",
        "  event: status (dead = seen, alive = censored)",
        "  time: days",
        "  left out: patient (identifier), seen (dropped)",
    ]
