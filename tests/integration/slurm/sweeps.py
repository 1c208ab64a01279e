"""Sweeps of short runs, launched on the cluster of the tests, and their records."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from survkit.configs.batch_run import BatchRunConfig
from survkit.launch.jobs import Job, Outcome
from survkit.launch.overview import Overview
from survkit.launch.plan import plan_sweeps
from survkit.slurm.slurm_launcher import slurm_launch
from survkit.train import main as train

VARYING = ("timing", "peak_memory_mb", "files", "sha256")

COXPH = {"model": "coxph"}
LONG = {
    **{"model": "mtlr", "dataset": "synthetic", "synthetic_rows": 500},
    **{"epochs": 500, "early_stopping_patience": 1000},
}
"""Some seconds of epochs."""

FAILING = {"name": "bad", "model": "rsf", "max_memory_gb": 1e-9}


def plan(
    folder: Path, *runs: Mapping[str, Any], log_dir: str = "logs", **flags: Any
) -> tuple[list[Job], BatchRunConfig]:
    """Return the jobs of a sweep that have no record yet, and a configuration to launch them."""
    sweep = folder / "sweep.yaml"
    common = {"dataset": "veteran", "bootstrap": 0}
    sweep.write_text(json.dumps({"common": common, "runs": [dict(run) for run in runs]}))
    config = BatchRunConfig(
        sweep=str(sweep),
        **{"runner": "slurm", "cpu": 1, "memory": "100M", "time": "10", "wait": True, **flags},
    )
    given = {"log_dir": str(folder / log_dir), "mode": "disabled"}
    return plan_sweeps(config, given).jobs, config


def launch(
    jobs: Sequence[Job], config: BatchRunConfig, stop: threading.Event | None = None
) -> list[Outcome]:
    stop = stop or threading.Event()
    return slurm_launch(jobs, config, stop=stop, overview=Overview(len(jobs)))


def held_ids() -> list[str]:
    """Return the ids of all jobs in the queue, tasks one by one."""
    listing = subprocess.check_output(["squeue", "--noheader", "--array", "--format=%i"], text=True)
    return sorted(listing.split())


def wait_until(reached: Callable[[], object], seconds: float = 200) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def note(job: Job) -> dict[str, Any]:
    """Return what is noted of a job."""
    content: dict[str, Any] = json.loads(job.log.with_suffix(".json").read_text())
    return content


def epochs(job: Job) -> int:
    """Return how many epochs a run has saved so far."""
    history = job.folder / "history.jsonl"
    saved = (job.folder / "last.pt").exists()
    return len(history.read_text().splitlines()) if saved and history.exists() else 0


def train_here(job: Job, log_dir: Path) -> Path:
    """Make a job's run in one go, without a cluster, and return its folder."""
    arguments = [a for a in job.arguments if not a.startswith("--log_dir")]
    assert train([*arguments, f"--log_dir={log_dir}"]) == 0
    return log_dir / job.folder.parent.name / job.folder.name


def assert_same_record(job: Job, uninterrupted: Path) -> None:
    """Compare a run's record and predictions with those of the same run made in one go."""
    assert _result(job.folder) == _result(uninterrupted)
    for split in ("validation", "test"):
        name = f"predictions_{split}.npz"
        with np.load(job.folder / name) as ours, np.load(uninterrupted / name) as theirs:
            assert set(ours.files) == set(theirs.files)
            for array in ours.files:
                np.testing.assert_array_equal(ours[array], theirs[array])


def _result(folder: Path) -> dict[str, Any]:
    result = json.loads((folder / "result.json").read_text())
    return {key: value for key, value in result.items() if key not in VARYING}
