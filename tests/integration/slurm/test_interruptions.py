"""Jobs and launchers that are interrupted on a real SLURM lose nothing and run nothing twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from survkit.launch.jobs import Job, Status
from tests.integration.slurm.sweeps import (
    COXPH,
    FAILING,
    LONG,
    assert_same_record,
    epochs,
    held_ids,
    launch,
    note,
    plan,
    train_here,
    wait_until,
)

pytestmark = pytest.mark.cluster


def attempts(job: Job) -> int:
    return job.log.read_text().count("=== ")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the run `LONG` made in one go."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    (job,), _ = plan(folder, LONG)
    return train_here(job, folder)


def test_requeued_jobs_end_as_if_uninterrupted(tmp_path: Path, uninterrupted: Path) -> None:
    """One is told that its time limit is near, one is requeued by the administrator."""
    (job,), config = plan(tmp_path, LONG, array=True)
    (other,), _ = plan(tmp_path, LONG, log_dir="other logs")
    jobs = [job, other._replace(name="other")]
    with ThreadPoolExecutor(1) as pool:
        launching = pool.submit(launch, jobs, config)
        wait_until(lambda: min(map(epochs, jobs)) > 3)
        subprocess.run(["scancel", "--signal=USR1", "--batch", note(jobs[0])["job_id"]], check=True)
        subprocess.run(["scontrol", "requeue", note(jobs[1])["job_id"]], check=True)
        outcomes = launching.result()
    assert [outcome.status for outcome in outcomes] == [Status.DONE, Status.DONE]
    assert f"job {note(jobs[0])['job_id']} requeues itself\n" in jobs[0].log.read_text()
    for job in jobs:
        assert attempts(job) == 2
        assert note(job)["status"] == "done"  # by the job, or by the launcher if it is first
        assert_same_record(job, uninterrupted)


def test_a_job_that_is_cancelled_goes_on_when_it_is_launched_again(
    tmp_path: Path, uninterrupted: Path
) -> None:
    (job,), config = plan(tmp_path, LONG)
    with ThreadPoolExecutor(1) as pool:
        launching = pool.submit(launch, [job], config)
        wait_until(lambda: epochs(job) > 3)
        subprocess.run(["scancel", note(job)["job_id"]], check=True)
        (outcome,) = launching.result()
    assert (outcome.status, outcome.note) == (Status.FAILED, "SLURM: CANCELLED")
    assert (note(job)["status"], note(job)["note"]) == ("failed", "SLURM: CANCELLED")
    assert (job.folder / "last.pt").exists()
    (outcome,) = launch([job], config)
    assert outcome.status is Status.DONE
    assert attempts(job) == 2
    assert_same_record(job, uninterrupted)


def test_the_command_killed_and_started_again_runs_nothing_twice(tmp_path: Path) -> None:
    jobs, _ = plan(tmp_path, {**COXPH, "seed": [1, 2]}, FAILING)
    command = [sys.executable, "-m", "survkit.grid_search", "--sweep", str(tmp_path / "sweep.yaml")]
    command += ["--log_dir", str(tmp_path / "logs"), "--mode", "disabled", "--use_slurm", "--wait"]
    command += ["--cpu", "1", "--memory", "100M", "--time", "10", "--array"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    launcher = subprocess.Popen(command, env=environment)
    wait_until(held_ids)
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()

    second = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=250
    )
    assert second.returncode == 1
    assert "failed: sweep bad: survkit.train: error: 100 trees" in second.stdout
    for job in jobs:
        if job.name != "sweep bad":  # where that has failed already, it is tried again
            assert attempts(job) == 1
            assert_same_record(job, train_here(job, tmp_path / "uninterrupted"))
