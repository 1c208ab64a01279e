from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from survkit.runs.state import OpenRun, convergence_problems, missing_seeds, open_runs


def begin(folder: Path, run_id: str, *, epochs: int = 0, finished: bool = False) -> None:
    run = folder / run_id
    run.mkdir(parents=True)
    (run / "config.json").write_text('{"model": "mtlr", "seed": 42}')
    if epochs:
        (run / "history.jsonl").write_text('{"epoch": 1}\n' * epochs)
    if finished:
        (run / "result.json").write_text(json.dumps({"run_id": run_id}))


def launch(folder: Path, run_id: str, log: str, report: dict[str, Any] | str | None = None) -> None:
    launcher = folder / "launcher"
    launcher.mkdir(exist_ok=True, parents=True)
    (launcher / f"{run_id}.log").write_text(log)
    if report is not None:
        text = report if isinstance(report, str) else json.dumps(report)
        (launcher / f"{run_id}.json").write_text(text)


COMMAND = ["python", "-m", "survkit.train", "--model=rsf", "--seed=43", "--lr=1=2"]


def test_a_run_without_a_result_is_unfinished(tmp_path: Path) -> None:
    begin(tmp_path, "aa", epochs=3)
    begin(tmp_path, "bb")
    begin(tmp_path, "cc", finished=True)
    assert open_runs(tmp_path) == [
        OpenRun("aa", "mtlr seed=42", "unfinished", "3 epochs"),
        OpenRun("bb", "mtlr seed=42", "unfinished", "no epoch yet"),
    ]


def test_a_damaged_record_is_no_finished_run(tmp_path: Path) -> None:
    begin(tmp_path, "aa", finished=True)
    (tmp_path / "aa" / "result.json").write_text('{"run_id": "a')
    damaged = OpenRun("aa", "mtlr seed=42", "damaged", "result.json is damaged; train it again")
    assert open_runs(tmp_path) == [damaged]
    launch(tmp_path, "aa", "done", {"status": "done", "command": COMMAND})
    assert open_runs(tmp_path) == [damaged]
    (tmp_path / "aa" / "config.json").unlink()
    assert open_runs(tmp_path) == [damaged._replace(name="")]


def test_a_failed_run_is_named_with_the_last_line_of_its_log(tmp_path: Path) -> None:
    launch(tmp_path, "aa", "start\nMemoryError: no\n\n", {"status": "failed", "command": COMMAND})
    assert open_runs(tmp_path) == [OpenRun("aa", "rsf seed=43", "failed", "MemoryError: no")]
    begin(tmp_path, "bb", epochs=2)
    launch(tmp_path, "bb", "x", {"status": "stopped", "note": "goes on", "command": COMMAND})
    assert open_runs(tmp_path)[1] == OpenRun("bb", "rsf seed=43", "stopped", "goes on")


def test_a_failure_that_was_made_good_is_not_named(tmp_path: Path) -> None:
    begin(tmp_path, "aa", finished=True)
    launch(tmp_path, "aa", "failed once", {"status": "failed", "command": COMMAND})
    assert open_runs(tmp_path) == []


def test_a_run_that_has_printed_only_is_under_way(tmp_path: Path) -> None:
    launch(tmp_path, "aa", "=== attempt 1\nloading\n")
    assert open_runs(tmp_path) == [OpenRun("aa", "", "unfinished", "loading")]


@pytest.mark.parametrize("report", ["{", "[]", '{"status": "failed"}'])
def test_a_damaged_launcher_note_is_named(tmp_path: Path, report: str) -> None:
    launch(tmp_path, "aa", "", report)
    (run,) = open_runs(tmp_path)
    assert run.status == "unknown"
    assert "aa.json is damaged" in run.note


def test_no_folder_has_no_open_runs(tmp_path: Path) -> None:
    assert open_runs(tmp_path / "none") == []


def test_seeds_that_others_have_are_missing() -> None:
    seeds = {"mtlr": [42, 43, 44], "rsf": [42], "coxph": [42]}
    rows = [{"model": model, "seed": seed} for model, own in seeds.items() for seed in own]
    runs = pd.DataFrame(rows)
    begun = [OpenRun("aa", "rsf seed=44", "failed", "")]
    assert missing_seeds(runs, runs["model"], begun) == [
        "rsf: no run with seed 43, which other models have"
    ]


def test_an_ensemble_lacks_no_seed() -> None:
    runs = pd.DataFrame({"model": ["mtlr", "mtlr_ensemble"], "seed": [42, None]})
    assert missing_seeds(runs, runs["model"], []) == []


TRAINED = {"config_epochs": 10, "config_early_stopping_patience": 5, "warnings": []}


@pytest.mark.parametrize(
    ("run", "problems"),
    [
        ({**TRAINED, "epochs_trained": 10, "best_epoch": 9}, 1),
        ({**TRAINED, "epochs_trained": 10, "best_epoch": 5}, 0),
        ({**TRAINED, "epochs_trained": 8, "best_epoch": 3}, 0),
        ({**TRAINED, "epochs_trained": None, "best_epoch": None}, 0),
        ({"warnings": ["not converged: R-hat of survival is at most 1.1 for 50%"]}, 1),
        ({"warnings": ["training diverged: the loss is not finite in epoch 3"]}, 1),
        ({"warnings": ["coxph: the optimisation ended at --cox_alpha 0.1"]}, 1),
        ({"warnings": ["column 'x' dropped"]}, 0),
        ({"warnings": float("nan")}, 0),
    ],
)
def test_runs_that_did_not_converge_are_found(run: dict[str, Any], problems: int) -> None:
    assert len(convergence_problems(run)) == problems
