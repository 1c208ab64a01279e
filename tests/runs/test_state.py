from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from survkit.runs.state import (
    OpenRun,
    missing_seeds,
    missing_seeds_text,
    open_runs,
    why_not_converged,
)
from tests.runs.records import finish


def begin(folder: Path, run_id: str, *, epochs: int = 0, finished: bool = False) -> None:
    run = folder / run_id
    run.mkdir(parents=True)
    (run / "config.json").write_text('{"model": "mtlr", "seed": 42}')
    if epochs:
        (run / "history.jsonl").write_text('{"epoch": 1}\n' * epochs)
    if finished:
        finish(run, run_id=run_id)


def launch(folder: Path, run_id: str, log: str, report: dict[str, Any] | str | None = None) -> None:
    launcher = folder / "launcher"
    launcher.mkdir(exist_ok=True, parents=True)
    (launcher / f"{run_id}.log").write_text(log)
    if report is not None:
        text = report if isinstance(report, str) else json.dumps(report)
        (launcher / f"{run_id}.json").write_text(text)


RSF = {"model": "rsf", "seed": 43}


def test_a_run_without_a_result_is_unfinished(tmp_path: Path) -> None:
    begin(tmp_path, "aa", epochs=3)
    begin(tmp_path, "bb")
    begin(tmp_path, "cc", finished=True)
    assert open_runs(tmp_path) == [
        OpenRun("aa", "mtlr", 42, "unfinished", "3 epochs"),
        OpenRun("bb", "mtlr", 42, "unfinished", "no epoch yet"),
    ]


def test_a_damaged_record_is_no_finished_run(tmp_path: Path) -> None:
    begin(tmp_path, "aa", finished=True)
    (tmp_path / "aa" / "result.json").write_text('{"run_id": "a')
    (damaged,) = open_runs(tmp_path)
    assert (damaged.model, damaged.seed, damaged.status) == ("mtlr", 42, "damaged")
    assert "result.json is damaged: Unterminated string" in damaged.note
    assert damaged.note.endswith("; train it again with --overwrite")
    launch(tmp_path, "aa", "done", {"status": "done", **RSF})
    assert open_runs(tmp_path) == [damaged]
    (tmp_path / "aa" / "config.json").unlink()
    assert open_runs(tmp_path) == [damaged._replace(model=None, seed=None)]


def test_a_failed_run_is_named_with_the_last_line_of_its_log(tmp_path: Path) -> None:
    launch(tmp_path, "aa", "start\nMemoryError: no\n\n", {"status": "failed", **RSF})
    (failed,) = open_runs(tmp_path)
    assert failed == OpenRun("aa", "rsf", 43, "failed", "MemoryError: no")
    assert failed.name == "rsf seed=43"


def test_the_configuration_of_a_run_tells_its_model_before_the_launcher_does(
    tmp_path: Path,
) -> None:
    begin(tmp_path, "bb", epochs=2)
    launch(tmp_path, "bb", "x", {"status": "stopped", "note": "resumes", **RSF})
    assert open_runs(tmp_path) == [OpenRun("bb", "mtlr", 42, "stopped", "resumes")]


def test_a_launcher_note_without_a_model_leaves_it_unknown(tmp_path: Path) -> None:
    launch(tmp_path, "aa", "x", {"status": "failed", "command": ["--model=rsf", "--seed=43"]})
    (run,) = open_runs(tmp_path)
    assert (run.model, run.seed, run.name) == (None, None, "")


def test_a_failure_that_was_made_good_is_not_named(tmp_path: Path) -> None:
    begin(tmp_path, "aa", finished=True)
    launch(tmp_path, "aa", "failed once", {"status": "failed", **RSF})
    assert open_runs(tmp_path) == []


def test_a_run_that_has_printed_only_is_under_way(tmp_path: Path) -> None:
    launch(tmp_path, "aa", "=== attempt 1\nloading\n")
    assert open_runs(tmp_path) == [OpenRun("aa", None, None, "unfinished", "loading")]


@pytest.mark.parametrize("report", ["{", "[]", '{"model": "rsf"}'])
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
    begun = [OpenRun("aa", "rsf", 44, "failed", "")]
    assert missing_seeds(runs, runs["model"], begun) == {"rsf": [43]}
    assert missing_seeds_text("rsf", [43, 44]) == (
        "rsf: no run with seed 43, 44, which other models have"
    )


def test_an_ensemble_lacks_no_seed() -> None:
    runs = pd.DataFrame({"model": ["mtlr", "mtlr_ensemble"], "seed": [42, None]})
    assert missing_seeds(runs, runs["model"], []) == {}


TRAINED = {"config_epochs": 10, "config_early_stopping_patience": 5}
ENDED = "training ended at --epochs 10, while the validation metric still improved (best epoch 9)"


@pytest.mark.parametrize(
    ("run", "why"),
    [
        ({"converged": False, "convergence_reason": "R-hat is 2"}, "R-hat is 2"),
        ({"converged": np.False_, "convergence_reason": "R-hat is 2"}, "R-hat is 2"),
        ({"converged": True, "convergence_reason": "R-hat is 1"}, None),
        ({"converged": None, "convergence_reason": ""}, None),
        ({"converged": float("nan"), "convergence_reason": float("nan")}, None),
        ({}, None),
    ],
)
def test_a_record_says_whether_its_fit_converged(run: dict[str, Any], why: str | None) -> None:
    assert why_not_converged(run) == why


@pytest.mark.parametrize(
    ("epochs_trained", "best_epoch", "why"),
    [(10, 9, ENDED), (10, 5, None), (8, 3, None), (None, None, None)],
)
def test_an_older_record_is_judged_by_its_epochs(
    epochs_trained: int | None, best_epoch: int | None, why: str | None
) -> None:
    run = {**TRAINED, "epochs_trained": epochs_trained, "best_epoch": best_epoch}
    assert why_not_converged(run) == why
    assert why_not_converged({**run, "converged": None, "convergence_reason": ""}) == why
    known = {"converged": True, "convergence_reason": "it stopped early"}
    assert why_not_converged({**run, **known}) is None
