from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from survkit.cli import RunsElsewhereError, run_command
from survkit.types import InputError


def raise_(error: BaseException) -> int:
    raise error


@pytest.mark.parametrize(
    ("error", "status"),
    [(InputError("x"), 2), (RunsElsewhereError("x"), 75), (KeyboardInterrupt(), 130)],
)
def test_every_end_has_its_status(error: BaseException, status: int) -> None:
    assert run_command("p", lambda: raise_(error)) == status


def test_a_command_may_say_that_a_part_failed() -> None:
    assert run_command("p", lambda: None) == 0
    assert run_command("p", lambda: 1) == 1


def test_sigterm_ends_a_command_and_what_was_set_before_is_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert run_command("p", lambda: os.kill(os.getpid(), signal.SIGTERM)) == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_reader_that_has_enough_causes_no_traceback() -> None:
    code = """
import sys
from survkit.cli import run_command
sys.exit(run_command("p", lambda: print("line\\n" * 100_000)))
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141
