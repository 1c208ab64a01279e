"""Several seeds in one process: the records are those of one process a seed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from survkit.cli import RUNS_ELSEWHERE
from survkit.runs.folder import RunFolder
from survkit.runs.read import load_fitted
from survkit.train import main
from tests.args_files import SMALL_SYNTHETIC

pytestmark = pytest.mark.slow

SMALL = [*SMALL_SYNTHETIC, "--epochs", "3"]
VARYING = ("timing", "peak_memory_mb", "seeds_together", "files", "sha256")


def records(log_dir: Path) -> dict[str, dict[str, Any]]:
    """Return the records below a folder, by run_id."""
    return {p.parent.name: json.loads(p.read_text()) for p in log_dir.glob("*/*/result.json")}


def assert_close(found: Any, expected: Any) -> None:
    """Compare nested values, numbers to 1e-3."""
    if isinstance(expected, dict):
        assert set(found) == set(expected)
        for name in expected:
            assert_close(found[name], expected[name])
    elif isinstance(expected, list):
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1e-3, rel=1e-3)
    else:
        assert found == expected


@pytest.mark.parametrize(
    "model",
    [
        ["mtlr", "--dropout", "0.2"],
        ["personalized_moe", "--calibrate"],
        ["coxph"],
        ["logistic_hazard"],
        ["deep_weibull", "--dropout", "0.2"],
        ["deep_survival_machines", "--dropout", "0.2", "--dsm_distribution", "lognormal"],
        ["deep_cox_mixtures", "--dropout", "0.2"],
    ],
)
def test_records_are_those_of_single_runs(model: list[str], tmp_path: Path) -> None:
    for seed in ("42", "43"):
        flags = [*SMALL_SYNTHETIC, "--model", *model, "--seed", seed]
        assert main([*flags, "--log_dir", str(tmp_path / "single")]) == 0
    flags = [*SMALL_SYNTHETIC, "--model", *model, "--seeds", "42", "43"]
    assert main([*flags, "--log_dir", str(tmp_path / "together")]) == 0
    expected, found = records(tmp_path / "single"), records(tmp_path / "together")
    assert set(found) == set(expected)
    stacked = model[0] != "coxph"
    for run_id, record in found.items():
        assert record["seeds_together"] == (2 if stacked else 1)
        assert_close(
            {name: record[name] for name in record if name not in VARYING},
            {name: expected[run_id][name] for name in record if name not in VARYING},
        )
        folder = tmp_path / "together" / "synthetic" / run_id
        config = json.loads((folder / "config.json").read_text())
        assert (config["seed"], config["seeds"]) == (record["seed"], None)
        load_fitted(folder)


def test_what_is_finished_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [*SMALL, "--log_dir", str(tmp_path)]
    assert main([*flags, "--seed", "43"]) == 0
    before = records(tmp_path)
    assert main([*flags, "--seeds", "42", "43", "44"]) == 0
    after = records(tmp_path)
    assert {record["seed"]: record["seeds_together"] for record in after.values()} == {
        42: 2,
        43: 1,
        44: 2,
    }
    assert before.items() <= after.items()
    assert capsys.readouterr().out.count("is complete") == 1
    assert main([*flags, "--seeds", "42", "43", "44"]) == 0
    assert capsys.readouterr().out.count("is complete") == 3
    assert records(tmp_path) == after


def test_a_seed_that_another_process_trains_keeps_no_other_waiting(tmp_path: Path) -> None:
    flags = [*SMALL, "--log_dir", str(tmp_path)]
    assert main([*flags, "--seeds", "42", "43"]) == 0
    done = records(tmp_path)
    (of_42,) = (run_id for run_id, record in done.items() if record["seed"] == 42)
    folder = tmp_path / "synthetic" / of_42
    (folder / "result.json").unlink()
    with RunFolder(folder).lock():
        assert main([*flags, "--seeds", "42", "44"]) == RUNS_ELSEWHERE
    assert {record["seed"] for record in records(tmp_path).values()} == {43, 44}


def test_what_is_wrong_with_the_input_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [*SMALL, "--log_dir", str(tmp_path / "logs")]
    assert main([*flags, "--seeds", "42", "42"]) == 2
    assert "--seeds names a seed twice: 42 42" in capsys.readouterr().err
    assert main([*flags, "--seeds", "42", "43", "--lr", "1e30", "--optimizer", "SGD"]) == 2
    assert "the loss is not finite in the first epoch" in capsys.readouterr().err
    assert records(tmp_path) == {}
    assert not (tmp_path / "logs").exists() or not list((tmp_path / "logs").rglob("config.json"))
