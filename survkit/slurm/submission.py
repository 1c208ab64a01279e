"""Submits jobs, each once, even after earlier launchers were killed."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from survkit.configs.launch import LaunchConfig
from survkit.launch.jobs import Job, Outcome, Status
from survkit.launch.notes import read_note, write_note
from survkit.slurm.batch_script import Batch, batch_script, batches
from survkit.slurm.queue import (
    SubmissionRefusedError,
    active_runs,
    largest_array,
    list_queue,
    run_key,
    submit,
)
from survkit.types import InputError


class Submitted(NamedTuple):
    """What has become of every job, and the ids of those in the queue, by name."""

    outcomes: dict[str, Outcome]
    job_ids: dict[str, str]

    def note(self, jobs: Iterable[Job], status: Status, note: str) -> None:
        """Note what has become of jobs."""
        self.outcomes.update({job.name: Outcome(job, status, note=note) for job in jobs})


def submit_jobs(jobs: Sequence[Job], config: LaunchConfig, stop: threading.Event) -> Submitted:
    """Submit the jobs that are not in the queue yet; where it raises InputError, none is."""
    submitted = Submitted({}, {})
    with _sole_launcher(jobs, stop):
        queue = active_runs(list_queue())
        missing = []
        for job in jobs:
            if job_id := queue.get(run_key(job)):
                submitted.job_ids[job.name] = job_id
                submitted.note([job], Status.SUBMITTED, f"already in the queue as job {job_id}")
            elif job.is_complete:  # since the sweep was planned
                submitted.note([job], Status.DONE, "by another process")
            else:
                missing.append(job)
        size = largest_array() if config.array and missing else 1
        for batch in batches(missing, array=config.array, largest_array=size):
            _submit_batch(batch, config, submitted, stop)
    return submitted


@contextmanager
def _sole_launcher(jobs: Sequence[Job], stop: threading.Event) -> Iterator[None]:
    """Keep other launchers from submitting the same jobs at the same time."""
    with ExitStack() as stack:
        for folder in sorted({job.log.parent for job in jobs}):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(_lock(folder / ".submission.lock", stop))
            except OSError as error:
                raise InputError(
                    f"cannot write to {folder}: {error.strerror}; choose another --log_dir"
                ) from None
        yield


@contextmanager
def _lock(path: Path, stop: threading.Event) -> Iterator[None]:
    """Hold a lock file, unless `stop` is set before it is free: nothing is submitted then."""
    lock = FileLock(path)
    while not (lock.is_locked or stop.is_set()):
        with suppress(Timeout):
            lock.acquire(timeout=1)
    try:
        yield
    finally:
        lock.release()


def _submit_batch(
    batch: Batch, config: LaunchConfig, submitted: Submitted, stop: threading.Event
) -> None:
    """Submit a batch, unless what it waits for could not be submitted or it is time to stop."""
    waits_for = [submitted.outcomes[name] for name in batch[0].after]
    lost = [outcome for outcome in waits_for if outcome.status.is_bad]
    if stop.is_set():
        submitted.note(batch, Status.STOPPED, "not submitted")
        return
    if lost:
        note = f"needs {lost[0].job.name} ({lost[0].status})"
        submitted.note(batch, Status.BLOCKED, note)
        return
    # SLURM forgets a job some minutes after its end; what has its record needs no waiting for.
    names = [outcome.job.name for outcome in waits_for if not outcome.job.is_complete]
    script = batch_script(batch, config, [submitted.job_ids[name] for name in names])
    try:
        job_id = submit(script)
    except SubmissionRefusedError as error:
        if not submitted.job_ids:
            raise
        submitted.note(batch, Status.FAILED, str(error))
        return
    for task, job in enumerate(batch):
        own_id = job_id if len(batch) == 1 else f"{job_id}_{task}"
        submitted.job_ids[job.name] = own_id
        submitted.note([job], Status.SUBMITTED, f"job {own_id}")
        if read_note(job).get("job_id") != own_id:  # else it has ended already, and noted how
            write_note(submitted.outcomes[job.name], place=f"SLURM job {own_id}", job_id=own_id)
