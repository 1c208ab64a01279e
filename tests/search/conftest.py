"""Searches for tests: their trials are trained in the process of the test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from survkit.launch.jobs import Job, Outcome, Status
from survkit.launch.process import Place
from survkit.search.__main__ import main
from survkit.train import main as train

FLAGS = (
    "--dataset synthetic --synthetic_rows 150 --time_bins 8 --bootstrap 10 --mode disabled "
    "--runner process --max_subprocesses 1 --group tried"
)


def run_here(job: Job, _place: Place, **_how: Any) -> Outcome:
    """Train as `run_job` does, without a process of its own, which takes seconds to start."""
    status = train(job.arguments)
    done = status == 0 and job.is_complete
    return Outcome(job, Status.DONE if done else Status.FAILED, 1.0, exit_status=status)


Search = Callable[..., int]


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Search:
    """Run a search with flags in one text, below `log_dir` (default: tmp_path)."""
    monkeypatch.setattr("survkit.launch.local.this_machine.run_job", run_here)

    def run(flags: str, log_dir: Path = tmp_path) -> int:
        return main([*FLAGS.split(), *flags.split(), "--log_dir", str(log_dir)])

    return run
