"""Runs that are killed, and what became of their folders in the meantime."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import survkit
from survkit.runs.read import read_predictions
from survkit.train import main
from survkit.training.checkpoint import load_checkpoint, save_checkpoint
from tests.args_files import SMALL_SYNTHETIC

ROOT = Path(survkit.__file__).parent.parent
VARYING = ("timing", "peak_memory_mb", "files", "sha256")
STACK = [
    *SMALL_SYNTHETIC,
    *("--synthetic_rows", "2000", "--hidden_dim", "96", "--dropout", "0.1", "--epochs", "8"),
]
SEEDS = ["--seeds", "42", "43", "44"]

Moment = Callable[[Path], bool]


def kill_at(moment: Moment, log_dir: Path, *flags: str) -> None:
    """Start a training and kill it at a moment that its files show."""
    command = [sys.executable, "-m", "survkit.train", *flags, "--log_dir", str(log_dir)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        deadline = time.monotonic() + 120
        while not moment(log_dir):
            assert process.poll() is None, "the run ended before that moment"
            assert time.monotonic() < deadline
            time.sleep(0.0005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL


def first_record(log_dir: Path) -> bool:
    return any(log_dir.glob("*/*/result.json"))


def logged(epochs: int) -> Moment:
    def moment(log_dir: Path) -> bool:
        histories = [path.read_text() for path in log_dir.glob("*/*/history.jsonl")]
        return bool(histories) and min(text.count("\n") for text in histories) >= epochs

    return moment


def record(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / "result.json").read_text())
    return {name: value for name, value in content.items() if name not in VARYING}


def assert_same_records(found: Path, expected: Path) -> None:
    """Compare all runs below two log folders, to the last bit."""
    folders = sorted(path.relative_to(expected) for path in expected.glob("*/*"))
    assert sorted(path.relative_to(found) for path in found.glob("*/*")) == folders
    for one, other in ((found / name, expected / name) for name in folders):
        assert {path.name for path in one.iterdir()} == {path.name for path in other.iterdir()}
        assert record(one) == record(other)
        assert (one / "history.jsonl").read_bytes() == (other / "history.jsonl").read_bytes()
        for split in ("validation", "test"):
            np.testing.assert_array_equal(
                read_predictions(one, split)[0].survival, read_predictions(other, split)[0].survival
            )


@pytest.mark.slow
def test_a_killed_stack_ends_with_the_same_records(tmp_path: Path) -> None:
    """Whatever its seeds had saved last: states of other epochs, or none."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    flags = [*STACK, *SEEDS]
    assert main([*flags, "--log_dir", str(whole)]) == 0
    kill_at(logged(2), broken, *flags)
    first, second, _ = sorted(broken.glob("*/*"))
    earlier = (first / "last.pt").read_bytes()
    kill_at(logged(5), broken, *flags)
    (first / "last.pt").write_bytes(earlier)
    (second / "last.pt").unlink()
    kill_at(first_record, broken, *flags)
    assert len(list(broken.glob("*/*/result.json"))) < 3
    assert main([*flags, "--log_dir", str(broken)]) == 0
    assert_same_records(broken, whole)


@pytest.mark.slow
def test_a_stack_goes_on_with_fewer_or_more_seeds(tmp_path: Path) -> None:
    """Its records are then those of any other stack but for rounding."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert main([*STACK, *SEEDS, "45", "--log_dir", str(whole)]) == 0
    kill_at(logged(2), broken, *STACK, *SEEDS)
    assert main([*STACK, "--seeds", "42", "43", "--log_dir", str(broken)]) == 0
    assert main([*STACK, *SEEDS, "45", "--log_dir", str(broken)]) == 0
    for path in whole.glob("*/*"):
        found, expected = record(broken / path.relative_to(whole)), record(path)
        assert found["epochs_trained"] == expected["epochs_trained"]
        assert found["warnings"] == expected["warnings"]
        assert found["seeds_together"] == (2 if expected["seed"] == 45 else 3)
        assert found["test"]["loss"] == pytest.approx(expected["test"]["loss"], rel=1e-4)


def change_epoch(path: Path) -> None:
    save_checkpoint(path, {**load_checkpoint(path), "epoch": 10**9})


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.slow
def test_a_state_of_another_run_or_of_none_starts_the_training_again(tmp_path: Path) -> None:
    """The other seeds go on, and all end as if nothing had happened."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    flags = [*STACK, *SEEDS]
    assert main([*flags, "--log_dir", str(whole)]) == 0
    kill_at(logged(4), broken, *flags)
    first, second, third = sorted(broken.glob("*/*"))
    shutil.copy(second / "last.pt", first / "last.pt")
    change_epoch(third / "last.pt")
    assert main([*flags, "--log_dir", str(broken)]) == 0
    warnings = {path: record(path)["warnings"] for path in (first, second, third)}
    assert "last.pt is of another run; training started again" in warnings[first]
    assert not any("again" in warning for warning in warnings[second])
    assert "last.pt has no epoch from 1 to 8; training started again" in warnings[third]
    assert not any("history" in warning for each in warnings.values() for warning in each)
    for path in (first, second, third):
        expected = whole / path.relative_to(broken)
        assert (path / "history.jsonl").read_bytes() == (expected / "history.jsonl").read_bytes()
        assert record(path)["test"] == record(expected)["test"]


@pytest.mark.parametrize("damage", [shutil.rmtree, lambda path: shutil.rmtree(path.parents[1])])
def test_a_log_folder_that_goes_during_the_run_ends_it(
    damage: Callable[[Path], None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The folder goes after the fit, before the evaluation."""
    from survkit.models import fitting

    logs, fit_models = tmp_path / "logs", fitting.fit_models

    def fit_and_damage(*args: Any, **options: Any) -> Any:
        errors = fit_models(*args, **options)
        damage(*logs.glob("*/*"))
        return errors

    monkeypatch.setattr(fitting, "fit_models", fit_and_damage)
    assert main([*SMALL_SYNTHETIC, "--log_dir", str(logs)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "was removed or replaced during the run" in line
    assert not list(logs.glob("*/*"))


def test_a_failing_run_in_a_linked_folder_says_why_and_keeps_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs, target = tmp_path / "logs", tmp_path / "elsewhere"
    flags = [*SMALL_SYNTHETIC, "--model", "rsf", "--log_dir", str(logs)]
    assert main(flags) == 0
    (folder,) = logs.glob("*/*")
    folder.rename(target)
    folder.symlink_to(target)
    assert main(flags) == 0  # a link to a record is a record
    for path in target.iterdir():
        path.unlink()
    (target / "notes.txt").write_text("mine")
    capsys.readouterr()
    assert main([*flags, "--max_memory_gb", "1e-6"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "max_memory_gb" in line
    assert [path.name for path in target.iterdir()] == ["notes.txt"]
    assert folder.is_symlink()


def test_what_is_in_the_way_of_one_seed_keeps_no_other_waiting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [*SMALL_SYNTHETIC, "--seeds", "42", "43", "--log_dir", str(tmp_path)]
    assert main(flags) == 0
    first, second = sorted(tmp_path.glob("*/*"))
    shutil.rmtree(first)
    first.write_text("mine")
    (second / "result.json").unlink()
    capsys.readouterr()
    assert main(flags) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"cannot write to {first}: {first} is a file, not a folder" in error
    assert (second / "result.json").exists()
    assert first.read_text() == "mine"
