"""Workers as launchers use them: the records of fresh processes, kills, and what is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from survkit.launch.jobs import Job, Outcome, Status
from survkit.launch.kept_data import KeptData
from survkit.launch.process import Place, job_environment, run_job
from survkit.launch.worker_pool import WorkerPool
from tests.launch.job_fixtures import make_job

PLACE = Place("slot 1", threads=1)
ENDLESS = {"dataset": "synthetic", "model": "mtlr", "epochs": 10**6, "device": "cpu"}
VARYING = ("timing", "peak_memory_mb", "files", "sha256")


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(10) as workers:
        yield workers


def workers() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and "survkit.worker" in child.cmdline()
    ]


def train(pool: WorkerPool | None, job: Job, **keywords: Any) -> Outcome:
    outcome = run_job(job, PLACE, execute=pool.run if pool else None, **keywords)
    assert outcome is not None
    return outcome


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def records(folder: Path) -> dict[str, Any]:
    """Return results and predictions by run."""
    found = {}
    for path in folder.glob("g/*/result.json"):
        result = json.loads(path.read_text())
        with np.load(path.parent / "predictions_test.npz") as arrays:
            curves = arrays["survival"].tobytes()
        plain = {name: value for name, value in result.items() if name not in VARYING}
        found[path.parent.name] = (plain, curves, (path.parent / "history.jsonl").exists())
    return found


@pytest.mark.slow
def test_records_are_those_of_fresh_processes_in_any_order(
    pool: WorkerPool, tmp_path: Path
) -> None:
    runs = [("mtlr", 42), ("coxph", 42), ("rsf", 42), ("mtlr", 43)]
    folders = [tmp_path / name for name in ("fresh", "forth", "back")]
    orders = [runs, runs, runs[::-1]]
    for folder, order in zip(folders, orders, strict=True):
        for model, seed in order:
            flags: dict[str, Any] = {"epochs": 3} if model == "mtlr" else {}
            job = make_job(
                *(folder, f"{model} {seed}"),
                **{"dataset": "veteran", "model": model, "seed": seed, "bootstrap": 5},
                **{"device": "cpu", "log_dir": str(folder), "group": "g", **flags},
            )
            outcome = train(None if folder == folders[0] else pool, job)
            assert outcome.exit_status == 0, job.log.read_text()
            assert outcome.peak_memory_mb is not None
            assert 50 < outcome.peak_memory_mb < 3000
    assert len(workers()) == 1
    fresh = records(folders[0])
    assert len(fresh) == len(runs)
    assert records(folders[1]) == fresh
    assert records(folders[2]) == fresh


def test_bad_input_is_reported_as_by_a_process(pool: WorkerPool, tmp_path: Path) -> None:
    outcome = train(pool, make_job(tmp_path, "a", dataset="nowhere", model="mtlr"), retries=2)
    assert outcome.status is Status.FAILED
    assert outcome.exit_status == 2
    assert outcome.attempts == 1
    assert outcome.note.startswith("survkit.train: error: unknown dataset 'nowhere'")
    assert len(workers()) == 1


def test_the_death_of_a_job_or_of_a_worker_costs_that_job_only(
    pool: WorkerPool, tmp_path: Path
) -> None:
    for victim in ("job", "worker"):
        job = make_job(tmp_path, victim, **ENDLESS, log_dir=str(tmp_path), group=victim)

        def kill(victim: str = victim) -> None:
            wait_for(lambda: list(tmp_path.glob(f"{victim}/*/history.jsonl")))
            (worker,) = workers()
            (worker.children()[0] if victim == "job" else worker).kill()

        killer = threading.Thread(target=kill)
        killer.start()
        outcome = train(pool, job)
        killer.join()
        assert outcome.note == "killed by SIGKILL (out of memory?)"
        assert len(workers()) == (victim == "job")
    assert train(pool, make_job(tmp_path, "next", model="nonsense")).exit_status == 2


def test_a_stop_ends_the_job_in_time_and_its_worker_stays(pool: WorkerPool, tmp_path: Path) -> None:
    job = make_job(tmp_path, "a", **ENDLESS, log_dir=str(tmp_path), group="g")
    outcome = train(pool, job, stop=lambda: bool(list(tmp_path.glob("g/*/last.pt"))))
    assert outcome.status is Status.STOPPED
    assert outcome.exit_status == 143
    assert list(tmp_path.glob("g/*/last.pt"))
    assert len(workers()) == 1


def test_a_worker_is_replaced_after_its_jobs(tmp_path: Path) -> None:
    with WorkerPool(2) as pool:
        left = []
        for name in ("a", "b", "c"):
            assert train(pool, make_job(tmp_path, name, model="nonsense")).exit_status == 2
            left.append([worker.pid for worker in workers()])
    assert len(left[0]) == 1
    assert left[1] == []
    assert left[2] != left[0]
    assert workers() == []


def test_a_worker_that_does_not_start_costs_no_job(
    pool: WorkerPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\n[ "$2" = survkit.worker ] && exit 1\necho own; exit 3\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    outcome = train(pool, make_job(tmp_path, "a"))
    assert (outcome.exit_status, outcome.note) == (3, "own")


def test_nothing_is_left_once_the_launcher_is_gone(tmp_path: Path) -> None:
    job = make_job(tmp_path, "a", **ENDLESS, log_dir=str(tmp_path), group="g")
    job.log.parent.mkdir()
    worker = subprocess.Popen(
        [sys.executable, "-m", "survkit.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=job_environment(PLACE),
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    request = json.dumps({"arguments": job.arguments, "log": str(job.log)})
    worker.stdin.write(f"{request}\n".encode())
    worker.stdin.flush()
    pid = json.loads(worker.stdout.readline())["pid"]
    wait_for(lambda: list(tmp_path.glob("g/*/last.pt")))
    worker.stdin.close()
    assert worker.wait(60) == 0
    assert json.loads(worker.stdout.readline())["exit_status"] == 128 + signal.SIGTERM
    worker.stdout.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_data_are_loaded_once_and_the_oldest_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("survkit.launch.kept_data.MOST_DATASETS", 2)
    kept = KeptData()
    arguments = [["--dataset", "veteran", "--split_seed", str(seed)] for seed in range(3)]
    for given in arguments:
        kept.prepare(given)
    assert len(kept.keys) == 2
    before = kept.keys
    kept.prepare(arguments[1])
    assert kept.keys == before[::-1]
    kept.keep_only_prepared()
    assert kept.keys == before[:1]
