"""Commands of survkit as a test starts and kills them, and what they leave behind."""

from __future__ import annotations

import fcntl
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil

import survkit

ROOT = Path(survkit.__file__).parent.parent

FULL = os.environ.get("SURVKIT_FAULTS") == "full"
"""Whether everything is tried; by default a sample is, in less than a minute."""

ACCEPTED = (0, 1, 2)
"""Exit statuses of a command that was not stopped from outside."""

ENDS_WITHIN = 10.0
"""Seconds in which what a killed command had started must end as well."""

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Ended(NamedTuple):
    """How a command ended: its exit status (None: it hung), what it printed, and how long it ran.

    `left` are the command lines of processes that it left behind.
    """

    status: int | None
    output: str
    seconds: float
    left: tuple[str, ...] = ()

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.status == -signal.SIGKILL

    def problem(self, accepted: Sequence[int] = ACCEPTED) -> str:
        """Return what is wrong with the end of a command, "" where nothing is."""
        if self.status is None:
            return f"hung for {self.seconds:.0f} s"
        for sign in ("Traceback (most recent call last)", "Exception ignored", "Fatal Python"):
            if sign in self.output:
                return f"{sign}: {' '.join(self.output.splitlines()[-3:])}"
        if self.status not in accepted:
            return f"exit status {self.status}: {self.output[-300:]}"
        return f"left {self.left}" if self.left else ""


class Forks:
    """Runs commands in forks of a process that has imported everything, one at a time."""

    def __init__(self) -> None:
        self._reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 1 << 20)  # so that no command waits for us
        os.set_blocking(self._reader, False)
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.fork_server", str(writer)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[writer],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **dict.fromkeys(ONE_THREAD, "1")},
        )
        os.close(writer)

    def close(self) -> None:
        """End the process."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(30)
        self._server.stdout.close()
        os.close(self._reader)

    def run(
        self,
        module: str,
        argv: Sequence[str],
        cwd: Path,
        *,
        kill_after: float | None = None,
        kill_when: Callable[[], bool] | None = None,
        while_running: Callable[[int], object] | None = None,
        file_size: int | None = None,
        stdout: str = "",
        stderr: str = "",
        timeout: float = 120.0,
        check_left: bool = True,
    ) -> Ended:
        """Run `python -m module argv` in a folder and wait for its end.

        Parameters
        ----------
        kill_after : float, optional
            Seconds after which it is killed.
        kill_when : callable, optional
            Asked all the time; once it is True the command is killed.
        while_running : callable, optional
            Called all the time with the process id.
        file_size : int, optional
            The most bytes that a file can hold.
        stdout, stderr : {"", "closed", "full", "broken"}
            What is the matter with an output.
        timeout : float
            Seconds after which the command counts as hanging.
        check_left : bool
            Whether to look for processes that it leaves behind.
        """
        self._read_output()
        request = {"module": module, "argv": list(argv), "cwd": str(cwd), "file_size": file_size}
        self._send({**request, "stdout": stdout, "stderr": stderr})
        pid = self._answer()
        started = time.perf_counter()
        due = timeout if kill_after is None else min(kill_after, timeout)
        watched = kill_when or while_running
        while not self._has_answer(0.002 if watched else due):
            elapsed = time.perf_counter() - started
            if while_running:
                while_running(pid)
            if elapsed >= due or (kill_when and kill_when()):
                os.kill(pid, signal.SIGKILL)
                break
        status: int | None = self._answer()
        seconds = time.perf_counter() - started
        if status == -signal.SIGKILL and seconds >= timeout:
            status = None
        left = left_behind(pid) if check_left else ()
        return Ended(status, self._read_output(), seconds, left)

    def _send(self, request: dict[str, object]) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(request).encode() + b"\n")
        self._server.stdin.flush()

    def _has_answer(self, seconds: float) -> bool:
        return bool(select.select([self._server.stdout], [], [], seconds)[0])

    def _answer(self) -> int:
        assert self._server.stdout is not None
        return int(self._server.stdout.readline())

    def _read_output(self) -> str:
        parts = []
        with suppress(BlockingIOError):
            while part := os.read(self._reader, 1 << 16):
                parts.append(part)
        return b"".join(parts).decode(errors="replace")


@contextmanager
def forks() -> Iterator[Forks]:
    """Offer `Forks` for as long as a test module needs it."""
    server = Forks()
    try:
        yield server
    finally:
        server.close()


def left_behind(session: int, seconds: float = ENDS_WITHIN) -> tuple[str, ...]:
    """Return the processes of a session that have not ended in time, and end them."""
    deadline = time.monotonic() + seconds
    while found := _processes_of(session):
        if time.monotonic() > deadline:
            lines = tuple(" ".join(process.cmdline()) for process in found)
            for process in found:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            return lines
        time.sleep(0.05)
    return ()


def _processes_of(session: int) -> list[psutil.Process]:
    found = []
    for pid in psutil.pids():
        with suppress(OSError, psutil.Error):  # it may end meanwhile
            if os.getsid(pid) == session:
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
    return found


def sample(cases: Sequence[object], number: int) -> list[object]:
    """Return all cases where everything is tried, and by default the same few of them."""
    return list(cases) if FULL else random.Random(17).sample(list(cases), number)
