"""Full disks and outputs that cannot be written: a sentence, and nothing half written."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path

import psutil
import pytest

from tests.faults.commands import FULL, Forks, sample
from tests.faults.records import GROUP, NETWORK, SYNTHETIC, contents, copied, differences

pytestmark = pytest.mark.slow

TRAIN = "survkit.train"
EPOCHS = ["--epochs", "5"]
MODELS = {
    "mtlr": ["--model", "mtlr", *SYNTHETIC, *NETWORK, *EPOCHS],
    "seeds": ["--model", "mtlr", *SYNTHETIC, *NETWORK, *EPOCHS, "--seeds", "42", "43"],
    "coxph": ["--model", "coxph", *SYNTHETIC],
    "rsf": ["--model", "rsf", "--rsf_n_estimators", "10", *SYNTHETIC],
    "bart": [
        *("--model", "bart", *SYNTHETIC, "--bart_trees", "5", "--bart_tune", "5"),
        *("--bart_draws", "10", "--bart_chains", "2"),
    ],
}
READERS = {
    "report": ("survkit.report.__main__", ["--log_dir", "logs", "--group", GROUP]),
    "ensemble": (
        "survkit.ensemble.__main__",
        ["--log_dir", "logs", "--group", GROUP, "--bootstrap", "20"],
    ),
}
SIZES = (0, 1, 200, 1_500, 6_000, 20_000, 60_000, 200_000)
BAD_OUTPUTS = [
    *(("full", ""), ("closed", ""), ("broken", ""), ("", "closed"), ("", "full")),
    *(("closed", "closed"), ("full", "full"), ("broken", "broken")),
]
PIPE_CLOSED = 141


@pytest.fixture(scope="module")
def whole(commands: Forks, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a folder for each model with the record that it has on a good day."""
    folders = {name: tmp_path_factory.mktemp(name) for name in MODELS}
    for name, folder in folders.items():
        if FULL or name in ("mtlr", "seeds"):
            assert not commands.run(TRAIN, MODELS[name], folder).problem((0,))
    return folders


def some(cases: list[tuple[str, object]], number: int) -> list[object]:
    """Return all cases, or by default so many of those that are quick."""
    few = [case for case in cases if case[0] in ("mtlr", "seeds", "ensemble")]
    return sample(cases if FULL else few, number)


@pytest.mark.parametrize(("model", "size"), some(list(product(MODELS, SIZES)), 3))
def test_a_run_whose_files_cannot_grow(
    model: str, size: int, commands: Forks, whole: dict[str, Path], tmp_path: Path
) -> None:
    ended = commands.run(TRAIN, MODELS[model], tmp_path, file_size=size)
    assert not ended.problem()
    assert not list(tmp_path.rglob("*.tmp*"))
    assert not commands.run(TRAIN, MODELS[model], tmp_path).problem((0,))
    assert differences(contents(tmp_path / "logs"), contents(whole[model] / "logs")) == []


@pytest.mark.parametrize(("reader", "size"), some(list(product(READERS, SIZES)), 1))
def test_a_command_on_finished_runs_whose_files_cannot_grow(
    reader: str, size: int, commands: Forks, whole: dict[str, Path], tmp_path: Path
) -> None:
    module, argv = READERS[reader]
    folder = copied(whole["seeds"], tmp_path / "copy")
    before = contents(folder / "logs")
    assert not commands.run(module, argv, folder, file_size=size).problem()
    assert not list(folder.rglob("*.tmp*"))
    now = contents(folder / "logs")
    assert {name: now.get(name) for name in before} == before
    assert not commands.run(module, argv, folder).problem((0,))


@pytest.mark.parametrize(("model", "outputs"), some(list(product(MODELS, BAD_OUTPUTS)), 3))
def test_outputs_that_cannot_be_written_cost_no_record(
    model: str,
    outputs: tuple[str, str],
    commands: Forks,
    whole: dict[str, Path],
    tmp_path: Path,
) -> None:
    stdout, stderr = outputs
    ended = commands.run(TRAIN, MODELS[model], tmp_path, stdout=stdout, stderr=stderr)
    assert not ended.problem((0, 1, 2, PIPE_CLOSED))
    assert not commands.run(TRAIN, MODELS[model], tmp_path).problem((0,))
    assert differences(contents(tmp_path / "logs"), contents(whole[model] / "logs")) == []


@pytest.fixture
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Return a file system of so many bytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(
    ("model", "small_disk"),
    sample(list(product(["mtlr", "seeds"], [f"{k}k" for k in (4, 16, 32, 64, 128)])), 1),
    indirect=["small_disk"],
)
def test_a_full_disk(
    model: str, small_disk: Path, commands: Forks, whole: dict[str, Path], tmp_path: Path
) -> None:
    ended = commands.run(TRAIN, MODELS[model], small_disk)
    assert not ended.problem()
    assert not list(small_disk.rglob("*.tmp*"))
    roomy = copied(small_disk, tmp_path / "roomy")
    assert not commands.run(TRAIN, MODELS[model], roomy).problem((0,))
    assert differences(contents(roomy / "logs"), contents(whole[model] / "logs")) == []


@pytest.mark.skipif(not FULL, reason="waits for a minute; SURVKIT_FAULTS=full runs it")
@pytest.mark.parametrize("stopped", [signal.SIGSTOP, signal.SIGKILL])
def test_a_tracker_that_stands_still_or_dies_costs_no_record(
    stopped: signal.Signals, commands: Forks, whole: dict[str, Path], tmp_path: Path
) -> None:
    signalled: set[int] = set()

    def hit_tracker(pid: int) -> None:
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            for child in psutil.Process(pid).children(recursive=True):
                if child.pid not in signalled and "wandb" in " ".join(child.cmdline()):
                    signalled.add(child.pid)
                    os.kill(child.pid, stopped)

    argv = [*MODELS["mtlr"], "--mode", "offline"]
    try:
        ended = commands.run(TRAIN, argv, tmp_path, while_running=hit_tracker, timeout=200)
    finally:
        for pid in signalled:
            if psutil.pid_exists(pid):
                os.kill(pid, signal.SIGKILL)
    assert signalled
    assert not ended.problem((0,))
    (run,) = (tmp_path / "logs" / GROUP).iterdir()
    (expected,) = (whole["mtlr"] / "logs" / GROUP).iterdir()
    for name in ("checkpoint.pt", "predictions_test.npz", "history.jsonl"):
        assert (run / name).read_bytes() == (expected / name).read_bytes()
