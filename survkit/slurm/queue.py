"""Asks SLURM: submits scripts, requeues jobs and lists those of the user."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable
from typing import NamedTuple

from survkit.launch.jobs import Job
from survkit.types import InputError

ENDED = (
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED"),
    *("NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"),
)
"""The states of a job that will not run again; SLURM remembers such jobs for some minutes."""

ARRAY_COMMENT = "survkit array"
DEFAULT_ARRAY_SIZE = 1001

_TASK = re.compile(r"^(\d+)\) # run ([0-9a-f]{16})", re.MULTILINE)


class SubmissionRefusedError(InputError):
    """SLURM does not accept a script; the message is sbatch's own."""


class QueuedJob(NamedTuple):
    """A job, or a task of a job array, as the queue shows it."""

    job_id: str  # such as "17", or "17_3" for a task
    state: str  # such as "PENDING"
    reason: str  # why it waits, or why it ended
    comment: str  # that it was submitted with

    @property
    def has_ended(self) -> bool:
        """Whether it will not run again."""
        return self.state in ENDED


def run_key(job: Job) -> str:
    """Return 16 hex digits by which a run is known in the queue: a hash of its folder."""
    folder = str(job.folder.resolve()).encode(errors="surrogateescape")
    return hashlib.sha256(folder).hexdigest()[:16]


def array_runs(script: str) -> dict[int, str]:
    """Return the `run_key` of every task of a job array, read from its script."""
    return {int(task): key for task, key in _TASK.findall(script)}


def run_comment(job: Job) -> str:
    """Return the comment by which the queue shows what a job of its own runs."""
    return f"survkit run {run_key(job)}"


def list_queue() -> list[QueuedJob]:
    """Return all jobs of this user that SLURM knows, those that ended lately included."""
    which = ("--noheader", "--array", "--states=all", f"--user={os.getuid()}")
    listing = _slurm("squeue", *which, "--format=%i|%T|%r|%k")
    return [QueuedJob(*line.split("|", 3)) for line in listing.splitlines() if "|" in line]


def active_runs(queue: Iterable[QueuedJob]) -> dict[str, str]:
    """Return the job id of every run that waits or runs, by its `run_key`."""
    runs: dict[str, str] = {}
    arrays: dict[str, dict[int, str]] = {}
    for queued in queue:
        if queued.has_ended:
            continue
        if queued.comment == ARRAY_COMMENT:
            array, _, task = queued.job_id.partition("_")
            if array not in arrays:
                arrays[array] = array_runs(_script(queued.job_id))
            if key := arrays[array].get(int(task)):
                runs[key] = queued.job_id
        elif match := re.fullmatch("survkit run ([0-9a-f]{16})", queued.comment):
            runs[match[1]] = queued.job_id
    return runs


def _script(job_id: str) -> str:
    """Return the script of a job, or '' where it has ended since the queue was listed."""
    try:
        return _slurm("scontrol", "write", "batch_script", job_id, "-")
    except InputError:
        if any(job.job_id == job_id and not job.has_ended for job in list_queue()):
            raise
        return ""


def largest_array() -> int:
    """Return how many tasks a job array may have here; SLURM's default where it does not say."""
    try:
        match = re.search(r"^MaxArraySize\s*=\s*(\d+)", _slurm("scontrol", "show", "config"), re.M)
    except InputError:
        match = None
    return int(match[1]) if match else DEFAULT_ARRAY_SIZE


def submit(script: str) -> str:
    """Submit a script and return its job id."""
    try:
        answer = _slurm("sbatch", "--parsable", stdin=script)
    except InputError as error:
        raise SubmissionRefusedError(str(error)) from None
    return answer.strip().partition(";")[0]  # a cluster's name may follow


def requeue(job_id: str) -> None:
    """Put a running job back into the queue."""
    _slurm("scontrol", "requeue", job_id)


def _slurm(*command: str, stdin: str = "") -> str:
    """Run a command of SLURM and return what it prints; its own words are the InputError's.

    Neither Ctrl-C in the terminal, which a session of its own does not hear, nor the death of this
    process, which would cut a pipe short, leaves sbatch with half a script.
    """
    with tempfile.TemporaryFile() as file:
        file.write(os.fsencode(stdin))
        file.seek(0)
        try:
            process = subprocess.run(
                command, stdin=file, capture_output=True, check=False, start_new_session=True
            )
        except FileNotFoundError:
            raise InputError(f"there is no {command[0]} on the path") from None
    if process.returncode:
        words = "; ".join(process.stderr.decode(errors="replace").splitlines())
        raise InputError(words or f"{command[0]} ended with exit status {process.returncode}")
    return process.stdout.decode(errors="replace")
