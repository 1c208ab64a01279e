from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import survkit
from survkit.launch.jobs import Job, Status
from survkit.launch.process import Place, job_environment, run_job, trained_elsewhere
from survkit.runs.folder import RunFolder
from survkit.train import main
from tests.launch.job_fixtures import make_job

PLACE = Place("slot 1", threads=1)


def make_run(folder: Path, **flags: Any) -> Job:
    return make_job(folder, "run", **flags)


def report(job: Job) -> dict[str, object]:
    content: dict[str, object] = json.loads(job.log.with_suffix(".json").read_text())
    return content


def script(folder: Path, text: str) -> str:
    """Write a program that stands in for Python, to see what a job is given."""
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def trainings() -> list[psutil.Process]:
    children = psutil.Process().children()
    return [child for child in children if runs(child.pid) and "survkit.train" in child.cmdline()]


def kill_each_attempt(job: Job, attempts: int) -> None:
    for attempt in range(1, attempts + 1):
        while not (job.log.exists() and f"attempt {attempt} " in job.log.read_text()):
            time.sleep(0.01)
        while not (found := trainings()):
            time.sleep(0.01)
        found[0].kill()


def test_bad_input_fails_at_once_with_the_last_line_of_the_log(tmp_path: Path) -> None:
    job = make_run(tmp_path, dataset="veteran", model="nonsense", seed=7)
    outcome = run_job(job, PLACE, retries=3)
    assert outcome is not None
    assert outcome.status is Status.FAILED
    assert outcome.note.startswith("survkit.train: error: unknown model 'nonsense'")
    written = report(job)
    assert written["exit_status"] == 2
    assert written["attempts"] == 1
    assert written["command"] == [sys.executable, "-m", "survkit.train", *job.arguments]
    assert [written[name] for name in ("dataset", "model", "seed")] == ["veteran", "nonsense", 7]
    assert written["place"] == "slot 1"
    assert written["gpu"] is None
    assert written["seconds"] == pytest.approx(outcome.seconds, abs=1e-3)


def test_an_exit_without_a_record_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", script(tmp_path, "exit 0"))
    job = make_run(tmp_path)
    outcome = run_job(job, PLACE)
    assert outcome is not None
    assert outcome.status is Status.FAILED
    assert outcome.note == f"finished without an error, but left no record at {job.folder}"


def test_the_peak_memory_is_that_of_the_job_not_of_a_larger_launcher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = script(tmp_path, f"exec {sys.executable} -m survkit.train --help")
    monkeypatch.setattr(sys, "executable", program)
    ballast = np.ones(2**25)  # 256 MiB
    outcome = run_job(make_run(tmp_path), PLACE)
    assert ballast[-1] == 1
    assert outcome is not None
    assert outcome.peak_memory_mb is not None
    assert 10 < outcome.peak_memory_mb < 200


def test_a_killed_job_is_tried_again_and_its_signal_named(tmp_path: Path) -> None:
    job = make_run(tmp_path, dataset="synthetic", epochs=10**6, log_dir=str(tmp_path))
    killer = threading.Thread(target=kill_each_attempt, args=(job, 2))
    killer.start()
    outcome = run_job(job, PLACE, retries=1)
    killer.join()
    assert outcome is not None
    assert outcome.status is Status.FAILED
    assert outcome.note == "killed by SIGKILL (out of memory?)"
    assert report(job)["attempts"] == 2
    assert report(job)["exit_status"] == -signal.SIGKILL
    assert job.log.read_text().count("=== ") == 2
    assert job.log.read_text().count("\nkilled by SIGKILL (out of memory?)\n") == 2


@pytest.mark.slow
def test_a_job_that_another_process_trains_is_left_to_it(tmp_path: Path) -> None:
    flags = {"dataset": "veteran", "model": "coxph", "bootstrap": 0}
    job = make_run(tmp_path, **flags, log_dir=str(tmp_path), group="g")
    assert main(job.arguments) == 0
    (result,) = tmp_path.glob("g/*/result.json")
    job = job._replace(folder=result.parent)
    assert not trained_elsewhere(job)
    with RunFolder(job.folder).lock():
        assert trained_elsewhere(job)
        assert run_job(job, PLACE) is None
    assert not job.log.with_suffix(".json").exists()


def test_stopping_ends_the_whole_process_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = script(tmp_path, "trap '' TERM; echo $$; sleep 60 & wait; sleep 60")
    monkeypatch.setattr(sys, "executable", program)
    job = make_run(tmp_path)
    job.log.parent.mkdir()
    job.log.touch()
    started = time.monotonic()
    outcome = run_job(
        job, PLACE, stop=lambda: job.log.read_text().count("\n") == 2, grace_seconds=0.3
    )
    assert time.monotonic() - started < 10
    assert outcome is not None
    assert outcome.status is Status.STOPPED
    assert report(job)["exit_status"] == -signal.SIGKILL
    group = int(job.log.read_text().splitlines()[-1])
    assert group not in [os.getpgid(pid) for pid in psutil.pids() if runs(pid)]


def test_what_a_job_leaves_running_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", script(tmp_path, "sleep 60 & echo $!; exit 3"))
    job = make_run(tmp_path)
    outcome = run_job(job, PLACE)
    assert outcome is not None
    left = int(outcome.note)
    deadline = time.monotonic() + 10
    while runs(left):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_stop_before_the_start_starts_nothing(tmp_path: Path) -> None:
    job = make_run(tmp_path)
    outcome = run_job(job, PLACE, stop=lambda: True)
    assert outcome is not None
    assert outcome.status is Status.STOPPED
    assert not job.log.exists()


def test_arguments_and_place_reach_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        'for a in "$@"; do echo "<$a>"; done; echo $OMP_NUM_THREADS $CUDA_VISIBLE_DEVICES; exit 5'
    )
    monkeypatch.setattr(sys, "executable", script(tmp_path, text))
    odd = "a b'c\"d$HOME\\`ls`"
    job = make_run(tmp_path, group=odd)
    outcome = run_job(job, Place("GPU 1", threads=3, cuda_visible_devices="GPU-abc"))
    assert outcome is not None
    lines = job.log.read_text().splitlines()
    assert lines[1:3] == ["<-m>", "<survkit.train>"]
    assert f"<--group={odd}>" in lines
    assert outcome.note == "3 GPU-abc"


def test_a_job_keeps_to_its_share_of_the_cores(tmp_path: Path) -> None:
    shown = "import joblib, polars; print(joblib.cpu_count(), polars.thread_pool_size())"
    output = subprocess.check_output(
        [sys.executable, "-c", shown], env=job_environment(Place("slot 1", threads=1)), cwd=tmp_path
    )
    assert output.split() == [b"1", b"1"]


def test_cpu_slots_leave_the_visible_gpus_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert job_environment(PLACE)["CUDA_VISIBLE_DEVICES"] == ""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert "CUDA_VISIBLE_DEVICES" not in job_environment(PLACE)


def test_this_survkit_is_imported_wherever_a_job_starts(tmp_path: Path) -> None:
    (tmp_path / "survkit").mkdir()
    (tmp_path / "survkit" / "__init__.py").touch()
    output = subprocess.check_output(
        [sys.executable, "-c", "import survkit; print(survkit.__file__)"],
        env=job_environment(PLACE),
        cwd=tmp_path,
        text=True,
    )
    assert output.strip() == survkit.__file__


def test_a_log_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "launcher").write_text("a file, not a folder")
    outcome = run_job(make_run(tmp_path), PLACE)
    assert outcome is not None
    assert outcome.status is Status.FAILED
    assert "launcher" in outcome.note
