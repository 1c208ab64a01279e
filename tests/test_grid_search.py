from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from survkit.grid_search import main
from survkit.train import main as train

SWEEP = """
common: {dataset: veteran, bootstrap: 0, model: coxph}
runs:
  - {name: good}
  - {name: bad, model: rsf, max_memory_gb: 1.0e-9}
  - {name: waits, cox_alpha: 0.01, after: [bad]}
"""


@pytest.fixture
def flags(tmp_path: Path) -> list[str]:
    sweep = tmp_path / "three.yaml"
    sweep.write_text(SWEEP)
    where = ["--sweep", str(sweep), "--log_dir", str(tmp_path / "two words")]
    return [*where, "--runner", "process", "--mode", "disabled"]


def test_a_dry_run_prints_commands_that_work_and_starts_nothing(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*flags, "--dry_run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "3 to run, 0 skipped" in lines
    assert "# three waits, after three bad" in lines
    commands = [shlex.split(line) for line in lines if line.startswith("python")]
    assert len(commands) == 3
    assert not (tmp_path / "two words").exists()
    assert commands[0][:3] == ["python", "-m", "survkit.train"]
    assert train(commands[0][3:]) == 0
    (record,) = (tmp_path / "two words" / "three").glob("*/result.json")
    assert json.loads(record.read_text())["model"] == "coxph"


@pytest.mark.slow
def test_a_failure_is_named_the_others_go_on_and_a_second_call_skips_them(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(flags) == 1
    printed = capsys.readouterr().out
    assert "failed: three bad: survkit.train: error: 100 trees" in printed
    assert "blocked: three waits: needs three bad (failed)" in printed
    assert len(list((tmp_path / "two words" / "three").glob("*/result.json"))) == 1
    assert len(list((tmp_path / "two words" / "three" / "launcher").glob("*.log"))) == 2

    assert main(flags) == 1
    assert "2 to run, 1 skipped" in capsys.readouterr().out


@pytest.mark.slow
def test_a_finished_sweep_runs_nothing_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = tmp_path / "one.yaml"
    sweep.write_text("common: {dataset: veteran, bootstrap: 0, model: coxph}")
    flags = ["--sweep", str(sweep), "--log_dir", str(tmp_path), "--runner", "process"]
    assert main([*flags, "--mode", "disabled"]) == 0
    capsys.readouterr()
    assert main([*flags, "--mode", "disabled"]) == 0
    assert capsys.readouterr().out == (
        "skipped one coxph: its record is complete\n0 to run, 1 skipped\nnothing to run\n"
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--group", "nothing"], "unknown sweep 'nothing'"),
        (["--group", "support2_mixture", "--gruop", "x"], "unknown flag --gruop"),
        (["--group", "support2_mixture", "--seed", "1"], "--seed cannot be given here"),
        (["--group", "support2_mixture", "--dropout", "2"], "--dropout is 2.0; it must be below 1"),
    ],
)
def test_bad_input_ends_with_status_2(
    flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(flags) == 2
    assert message in capsys.readouterr().err
