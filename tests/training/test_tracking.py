from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from survkit.cli import TERMINATED
from survkit.train import main as train
from survkit.training.tracking import (
    Mode,
    WandbMirror,
    WandbProcess,
    default_mode,
    finished_runs,
)
from survkit.types import InputError

pytestmark = pytest.mark.slow

RESULT = {"validation": {"loss": 1.0}, "test": {"loss": 1.1, "brier@25": None}}


@pytest.fixture(autouse=True)
def no_key_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_BASE_URL", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def process() -> Iterator[WandbProcess]:
    with WandbProcess() as process:
        yield process


def mirror(
    mode: Mode, folder: Path, process: WandbProcess, warnings: list[str], **changes: Any
) -> WandbMirror:
    where: dict[str, Any] = {
        "project": "p",
        "entity": None,
        "group": "g",
        "name": "n",
        "run_id": "0123abcd",
    }
    where |= {"config": {"lr": 0.1}, "folder": folder, "process": process}
    return WandbMirror(mode, warn=warnings.append, **(where | changes))


def wait_until_written(log: Path) -> None:
    """Assert that the log holds the epoch and the result, which wandb writes in its own time."""
    deadline = time.monotonic() + 60
    while b"test/loss" not in log.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert b"train_loss" in log.read_bytes()
    assert b"test/loss" in log.read_bytes()


def test_the_default_goes_online_only_with_a_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert default_mode() == "offline"
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine api.wandb.ai login user password 0123456789")
    netrc.chmod(0o600)
    assert default_mode() == "online"
    monkeypatch.setenv("WANDB_BASE_URL", "http://wandb.example.org:8080")
    assert default_mode() == "offline"
    monkeypatch.setenv("WANDB_API_KEY", "0123456789")
    assert default_mode() == "online"


@pytest.mark.filterwarnings("default")  # of wandb's own making
def test_an_offline_run_is_kept_in_the_run_folder(tmp_path: Path, process: WandbProcess) -> None:
    warnings: list[str] = []
    offline = mirror("offline", tmp_path, process, warnings)
    offline.log(1, {"train_loss": 2.0})
    offline.finish(RESULT)
    (log,) = tmp_path.glob("wandb/offline-run-*-0123abcd/run-0123abcd.wandb")
    wait_until_written(log)
    assert warnings == []


@pytest.mark.filterwarnings("default")
def test_what_is_said_of_a_run_reaches_weights_and_biases(tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    flags = ["--dataset", "synthetic", "--synthetic_rows", "300", "--time_bins", "8"]
    flags += ["--epochs", "1", "--bootstrap", "10", "--model", "mtlr", "--mode", "offline"]
    flags += ["--name", "my run", "--job_type", "baseline", "--tags", "first", "second"]
    flags += ["--notes", "how it was made", "--dir", str(folder), "--log_dir", str(tmp_path)]
    assert train([*flags, "--project", "trial"]) == 0
    (log,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    assert not list(tmp_path.glob("synthetic/*/wandb"))
    run = run_in(log)
    assert (run.display_name, run.job_type, run.project) == ("my run", "baseline", "trial")
    assert (list(run.tags), run.notes) == (["first", "second"], "how it was made")


@pytest.mark.filterwarnings("default")
def test_runs_of_one_process_keep_apart(tmp_path: Path, process: WandbProcess) -> None:
    warnings: list[str] = []
    names = ("0123aaaa", "0123bbbb")
    mirrors = [mirror("offline", tmp_path / name, process, warnings, run_id=name) for name in names]
    for offline in mirrors:
        offline.log(1, {"train_loss": 2.0})
    for offline in mirrors:
        offline.finish(RESULT)
    for name in names:
        (log,) = tmp_path.glob(f"*/wandb/offline-run-*/run-{name}.wandb")
        assert log.is_relative_to(tmp_path / name)
        wait_until_written(log)
    assert warnings == []


def test_disabled_writes_nothing(tmp_path: Path, process: WandbProcess) -> None:
    folder = tmp_path / "run"
    disabled = mirror("disabled", folder, process, [])
    disabled.log(1, {"train_loss": 2.0})
    disabled.finish(RESULT)
    assert not folder.exists()


@pytest.mark.filterwarnings("default")
def test_an_unreachable_server_costs_seconds_and_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process: WandbProcess
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    warnings: list[str] = []
    started = time.monotonic()
    online = mirror("online", tmp_path, process, warnings)
    online.log(1, {"train_loss": 2.0})
    online.finish(RESULT)
    assert time.monotonic() - started < 30
    assert len(warnings) == 2
    assert warnings[0].startswith("Weights & Biases failed, but the run continues: ")
    assert warnings[1] == "Weights & Biases: logging offline instead"
    (log,) = tmp_path.glob("wandb/offline-run-*/run-0123abcd.wandb")
    wait_until_written(log)


def test_a_mirror_whose_process_dies_costs_one_warning(
    tmp_path: Path, process: WandbProcess
) -> None:
    warnings: list[str] = []
    others = set(psutil.Process().children())
    offline = mirror("offline", tmp_path, process, warnings)
    (mirroring,) = set(psutil.Process().children()) - others
    mirroring.kill()
    mirroring.wait()
    offline.log(1, {"train_loss": 2.0})
    offline.finish(RESULT)
    assert warnings == ["Weights & Biases failed, but the run continues: its process has died"]


def child_of(others: set[psutil.Process]) -> psutil.Process:
    (mirroring,) = set(psutil.Process().children()) - others
    return mirroring


SILENT = "Weights & Biases failed, but the run continues: its process was silent for 2 s"


@pytest.mark.parametrize("when", ["open", "log", "finish", "exit"])
@pytest.mark.filterwarnings("default")
def test_a_mirror_whose_process_is_suspended_holds_nothing_up(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("survkit.training.tracking.LONGEST_SILENCE", 2.0)
    monkeypatch.setattr("survkit.training.tracking.EXIT_SECONDS", 2.0)
    warnings: list[str] = []
    others = set(psutil.Process().children())
    with WandbProcess() as process:
        offline = mirror("offline", tmp_path, process, warnings)
        mirroring = child_of(others)
        steps: dict[str, Callable[[], None]] = {
            "open": lambda: None,
            "log": lambda: [offline.log(e, {"train_loss": 2.0}) for e in range(2_000)] and None,
            "finish": lambda: offline.finish(RESULT),
            "exit": lambda: None,
        }
        for name, step in steps.items():
            if name == when and mirroring.is_running():
                mirroring.suspend()
            started = time.monotonic()
            step()
            assert time.monotonic() - started < (30 if name == "finish" and when == "exit" else 5)
        second = mirror("offline", tmp_path, process, warnings, run_id="0123bbbb")
        started = time.monotonic()
        if when != "exit":
            second.finish(RESULT)
            assert time.monotonic() - started < 1
        started = time.monotonic()
    assert time.monotonic() - started < 4
    assert not mirroring.is_running()
    assert warnings == ([] if when == "exit" else [SILENT, SILENT])


def test_a_mirror_that_does_not_keep_up_is_given_up_at_once(
    tmp_path: Path, process: WandbProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("survkit.training.tracking.MOST_UNSENT", 2**20)
    warnings: list[str] = []
    others = set(psutil.Process().children())
    offline = mirror("offline", tmp_path, process, warnings)
    mirroring = child_of(others)
    mirroring.suspend()
    started = time.monotonic()
    for epoch in range(100_000):
        offline.log(epoch, {"train_loss": 2.0})
    assert time.monotonic() - started < 8
    offline.finish(RESULT)
    assert warnings == [
        "Weights & Biases failed, but the run continues: its process is 1 MiB behind"
    ]
    assert not mirroring.is_running()


def test_a_mirror_that_is_alive_but_never_closes_its_run_is_given_up(
    tmp_path: Path, process: WandbProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that hangs: the process reads nothing more, but says that it is alive."""
    monkeypatch.setattr("survkit.training.tracking.LONGEST_WAIT", 3.0)
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "wandb.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setenv("PYTHONPATH", str(slow), prepend=os.pathsep)
    warnings: list[str] = []
    hanging = mirror("offline", tmp_path, process, warnings)
    hanging.log(1, {"train_loss": 2.0})
    started = time.monotonic()
    hanging.finish(RESULT)
    assert time.monotonic() - started < 6
    reason = "its process did not close the run in 3 s"
    assert warnings == [f"Weights & Biases failed, but the run continues: {reason}"]


def test_a_training_whose_mirror_is_suspended_ends_on_a_signal(tmp_path: Path) -> None:
    with endless_training(tmp_path) as training:
        logs = wait_for_log(tmp_path)
        assert logs
        (mirroring,) = [
            child
            for child in psutil.Process(training.pid).children()
            if "survkit.training.wandb_process" in child.cmdline()
        ]
        mirroring.suspend()
        time.sleep(1)
        training.terminate()
        started = time.monotonic()
        assert training.wait(20) == TERMINATED
        assert time.monotonic() - started < 6  # 2 on a machine that is not busy
        assert not mirroring.is_running()


@pytest.mark.parametrize(("finished", "exit_code"), [(True, 0), (False, 1)])
def test_only_a_finished_run_counts_as_finished(
    tmp_path: Path, finished: bool, exit_code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with WandbProcess() as process:
        offline = mirror("offline", tmp_path, process, [])
        offline.log(1, {"train_loss": 2.0})
        if finished:
            offline.finish(RESULT)
    assert "Traceback" not in capfd.readouterr().err
    (log,) = tmp_path.glob("wandb/offline-run-*/run-0123abcd.wandb")
    assert exit_codes_in(log) == [exit_code]


def test_the_run_of_a_training_that_is_stopped_is_closed_as_failed(tmp_path: Path) -> None:
    with endless_training(tmp_path) as training:
        (log,) = wait_for_log(tmp_path)
        os.killpg(training.pid, signal.SIGTERM)
        assert training.wait() == TERMINATED
    deadline = time.monotonic() + 30  # the mirror closes it after the training has ended
    while not exit_codes_in(log) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert exit_codes_in(log) == [1]


@contextmanager
def endless_training(log_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a training that is mirrored offline."""
    flags = ["--dataset", "synthetic", "--synthetic_rows", "300", "--epochs", "100000"]
    flags += ["--early_stopping_patience", "100000", "--mode", "offline"]
    training = subprocess.Popen(
        [sys.executable, "-m", "survkit.train", *flags, "--log_dir", str(log_dir)],
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    try:
        yield training
    finally:
        training.kill()
        training.wait()


def wait_for_log(log_dir: Path) -> list[Path]:
    """Return the logs of the mirrored runs once the first has been written to."""
    deadline = time.monotonic() + 60
    logs: list[Path] = []
    while not (logs and logs[0].stat().st_size > 0) and time.monotonic() < deadline:
        time.sleep(0.1)
        logs = list(log_dir.glob("*/*/wandb/offline-run-*/run-*.wandb"))
    return logs


def exit_codes_in(log: Path) -> list[int]:
    """Return the exit code that a run of Weights & Biases ended with, if it has ended."""
    from wandb.proto.wandb_internal_pb2 import Record

    records = map(Record.FromString, records_in(log.read_bytes()))
    return [record.exit.exit_code for record in records if record.HasField("exit")]


def run_in(log: Path) -> Any:
    """Return what a log says of its run."""
    from wandb.proto.wandb_internal_pb2 import Record

    records = map(Record.FromString, records_in(log.read_bytes()))
    return next(record.run for record in records if record.HasField("run"))


def records_in(content: bytes) -> Iterator[bytes]:
    """Yield the records of a log in LevelDB's format, which starts with 7 bytes of its own.

    Before each part of a record stand 4 bytes of checksum, 2 of its length and 1 of its type:
    whole, first, middle or last. No part crosses a block of 32 KiB.
    """
    position, record = 7, b""
    while position < len(content):
        left = 32_768 - position % 32_768
        if left < 7:
            position += left
            continue
        size = int.from_bytes(content[position + 4 : position + 6], "little")
        kind = content[position + 6]
        record += content[position + 7 : position + 7 + size]
        position += 7 + size
        if kind in (1, 4):
            yield record
            record = b""


def test_asking_for_finished_runs_without_an_answer_is_an_input_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    with pytest.raises(InputError, match="--check_wandb: cannot ask for the runs of team/p: "):
        finished_runs("team", "p", "g")
