"""A process that stays: it imports survkit once, keeps the data, and forks a child for each job.

Every job is a process of its own, with the state that a new process has after its imports: what one
job does to random states, threads, warning filters or the environment, and even its death, reaches
no other. Its peak memory counts the libraries that it shares with its worker, its own data, and no
other job's.

A worker reads lines of JSON from its standard input: a job, as `{"arguments": [...], "log": path}`,
with the arguments of `survkit.train`, and while it runs `{"signal": number}` for its process group.
It answers `{"pid": number}` once a job has started, and `{"exit_status": number, "peak_memory_mb":
number}` at its end. It ends when its standard input is closed, and a job that runs then is told to.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NoReturn

from survkit import train
from survkit.launch.kept_data import KeptData
from survkit.launch.lines import Lines, write_line
from survkit.launch.process import GRACE_SECONDS, signal_group
from survkit.runs.folder import provenance
from survkit.system import in_mebibytes

FIRST_MODULES = (
    *("survkit.datasets.assemble", "survkit.datasets.splitting", "survkit.models.calibrated"),
    *("survkit.models.fitting", "survkit.models.registry", "survkit.models.size"),
    *("survkit.runs.results", "survkit.training.tracking"),
)
"""What every training imports."""

SHARED_PACKAGES = (
    *("survkit", "numpy", "scipy", "pandas", "pyarrow", "sklearn", "sksurv", "torch", "joblib"),
    *("lifelines", "xgboost", "hazardous"),
)
"""Packages that a worker imports once a job has needed them; they start no thread as they load."""


def main() -> int:
    """Take jobs until standard input is closed; returns the exit status, of a job in its child."""
    worker = _Worker()
    gc.set_threshold(10_000)  # as every command has it
    for module in FIRST_MODULES:
        importlib.import_module(module)
    provenance()  # kept, as what the code of the imports is
    while (request := worker.next_request()) is not None:
        if "arguments" in request:
            worker.run(request["arguments"], Path(request["log"]))
    return 0


class _Worker:
    def __init__(self) -> None:
        self._requests = Lines(os.dup(0))
        self._answers = os.dup(1)
        self._data = KeptData()
        self._wakeup, wakeup = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(wakeup, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # without a handler nothing is written
        signal.set_wakeup_fd(wakeup)
        self._forked_fds = (self._requests.descriptor, self._answers, self._wakeup, wakeup)
        self._print_to(Path(os.devnull))
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)

    def next_request(self) -> dict[str, Any] | None:
        """Return what the launcher asks for next; None once it is gone."""
        while not self._requests.lines:
            if not self._requests.read():
                return None
        request: dict[str, Any] = json.loads(self._requests.lines.popleft())
        return request

    def run(self, arguments: Sequence[str], log: Path) -> None:
        """Run one job to its end; in the child, this does not return."""
        self._print_to(log)
        self._data.prepare(arguments)
        with tempfile.TemporaryFile() as imported:
            gc.freeze()  # else a child's search for garbage would copy all these objects
            pid = os.fork()
            if pid == 0:
                self._become(arguments, imported)
            with suppress(OSError):  # the child does the same; whoever comes first
                os.setpgid(pid, pid)
            write_line(self._answers, {"pid": pid})
            self._print_to(Path(os.devnull))
            write_line(self._answers, self._wait(pid))
            imported.seek(0)
            _import_too(imported.read())

    @staticmethod
    def _print_to(path: Path) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        with path.open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)

    def _become(self, arguments: Sequence[str], imported: IO[bytes]) -> NoReturn:
        """Be the job, in the child, as `python -m survkit.train` would be."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with suppress(OSError):
            os.setpgid(0, 0)
        for descriptor in self._forked_fds:
            os.close(descriptor)
        self._data.keep_only_prepared()
        with suppress(OSError):  # the peak counts from here on; only Linux has it
            Path("/proc/self/clear_refs").write_text("5")
        before = set(sys.modules)
        sys.argv = [train.__file__, *arguments]
        status = 1
        try:
            status = train.main(arguments, load=self._data.load)
            imported.write("\n".join(sorted(set(sys.modules) - before)).encode())
            imported.flush()
        except BaseException:  # as an interpreter ends that nobody called
            traceback.print_exc()
        finally:  # less than its whole end, which takes a second to free what is shared
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _wait(self, pid: int) -> dict[str, Any]:
        """Pass signals on until a job has ended; end it where the launcher is gone."""
        deadline: float | None = None
        while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            watched = [self._wakeup] if deadline else [self._wakeup, self._requests.descriptor]
            ready = select.select(watched, [], [], 1.0 if deadline else None)[0]
            if self._wakeup in ready:
                os.read(self._wakeup, 4096)
            if self._requests.descriptor in ready and not self._requests.read():
                deadline = time.monotonic() + GRACE_SECONDS
                signal_group(pid, signal.SIGTERM)
            while self._requests.lines:
                signal_group(pid, json.loads(self._requests.lines.popleft())["signal"])
            if deadline and time.monotonic() > deadline:
                signal_group(pid, signal.SIGKILL)
        signal_group(pid, signal.SIGKILL)  # what it left running; its number is still taken
        _, wait_status, usage = os.wait4(pid, 0)
        return {
            "exit_status": os.waitstatus_to_exitcode(wait_status),
            "peak_memory_mb": in_mebibytes(usage.ru_maxrss),
        }


def _import_too(names: bytes) -> None:
    """Import what a job had to, so that the next ones need not."""
    for name in names.decode().split():
        if name.partition(".")[0] in SHARED_PACKAGES and name not in sys.modules:
            with suppress(Exception):  # made by code, or for other machines
                importlib.import_module(name)


if __name__ == "__main__":
    sys.exit(main())
