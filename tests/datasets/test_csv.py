import numpy as np
import pandas as pd
import pytest

from survkit.datasets import load_dataset
from survkit.types import InputError

COLUMNS = {"time_column": "days", "event_column": "dead", "categorical_columns": ("stage",)}


def patients(n=60):
    random = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "age": random.normal(60, 10, size=n),
            "stage": random.choice(["I", "II"], size=n),
            "days": random.integers(0, 100, size=n),
            "dead": np.arange(n) % 2,
        }
    )


def load(frame, tmp_path, **changes):
    path = tmp_path / "patients.csv"
    frame.to_csv(path, index=False)
    return load_dataset("csv", data_dir=tmp_path, csv_path=path, **(COLUMNS | changes))


def test_a_table_of_ones_own(tmp_path):
    frame = patients().assign(site=3, days=lambda table: table["days"] / 2)
    frame.loc[3, "age"] = np.nan
    dataset = load(frame, tmp_path)
    assert [len(part) for part in dataset.splits] == [48, 6, 6]
    assert (dataset.card.n, dataset.card.events) == (60, 30)
    assert {"age", "stage"} <= set(dataset.splits.train.feature_names)
    assert "column 'site' dropped: it is 3.0 in every training row" in dataset.warnings
    times = np.concatenate([part.time for part in dataset.splits])
    assert sorted(times) == sorted(frame["days"])


@pytest.mark.parametrize(
    "dead",
    [lambda d: d.astype(bool), lambda d: d.astype(float), lambda d: d.map({0: "FALSE", 1: "true"})],
)
def test_events_may_be_written_as_truth_values(tmp_path, dead):
    expected = load(patients(), tmp_path)
    dataset = load(patients().assign(dead=lambda table: dead(table["dead"])), tmp_path)
    assert dataset.sha256 == expected.sha256
    np.testing.assert_array_equal(dataset.splits.test.event, expected.splits.test.event)


def with_value(column, row, value):
    frame = patients().astype({"age": object, "days": object, "dead": object})
    frame.loc[row - 1, column] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (with_value("days", 7, np.nan), "'days' has no value in data row 7"),
        (with_value("dead", 9, np.nan), "'dead' has no value in data row 9"),
        (with_value("days", 4, -2), "'days' is -2 in data row 4; times are at least 0"),
        (with_value("days", 4, "inf"), "'days' is inf in data row 4; times are finite"),
        (with_value("days", 4, "soon"), "'days' has 'soon' in data row 4; times are numbers"),
        (with_value("dead", 2, 2), r"'dead' has the values '0' .*'2' \(1 row\); events are 1"),
        (with_value("dead", 2, "yes"), r"'dead' has the values .*'yes' .*--event_value"),
        (with_value("age", 11, "old"), r"'age' is numbers in 59 rows, but 'old' in data row 11"),
        (with_value("age", 12, "inf"), "'age' has 'inf' in data row 12, which is infinite"),
        (patients().assign(dead=0), "all 60 rows of the table are censored"),
        (patients().assign(dead=[1] + [0] * 59), "has 1 event; at least 2 are needed"),
        (patients().assign(days=0), "horizon > 0"),
        (patients(2).assign(dead=1), "2 subjects cannot be split"),
        (patients()[["days", "dead", "stage"]].assign(stage="I"), "no feature is left"),
    ],
)
def test_bad_tables_are_named(tmp_path, frame, message):
    with pytest.raises(InputError, match=message):
        load(frame, tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"time_column": "day"}, r"--time_column names 'day' \(did you mean days\?\)"),
        ({"event_column": "Dead"}, r"--event_column names 'Dead' \(did you mean dead\?\)"),
        ({"categorical_columns": ("stages",)}, r"--categorical_columns names 'stages' \(did you"),
        ({"categorical_columns": ("dead",)}, "names the outcome column 'dead'"),
        ({"event_column": "days"}, "--time_column and --event_column both name 'days'"),
        ({"event_column": None}, "dataset csv needs --event_column"),
    ],
)
def test_bad_columns_are_named(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        load(patients(), tmp_path, **changes)


def test_outcome_alone_is_not_enough(tmp_path):
    with pytest.raises(InputError, match="no column besides the outcome"):
        load(patients()[["days", "dead"]], tmp_path, categorical_columns=())


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*none\.csv"):
        load_dataset("csv", data_dir=tmp_path, csv_path=tmp_path / "none.csv", **COLUMNS)
