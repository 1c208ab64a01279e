"""What is said of jobs that wait; how they end is tested on a real cluster."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from survkit.launch.jobs import Outcome, Status
from survkit.launch.overview import Overview
from survkit.slurm import following
from survkit.slurm.following import Follower
from survkit.slurm.queue import QueuedJob
from tests.launch.job_fixtures import make_job


def test_why_jobs_wait_is_said_once_for_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = [make_job(tmp_path, name) for name in "abc"]
    ids = {job.name: str(number) for number, job in enumerate(jobs, start=1)}
    reasons = ["QOSMaxJobsPerUserLimit", "QOSMaxJobsPerUserLimit", "Priority"]
    queue = [
        QueuedJob(job_id, "PENDING", reason, "")
        for job_id, reason in zip(ids.values(), reasons, strict=True)
    ]
    # A cluster with accounts and limits is more than a test can set up.
    monkeypatch.setattr(following, "list_queue", lambda: queue)
    stop = threading.Event()
    stop.set()
    outcomes = {job.name: Outcome(job, Status.SUBMITTED) for job in jobs}
    Follower(jobs, ids, outcomes, Overview(3)).follow(stop)
    printed = capsys.readouterr().out
    assert printed.count("wait") == 1
    assert "job 1 and others like it wait: QOSMaxJobsPerUserLimit" in printed
    assert "the jobs keep running; scancel 1 2 3 ends them" in printed
