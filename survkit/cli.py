"""How every command ends: 0 done, 1 a part failed, 2 bad input, or stopped; no traceback for users.

75 is the system's own status for "try again later" (EX_TEMPFAIL); 130, 141 and 143 are a shell's
for Ctrl-C, a closed pipe and SIGTERM.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import UnsupportedOperation
from types import FrameType

from survkit.text import one_line
from survkit.types import InputError

FAILED = 1
BAD_INPUT = 2
RUNS_ELSEWHERE = 75
INTERRUPTED = 130
PIPE_CLOSED = 141
TERMINATED = 143


class RunsElsewhereError(InputError):
    """Another process is at work on the same run."""


class _Terminated(BaseException):
    """SIGTERM has arrived."""


def run_command(prog: str, command: Callable[[], int | None]) -> int:
    """Run a command and return its exit status, with errors of the input printed, not raised."""
    collect_garbage_rarely()
    try:
        with _sigterm_raises():
            status = command() or 0
            sys.stdout.flush()
            return status
    except InputError as error:
        print(f"{prog}: error: {one_line(str(error))}", file=sys.stderr)
        return RUNS_ELSEWHERE if isinstance(error, RunsElsewhereError) else BAD_INPUT
    except (KeyboardInterrupt, _Terminated) as stop:
        print(f"{prog}: interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED if isinstance(stop, KeyboardInterrupt) else TERMINATED
    except BrokenPipeError:  # `| head` has read enough
        with suppress(UnsupportedOperation):  # a stdout that is no file has nothing to flush
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED


def collect_garbage_rarely() -> None:
    """Spare a command most searches for unreachable objects among what its imports made.

    They take a sixth of the time of the imports, and a quarter of a second as the process ends.
    """
    gc.set_threshold(10_000)
    atexit.register(_freeze)


def _freeze() -> None:
    # Triton's bindings would print a list of all their objects that are frozen, as leaked.
    if "triton" not in sys.modules:
        gc.freeze()


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does; only a main thread can handle signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise _Terminated
