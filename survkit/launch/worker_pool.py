"""The workers of a launcher: who takes which job, and what happens when one is lost."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Self

from survkit.launch.jobs import Job
from survkit.launch.lines import Lines, write_line
from survkit.launch.process import (
    POLL_SECONDS,
    Ended,
    Place,
    job_environment,
    run_process,
    signal_group,
)
from survkit.system import peak_memory_mb

CLOSE_SECONDS = 30.0
"""How long a worker may take to end once its standard input is closed."""


class WorkerPool:
    """Workers that each belong to a place and run one job after another there.

    A worker is replaced after `jobs_per_worker` jobs and when it is lost. A job that none takes
    runs in a process of its own, which also shows why workers do not start. To be used as a
    context, which ends them.

    Parameters
    ----------
    jobs_per_worker : int
        Most jobs of one worker; 0 or 1 for a process for every job, without any worker.
    """

    def __init__(self, jobs_per_worker: int) -> None:
        self._jobs_per_worker = jobs_per_worker
        self._idle: dict[Place, list[_Worker]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            workers = [worker for idle in self._idle.values() for worker in idle]
            self._idle.clear()
        for worker in workers:
            worker.close()
        for worker in workers:
            worker.wait()

    def start(self, places: Sequence[Place]) -> None:
        """Start a worker in each place, which imports while other things are made ready."""
        if self._jobs_per_worker > 1:
            for place in places:
                with suppress(OSError):  # the job that needs it will meet the error, and say so
                    self._give_back(place, _Worker(place))

    def run(
        self,
        job: Job,
        place: Place,
        stop: Callable[[], bool],
        grace_seconds: float,
    ) -> Ended:
        """Run a job in a worker, as `survkit.launch.process.run_process` does in a process."""
        while self._jobs_per_worker > 1:
            worker = self._take(place)
            ended = worker.run(job, stop, grace_seconds)
            if ended is not None and worker.jobs < self._jobs_per_worker and worker.is_alive:
                self._give_back(place, worker)
            else:
                worker.close()
                worker.wait(0 if ended is None else CLOSE_SECONDS)
            if ended is not None:
                return ended
            if worker.jobs == 1:
                break  # a new worker did not take it; one that was lost since its last job may be
        return run_process(job, place, stop, grace_seconds)

    def _take(self, place: Place) -> _Worker:
        with self._lock:
            idle = self._idle.get(place)
            if idle:
                return idle.pop()
        return _Worker(place)

    def _give_back(self, place: Place, worker: _Worker) -> None:
        with self._lock:
            self._idle.setdefault(place, []).append(worker)


class _Worker:
    def __init__(self, place: Place) -> None:
        self.jobs = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "survkit.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=job_environment(place),
            process_group=0,  # where Ctrl-C does not reach it
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input = self._process.stdin
        self._answers = Lines(self._process.stdout.fileno())
        self._poll = select.poll()
        self._poll.register(self._answers.descriptor, select.POLLIN)

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        with suppress(OSError):
            self._input.close()

    def wait(self, seconds: float = CLOSE_SECONDS) -> None:
        """Wait for the end of a worker whose input is closed, and enforce it in the end."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def run(self, job: Job, stop: Callable[[], bool], grace_seconds: float) -> Ended | None:
        """Run a job; None where the worker was lost before it had started it."""
        self.jobs += 1
        started = time.perf_counter()
        request = {"arguments": job.arguments, "log": str(job.log)}
        if not write_line(self._input.fileno(), request):
            return None
        answer = self._answer(stop)
        if answer is None and stop():  # it was still importing, or loading the data
            self._process.kill()
            return Ended(-signal.SIGTERM, time.perf_counter() - started, None)
        if answer is None:
            return None
        return self._follow(answer["pid"], started, stop, grace_seconds)

    def _follow(
        self, pid: int, started: float, stop: Callable[[], bool], grace_seconds: float
    ) -> Ended:
        """Wait for the end of a job that has started."""
        answer = self._answer(stop, pid)
        if answer is None and self.is_alive and stop():
            write_line(self._input.fileno(), {"signal": int(signal.SIGTERM)})
            give_up_at = time.monotonic() + grace_seconds
            answer = self._answer(lambda: time.monotonic() > give_up_at, pid)
        if answer is None:  # the worker was lost, or its job does not end
            peak = peak_memory_mb(pid)
            signal_group(pid, signal.SIGKILL)
            self._process.kill()
            answer = {"exit_status": -signal.SIGKILL, "peak_memory_mb": peak}
        seconds = time.perf_counter() - started
        return Ended(answer["exit_status"], seconds, answer["peak_memory_mb"])

    def _answer(self, stop: Callable[[], bool], pid: int | None = None) -> dict[str, Any] | None:
        """Return the next answer; None where the worker is gone, or once `stop` is true."""
        while not self._answers.lines:
            if stop():
                return None
            if self._poll.poll(1000 * POLL_SECONDS) and not self._answers.read():
                return None
        answer: dict[str, Any] = json.loads(self._answers.lines.popleft())
        return answer
