"""One job's life: a subprocess with a log of its own, tried again after a failure, ended on demand.

Beside the log `NAME.log` stands `NAME.json`: how the run ended, after how many attempts and
seconds, with how much memory, where, and by what command. Runs that one process trains share a log.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import survkit
from survkit.cli import BAD_INPUT, RUNS_ELSEWHERE, RunsElsewhereError
from survkit.files import last_line, write_bytes
from survkit.launch.jobs import Job, Outcome, Status
from survkit.system import in_mebibytes, peak_memory_mb
from survkit.types import InputError

if TYPE_CHECKING:
    from survkit.runs.folder import RunFolder

FIRST_POLL_SECONDS, POLL_SECONDS = 0.005, 0.1
"""How often a process is looked at."""

GRACE_SECONDS = 20.0
"""How long a process may take to end after SIGTERM, before SIGKILL."""

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "LOKY_MAX_CPU_COUNT",  # what joblib, and so a random survival forest, takes for all cores
)

GOES_ON = "taken up again next time, at its last checkpoint if it has one"


class Place(NamedTuple):
    """Where a job runs.

    Parameters
    ----------
    name : str
        What people call it, as "GPU 0".
    threads : int
        Threads that the job may use.
    cuda_visible_devices : str, optional
        The GPU that it sees; None leaves the variable as it is.
    """

    name: str
    threads: int
    cuda_visible_devices: str | None = None


class Ended(NamedTuple):
    """How a process ended.

    Parameters
    ----------
    exit_status : int
        Its exit status, or minus the number of the signal that killed it.
    seconds : float
        Wall-clock time.
    peak_memory_mb : float
        Largest resident memory, in MiB.
    """

    exit_status: int
    seconds: float
    peak_memory_mb: float


def run_job(
    job: Job, place: Place, *, retries: int = 0, stop: Callable[[], bool] = lambda: False
) -> Outcome | None:
    """Run a job to its end and say how it ended; return None where another process is at it.

    Bad input is not tried again; any other failure is, `retries` times.

    Parameters
    ----------
    job : Job
        The job; its log is appended to.
    place : Place
        Where it runs.
    retries : int
        Further attempts at a job that failed.
    stop : callable
        Asked ten times a second; True ends the process by SIGTERM, after 20 s by SIGKILL.
    """
    try:
        if stop():
            return Outcome(job, Status.STOPPED, note=GOES_ON)
        return _attempts(job, place, retries, stop)
    except (OSError, InputError) as error:  # the disk is full, say, or the log cannot be written
        return Outcome(job, Status.FAILED, note=str(error))


def trained_elsewhere(job: Job) -> bool:
    """Tell whether another process holds the run of a job."""
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


def _attempts(job: Job, place: Place, retries: int, stop: Callable[[], bool]) -> Outcome | None:
    command = [sys.executable, "-m", "survkit.train", *job.arguments]
    started = datetime.now(UTC)
    for attempt in range(1, retries + 2):
        now = datetime.now(UTC).isoformat(timespec="seconds")
        header = f"=== {now} attempt {attempt} on {place.name}: {shlex.join(command)}"
        ended = _run_process(command, place, job.log, header, stop)
        if ended.exit_status == RUNS_ELSEWHERE:
            return None
        outcome = _outcome(job, ended, header, stopped=stop())
        if outcome.status is not Status.FAILED or ended.exit_status == BAD_INPUT:
            break
    report = {
        "exit_status": ended.exit_status,
        "attempts": attempt,
        "seconds": round(ended.seconds, 3),
        "peak_memory_mb": round(ended.peak_memory_mb, 1),
        "place": place.name,
        "gpu": place.cuda_visible_devices,
        "started": started.isoformat(timespec="seconds"),
        "log": job.log.name,
    }
    for run, ended_as in zip(job.runs, outcome.of_runs(), strict=True):
        how = {"status": ended_as.status, "note": ended_as.note}
        alone = [*command[:3], *run.arguments]
        text = json.dumps({**how, **report, "command": alone}, indent=2)
        write_bytes(run.log.with_suffix(".json"), f"{text}\n".encode())
    return outcome


def _run_process(
    command: list[str], place: Place, log: Path, header: str, stop: Callable[[], bool]
) -> Ended:
    """Run a command in a process group of its own, all that it prints in the log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with log.open("ab") as output:
        output.write(f"{header}\n".encode())
        output.flush()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=job_environment(place),
            process_group=0,
        )
    peak = _watch(process.pid, stop)
    _signal_group(process.pid, signal.SIGKILL)  # what it left running; its number is still taken
    _, wait_status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(wait_status)
    return Ended(
        process.returncode,
        time.perf_counter() - started,
        in_mebibytes(usage.ru_maxrss) if peak is None else peak,
    )


def _watch(pid: int, stop: Callable[[], bool]) -> float | None:
    """Return the peak memory of a process, if known, once it has ended, or was made to end."""
    peak: float | None = None
    deadline: float | None = None
    pause = FIRST_POLL_SECONDS
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        peak = peak_memory_mb(pid) or peak
        if deadline is None and stop():
            deadline = time.monotonic() + GRACE_SECONDS
            _signal_group(pid, signal.SIGTERM)
        elif deadline is not None and time.monotonic() > deadline:
            _signal_group(pid, signal.SIGKILL)
        time.sleep(pause)
        pause = min(2 * pause, POLL_SECONDS)
    return peak


def _signal_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def python_environment() -> dict[str, str]:
    """Return an environment in which a Python started anywhere imports this survkit."""
    root = str(Path(survkit.__file__).parent.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONSAFEPATH": "1",  # a folder "survkit" where the launcher was started is not it
    }


def job_environment(place: Place) -> dict[str, str]:
    """Return the environment of a job, with its share of the machine."""
    environment = {
        **python_environment(),
        **dict.fromkeys(THREAD_VARIABLES, str(place.threads)),
        "PYTHONUNBUFFERED": "1",
    }
    if place.cuda_visible_devices is not None:
        environment["CUDA_VISIBLE_DEVICES"] = place.cuda_visible_devices
    return environment


def _outcome(job: Job, ended: Ended, header: str, *, stopped: bool) -> Outcome:
    status, note = Status.FAILED, ""
    if ended.exit_status == 0 and job.is_complete:
        status = Status.DONE
    elif stopped:
        status, note = Status.STOPPED, GOES_ON
    elif ended.exit_status < 0:
        name = signal.Signals(-ended.exit_status).name
        note = f"killed by {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"
    else:
        line = last_line(job.log)
        note = line if line != header else f"ended with exit status {ended.exit_status}"
        if ended.exit_status == 0:
            note = f"ended well, but there is no record at {job.folder}"
    return Outcome(job, status, ended.seconds, ended.peak_memory_mb, note)
