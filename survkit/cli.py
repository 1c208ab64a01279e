"""How every command ends: 0 done, 1 a part failed, 2 bad input, or stopped; no traceback for users.

3 is a training that `--loss_limits` ended. 75 is the system's own status for "try again later"
(EX_TEMPFAIL); 130, 141 and 143 are a shell's for Ctrl-C, a closed pipe and SIGTERM.

A command never loses its work because nobody can read what it prints. Where standard output or
standard error is full, closed or a pipe that nobody reads any more, or the terminal is closed
(SIGHUP is ignored, as under nohup), that text is dropped and the command runs to its end: an hour's
training leaves its complete record. Only then does the status say that standard output failed: 141
for a pipe without a reader, 1 with a message for anything else, a full disk for example. A
standard output that was closed from the start is what the user asked for, and no failure.
"""

from __future__ import annotations

import atexit
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TextIO, cast

from survkit.extras import how_to_install
from survkit.text import one_line
from survkit.types import InputError

FAILED = 1
BAD_INPUT = 2
PRUNED = 3
RUNS_ELSEWHERE = 75
INTERRUPTED = 130
PIPE_CLOSED = 141
TERMINATED = 143


class RunsElsewhereError(InputError):
    """Another process is at work on the same run."""


class PrunedError(InputError):
    """A training was ended because others had come further by the same epoch."""


class _Terminated(BaseException):
    """SIGTERM has arrived."""


def run_command(prog: str, command: Callable[[], int | None]) -> int:
    """Run a command and return its exit status, with errors of the input printed, not raised.

    SystemExit, with which a parser ends after printing its help, passes through unless that text
    could not be printed.
    """
    collect_garbage_rarely()
    with _streams() as (output, errors), _log_printed():
        try:
            status = _run(prog, command)
        except SystemExit as end:
            if end.code or output.end() is None:
                raise
            status = 0
        finally:
            error = output.end()
            if error is not None and not isinstance(error, BrokenPipeError):
                print(f"{prog}: cannot write standard output: {error.strerror}", file=sys.stderr)
            errors.end()
        if error is None or status:
            return status
        return PIPE_CLOSED if isinstance(error, BrokenPipeError) else FAILED


class _Printer(logging.Handler):
    """Prints what the library logs, on what is standard output then."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), flush=True)


@contextmanager
def _log_printed() -> Iterator[None]:
    """Print what survkit logs: a command shows it, and a program that imports it decides itself."""
    log, printer = logging.getLogger("survkit"), _Printer(logging.INFO)
    if any(isinstance(handler, _Printer) for handler in log.handlers):  # a command within another
        yield
        return
    level = log.level
    log.addHandler(printer)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(printer)
        log.setLevel(level)


def _run(prog: str, command: Callable[[], int | None]) -> int:
    try:
        with _signals():
            return command() or 0
    except InputError as error:
        print(f"{prog}: error: {one_line(str(error))}", file=sys.stderr)
        if isinstance(error, PrunedError):
            return PRUNED
        return RUNS_ELSEWHERE if isinstance(error, RunsElsewhereError) else BAD_INPUT
    except ModuleNotFoundError as error:
        install = how_to_install(error.name or "")
        if install is None:
            raise
        print(f"{prog}: error: {error.name} is not installed; {install}", file=sys.stderr)
        return BAD_INPUT
    except (KeyboardInterrupt, _Terminated) as stop:
        print(f"{prog}: interrupted; run the same command to continue", file=sys.stderr)
        return INTERRUPTED if isinstance(stop, KeyboardInterrupt) else TERMINATED


class _Stream:
    """Standard output or standard error that drops what it cannot write.

    Parameters
    ----------
    stream : TextIO
        Where the text goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text; a character that the stream's encoding lacks becomes its escape."""
        try:
            self._stream.write(text)
        except UnicodeEncodeError as error:
            escaped = text.encode(error.encoding, "backslashreplace")
            return self.write(escaped.decode(error.encoding))
        except OSError as error:
            self._error = error
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several pieces of text."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand on what is buffered."""
        try:
            self._stream.flush()
        except OSError as error:
            self._error = error

    def end(self) -> OSError | None:
        """Hand on what is buffered for the last time; return the last error there was."""
        try:
            self._stream.flush()
        except OSError as error:
            self._error = error
            # Else the interpreter would try again at its exit, and complain.
            with suppress(OSError), open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())
                self._stream.flush()
        return self._error


@contextmanager
def _streams() -> Iterator[tuple[_Stream, _Stream]]:
    """Let what the command prints never end it; the streams are as they were afterwards."""
    before = sys.stdout, sys.stderr
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed: a file of the record would get the number, and what is printed
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    streams = tuple(
        _Stream(stream or open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115
        for number, stream in enumerate(before, start=1)
    )
    sys.stdout, sys.stderr = (cast(TextIO, stream) for stream in streams)
    try:
        yield streams[0], streams[1]
    finally:
        sys.stdout, sys.stderr = before


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
def _signals() -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does, and SIGHUP not at all.

    Only a main thread can handle signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, _terminate),
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise _Terminated
