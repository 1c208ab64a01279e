"""Subgroups from the flag to the record, the card, the page and the file."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from survkit.metrics.subgroups import SUBGROUP_METRICS
from survkit.report.__main__ import main as report
from survkit.runs.subgroups import recorded_subgroups, subgroups_record
from survkit.train import main as train
from tests.args_files import SMALL_SYNTHETIC

pytestmark = pytest.mark.slow

KIND = "<b>kind:\n1"
ROWS = 400


def result_of(folder: Path) -> dict[str, Any]:
    (path,) = folder.rglob("result.json")
    record: dict[str, Any] = json.loads(path.read_text())
    return record


@pytest.fixture(scope="module")
def flags(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the flags of runs on a table with hostile names, missing values and two causes."""
    folder = tmp_path_factory.mktemp("table")
    rng = np.random.default_rng(1)
    risk = rng.normal(size=ROWS)
    frame = pd.DataFrame(
        {
            "risk": risk.round(3),
            "age": rng.integers(20, 90, ROWS),
            KIND: rng.choice(["=1+1", "<i>b", "| c"], ROWS),
            "days": rng.exponential(40 * np.exp(-risk)).round(1) + 1,
            "status": rng.choice([0, 1, 2], ROWS, p=[0.3, 0.5, 0.2]),
        }
    )
    frame.loc[::7, "age"] = np.nan
    frame.to_csv(folder / "table.csv", index=False)
    given = ["--dataset", "csv", "--csv_path", str(folder / "table.csv"), "--time_column", "days"]
    given += ["--event_column", "status", "--causes", "1=relapse", "2=death", "--time_bins", "8"]
    return [*given, "--bootstrap", "30", "--mode", "disabled", "--time_unit", "days"]


@pytest.fixture(scope="module")
def mixture(flags: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the log folder of a mixture on that table, asked for three kinds of subgroups."""
    folder = tmp_path_factory.mktemp("logs")
    model = ["--model", "fixed_moe", "--mixture_components", "3", "--epochs", "2"]
    asked = ["--subgroups", KIND, "age:40,60", "expert"]
    assert train([*flags, *model, "--log_dir", str(folder), *asked]) == 0
    return folder


def test_a_record_holds_the_subgroups_of_every_cause(mixture: Path) -> None:
    record = result_of(mixture)
    kind, age, expert = record["subgroups"]
    assert [each["spec"] for each in (kind, age, expert)] == [KIND, "age:40,60", "expert"]
    assert {each["name"] for each in kind["subgroups"]} == {"=1+1", "<i>b", "| c"}
    assert [each["name"] for each in age["subgroups"]] == ["< 40", "40 to < 60", "≥ 60", "missing"]
    assert [each["name"] for each in expert["subgroups"]] == ["1", "2", "3"]
    for own in (kind, age, expert):
        assert sum(each["rows"] for each in own["subgroups"]) == ROWS // 10
        assert len(own["metrics"]) == 3 * len(SUBGROUP_METRICS)
        for each in own["subgroups"]:
            undefined = {m for m in own["metrics"] if each["values"][m] is None}
            assert undefined == {m for m in own["metrics"] if "reason" in each["details"][m]}
    load = record["test"]["expert_load"]
    rows = [each["rows"] for each in expert["subgroups"]]
    np.testing.assert_allclose(np.array(rows) / sum(rows), load)
    read = recorded_subgroups(record)
    again = json.loads(json.dumps(subgroups_record(read)).replace("NaN", "null"))
    assert again == record["subgroups"]


def test_the_card_and_the_page_show_hostile_names_as_text(
    mixture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (card,) = mixture.rglob("model_card.md")
    section = card.read_text().partition("## Subgroups")[2].partition("\n## ")[0]
    assert "`age:40,60`: `< 40`" in section
    assert "<i>b" not in section.replace("`<i>b`", "")
    assert report(["--log_dir", str(mixture), "--group", "csv", "--bootstrap", "20"]) == 0
    printed = capsys.readouterr().out
    assert "subgroup of age:40,60" in printed
    page = (mixture / "csv" / "report.html").read_text()
    assert "For whom" in page
    assert "<b>kind" not in page
    assert "<i>b" not in page
    assert "calibration of relapse of" in page
    content = (mixture / "csv" / "subgroups.csv").read_bytes()
    table = pd.read_csv(io.BytesIO(content), keep_default_na=False)
    assert {"'=1+1", "<i>b", "| c"} <= set(table["subgroup"])
    assert set(table["subgroups"]) == {KIND, "age:40,60", "expert"}
    assert len(table) == 10 * 3 * len(SUBGROUP_METRICS)


def test_a_complete_record_gets_subgroups_without_training(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = [*flags, "--model", "coxph", "--log_dir"]
    asked = ["--subgroups", KIND, "age:50"]
    assert train([*own, str(tmp_path / "at once"), *asked]) == 0
    later = tmp_path / "later"
    assert train([*own, str(later)]) == 0
    before = result_of(later)
    (checkpoint,) = later.rglob("checkpoint.pt")
    trained_at = checkpoint.stat().st_mtime_ns
    for spec in ("age:50", KIND):
        assert train([*own, str(later), "--subgroups", spec]) == 0
    assert "is complete" in capsys.readouterr().out
    after, at_once = result_of(later), result_of(tmp_path / "at once")
    assert checkpoint.stat().st_mtime_ns == trained_at
    assert after["subgroups"] == at_once["subgroups"][::-1]
    changed = {key for key in after if after[key] != before.get(key)}
    assert changed == {"subgroups", "files", "sha256"}
    (card,) = later.rglob("model_card.md")
    assert "`age:50`" in card.read_text()
    # Nothing is asked for that it lacks, so that nothing is written.
    (path,) = later.rglob("result.json")
    written_at = path.stat().st_mtime_ns
    assert train([*own, str(later), "--subgroups", "age:50"]) == 0
    assert path.stat().st_mtime_ns == written_at


def test_columns_are_refused_before_anything_is_trained(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = [*flags, "--model", "coxph", "--log_dir", str(tmp_path)]
    for asked, message in (
        (["agee:60"], "--subgroups names 'agee' (did you mean age?)"),
        (["age"], "different numbers; give cuts, as in age:"),
        (["age:50", "age:50"], "--subgroups names a column twice"),
        ([""], "--subgroups has an empty name"),
    ):
        assert train([*own, "--subgroups", *asked]) == 2
        assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_experts_of_a_model_without_any_are_noted(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = [*flags, "--model", "aalen_johansen", "--log_dir", str(tmp_path)]
    assert train([*own, "--subgroups", "expert"]) == 0
    (scores,) = result_of(tmp_path)["subgroups"]
    assert scores["note"] == "the model is no mixture of experts"
    assert "aalen_johansen has no subgroups by expert" in capsys.readouterr().out


def test_a_run_of_a_search_scores_no_subgroups_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = [*SMALL_SYNTHETIC, "--model", "kaplan_meier", "--log_dir", str(tmp_path)]
    for _ in range(2):
        assert train([*own, "--no_evaluate_test", "--subgroups", "x0:0"]) == 0
        assert "which --no_evaluate_test leaves out: no subgroups" in capsys.readouterr().err
        assert "subgroups" not in result_of(tmp_path)
