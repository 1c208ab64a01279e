"""The process of a SLURM job: trains its run as a local job does, and requeues the job in time.

A batch script ends in `exec python -m survkit.slurm.batch_job TEXT`, where TEXT is `job_text`, so
that SLURM's signals reach this process.
"""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from survkit.cli import FAILED, RUNS_ELSEWHERE, TERMINATED
from survkit.configs.args_file import parse_configs
from survkit.configs.launch import LaunchConfig
from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig
from survkit.launch.jobs import Job, Outcome, Status
from survkit.launch.notes import write_note
from survkit.launch.process import Place, run_job
from survkit.slurm.queue import requeue
from survkit.types import InputError

NO_CHECKPOINT = "no checkpoint within the time limit; give the job a longer --time"


def job_text(job: Job, config: LaunchConfig) -> str:
    """Return what the process of a job must know, as one line of ASCII."""
    texts = {"name": job.name, "folder": str(job.folder), "log": str(job.log)}
    numbers = {"threads": config.cpu, "retries": config.retries, "requeue": config.requeue}
    return json.dumps({**texts, **numbers, "arguments": job.arguments})


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job of a `job_text`; returns the exit status that SLURM sees.

    USR1, which SLURM sends some time before the time limit, ends the training, and the job
    requeues itself if a checkpoint was saved meanwhile. TERM, the signal of scancel, of preemption
    and of the time limit itself, ends the training and the job. Where another process trains the
    run, the job requeues itself to look again later.
    """
    received: list[int] = []
    for number in (signal.SIGUSR1, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: received.append(number))
    (text,) = sys.argv[1:] if argv is None else argv
    given = json.loads(text)
    job, place = _job(given), _place(given["threads"])
    saved_before = _time_of_checkpoint(job)
    outcome = run_job(
        job,
        place,
        retries=given["retries"],
        stop=lambda: bool(received),
        grace_seconds=math.inf,  # SLURM itself kills what does not end
    )
    status = _exit_status(outcome)
    if signal.SIGTERM in received:
        return status
    its_name = f"job {place.slurm_job_id}"
    if outcome is None and given["requeue"]:
        _requeue(job, place, f"{its_name} requeues itself to look again later", received)
    elif received and status > 128 and _time_of_checkpoint(job) != saved_before:
        _requeue(job, place, f"the time limit is near; {its_name} requeues itself", received)
    elif received and status > 128:
        _tell(Outcome(job, Status.FAILED, note=NO_CHECKPOINT), place)
    return status


def _job(given: Mapping[str, Any]) -> Job:
    config, wandb = parse_configs(
        (TrainConfig, WandbConfig), given["arguments"], prog="survkit.train", description=""
    )
    return Job(given["name"], config, wandb, Path(given["folder"]), Path(given["log"]))


def _place(threads: int) -> Place:
    job_id = os.environ["SLURM_JOB_ID"]
    if array := os.environ.get("SLURM_ARRAY_JOB_ID"):
        job_id = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    name = f"{socket.gethostname()}, SLURM job {job_id}"
    return Place(name, threads, slurm_job_id=job_id)


def _time_of_checkpoint(job: Job) -> int | None:
    try:
        return (job.folder / "last.pt").stat().st_mtime_ns
    except OSError:
        return None


def _exit_status(outcome: Outcome | None) -> int:
    """Return the exit status that a shell would have given for the training."""
    if outcome is None:
        return RUNS_ELSEWHERE
    if outcome.status is Status.DONE:
        return 0
    if outcome.exit_status is None:
        return TERMINATED if outcome.status is Status.STOPPED else FAILED
    return 128 - outcome.exit_status if outcome.exit_status < 0 else outcome.exit_status or FAILED


def _requeue(job: Job, place: Place, why: str, received: Sequence[int]) -> None:
    _tell(Outcome(job, Status.SUBMITTED, note=why), place)
    try:
        requeue(str(place.slurm_job_id))
    except InputError as error:
        if signal.SIGTERM not in received:  # else SLURM ends this job already, to requeue it
            _tell(Outcome(job, Status.FAILED, note=str(error)), place)


def _tell(outcome: Outcome, place: Place) -> None:
    """Say in the job's log and its note what has become of it."""
    print(outcome.note, flush=True)
    write_note(outcome, place=place.name, job_id=place.slurm_job_id)


if __name__ == "__main__":
    sys.exit(main())
