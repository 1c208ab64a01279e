"""How `--subgroups` is read, and what subgroups the columns of a table make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from survkit.datasets import load_dataset
from survkit.datasets.subgroups import (
    column_grouping,
    column_names,
    expert_grouping,
    is_expert,
    table_grouping,
)
from survkit.types import InputError

TABLE = pd.DataFrame(
    {
        "sex": ["F", "M", None, "F", "missing"],
        "age": [64.9, 65.0, np.nan, 80.0, 12.0],
        "stage": [1.0, 2.0, 10.0, np.nan, 2.0],
        "age:65": ["x", "y", "x", "y", "x"],
        "a b,\n": [1.0, 2.0, 1.0, 1.0, 1.0],
    }
)
CATEGORICAL = ("sex", "age:65")


def groups(spec: str) -> list[str]:
    own = table_grouping(TABLE, CATEGORICAL, spec)
    assert own.spec == spec
    return [own.names[code] for code in own.codes]


def test_categories_are_those_of_the_table_and_missing_values_a_subgroup() -> None:
    assert groups("sex") == ["F", "M", "(no value)", "F", "missing"]  # a category of that name
    assert groups("stage") == ["1", "2", "10", "missing", "2"]
    assert table_grouping(TABLE, CATEGORICAL, "stage").names == ("1", "2", "10", "missing")


def test_cuts_make_subgroups_that_begin_at_them() -> None:
    assert groups("age:65.0") == ["< 65", "≥ 65", "missing", "≥ 65", "< 65"]
    names = ("< 50", "50 to < 64.9", "64.9 to < 80", "≥ 80", "missing")
    own = table_grouping(TABLE, CATEGORICAL, "age:50,64.9,80")
    assert own.names == names
    assert groups("age:50,64.9,80") == [names[2], names[2], "missing", names[3], names[0]]
    assert own.column == "age"


def test_a_column_with_a_colon_is_found_by_its_whole_name_first() -> None:
    assert groups("age:65") == ["x", "y", "x", "y", "x"]
    assert groups("a b,\n:1.5") == ["< 1.5", "≥ 1.5", "< 1.5", "< 1.5", "< 1.5"]
    assert table_grouping(TABLE, CATEGORICAL, "a b,\n").column == "a b,\n"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("Sexx", r"--subgroups names 'Sexx' \(did you mean sex\?\), but the columns are sex, age"),
        ("agee:60", r"names 'agee' \(did you mean age\?\)"),
        ("sex:3", "cuts of column 'sex', which holds categories"),
        ("age:x", "'x' is no list of numbers; cuts are written as age:65 or age:50,65,80"),
        ("age:", "'' is no list of numbers"),
        ("age:50,50", "cuts must be finite and increase"),
        ("age:inf", "cuts must be finite and increase"),
        ("age:nan", "cuts must be finite and increase"),
        ("age:50 60", "'50 60' is no list of numbers"),
        ("expert\x1b[31m", r"'expert\\x1b\[31m'"),
    ],
)
def test_what_makes_no_subgroups_is_refused_by_name(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        table_grouping(TABLE, CATEGORICAL, spec)


def test_many_numbers_need_cuts_and_very_many_categories_are_refused() -> None:
    table = pd.DataFrame({"n": np.arange(60.0), "c": [f"c{i}" for i in range(60)]})
    with pytest.raises(InputError, match=r"60 different numbers; give cuts, as in n:29\.5"):
        table_grouping(table, ("c",), "n")
    with pytest.raises(InputError, match="60 categories; at most 50"):
        table_grouping(table, ("c",), "c")


def test_the_test_rows_have_the_raw_values_of_their_columns() -> None:
    dataset = load_dataset("flchain", data_dir=".")
    assert dataset.raw is not None
    assert dataset.rows is not None
    own = column_grouping(dataset, "age:65")
    ages = dataset.raw.features["age"].to_numpy(float)[dataset.rows.test]
    np.testing.assert_array_equal(own.codes, (ages >= 65).astype(int))
    with pytest.raises(InputError, match="'chapter', which is left out of the features: the cause"):
        column_grouping(dataset, "chapter")


def test_missing_values_of_other_rows_make_no_subgroup_of_the_test_rows() -> None:
    dataset = load_dataset("flchain", data_dir=".")
    assert dataset.raw is not None
    assert dataset.rows is not None
    dataset.raw.features.loc[dataset.rows.train[0], "sex"] = None
    assert column_grouping(dataset, "sex").names == ("F", "M")


def test_columns_that_are_dropped_make_subgroups_and_no_features(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=90), "time": rng.integers(1, 9, 90)})
    frame["dead"] = rng.integers(0, 2, 90)
    frame["race"] = rng.choice(["a", "b", ""], 90)
    frame["age"] = [f"{age:.1f}" for age in rng.uniform(20, 90, 90)]
    frame.to_csv(tmp_path / "t.csv", index=False)
    flags = {"csv_path": tmp_path / "t.csv", "time_column": "time", "event_column": "dead"}
    flags |= {"data_dir": ".", "drop_columns": ("race", "age")}
    dataset = load_dataset("csv", **flags)
    assert dataset.rows is not None
    test = dataset.rows.test
    assert dataset.splits.test.feature_names == ("x",)
    race = column_grouping(dataset, "race")
    assert [race.names[code] for code in race.codes] == [
        each or "missing" for each in frame["race"].iloc[test]
    ]
    age = column_grouping(dataset, "age:50")
    np.testing.assert_array_equal(age.codes, frame["age"].iloc[test].astype(float) >= 50)
    with pytest.raises(InputError, match="names 'dead', but the columns are x, race, age"):
        column_grouping(dataset, "dead")


def test_data_without_a_table_have_their_label_and_their_features() -> None:
    digits = load_dataset("digits", data_dir=".")
    assert column_names(digits)[:2] == ["label", "x0"]
    own = column_grouping(digits, "label")
    assert own.names == tuple("0123456789")
    np.testing.assert_array_equal(own.codes, digits.splits.test.label)
    synthetic = load_dataset("synthetic", data_dir=".")
    x0 = synthetic.splits.test.features[:, 0]
    np.testing.assert_array_equal(column_grouping(synthetic, "x0:0.1").codes, x0 >= 0.1)
    with pytest.raises(InputError, match="names 'label', but the columns are x0"):
        column_grouping(synthetic, "label")


def test_experts_are_subgroups_with_those_that_nobody_chose() -> None:
    own = expert_grouping(np.array([[0.1, 0.9, 0.0], [0.6, 0.3, 0.1]]))
    assert own.names == ("1", "2", "3")
    assert own.codes.tolist() == [1, 0]
    assert is_expert(load_dataset("synthetic", data_dir="."), "expert")
