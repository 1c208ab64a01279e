"""Real prefect flows on a real prefect server, with training runs as tasks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from survkit.configs.batch_run import BatchRunConfig
from survkit.launch.jobs import Job, Status
from survkit.launch.local import launch_locally
from survkit.launch.local.prefect_server import PrefectServerError, prefect_api
from survkit.launch.overview import Overview
from survkit.launch.plan import plan_sweeps
from survkit.system import python_environment

pytestmark = pytest.mark.cluster

if TYPE_CHECKING:
    from prefect.client.schemas.objects import TaskRun

SWEEP = """
common: {dataset: veteran, bootstrap: 0, model: coxph}
runs:
  - {name: good}
  - {name: bad, model: rsf, max_memory_gb: 1.0e-9}
  - {name: waits, cox_alpha: 0.01, after: [bad]}
"""
LONG = """
common: {dataset: synthetic, model: mtlr, epochs: 100000, early_stopping_patience: 100000}
"""


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    sweep = tmp_path / "three.yaml"
    sweep.write_text(SWEEP)
    config = BatchRunConfig(sweep=str(sweep))
    return plan_sweeps(config, {"log_dir": str(tmp_path), "mode": "disabled"}).jobs


def test_every_job_is_a_task_run_that_ends_as_the_job_did(
    server: None, jobs: list[Job], capsys: pytest.CaptureFixture[str]
) -> None:
    from prefect.client.orchestration import get_client

    config = BatchRunConfig(group=("three",), runner="prefect", max_subprocesses=2)
    overview = Overview(len(jobs))
    outcomes = launch_locally(jobs, config, stop=threading.Event(), overview=overview)
    assert [outcome.status for outcome in outcomes] == [
        Status.DONE,
        Status.FAILED,
        Status.BLOCKED,
    ], outcomes
    assert outcomes[0].job.is_complete
    assert "without prefect" not in capsys.readouterr().err

    expected = {jobs[0].name: "COMPLETED", jobs[1].name: "FAILED"}
    with get_client(sync_client=True) as client:
        deadline = time.monotonic() + 30  # task runs reach the server a little later
        found: dict[str, TaskRun] = {}
        while {name: run.state_type for name, run in found.items()} != expected:
            assert time.monotonic() < deadline, found
            time.sleep(0.2)
            found = {run.name: run for run in client.read_task_runs() if run.name in expected}
        failed = found[jobs[1].name]
        assert client.read_flow_run(failed.flow_run_id).state_type == "FAILED"
    assert failed.state is not None
    assert failed.state.message == outcomes[1].note
    assert "--max_memory_gb" in outcomes[1].note


def test_a_server_that_does_not_answer_costs_no_run(
    no_server: None, jobs: list[Job], capsys: pytest.CaptureFixture[str]
) -> None:
    config = BatchRunConfig(group=("three",), runner="prefect")
    outcomes = launch_locally(jobs[:1], config, stop=threading.Event(), overview=Overview(1))
    assert [outcome.status for outcome in outcomes] == [Status.DONE], outcomes
    warning = "warning: continuing without prefect: the server at http://127.0.0.1:9/api does not"
    assert warning in capsys.readouterr().err
    assert jobs[0].log.read_text().count("=== ") == 1


def test_a_server_that_cannot_start_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", "nonsense")
    with (
        pytest.raises(PrefectServerError, match=r"the server did not start: .+"),
        prefect_api(threading.Event()),
    ):
        pass
    assert list(tmp_path.glob("survkit-prefect-*")) == []


def test_a_stop_ends_a_server_that_is_starting() -> None:
    stop = threading.Event()
    stop.set()
    before = set(psutil.Process().children())
    with pytest.raises(PrefectServerError, match="stopped before"), prefect_api(stop):
        pass
    assert set(psutil.Process().children()) == before


def test_a_server_ends_with_a_launcher_that_is_killed(tmp_path: Path) -> None:
    script = """
import time
from survkit.launch.local.prefect_server import _greeting, _process
with _process() as server:
    print(*_greeting(server), server.process.pid, flush=True)
    time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env={**python_environment(), "TMPDIR": str(tmp_path)},
    ) as process:
        assert process.stdout is not None
        _, home, server = process.stdout.readline().split()
        process.kill()
    _, alive = psutil.wait_procs([psutil.Process(int(server))], timeout=20)
    assert [left for left in alive if left.status() != psutil.STATUS_ZOMBIE] == []
    assert Path(home).parent == tmp_path
    assert not Path(home).exists()


def test_a_stopped_launcher_leaves_nothing_behind(tmp_path: Path) -> None:
    sweep = tmp_path / "long.yaml"
    sweep.write_text(LONG)
    flags = ["--sweep", str(sweep), "--log_dir", str(tmp_path), "--mode", "disabled"]
    with subprocess.Popen(
        [sys.executable, "-m", "survkit.grid_search", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**python_environment(), "TMPDIR": str(tmp_path)},
        process_group=0,
    ) as process:
        try:
            assert process.stdout is not None
            while "started" not in process.stdout.readline():
                assert process.poll() is None
            while len(children := psutil.Process(process.pid).children()) < 2:
                time.sleep(0.05)  # the server is there, the training comes
            os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
            output, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "Traceback" not in output
    assert "stopped: long mtlr" in output
    assert [child for child in children if child.is_running()] == []
    assert list(tmp_path.glob("survkit-prefect-*")) == []
