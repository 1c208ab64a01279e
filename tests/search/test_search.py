"""Searches from their flags to the tested configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from survkit.ensemble.__main__ import main as ensemble
from survkit.explain.__main__ import main as explain
from survkit.predict.__main__ import main as predict
from survkit.report import load_runs
from survkit.report.__main__ import main as report

Search = Callable[..., int]
COX = "--model coxph --trials 4"


def content(log_dir: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((log_dir / "tried" / "search.json").read_text())
    return found


def tried(log_dir: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = content(log_dir)["tried"]
    return found


def results(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*/result.json"))]


def test_the_best_trial_is_tested_once_in_a_record_of_its_own(
    search: Search, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(COX) == 0
    trials = tried(tmp_path)
    assert [trial["ended"] for trial in trials] == ["complete"] * 4
    assert trials[0]["parameters"] == {"cox_alpha": 1e-3, "cox_l1_ratio": 0.5}  # the defaults
    best = min(trials, key=lambda trial: trial["value"])
    found = content(tmp_path)
    assert found["chosen"]["trial"] == best["trial"]
    assert found["closed_at"] <= found["tested_from"]
    for trial in trials:
        (run,) = trial["runs"]
        result = json.loads((tmp_path / "tried/trials" / run / "result.json").read_text())
        assert trial["value"] == result["validation"]["integrated_brier"]
    runs = load_runs(tmp_path)  # trials are not among them
    assert list(runs["run_id"]) == found["final_runs"]
    assert runs["config_cox_alpha"][0] == best["parameters"]["cox_alpha"]
    said = capsys.readouterr().out
    assert f"4 of 4 trials, best integrated_brier {best['value']:.5g} (trial " in said
    assert f"chosen: trial {best['trial']}, the lowest integrated_brier" in said
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    assert search(COX) == 0  # finished: shown again
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json")} == before


def test_no_test_metric_is_readable_before_the_search_is_closed(
    search: Search, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        search(
            "--model mtlr --epochs 2 --hidden_dim 4 --trials 2 --no_final --space "
            + space_file(tmp_path, "lr: {low: 1e-3, high: 0.1, log: true}")
        )
        == 0
    )
    assert "is not tested yet" in capsys.readouterr().out
    files = [path for path in (tmp_path / "tried").rglob("*") if path.is_file()]
    assert sum(path.name == "result.json" for path in files) == 2
    for path in files:
        assert path.name not in ("predictions_test.npz", "model_card.md", "tripod_ai.md")
        if path.suffix in (".json", ".jsonl", ".log", ".journal"):
            text = path.read_text()
            assert not re.search(r"""\btest (metric|rows)|["'](test|test_\w+)["']""", text), path
    assert content(tmp_path)["tested_from"] is None
    trial = str(next(iter((tmp_path / "tried/trials").glob("*/result.json"))).parent)
    log = ["--log_dir", str(tmp_path / "tried"), "--group", "trials"]
    for command in (
        lambda: report(log),
        lambda: ensemble(log),
        lambda: predict(["--run", trial, "--csv", str(tmp_path / "none.csv"), "--times", "1"]),
        lambda: explain(["--run", trial]),
    ):
        capsys.readouterr()
        assert command() == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "is the record of a search, which leaves the test rows out" in line


def test_a_failed_trial_is_recorded_and_the_search_goes_on(search: Search, tmp_path: Path) -> None:
    space = space_file(tmp_path, "mixture_components: [2, 8]\nlr: {low: 1e-3, high: 0.1}")
    flags = "--model fixed_moe --mixture_topk 4 --epochs 1 --hidden_dim 4"
    assert search(f"{flags} --trials 6 --final_seeds 2 --space {space}") == 0
    ended = {t["parameters"]["mixture_components"]: t for t in tried(tmp_path)}
    assert ended[2]["ended"] == "failed"
    assert "--mixture_topk is 4, more than the 2 experts" in ended[2]["note"]
    assert ended[8]["ended"] == "complete"
    assert [result["seed"] for result in results(tmp_path / "tried")] in ([42, 43], [43, 42])


def test_a_search_without_a_complete_trial_chooses_nothing(
    search: Search, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = space_file(tmp_path, "mixture_components: [2, 3]")
    flags = f"--model fixed_moe --mixture_topk 4 --epochs 1 --trials 2 --space {space}"
    assert search(flags) == 2
    assert "none of 2 trials is complete, the last: --mixture_topk is 4" in capsys.readouterr().err
    assert content(tmp_path)["closed_at"] is None


def test_a_trial_is_worth_its_mean_over_the_inner_folds(search: Search, tmp_path: Path) -> None:
    assert search(f"{COX} --inner_folds 3 --trials 2 --metric concordance_td") == 0
    for trial in tried(tmp_path):
        of_runs = [
            json.loads((tmp_path / "tried/trials" / run / "result.json").read_text())
            for run in trial["runs"]
        ]
        assert len(of_runs) == 3
        values = [result["validation"]["concordance_td"] for result in of_runs]
        assert trial["value"] == fmean(values)
        assert len(set(values)) > 1
    chosen = max(tried(tmp_path), key=lambda trial: trial["value"])
    assert content(tmp_path)["chosen"]["trial"] == chosen["trial"]


def test_the_same_seed_gives_the_same_trials(search: Search, tmp_path: Path) -> None:
    for folder, seed in (("a", 42), ("b", 42), ("c", 43)):
        assert search(f"{COX} --no_final --seed {seed}", tmp_path / folder) == 0
    first, again, other = (tried(tmp_path / folder) for folder in "abc")
    assert first == again
    assert first[1]["parameters"] != other[1]["parameters"]


@pytest.mark.parametrize(
    ("flags", "differs"),
    [
        ("--metric brier", "metric was 'integrated_brier' and is 'brier'"),
        ("--synthetic_rows 140", "data_sha256 was '"),
        ("--calibrate", "calibrate (flags) was False and is True"),
        ("--seed 43", "seed was 42 and is 43"),
        ("--inner_folds 2", "inner_folds (flags) was 0 and is 2"),
        ("--space SPACE", "cox_l1_ratio (space) was {"),
        ("--model kaplan_meier --space SPACE", "'cox_alpha' is read by coxph"),
        ("--trials 1", "has begun 2 trials; --trials must be at least 2"),
    ],
)
def test_a_search_continues_as_it_was(
    flags: str, differs: str, search: Search, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search("--model coxph --trials 2 --no_final") == 0
    record = (tmp_path / "tried/search.json").read_text()
    if flags == "--trials 1":  # closed, but not tested: it can grow, not shrink
        differs = "--trials can only grow"
    flags = flags.replace("SPACE", space_file(tmp_path, "cox_alpha: [0.1, 1]"))
    assert search(f"--model coxph --trials 2 --no_final {flags}") == 2
    assert differs in capsys.readouterr().err
    assert (tmp_path / "tried/search.json").read_text() == record


def test_a_search_grows_until_its_choice_is_tested(
    search: Search, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search("--model coxph --trials 2 --no_final") == 0
    two = tried(tmp_path)
    assert search("--model coxph --trials 3") == 0
    assert tried(tmp_path)[:2] == two
    assert len(tried(tmp_path)) == 3
    for trials in (2, 4):
        assert search(f"--model coxph --trials {trials}") == 2
        assert "its choice has been tested" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--model kaplan_meier", "the search space of kaplan_meier is empty"),
        ("--model coxph --cox_alpha 1", "--cox_alpha is given a value, too"),
        ("--model coxph --seeds 1 2", "--seeds cannot be given here"),
        ("--model coxph --no_evaluate_test", "--evaluate_test cannot be given here"),
        ("--model coxph --inner_folds 2 --inner_fold 1", "--inner_fold cannot be given here"),
        ("--model coxph --lr 0.1", "--lr: read only with"),
        ("--model coxph --overwrite", "--overwrite"),
        ("--model coxph --trials 0", "--trials"),
        ("--model coxph --check_wandb", "--check_wandb is for a sweep"),
        ("--model coxph --inner_folds 1", "--inner_folds is 1"),
        ("--model coxph --inner_folds 500", "--inner_folds is 500, and there are"),
        ("--model coxph --space no.yaml", "no.yaml"),
    ],
)
def test_bad_flags_leave_nothing_behind(
    flags: str, said: str, search: Search, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(flags) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not list(tmp_path.iterdir())


def test_a_dry_run_writes_nothing(
    search: Search, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search("--model coxph --dry_run") == 0
    said = capsys.readouterr().out
    assert "--evaluate_test=False" in said
    assert not list(tmp_path.iterdir())


def space_file(folder: Path, text: str) -> str:
    path = folder.parent / f"{folder.name}.yaml"
    path.write_text(text)
    return str(path)


def test_trials_that_are_far_behind_are_pruned(
    search: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("survkit.search.limits.ENOUGH_TRIALS", 1)
    monkeypatch.setattr("survkit.search.limits.QUANTILE", 0.0)  # none may be behind the best
    space = space_file(tmp_path, "lr: {low: 1e-5, high: 0.1, log: true}")
    flags = f"--model mtlr --hidden_dim 4 --epochs 20 --no_final --space {space}"
    assert search(f"{flags} --trials 6", tmp_path / "a") == 0
    trials = tried(tmp_path / "a")
    ended = [trial["ended"] for trial in trials]
    assert ended[0] == "complete"
    assert "pruned" in ended
    for trial in trials:
        assert (trial["value"] is None) is (trial["ended"] == "pruned")
    assert len(results(tmp_path / "a/tried/trials")) == ended.count("complete")
    assert content(tmp_path / "a")["reason"].endswith(f"({ended.count('pruned')} pruned)")
    assert search(f"{flags} --trials 6 --no_pruning", tmp_path / "b") == 0
    assert [trial["ended"] for trial in tried(tmp_path / "b")] == ["complete"] * 6
