"""Training runs on a real Dask cluster on loopback."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from survkit.configs.batch_run import BatchRunConfig
from survkit.launch.jobs import Job, Outcome, Status
from survkit.launch.local import dask_cluster, launch_locally
from survkit.launch.overview import Overview
from survkit.launch.plan import plan_sweeps
from survkit.types import InputError

pytestmark = pytest.mark.cluster

if TYPE_CHECKING:
    from distributed import LocalCluster

THREE = """
common: {dataset: veteran, bootstrap: 0, model: coxph}
runs:
  - {name: good}
  - {name: bad, model: rsf, max_memory_gb: 1.0e-9}
  - {name: waits, cox_alpha: 0.01, after: [bad]}
"""
TRAINING = """
common:
  {dataset: synthetic, synthetic_rows: 300, time_bins: 12, model: mtlr, hidden_dim: 8,
  early_stopping_patience: 100000, bootstrap: 0, epochs: %d}
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    from distributed import LocalCluster

    logging.disable(logging.INFO)  # prefect would show what the scheduler tells
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0"
    ) as cluster:
        yield cluster
    logging.disable(logging.NOTSET)


def plan(folder: Path, sweep: str) -> list[Job]:
    path = folder / "sweep.yaml"
    path.write_text(sweep)
    given = {"log_dir": str(folder), "mode": "disabled"}
    return plan_sweeps(BatchRunConfig(sweep=str(path)), given).jobs


def launch(jobs: list[Job], address: str, stop: threading.Event | None = None) -> list[Outcome]:
    config = BatchRunConfig(group=("sweep",), runner="dask", dask_address=address)
    overview = Overview(len(jobs))
    return launch_locally(jobs, config, stop=stop or threading.Event(), overview=overview)


def when_training(
    job: Job, action: Callable[[psutil.Process], None], stop: threading.Event
) -> threading.Thread:
    """Do something, once a job is in the middle of its training, to its process."""

    def wait() -> None:
        history = job.folder / "history.jsonl"
        deadline = time.monotonic() + 200
        while not (history.exists() and len(history.read_bytes().splitlines()) > 5):
            if time.monotonic() > deadline:
                stop.set()
                return
            time.sleep(0.02)
        (training,) = (p for p in psutil.process_iter(["cmdline"]) if is_of(job, p))
        action(training)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def is_of(job: Job, process: psutil.Process) -> bool:
    return (process.info["cmdline"] or [])[-len(job.arguments) :] == list(job.arguments)


def test_jobs_run_on_the_workers_as_tasks_of_a_flow(
    server: None, cluster: LocalCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from prefect.client.orchestration import get_client

    jobs = plan(tmp_path, THREE)
    outcomes = launch(jobs, cluster.scheduler_address)
    assert [o.status for o in outcomes] == [Status.DONE, Status.FAILED, Status.BLOCKED], outcomes
    assert jobs[0].is_complete
    assert "--max_memory_gb" in outcomes[1].note
    assert "continuing without prefect" not in capsys.readouterr().err
    report = json.loads(jobs[0].log.with_suffix(".json").read_text())
    addresses = [worker.worker_address for worker in cluster.workers.values()]
    assert report["place"] in [f"Dask {address}" for address in addresses]
    with get_client(sync_client=True) as client:
        deadline = time.monotonic() + 30
        while "sweep good" not in {run.name for run in client.read_task_runs()}:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_a_worker_that_dies_costs_no_run(
    no_server: None, cluster: LocalCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (job,) = plan(tmp_path, TRAINING % 300)
    stop = threading.Event()
    thread = when_training(job, lambda training: training.parent().kill(), stop)
    (outcome,) = launch([job], cluster.scheduler_address, stop)
    thread.join()
    assert outcome.status is Status.DONE, outcome
    assert len((job.folder / "history.jsonl").read_bytes().splitlines()) == 300
    assert "continuing without prefect" in capsys.readouterr().err


def test_a_stop_ends_the_runs_on_the_workers(
    no_server: None, cluster: LocalCluster, tmp_path: Path
) -> None:
    (job,) = plan(tmp_path, TRAINING % 1_000_000)
    stop = threading.Event()
    seen: list[psutil.Process] = []

    def end(training: psutil.Process) -> None:
        seen.append(training)
        stop.set()

    thread = when_training(job, end, stop)
    (outcome,) = launch([job], cluster.scheduler_address, stop)
    thread.join()
    assert outcome.status is Status.STOPPED
    assert not seen[0].is_running()
    assert (job.folder / "last.pt").exists()


def test_a_scheduler_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 1)
    (job,) = plan(tmp_path, TRAINING % 1)
    with pytest.raises(InputError, match=r"--dask_address tcp://127.0.0.1:9: no scheduler answers"):
        launch([job], "tcp://127.0.0.1:9")
    with pytest.raises(InputError, match=r"--dask_address nonsense://x: no scheduler answers"):
        launch([job], "nonsense://x")


def test_a_cluster_without_workers_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import LocalCluster

    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 1)
    (job,) = plan(tmp_path, TRAINING % 1)
    with (
        LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=":0") as empty,
        pytest.raises(InputError, match="the scheduler has no worker"),
    ):
        launch([job], empty.scheduler_address)
    assert not job.log.exists()
