"""One job's life: a process with a log of its own, tried again after a failure, ended on demand.

A job of this machine, of a Dask worker and of a SLURM cluster is run by the same function.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from survkit.cli import BAD_INPUT, PRUNED, RUNS_ELSEWHERE, RunsElsewhereError
from survkit.files import last_line
from survkit.launch.jobs import Job, Outcome, Status
from survkit.launch.notes import write_note
from survkit.system import in_mebibytes, peak_memory_mb, python_environment
from survkit.types import InputError

if TYPE_CHECKING:
    from survkit.runs.folder import RunFolder

FIRST_POLL_SECONDS, POLL_SECONDS = 0.005, 0.1
"""How often a process is checked."""

GRACE_SECONDS = 20.0
"""How long a process may take to end after SIGTERM, before SIGKILL."""

THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
    *("NUMEXPR_MAX_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"),
    "LOKY_MAX_CPU_COUNT",  # what joblib, and so a random survival forest, takes for all cores
)

RESUMED_NEXT_TIME = "resumed next time, from its last checkpoint if it has one"


class Place(NamedTuple):
    """Where a job runs.

    Parameters
    ----------
    name : str
        What people call it, such as "GPU 0".
    threads : int
        Threads that the job may use.
    cuda_visible_devices : str, optional
        The GPU that it sees; None leaves the variable as it is.
    slurm_job_id : str, optional
        The SLURM job that it is.
    """

    name: str  # such as "GPU 0"
    threads: int
    cuda_visible_devices: str | None = None  # None leaves the variable as it is
    slurm_job_id: str | None = None


class Ended(NamedTuple):
    """How one attempt at a job ended."""

    exit_status: int  # or minus the number of the signal that killed it
    seconds: float
    peak_memory_mb: float | None


Execute = Callable[[Job, Place, Callable[[], bool], float], Ended]
"""Makes one attempt at a job, which appends to its log, as `run_process` does."""


def run_job(
    job: Job,
    place: Place,
    *,
    retries: int = 0,
    stop: Callable[[], bool] = lambda: False,
    grace_seconds: float = GRACE_SECONDS,
    execute: Execute | None = None,
) -> Outcome | None:
    """Run a job to its end and note how it ended; return None where another process trains it.

    Bad input, or a run that its limits ended, is not tried again; any other failure is, `retries`
    times.

    Parameters
    ----------
    job : Job
        The job; its log is appended to.
    place : Place
        Where it runs.
    retries : int
        Further attempts at a job that failed.
    stop : callable
        Asked ten times a second; once it is True, SIGTERM ends the process.
    grace_seconds : float
        How long the process may take to end before SIGKILL.
    execute : callable, optional
        Makes each attempt; by default `run_process`, in a new process.
    """
    if stop():
        return Outcome(job, Status.STOPPED, note=RESUMED_NEXT_TIME)
    try:
        outcome = _attempts(job, place, retries, stop, grace_seconds, execute or run_process)
    except (OSError, InputError) as error:  # a full disk, or a log that cannot be written
        return Outcome(job, Status.FAILED, note=str(error))
    if outcome is not None:
        write_note(
            outcome, place=place.name, gpu=place.cuda_visible_devices, job_id=place.slurm_job_id
        )
    return outcome


def trained_elsewhere(job: Job) -> bool:
    """Return whether another process holds the run of a job."""
    from survkit.runs.folder import RunFolder  # loads torch

    return any(_is_locked(RunFolder(run.folder)) for run in job.runs)


def _is_locked(folder: RunFolder) -> bool:
    if not folder.path.exists():
        return False
    try:
        with folder.lock():
            return False
    except RunsElsewhereError:
        return True
    except InputError:  # it cannot be written; the run itself will say so
        return False


def _attempts(
    job: Job,
    place: Place,
    retries: int,
    stop: Callable[[], bool],
    grace_seconds: float,
    execute: Execute,
) -> Outcome | None:
    for attempt in range(1, retries + 2):
        now = datetime.now(UTC).isoformat(timespec="seconds")
        header = f"=== {now} attempt {attempt} on {place.name}: {shlex.join(job.command)}"
        job.log.parent.mkdir(parents=True, exist_ok=True)
        _append(job.log, header)
        ended = execute(job, place, stop, grace_seconds)
        if ended.exit_status == RUNS_ELSEWHERE:
            return None
        outcome = _outcome(job, ended, header, stopped=stop())._replace(attempts=attempt)
        if outcome.status is not Status.FAILED or ended.exit_status in (BAD_INPUT, PRUNED):
            break
        if last_line(job.log) != outcome.note:
            _append(job.log, outcome.note)
    return outcome


def _append(log: Path, line: str) -> None:
    with log.open("ab") as file:
        file.write(f"{line}\n".encode())


def run_process(job: Job, place: Place, stop: Callable[[], bool], grace_seconds: float) -> Ended:
    """Run a job's command in a process group of its own; everything it prints is in the log."""
    started = time.perf_counter()
    with job.log.open("ab") as output:
        process = subprocess.Popen(
            job.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=job_environment(place),
            process_group=0,
        )
    peak = _watch(process.pid, stop, grace_seconds)
    signal_group(process.pid, signal.SIGKILL)  # what it left running; its number is still taken
    _, wait_status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(wait_status)
    return Ended(
        process.returncode,
        time.perf_counter() - started,
        in_mebibytes(usage.ru_maxrss) if peak is None else peak,
    )


def _watch(pid: int, stop: Callable[[], bool], grace_seconds: float) -> float | None:
    """Return the peak memory of a process, if known, once it has ended, or was made to end."""
    peak: float | None = None
    deadline: float | None = None
    pause = FIRST_POLL_SECONDS
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        peak = peak_memory_mb(pid) or peak
        if deadline is None and stop():
            deadline = time.monotonic() + grace_seconds
            signal_group(pid, signal.SIGTERM)
        elif deadline is not None and time.monotonic() > deadline:
            signal_group(pid, signal.SIGKILL)
        time.sleep(pause)
        pause = min(2 * pause, POLL_SECONDS)
    return peak


def signal_group(pid: int, number: int) -> None:
    """Send a signal to a process group, if it is still there."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def job_environment(place: Place) -> dict[str, str]:
    """Return the environment of a job, with its share of the machine."""
    gpu = place.cuda_visible_devices
    return {
        **python_environment(),
        **dict.fromkeys(THREAD_VARIABLES, str(place.threads)),
        "PYTHONUNBUFFERED": "1",
        **({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}),
    }


def _outcome(job: Job, ended: Ended, header: str, *, stopped: bool) -> Outcome:
    status, note = Status.FAILED, ""
    if ended.exit_status == 0 and job.is_complete:
        status = Status.DONE
    elif stopped:
        status, note = Status.STOPPED, RESUMED_NEXT_TIME
    elif ended.exit_status < 0:
        name = signal.Signals(-ended.exit_status).name
        note = f"killed by {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"
    elif ended.exit_status == 0:
        note = f"finished without an error, but left no record at {job.folder}"
    elif (note := last_line(job.log)) == header:
        note = f"ended with exit status {ended.exit_status}"
    return Outcome(job, status, ended.seconds, ended.peak_memory_mb, note, ended.exit_status)
