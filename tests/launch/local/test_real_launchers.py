"""Launchers as users start them: stopped, killed, two at once; the records are always the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

import survkit
from survkit.configs.args_file import build_config
from survkit.configs.batch_run import BatchRunConfig
from survkit.launch.plan import plan_sweeps
from survkit.train import main

pytestmark = pytest.mark.slow

SWEEP = """
common:
  {dataset: synthetic, synthetic_rows: 300, time_bins: 12, model: mtlr, hidden_dim: 8, epochs: 200,
  early_stopping_patience: 1000, bootstrap: 20, seed: [42, 43, 44]}
"""
EPOCHS = 200
VARYING = ("timing", "peak_memory_mb", "files", "sha256")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sweep") / "three.yaml"
    path.write_text(SWEEP)
    return path


@contextmanager
def launcher(sweep: Path, log_dir: Path, *, join: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Start a launcher; whatever happens, nothing of it runs on."""
    flags = ["--sweep", str(sweep), "--log_dir", str(log_dir), "--mode", "disabled"]
    command = [sys.executable, "-m", "survkit.grid_search", *flags]
    with subprocess.Popen(
        [
            *command,
            "--runner",
            "process",
            "--max_subprocesses",
            "2",
            "--jobs_per_worker=0",
            f"--join_seeds={join}",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=Path(survkit.__file__).parent.parent,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            for training in trainings(log_dir):
                training.kill()
            raise


def launch(sweep: Path, log_dir: Path) -> tuple[int, str]:
    with launcher(sweep, log_dir) as process:
        output, _ = process.communicate(timeout=200)
    return process.returncode, output


def trainings(log_dir: Path) -> list[psutil.Process]:
    """Return the training processes that write to a folder."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if f"--log_dir={log_dir}" in (process.info["cmdline"] or ())
    ]


def pause_in_the_middle(log_dir: Path) -> list[psutil.Process]:
    """Pause two trainings after their first epochs, however fast they are."""
    paused: dict[Path, psutil.Process] = {}
    deadline = time.monotonic() + 120
    while len(paused) < 2:
        assert time.monotonic() < deadline
        for history in set(log_dir.glob("three/*/history.jsonl")) - set(paused):
            if len(history.read_bytes().splitlines()) > 5:
                seed = json.loads((history.parent / "config.json").read_text())["seed"]
                (paused[history],) = (
                    process
                    for process in trainings(log_dir)
                    if f"--seed={seed}" in process.cmdline()
                )
                paused[history].suspend()
        time.sleep(0.02)
    assert not list(log_dir.glob("three/*/result.json"))
    return list(paused.values())


def wait_until_told_to_end(process: psutil.Process) -> None:
    """Wait until a paused process has a SIGTERM before it, so that it cannot end well first."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        (pending,) = (int(line.split()[1], 16) for line in lines if line.startswith("ShdPnd:"))
        if pending & 1 << (signal.SIGTERM - 1):
            return
        time.sleep(0.02)
    pytest.fail("the launcher did not tell its training to end")


def records(log_dir: Path) -> dict[str, dict[str, Any]]:
    results = {
        p.parent.name: json.loads(p.read_text()) for p in log_dir.glob("three/*/result.json")
    }
    return {
        name: {key: value for key, value in result.items() if key not in VARYING}
        for name, result in results.items()
    }


def epochs_logged(log_dir: Path) -> list[int]:
    return [len(p.read_bytes().splitlines()) for p in log_dir.glob("three/*/history.jsonl")]


@pytest.fixture(scope="module")
def uninterrupted(sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the records that the runs have without any launcher."""
    log_dir = tmp_path_factory.mktemp("uninterrupted")
    given = {"sweep": str(sweep), "log_dir": str(log_dir), "mode": "disabled"}
    for job in plan_sweeps(build_config(BatchRunConfig, given), given).jobs:
        assert main(job.arguments) == 0
    assert len(records(log_dir)) == 3
    return records(log_dir)


def test_a_stopped_sweep_goes_on_where_it_was(
    sweep: Path, uninterrupted: dict[str, Any], tmp_path: Path
) -> None:
    with launcher(sweep, tmp_path) as process:
        paused = pause_in_the_middle(tmp_path)
        process.terminate()
        for training in paused:
            wait_until_told_to_end(training)
            training.resume()
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "Traceback" not in output
    assert output.count("resumed next time") == 4  # once in the table
    assert output.count("not started") == 2
    assert trainings(tmp_path) == []
    assert records(tmp_path) == {}

    status, output = launch(sweep, tmp_path)
    assert status == 0, output
    assert records(tmp_path) == uninterrupted
    logs = list((tmp_path / "three" / "launcher").glob("*.log"))
    assert sorted(log.read_text().count("=== ") for log in logs) == [1, 2, 2]


def test_the_successors_of_a_killed_launcher_share_the_work_and_train_nothing_twice(
    sweep: Path, uninterrupted: dict[str, Any], tmp_path: Path
) -> None:
    with launcher(sweep, tmp_path) as process:
        orphans = pause_in_the_middle(tmp_path)
        for orphan in orphans:  # the system ends paused processes with their parent
            orphan.resume()
        process.kill()
        process.wait()
        for orphan in orphans:
            orphan.suspend()
    with launcher(sweep, tmp_path) as first, launcher(sweep, tmp_path) as second:
        read_until_postponed(first)
        read_until_postponed(second)
        for orphan in orphans:
            orphan.resume()
        outputs = [process.communicate(timeout=200)[0] for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], outputs
    assert [output.count("by another process") for output in outputs] in ([2, 3], [3, 2])
    assert records(tmp_path) == uninterrupted
    assert epochs_logged(tmp_path) == [EPOCHS] * 3
    logs = list((tmp_path / "three" / "launcher").glob("*.log"))
    assert [log.read_text().count("record: ") for log in logs] == [1, 1, 1]


def test_joined_seeds_go_on_after_a_kill(
    sweep: Path, uninterrupted: dict[str, Any], tmp_path: Path
) -> None:
    with launcher(sweep, tmp_path, join=True) as process:
        histories: list[Path] = []
        while len(histories) < 3 or min(epochs_logged(tmp_path)) < 5:
            time.sleep(0.02)
            histories = list(tmp_path.glob("three/*/history.jsonl"))
        (training,) = trainings(tmp_path)
        training.kill()
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert output.count("failed three mtlr seed=") == 3
    assert output.count("killed by SIGKILL") == 6  # once in the table
    assert records(tmp_path) == {}

    with launcher(sweep, tmp_path, join=True) as process:
        output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    assert output.count("done three mtlr seed=") == 3
    assert epochs_logged(tmp_path) == [EPOCHS] * 3
    found = records(tmp_path)
    assert set(found) == set(uninterrupted)
    for run_id, record in found.items():
        assert record["seeds_together"] == 3
        assert record["test"]["loss"] == pytest.approx(
            uninterrupted[run_id]["test"]["loss"], abs=1e-3
        )
    launched = [json.loads(path.read_text()) for path in tmp_path.glob("three/launcher/*.json")]
    assert [report["status"] for report in launched] == ["done"] * 3


def read_until_postponed(process: subprocess.Popen[str]) -> None:
    """Read until a launcher has found two runs that other processes train."""
    assert process.stdout is not None
    postponed = 0
    while postponed < 2:
        line = process.stdout.readline()
        assert line
        postponed += "postponed" in line
