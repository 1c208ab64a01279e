"""Trainings that are far behind others are ended, at epochs that depend on nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from survkit.cli import PRUNED
from survkit.runs.limits import best_losses, limit_epochs
from survkit.search.limits import Limits
from survkit.search.study import Ended, Trial
from survkit.train import main as train

DATA = "--dataset synthetic --synthetic_rows 150 --time_bins 8 --bootstrap 10 --mode disabled"
MODEL = "--model mtlr --hidden_dim 4 --no_evaluate_test --group some"
FLAGS = f"{DATA} {MODEL}".split()


def test_the_limits_stand_at_doubling_epochs() -> None:
    assert limit_epochs(9) == []
    assert limit_epochs(79) == [10, 20, 40]
    assert limit_epochs(80) == [10, 20, 40, 80]


def test_a_finished_training_counts_with_its_best_loss() -> None:
    losses = [5.0] * 5 + [3.0] + [4.0] * 6
    history = [{"epoch": i, "validation_loss": loss} for i, loss in enumerate(losses, 1)]
    assert best_losses(history, 40) == [3.0, 3.0, 3.0]
    assert best_losses([{"epoch": 1, "validation_loss": None}], 10) == [float("inf")]


def test_limits_are_those_of_three_quarters_of_the_complete_trials(tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / str(number)).mkdir()
        lines = [
            json.dumps({"epoch": epoch, "validation_loss": number + 1 / epoch})
            for epoch in range(1, 21)
        ]
        (tmp_path / str(number) / "history.jsonl").write_text("\n".join([*lines, ""]))
    limits = Limits(lambda run: tmp_path / run, lambda trial: 20)
    done = [Trial(n, {}, Ended.COMPLETE, 0.1, runs=(str(n),)) for n in range(8)]
    asked = Trial(9, {})
    assert limits.of(asked, done[:4], 0) == ()
    assert limits.of(asked, done[:5], 0) == pytest.approx((3.1, 3.05))
    assert limits.of(asked, done, 0) == pytest.approx((6.1, 6.05))


def test_a_run_above_its_limit_ends_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [*FLAGS, "--epochs", "30", "--log_dir", str(tmp_path)]
    assert train([*flags, "--loss_limits", "1000", "0.01"]) == PRUNED
    assert "ended after 20 epochs: the best validation loss is" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.json*"))
    assert train([*flags, "--loss_limits", "1000", "1000"]) == 0
    (result,) = tmp_path.rglob("result.json")
    before = result.read_bytes()
    assert train(flags) == 0  # limits do not count towards the identity
    assert result.read_bytes() == before


def test_limits_are_for_one_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    several = [*FLAGS, "--seeds", "1", "2", "--loss_limits", "1", "--log_dir", str(tmp_path)]
    assert train(several) == 2
    assert "--loss_limits is for one seed" in capsys.readouterr().err


def test_a_history_that_cannot_be_read_does_not_count(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / str(number)).mkdir()
        line = json.dumps({"epoch": 1, "validation_loss": float(number)})
        (tmp_path / str(number) / "history.jsonl").write_text(f"{line}\n")
    done = [Trial(n, {}, Ended.COMPLETE, 0.1, runs=(str(n),)) for n in range(6)]
    (tmp_path / "5" / "history.jsonl").write_text("{}\n")
    limits = Limits(lambda run: tmp_path / run, lambda trial: 10)
    assert limits.of(Trial(9, {}), done, 0) == (3.0,)
    (tmp_path / "4" / "history.jsonl").unlink()
    limits = Limits(lambda run: tmp_path / run, lambda trial: 10)
    assert limits.of(Trial(9, {}), done, 0) == ()
