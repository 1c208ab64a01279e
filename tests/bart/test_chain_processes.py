"""Chains in processes of their own: what passes between them, and that they leave nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from survkit.bart.chain_process import pack_task, unpack_task
from survkit.bart.chains import ChainProblem, SamplerSettings
from survkit.bart.person_period import TrainingRows
from survkit.cli import TERMINATED
from tests.args_files import SMALL

SHARED_MEMORY = Path("/dev/shm")


@pytest.mark.parametrize("weights", [None, np.array([0.5, 2.0, 1.0])])
def test_a_chain_is_given_the_same_bits(weights: np.ndarray | None) -> None:
    rows = TrainingRows(
        np.array([0, 0, 1]),
        np.array([0, 1, 0]),
        np.array([False, True, False]),
        np.array([1.0, 2.5]),
        weights,
    )
    features = np.array([[0.1, np.pi], [1 / 3, -1e-300]], order="F")
    problem = ChainProblem(
        rows, features, ("continuous", "one_hot", "subset"), np.array([0.2, 0.3, 0.5]), -1 / 7
    )
    settings = SamplerSettings(trees=3, alpha=1 / 3, leaf_deviation="learned")
    again, its_settings = unpack_task(pack_task(problem, settings))
    assert its_settings == settings
    assert (again.rules, again.offset) == (problem.rules, problem.offset)
    for one, other in zip(again.rows, rows, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(again.features, features)
    np.testing.assert_array_equal(again.split_prior, problem.split_prior)


DRAWS = {"stochtree": "1000000", "pymc": "20000"}
"""Enough for minutes; pymc takes memory for all of them at the start."""


@contextmanager
def training(folder: Path, backend: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a training whose chains go on for minutes, with a temporary folder of its own."""
    temporary = folder / "tmp"
    temporary.mkdir()
    flags = ["--dataset", "gbsg2", "--model", "bart", "--bart_backend", backend]
    flags += ["--bart_draws", DRAWS[backend], "--bart_chains", "3", "--bart_cores", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "survkit.train", *SMALL, *flags, "--log_dir", str(folder / "logs")],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def is_chain(process: psutil.Process) -> bool:
    try:
        return "survkit.bart.chain_process" in process.cmdline()
    except psutil.Error:  # it has just ended
        return False


def wait_for_chains(process: subprocess.Popen[bytes], seconds: float) -> list[psutil.Process]:
    """Return the training's two chains once each has run for so much processor time."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None:
        chains = [
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if is_chain(child)
        ]
        if len(chains) == 2 and all(chain.cpu_times().user >= seconds for chain in chains):
            return chains
        time.sleep(0.05)
    raise AssertionError("the chains have not come up")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "seconds", "number"),
    [
        ("stochtree", 0.0, signal.SIGKILL),
        ("stochtree", 4.0, signal.SIGKILL),
        ("stochtree", 4.0, signal.SIGTERM),
        ("pymc", 2.0, signal.SIGKILL),
        ("pymc", 12.0, signal.SIGKILL),
    ],
)
def test_no_chain_and_no_file_outlives_a_training(
    backend: str, seconds: float, number: signal.Signals, tmp_path: Path
) -> None:
    """Killed while the chains start, load their engine, and sample."""
    before = set(SHARED_MEMORY.glob("*"))
    with training(tmp_path, backend) as process:
        chains = wait_for_chains(process, seconds)
        process.send_signal(number)
        status = process.wait(10)
        _, alive = psutil.wait_procs(chains, timeout=10)
        assert alive == []
    assert status == (TERMINATED if number == signal.SIGTERM else -number)
    assert list((tmp_path / "tmp").iterdir()) == []
    assert set(SHARED_MEMORY.glob("*")) <= before
