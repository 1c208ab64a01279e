"""Follows jobs in the queue to their ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from survkit.files import last_line
from survkit.launch.jobs import Job, Outcome, Status
from survkit.launch.notes import read_note, write_note
from survkit.launch.overview import Overview
from survkit.runs.record_files import read_result
from survkit.slurm.queue import QueuedJob, list_queue
from survkit.types import InputError

FIRST_INTERVAL, LARGEST_INTERVAL, GROWTH = 1.0, 30.0, 1.2
"""Seconds between two looks at the queue: a controller serves many users."""

RECORD_SECONDS = 60.0
"""How long the record of a job that ended well may take to appear on a network file system."""

USUAL_REASONS = ("None", "Priority", "Resources", "Dependency", "BeginTime", "JobArrayTaskLimit")
"""Why jobs wait that will start by themselves."""


class Follower:
    """Follows jobs, each after those that it depends on, in the queue to their ends.

    `job_ids` are the ids of those in the queue, by name; how each of them ends is noted in
    `outcomes`, which has what became of every job, by name.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        job_ids: Mapping[str, str],
        outcomes: dict[str, Outcome],
        overview: Overview,
    ) -> None:
        self._job_ids = job_ids
        self._outcomes = outcomes
        self._overview = overview
        self._pending = {job.name: job for job in jobs if job.name in job_ids}
        self._started: set[str] = set()
        self._gone_since: dict[str, float] = {}
        self._said: set[str] = set()

    def follow(self, stop: threading.Event) -> None:
        """Return once every job has ended, or at the next look after `stop` was set."""
        interval = FIRST_INTERVAL
        while self._pending:
            self._look()
            if not self._pending or stop.wait(interval):
                break
            interval = min(interval * GROWTH, LARGEST_INTERVAL)
        if self._pending:
            ids = " ".join(self._job_ids[name] for name in self._pending)
            self._overview.tell(f"the jobs keep running; scancel {ids} ends them")

    def _look(self) -> None:
        try:
            queue = {queued.job_id: queued for queued in list_queue()}
        except InputError as error:  # the controller is busy or restarting; the jobs keep running
            self._say(str(error), f"cannot see the queue for now: {error}")
            return
        for job in list(self._pending.values()):
            queued = queue.get(self._job_ids[job.name])
            if job.is_complete:
                self._end(job, Status.DONE)
            elif queued is None or queued.has_ended:
                self._judge(job, queued)
            elif queued.state == "PENDING":
                if queued.reason not in USUAL_REASONS:
                    text = f"job {queued.job_id} and others like it wait: {queued.reason}"
                    self._say(queued.reason, text)
            elif job.name not in self._started:
                self._started.add(job.name)
                self._overview.started(job.name, f"job {queued.job_id}", job.folder)

    def _judge(self, job: Job, queued: QueuedJob | None) -> None:
        """Decide how a job ended that has no record; `queued` is None where SLURM forgot it."""
        if any(name in self._pending for name in job.after):
            return  # how these end decides it
        lost = [name for name in job.after if self._outcomes[name].status is not Status.DONE]
        if lost and (queued is None or queued.state == "CANCELLED"):
            needed = self._outcomes[lost[0]]
            self._end(job, Status.BLOCKED, f"needs {lost[0]} ({needed.status})")
        elif (queued is None or queued.state == "COMPLETED") and self._may_yet_appear(job):
            return
        else:
            self._end(job, Status.FAILED, _why_failed(job, queued))

    def _may_yet_appear(self, job: Job) -> bool:
        """Return whether the record of a job that ended well may still appear."""
        gone_since = self._gone_since.setdefault(job.name, time.monotonic())
        return time.monotonic() - gone_since < RECORD_SECONDS

    def _end(self, job: Job, status: Status, note: str = "") -> None:
        del self._pending[job.name]
        outcome = _done(job) if status is Status.DONE else Outcome(job, status, note=note)
        self._outcomes[job.name] = outcome
        noted, job_id = read_note(job), self._job_ids[job.name]
        if (noted.get("job_id"), noted.get("status")) != (job_id, status):  # SLURM ended the job
            write_note(outcome, place=f"SLURM job {job_id}", job_id=job_id)
        self._overview.ended(outcome)

    def _say(self, about: str, text: str) -> None:
        """Say what there is to say about something, once."""
        if about not in self._said:
            self._said.add(about)
            self._overview.tell(text)


def _done(job: Job) -> Outcome:
    result = read_result(job.folder) or {"timing": {}}
    seconds = result["timing"].get("total_seconds")
    return Outcome(job, Status.DONE, seconds, result.get("peak_memory_mb"))


def _why_failed(job: Job, queued: QueuedJob | None) -> str:
    if queued is None or queued.reason == "NonZeroExitCode" or queued.state == "COMPLETED":
        return last_line(job.log) or "ended without a record"
    if queued.state == "FAILED":
        return f"SLURM: {queued.state}, {queued.reason}"
    return f"SLURM: {queued.state}"  # a job that was cancelled keeps the reason why it waited
