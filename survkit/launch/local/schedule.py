"""Which job starts when: after those it depends on, in a free place, and never in two processes."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from survkit.launch.jobs import Job, JobSource, Outcome, Status
from survkit.launch.overview import Overview
from survkit.launch.process import GRACE_SECONDS, Place, trained_elsewhere

POLL_SECONDS = 0.2
"""How often the schedule checks `stop`."""

RECHECK_SECONDS = 1.0
"""How often a run that another process trains, or a place that is not free, is checked again."""

GIVE_UP_SECONDS = GRACE_SECONDS + 10
"""How long after a stop a job that does not end is waited for."""

ELSEWHERE = "another process trains it"


class Handle(Protocol):
    """A job that has been submitted."""

    def add_done_callback(self, callback: Callable[[Any], None], /) -> None:
        """Have a function called when the job has ended."""

    def result(self) -> Outcome | None:
        """Return how the job ended, as `run_job` does."""


Submit = Callable[[Job, Place], Handle]
"""Starts a job in a place; an exception means that it has not started."""


class _Started(NamedTuple):
    job: Job
    place: Place
    handle: Handle


class Schedule:
    """Jobs on their way to an outcome.

    A name in a job's `after` that is none of theirs counts as done. As many jobs run at the same
    time as there are places, each in one that `is_free`. Once `stop` is set, no job starts any
    more, and `run` ends when those that run have ended. A `source` gives further jobs whenever a
    place is free.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        places: Sequence[Place],
        *,
        stop: threading.Event,
        overview: Overview,
        is_free: Callable[[Place], bool] = lambda place: True,
        source: JobSource | None = None,
    ) -> None:
        self._jobs = list(jobs)
        self._source = source
        self._names = {job.name for job in jobs}
        self._stop = stop
        self._overview = overview
        self._is_free = is_free
        self._places = list(places)
        self._waiting = list(jobs)
        self._elsewhere: list[Job] = []
        self._running: dict[str, _Started] = {}
        self._is_ending = False
        self._give_up_at = math.inf
        self._told_busy = False
        self._ended: queue.SimpleQueue[_Started] = queue.SimpleQueue()
        self._outcomes: dict[str, Outcome] = {}
        self._recheck_at = 0.0

    @property
    def outcomes(self) -> list[Outcome]:
        """How the runs of the jobs ended, in their order."""
        ended = (self._outcomes[job.name] for job in self._jobs)
        return [outcome for of_job in ended for outcome in of_job.of_runs()]

    @property
    def is_finished(self) -> bool:
        """Whether every job has an outcome."""
        return not self._has_more and len(self._outcomes) == len(self._jobs)

    @property
    def _has_more(self) -> bool:
        return self._source is not None and not self._is_ending and self._source.remaining > 0

    def run(self, submit: Submit) -> None:
        """Run all jobs that have no outcome yet.

        Where `submit` refuses a job, its exception is passed on; `run` can then be called again
        with another `submit`, and starts what has not been started.
        """
        while not self.is_finished:
            if self._stop.is_set():
                self._end_all()
            else:
                self._block()
                self._recheck()
                self._refill()
                self._start(submit)
            self._collect()

    def _end_all(self) -> None:
        """End the jobs that have not started, and in time those that do not answer any more."""
        for job in self._waiting:
            self._end(Outcome(job, Status.STOPPED, note="not started"))
        for job in self._elsewhere:
            self._end(Outcome(job, Status.STOPPED, note=ELSEWHERE))
        self._waiting, self._elsewhere, self._is_ending = [], [], True
        self._give_up_at = min(self._give_up_at, time.monotonic() + GIVE_UP_SECONDS)
        if time.monotonic() > self._give_up_at:  # a worker of a cluster may be gone
            for started in list(self._running.values()):
                self._end(Outcome(started.job, Status.STOPPED, note="does not answer"))

    def _refill(self) -> None:
        """Ask for further jobs, one for each free place.

        A job that another process trains has a place, too: the next may depend on its outcome.
        """
        while self._source and len(self._waiting) + len(self._elsewhere) < len(self._places):
            job = self._source.next_job()
            if job is None:
                return
            self._jobs.append(job)
            self._names.add(job.name)
            self._waiting.append(job)

    def _block(self) -> None:
        """End the jobs that can never start; they come after those that they depend on."""
        for job in list(self._waiting):
            ended = [self._outcomes[name] for name in job.after if name in self._outcomes]
            bad = [outcome for outcome in ended if outcome.status is not Status.DONE]
            if bad:
                self._waiting.remove(job)
                what = ", ".join(f"{outcome.job.name} ({outcome.status})" for outcome in bad)
                self._end(Outcome(job, Status.BLOCKED, note=f"needs {what}"))

    def _recheck(self) -> None:
        """Put back the jobs that another process was training, once it has released them."""
        if time.monotonic() < self._recheck_at:
            return
        self._recheck_at = time.monotonic() + RECHECK_SECONDS
        for job in [job for job in self._elsewhere if not trained_elsewhere(job)]:
            self._elsewhere.remove(job)
            self._waiting.append(job)

    def _start(self, submit: Submit) -> None:
        for job in [job for job in self._waiting if self._is_ready(job)]:
            if not self._places:
                return
            if job.is_complete:
                self._waiting.remove(job)
                self._end(Outcome(job, Status.DONE, note="by another process"))
            elif trained_elsewhere(job):
                self._waiting.remove(job)
                self._postpone(job)
            else:
                place = self._free_place()
                if place is None:
                    return
                self._submit(submit, job, place)

    def _is_ready(self, job: Job) -> bool:
        return all(name in self._outcomes or name not in self._names for name in job.after)

    def _free_place(self) -> Place | None:
        place = next(filter(self._is_free, self._places), None)
        if place is None and not self._told_busy:
            names = ", ".join(dict.fromkeys(place.name for place in self._places))
            self._overview.tell(f"waiting for free memory on {names}")
        self._told_busy = place is None
        return place

    def _submit(self, submit: Submit, job: Job, place: Place) -> None:
        handle = submit(job, place)
        for run in job.runs:
            if not run.is_complete:
                self._overview.started(run.name, place.name, run.folder)
        self._waiting.remove(job)
        self._places.remove(place)
        started = self._running[job.name] = _Started(job, place, handle)
        handle.add_done_callback(lambda _: self._ended.put(started))

    def _collect(self) -> None:
        try:
            started = self._ended.get(timeout=POLL_SECONDS)
        except queue.Empty:
            return
        if started.job.name not in self._running:  # given up before
            return
        self._places.append(started.place)
        try:
            outcome = started.handle.result()
        except Exception as error:  # of prefect or Dask, not of the job: the others continue
            note = f"{type(error).__name__}: {error}"
            outcome = Outcome(started.job, Status.FAILED, note=note)
        if outcome is None:
            del self._running[started.job.name]
            self._postpone(started.job)
        else:
            self._end(outcome)

    def _postpone(self, job: Job) -> None:
        self._elsewhere.append(job)
        for run in job.runs:
            self._overview.postponed(run.name, ELSEWHERE)

    def _end(self, outcome: Outcome) -> None:
        self._running.pop(outcome.job.name, None)
        self._outcomes[outcome.job.name] = outcome
        for of_run in outcome.of_runs():
            self._overview.ended(of_run)
        if self._source:
            self._source.ended(outcome)
