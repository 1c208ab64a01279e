"""The checks of a user's own table for columns that know the outcome."""

from __future__ import annotations

import json
import time as clock
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lifelines.utils import concordance_index
from scipy.stats import hypergeom

from survkit.datasets import load_dataset
from survkit.datasets.assemble import Dataset
from survkit.datasets.card import LeakCheck
from survkit.datasets.columns import Column
from survkit.datasets.leaks import RANKED_ROWS, check_leaks, leak_warnings
from survkit.datasets.schema import Schema
from survkit.datasets.splitting import split_rows
from survkit.datasets.tables import RawTable
from survkit.train import main as train

N = 600
OUTCOME = {"time_column": "months", "event_column": "dead"}


def cohort(n: int = N, seed: int = 0) -> pd.DataFrame:
    """A cohort whose columns have an effect, and none of which knows the outcome."""
    random = np.random.default_rng(seed)
    age = random.normal(65, 9, n)
    stage = random.integers(0, 4, n)
    event_time = random.exponential(40 / np.exp(0.05 * (age - 65) + 0.6 * stage))
    censoring = random.uniform(5, 60, n)
    return pd.DataFrame(
        {
            "age": age.round(1),
            "stage": np.array(["I", "II", "III", "IV"])[stage],
            "centre": random.choice([f"c{i}" for i in range(40)], n),
            "marker": np.where(random.random(n) < 0.3, np.nan, random.normal(size=n).round(3)),
            "months": np.minimum(event_time, censoring).round(2),
            "dead": (event_time <= censoring).astype(int),
        }
    )


def load(frame: pd.DataFrame, folder: Path, **flags: Any) -> Dataset:
    path = folder / "cohort.csv"
    frame.to_csv(path, index=False)
    return load_dataset("csv", data_dir=folder, csv_path=path, **(OUTCOME | flags))


def found(dataset: Dataset, check: str) -> dict[str, str]:
    checks = {each.name: each for each in dataset.card.leak_checks or ()}
    return {finding.column: finding.detail for finding in checks[check].found}


@pytest.mark.parametrize("seed", range(8))
def test_columns_that_know_nothing_are_not_suspected(tmp_path: Path, seed: int) -> None:
    dataset = load(cohort(seed=seed), tmp_path)
    assert isinstance(dataset.card.leak_checks, tuple)
    assert {check.name: check.found for check in dataset.card.leak_checks} == dict.fromkeys(
        ("copies", "ranking", "one outcome", "row numbers", "constants", "left out"), ()
    )
    assert not [warning for warning in dataset.warnings if "give the outcome away" in warning]


def planted(frame: pd.DataFrame, name: str) -> pd.Series:
    random = np.random.default_rng(1)
    months, dead = frame["months"], frame["dead"] == 1
    noisy = -30.4 * months + random.normal(scale=20, size=len(frame))
    return {
        "days": noisy.round(1),
        "month_of_last_visit": "m" + months.astype(int).astype(str),
        "follow_up": months,
        "vital_status": pd.Series(np.where(dead, "deceased", "living")),
        "cause": pd.Series(np.where(dead, random.choice(["heart", "lung"], len(frame)), "")),
        "days_to_death": pd.Series(np.where(dead, random.normal(50, 9, len(frame)), np.nan)),
        "last_contact": pd.Series(np.where(dead, np.nan, random.normal(50, 9, len(frame)))),
        "autopsy": pd.Series(np.where(dead & (random.random(len(frame)) < 0.2), 1, 0)),
        "score_at_death": pd.Series(np.where(dead, random.normal(50, 9, len(frame)), -1)),
        "sequence": 0.5 * np.arange(len(frame)),
    }[name]


@pytest.mark.parametrize(
    ("name", "check", "detail"),
    [
        ("days", "ranking", "Harrell's concordance 0.9"),
        ("month_of_last_visit", "ranking", "Harrell's concordance 0.9"),
        ("follow_up", "copies", "it equals the time in 480 rows"),
        ("vital_status", "copies", "it separates events from censored rows in 480 rows"),
        ("cause", "one outcome", "'heart' in"),
        ("days_to_death", "one outcome", "a value in"),
        ("last_contact", "one outcome", "all censored"),
        ("autopsy", "one outcome", "1 in"),
        ("score_at_death", "one outcome", "-1 in"),
        ("sequence", "row numbers", "it rises in 100.0% of the steps"),
    ],
)
def test_a_column_that_knows_the_outcome_is_named(
    tmp_path: Path, name: str, check: str, detail: str
) -> None:
    frame = cohort()
    dataset = load(frame.assign(**{name: planted(frame, name)}), tmp_path)
    assert list(found(dataset, check)) == [name]
    assert detail in found(dataset, check)[name]
    (warning,) = [each for each in dataset.warnings if "give the outcome away" in each]
    assert warning.startswith(f"column '{name}' may give")
    assert "--drop_columns" in warning
    assert name in {column.partition(" = ")[0] for column in dataset.splits.train.feature_names}


def test_the_concordance_is_that_of_lifelines(tmp_path: Path) -> None:
    frame = cohort()
    dataset = load(frame.assign(days=planted(frame, "days")), tmp_path)
    own = frame.assign(days=planted(frame, "days")).iloc[dataset.rows.train]
    expected = concordance_index(own["months"], -own["days"], own["dead"])
    (check,) = [each for each in dataset.card.leak_checks or () if each.name == "ranking"]
    assert check.found[0].value == pytest.approx(expected, abs=1e-9)


def test_many_levels_do_not_rank_by_their_own_outcomes(tmp_path: Path) -> None:
    frame = cohort()
    months = np.random.default_rng(2).permutation(frame["months"])
    frame["room"] = [f"r{i // 2}" for i in np.argsort(np.argsort(months))]
    dataset = load(frame, tmp_path, categorical_columns=("room",))
    own_mean = frame.groupby("room")["months"].transform("mean")
    naive = concordance_index(frame["months"], own_mean, frame["dead"])
    assert naive > 0.7  # the rooms know nothing
    assert found(dataset, "ranking") == {}
    # Nor do they where each row has its own: the naive ranking would be perfect.
    frame["room"] = [f"r{i}" for i in range(len(frame))]
    assert found(load(frame, tmp_path, categorical_columns=("room",)), "ranking") == {}


def test_one_outcome_by_chance_is_not_suspicious(tmp_path: Path) -> None:
    frame = cohort().assign(rare="no")
    train_rows = np.sort(split_rows(len(frame), event=frame["dead"].to_numpy() == 1).train)
    dead = train_rows[frame["dead"].to_numpy()[train_rows] == 1]
    total, ones = len(train_rows), len(dead)
    chance = [hypergeom.pmf(k, total, ones, k) for k in range(60)]
    enough = int(np.argmax(np.array(chance) < 1e-5))
    assert enough > 10
    for count, names in ((enough - 1, []), (enough, ["rare"])):
        own = frame.copy()
        own.loc[dead[:count], "rare"] = "yes"
        assert list(found(load(own, tmp_path), "one outcome")) == names


def test_what_is_not_used_is_listed_without_a_warning(tmp_path: Path) -> None:
    frame = cohort().assign(site="A", number=range(1, N + 1), seen="2020-01-05")
    dataset = load(frame, tmp_path, drop_columns=("seen",))
    assert found(dataset, "constants") == {"site": "always 'A'"}
    assert found(dataset, "row numbers") == {"number": "it numbers the rows and is left out"}
    assert found(dataset, "left out") == {"number": "row number", "seen": "dropped"}
    assert not [warning for warning in dataset.warnings if "give the outcome away" in warning]


def test_subjects_with_several_rows_count_once(tmp_path: Path) -> None:
    """Ten rows of one patient are no evidence that a value goes with the event."""
    frame = cohort(300)
    frame["patient"] = np.arange(300)
    frame["room"] = "ward"
    rows = split_rows(300, event=frame["dead"].to_numpy() == 1).train
    dead = [row for row in rows if frame["dead"][row] == 1][:3]
    frame.loc[dead, "room"] = "single"
    long = pd.concat([frame, *[frame.loc[dead]] * 9], ignore_index=True)
    dataset = load(long, tmp_path, group_column="patient")
    assert found(dataset, "one outcome") == {}


def test_a_large_table_is_checked_in_little_time() -> None:
    random = np.random.default_rng(3)
    n = 10_000
    names = [f"x{i}" for i in range(30)]
    features = pd.DataFrame(random.normal(size=(n, 30)), columns=names)
    time = random.exponential(size=n)
    features["x7"] = np.exp(-time) + random.normal(scale=0.001, size=n)
    table = RawTable(features, random.random(n) < 0.4, time)
    columns = tuple(Column(name, "number") for name in names)
    schema = Schema("a.csv", ",", "utf-8", ".", (), columns)
    rows = split_rows(n).train
    assert len(rows) > RANKED_ROWS
    started = clock.process_time()
    checks: tuple[LeakCheck, ...] = check_leaks(table, schema, rows)
    assert clock.process_time() - started < 2
    (warning,) = leak_warnings(checks)
    assert warning.startswith("column 'x7'")


def test_a_run_keeps_and_says_what_was_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = cohort()
    frame.assign(vital_status=planted(frame, "vital_status")).to_csv(tmp_path / "a.csv")
    flags = f"--dataset csv --csv_path {tmp_path / 'a.csv'} --time_column months --time_unit months"
    flags += f" --event_column dead --model kaplan_meier --log_dir {tmp_path} --bootstrap 0"
    assert train([*flags.split(), "--mode", "disabled"]) == 0
    assert capsys.readouterr().err.count("column 'vital_status' may give the outcome away") == 1
    (folder,) = tmp_path.glob("csv/*")
    result = json.loads((folder / "result.json").read_text())
    checks = {check["name"]: check["found"] for check in result["leak_checks"]}
    assert [finding["column"] for finding in checks["copies"]] == ["vital_status"]
    assert sum("'vital_status' may give" in warning for warning in result["warnings"]) == 1
    leaks = (folder / "model_card.md").read_text().partition("## Known leaks\n")[2]
    leaks = leaks.partition("\n## ")[0]
    assert "for its owner to check" in leaks
    assert "None known" not in leaks
    assert "`vital_status` (it separates events from censored rows in 480 rows)" in leaks
    assert leaks.count(": none.") == 3
    assert "Harrell's concordance with the outcome of at least 0.95" in leaks
