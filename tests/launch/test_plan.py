from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

import survkit.launch.plan
from survkit.configs.batch_run import BatchRunConfig
from survkit.launch.plan import plan_sweeps
from survkit.train import main as train
from survkit.types import InputError
from tests.runs.records import finish

SWEEP = """
common: {dataset: veteran, bootstrap: 0, seed: [42, 43]}
runs:
  - {name: quick, model: SKSurvCox}
  - {model: mtlr, epochs: 1, after: [quick]}
"""


@pytest.fixture
def sweep(tmp_path: Path) -> str:
    path = tmp_path / "small.yaml"
    path.write_text(SWEEP)
    return str(path)


def plan(sweep: str, given: dict[str, Any] | None = None, **flags: Any) -> Any:
    given = {"mode": "disabled", **(given or {})}
    return plan_sweeps(BatchRunConfig(sweep=sweep, **flags), given)


@pytest.mark.slow
def test_a_job_is_the_run_that_training_makes(sweep: str, tmp_path: Path) -> None:
    log_dir = tmp_path / "logs"
    jobs, skipped, _ = plan(sweep, {"log_dir": str(log_dir)})
    assert [job.name for job in jobs] == [
        "small quick seed=42",
        "small quick seed=43",
        "small mtlr seed=42",
        "small mtlr seed=43",
    ]
    assert skipped == []
    assert not log_dir.exists()
    assert jobs[2].after == ("small quick seed=42", "small quick seed=43")
    assert train(jobs[0].arguments) == 0
    assert jobs[0].is_complete
    assert json.loads((jobs[0].folder / "result.json").read_text())["model"] == "coxph"

    again = plan(sweep, {"log_dir": str(log_dir)})
    assert [outcome.job.name for outcome in again.skipped] == ["small quick seed=42"]
    assert [job.name for job in again.jobs] == [job.name for job in jobs[1:]]
    assert again.jobs[1].after == ("small quick seed=43",)


def test_a_record_of_another_version_counts_with_a_warning(
    sweep: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"log_dir": str(tmp_path / "logs")}
    folder = plan(sweep, given).jobs[0].folder
    finish(folder, survkit_version="0.0.9")
    assert len(plan(sweep, given).skipped) == 1
    assert "was made by survkit 0.0.9, this is" in capsys.readouterr().err
    (folder / "result.json").write_text("{")
    damaged = plan(sweep, given)
    assert damaged.skipped == []
    assert not damaged.jobs[0].is_complete  # what a launcher asks, so that it is made again
    assert "is damaged" in capsys.readouterr().err


def test_a_sample_is_always_the_same_and_has_what_it_depends_on(sweep: str) -> None:
    jobs = plan(sweep, num_runs=2).jobs
    assert jobs == plan(sweep, num_runs=2).jobs
    names = {job.name for job in jobs}
    assert all(set(job.after) <= names for job in jobs)
    assert len(plan(sweep, num_runs=99).jobs) == 4


def test_what_is_finished_in_wandb_is_left_out(sweep: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = plan(sweep).jobs[0].folder.name
    asked: list[Any] = []

    def finished(*where: Any) -> set[str]:  # Weights & Biases itself cannot run here
        asked.append(where)
        return {first}

    monkeypatch.setattr(survkit.launch.plan, "finished_runs", finished)
    jobs, skipped, _ = plan(sweep, {"entity": "team"}, check_wandb=True)
    assert asked == [("team", "survkit", "small")]
    assert [outcome.job.folder.name for outcome in skipped] == [first]
    assert skipped[0].note == "finished in Weights & Biases"
    assert len(jobs) == 3


def test_paths_are_absolute(sweep: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"log_dir": "some logs", "data_dir": "../d", "dir": "mirror", "tags": ("a", "b")}
    job = plan(sweep, given).jobs[0]
    assert job.folder.parent == tmp_path / "some logs" / "small"
    assert job.log.parent == tmp_path / "some logs" / "small" / "launcher"
    assert f"--data_dir={tmp_path.parent / 'd'}" in job.arguments
    assert {f"--dir={tmp_path / 'mirror'}", "--tags", "a", "b"} <= set(job.arguments)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("common: {dataset: veteran, model: cox}", "unknown model 'cox'"),
        ("common: {dataset: vetran}", "unknown dataset 'vetran' .did you mean veteran"),
        (
            "common: {dataset: veteran, model: personalized_moe, moe_value_dim: 128}",
            "bad: personalized_moe: .*128.*10",
        ),
        ("common: {dataset: veteran, lr: [1, 1.0]}", "are the same run"),
        (
            "common: {dataset: veteran, overwrite: true}",
            "--overwrite does not go with a sweep.*move the old records in .*/bad away",
        ),
        (
            "common: {dataset: udca, data_dir: /nowhere}",
            "bad: run: .*udca_dataset.csv is not there",
        ),
    ],
)
def test_a_run_that_cannot_be_made_is_refused_before_anything_starts(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        plan(str(path), {"log_dir": str(tmp_path / "logs")})
    assert not (tmp_path / "logs").exists()


def test_a_log_folder_that_cannot_be_written_is_refused(sweep: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write to .*file; choose another --log_dir"):
        plan(sweep, {"log_dir": str(tmp_path / "file" / "logs")})


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({}, "name a sweep with --group"),
        ({"group": ("a", "b"), "sweep": "s.yaml"}, "one --group at most"),
        ({"group": ("a",), "runner": "dask"}, "needs --dask_address"),
        ({"group": ("a",), "gpu_list": (1, 1)}, "names a GPU twice"),
        ({"group": ("a",), "gpu": "1"}, "--gpu is for --runner slurm, and this is prefect"),
        ({"group": ("a",), "runner": "process", "wait": True}, "--wait is for --runner slurm"),
        ({"group": ("a",), "dask_address": "tcp://h:1"}, "--dask_address is for --runner dask"),
        (
            {"group": ("a",), "use_slurm": True, "max_subprocesses": 2},
            "--max_subprocesses is for --runner prefect, process or dask, and this is slurm",
        ),
        (
            {"group": ("a",), "runner": "dask", "dask_address": "tcp://h:1", "gpu_list": (1,)},
            "--gpu_list is for --runner prefect or process, and this is dask",
        ),
        ({"group": ("a",), "runner": "process", "use_slurm": True}, "--use_slurm is --runner slu"),
    ],
)
def test_contradictory_flags_are_refused(flags: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        BatchRunConfig(**flags)


def test_use_slurm_is_the_slurm_runner() -> None:
    assert dataclasses.asdict(BatchRunConfig(group=("a",), use_slurm=True))["runner"] == "slurm"
