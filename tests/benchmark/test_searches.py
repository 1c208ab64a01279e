"""Benchmarks whose models search in each split."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from survkit.benchmark.__main__ import main
from survkit.benchmark.searches import Searches
from survkit.runs.record_files import read_result
from tests.search.conftest import run_here

BENCHMARK = """
datasets: [veteran]
models: [kaplan_meier, coxph, {model: mtlr, epochs: 2, space: {lr: {low: 0.001, high: 0.1}}}]
splits: 2
common: {device: cpu, time_bins: 6}
search: {trials: 3}
"""
TRIALS = 2 * 2 * 3


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lock = threading.Lock()  # runs in this process take turns

    def run_in_turn(*given: Any, **how: Any) -> Any:
        with lock:
            return run_here(*given, **how)

    monkeypatch.setattr("survkit.launch.local.this_machine.run_job", run_in_turn)
    path = tmp_path / "tiny.yaml"
    path.write_text(BENCHMARK)
    return ["--config", str(path), "--runner", "process", "--jobs_per_worker", "0"]


def choices(group: Path) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in sorted(group.glob("searches/*/search.json"))]
    return [{key: record[key] for key in ("search", "tried", "chosen")} for record in found]


def test_searches_do_not_depend_on_what_runs_beside_them(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"one": "1", "three": "3"}
    for name, count in places.items():
        flags = ["--max_subprocesses", count, "--log_dir", str(tmp_path / name)]
        assert main([*command, *flags]) == 0
    groups = [tmp_path / name / "tiny" for name in places]
    assert choices(groups[0]) == choices(groups[1])
    assert [len(search["tried"]) for search in choices(groups[0])] == [3, 3, 3, 3]
    tables = [pd.read_csv(group / "benchmark.csv").drop(columns="seconds") for group in groups]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert len(tables[0]) == 6
    trials = list(groups[0].glob("searches/*/trials/*/result.json"))
    assert len(trials) == TRIALS
    assert not any((read_result(path.parent) or {}).get("test") for path in trials)
    assert not list(groups[0].glob("searches/*/trials/*/*test*"))
    records = {path.parent.name for path in groups[0].glob("*/result.json")}
    chosen = {
        json.loads(p.read_text())["final_runs"][0] for p in groups[0].glob("searches/*/*.json")
    }
    assert chosen < records
    assert len(records) == 6
    page = (groups[0] / "benchmark.html").read_text()
    assert "in each split: 3 trials, the choice by integrated_brier of the validation rows" in page
    capsys.readouterr()
    assert main([*command, "--log_dir", str(tmp_path / "one")]) == 0
    assert "all searches are closed, and their choices tested" in capsys.readouterr().out


def test_a_search_that_was_stopped_is_named_and_goes_on(
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    flags = ["--max_subprocesses", "1", "--log_dir"]
    assert main([*command, *flags, str(tmp_path / "whole")]) == 0
    given, next_job = [0], Searches.next_job

    def stopped(self: Searches) -> Any:  # as a source is after a signal
        given[0] += 1
        return None if given[0] > 8 else next_job(self)

    with monkeypatch.context() as patched:
        patched.setattr(Searches, "next_job", stopped)
        patched.setattr(Searches, "remaining", property(lambda self: 0 if given[0] > 8 else 100))
        assert main([*command, *flags, str(tmp_path / "stopped")]) == 1
    group = tmp_path / "stopped" / "tiny"
    why = set(pd.read_csv(group / "benchmark.csv")["why"].dropna())
    assert "not searched yet" in why
    assert any("not searched to the end: " in reason for reason in why)
    assert main([*command, *flags, str(tmp_path / "stopped")]) == 0
    whole = tmp_path / "whole" / "tiny"
    assert choices(group) == choices(whole)
    assert (group / "benchmark.md").read_text() == (whole / "benchmark.md").read_text()
    (search,) = [p.parent for p in group.glob("searches/*/search.json")][:1]
    shutil.rmtree(search / "trials")
    (search / "search.json").write_text("{}")
    capsys.readouterr()
    assert main([*command, *flags, str(tmp_path / "stopped")]) == 1
    why = set(pd.read_csv(group / "benchmark.csv")["why"].dropna())
    assert len(why) == 1
    assert "search.json" in why.pop()


@pytest.mark.parametrize(
    ("was", "now", "message"),
    [
        ("{trials: 3}", "3", "search must be rules with their values"),
        ("{trials: 3}", "{trails: 3}", "search has the key 'trails' (did you mean trials?)"),
        ("{trials: 3}", "{trials: 0}", "search: --trials is 0"),
        ("{trials: 3}", "{metric: luck}", "search: --metric is 'luck'"),
        ("{trials: 3}", "{inner_folds: 1}", "search: --inner_folds is 1"),
        ("search: {trials: 3}", "", "mtlr has a space, but the file has no search"),
        ("{lr: {low: 0.001, high: 0.1}}", "3", "the space of mtlr must have flags as its keys"),
        ("{lr: {low: 0.001, high: 0.1}}", "{epochs: [4, 8]}", "--epochs is given a value, too"),
        (
            "{lr: {low: 0.001, high: 0.1}}",
            "{cox_alpha: [4, 8]}",
            "mtlr: 'cox_alpha' is read by",
        ),
        ("epochs: 2,", "epochs: 2, loss_limits: [1.0],", "mtlr: --loss_limits cannot be given"),
        ("coxph,", "{model: coxph, cox_alpha: 1},", "coxph: --cox_alpha is given a value, too"),
    ],
)
def test_rules_that_cannot_be_are_refused_before_anything_runs(
    was: str,
    now: str,
    message: str,
    command: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "tiny.yaml").write_text(BENCHMARK.replace(was, now))
    assert main([*command, "--log_dir", str(tmp_path / "logs")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "logs").exists()


def test_wandb_is_not_asked_about_searches(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--check_wandb"]) == 2
    assert "--check_wandb does not go with searches" in capsys.readouterr().err


def test_a_dry_run_shows_the_first_trials(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--dry_run", "--log_dir", str(tmp_path / "logs")]) == 0
    shown = capsys.readouterr().out
    assert "# the first of 3 trials of each search" in shown
    assert shown.count("python -m survkit.train") == 6
    assert shown.count("--evaluate_test=False") == 4
    assert not (tmp_path / "logs").exists()
