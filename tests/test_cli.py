from __future__ import annotations

import fcntl
import logging
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

import survkit
from survkit.cli import RunsElsewhereError, run_command
from survkit.types import InputError
from tests.args_files import SMALL_SYNTHETIC as SMALL


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


def run(code: str, redirections: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a shell that redirects its streams; return what is left of both."""
    script = f"""
import sys
from survkit.cli import run_command
from survkit.types import InputError
from tests.args_files import SMALL_SYNTHETIC as SMALL
{code}
sys.exit(run_command("p", command))
"""
    words = f'"$@" {redirections}'
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {words}", "bash", sys.executable, "-c", script],
        capture_output=True,
        timeout=60,
        check=False,
    )


PRINTS = """
def command():
    for number in range(20_000):
        print("line", number)
        print("note", number, file=sys.stderr)
    open("done", "w").close()
"""
FAILS = "def command(): raise InputError('x')"
SHORT = "def command(): print('line')"
HELP = """
import argparse
def command(): argparse.ArgumentParser().parse_args(["--help"])
"""

NO_SPACE = b"p: cannot write standard output: No space left on device\n"


@pytest.mark.parametrize("code", [PRINTS, SHORT, HELP])
@pytest.mark.parametrize(
    ("redirections", "status", "message"),
    [
        (">/dev/full 2>/dev/null", 1, b""),
        (">&-", 0, b""),
        ("2>&-", 0, b""),
        (">&- 2>&-", 0, b""),
        (">&- 2>&- <&-", 0, b""),
        ("2>/dev/full", 0, b""),
        (">/dev/full 2>/dev/full", 1, b""),
        (">/dev/full", 1, NO_SPACE),
    ],
)
def test_what_cannot_be_printed_costs_no_work(
    code: str,
    redirections: str,
    status: int,
    message: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(survkit.__file__).parents[1]))
    done = run(code, redirections)
    assert done.returncode == status
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert done.stderr.endswith(message)
    assert (tmp_path / "done").exists() == (code == PRINTS)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(("code", "status"), [(PRINTS, 141), (FAILS, 2)])
def test_a_reader_that_has_enough_stops_no_command(
    code: str, status: int, unbuffered: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(survkit.__file__).parents[1]))
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    done = run(code, "2>/dev/null | head -1 >/dev/null")
    assert done.returncode == status
    assert (tmp_path / "done").exists() == (code == PRINTS)
    done = run(code, "2>&1 >/dev/null | head -1 >/dev/null")  # the reader of standard error
    assert done.returncode == (0 if code == PRINTS else status)


def test_bad_input_keeps_its_status_where_nothing_can_be_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(survkit.__file__).parents[1]))
    monkeypatch.chdir(tmp_path)
    for redirections in (">/dev/full", ">&- 2>&-", "2>/dev/full"):
        assert run(FAILS, redirections).returncode == 2


def test_no_file_gets_the_number_of_a_closed_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what a library prints would end in that file."""
    monkeypatch.setenv("PYTHONPATH", str(Path(survkit.__file__).parents[1]))
    monkeypatch.chdir(tmp_path)
    code = """
import os, subprocess
def command():
    with open("record", "w") as file:
        os.system("echo printed; echo warned >&2")
        for number in (1, 2):
            os.write(number, b"text")
        file.write(str(file.fileno()))
"""
    assert run(code, "<&- >&- 2>&-").returncode == 0
    assert (tmp_path / "record").read_text() == "3"


def test_text_that_the_screen_cannot_show_is_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(survkit.__file__).parents[1]))
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    monkeypatch.chdir(tmp_path)
    done = run("def command(): print('a \\u2264 b \\udce9')", "")
    assert (done.returncode, done.stdout) == (0, b"a \\u2264 b \\udce9\n")


def test_the_streams_are_as_before_after_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    assert run_command("p", lambda: print("x")) == 0
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr().out == "x\n"


@pytest.mark.slow
def test_a_training_whose_terminal_is_closed_leaves_its_complete_record(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    flags = [*SMALL, "--early_stopping_patience", "1000", "--epochs", "60", "--mode", "disabled"]
    training = subprocess.Popen(
        [sys.executable, "-m", "survkit.train", *flags, "--log_dir", str(tmp_path)],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(follower)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("*/*/history.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.close(leader)  # the system sends SIGHUP
    assert training.wait(120) in (0, 1)
    assert len(list(tmp_path.glob("*/*/result.json"))) == 1


def test_a_command_prints_what_the_library_logs(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("survkit.bart.model")

    def command() -> None:
        run_command("inner", lambda: log.info("a size"))
        log.info("another")

    assert run_command("outer", command) == 0
    assert capsys.readouterr().out == "a size\nanother\n"
    log.info("nobody reads this")
    assert capsys.readouterr().out == ""
