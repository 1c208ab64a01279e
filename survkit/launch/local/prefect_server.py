"""The prefect server that a sweep reports to: the user's own, or one that lives as long as it.

A server of our own keeps its database in a temporary folder: two sweeps at once do not share
one, and nothing is left behind. It ends when its standard input is closed, so it cannot outlive
a launcher that is killed.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from survkit.system import python_environment

STARTUP_SECONDS = 180.0
"""Longest wait for the server; it takes about ten seconds of a free core."""

QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
}
"""Environment that prefect reads as it is imported, where the user's own says nothing else: no
telemetry, and no logging into the overview."""


class PrefectServerError(Exception):
    """No server answers."""


@contextmanager
def prefect_api(stop: threading.Event, tell: Callable[[str], None] = print) -> Iterator[None]:
    """Have prefect use the server of PREFECT_API_URL, or else one that ends with this context.

    Once `stop` is set, a server that is still starting is given up. `tell` shows that it starts.
    PrefectServerError where the server does not answer.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    from prefect.settings import PREFECT_API_URL, PREFECT_LOCAL_STORAGE_PATH, temporary_settings

    address = PREFECT_API_URL.value()
    if address:
        error = _error_of_server()
        if error is not None:
            raise PrefectServerError(f"the server at {address} does not answer: {error}")
        yield
        return
    home, started = "", time.monotonic()
    tell("starting the prefect server")
    try:
        with _process() as server:
            port, home = _greeting(server)
            api = f"http://127.0.0.1:{port}/api"
            with temporary_settings({PREFECT_API_URL: api, PREFECT_LOCAL_STORAGE_PATH: home}):
                _wait_until_it_answers(server, stop)
                tell(f"the prefect server answers after {time.monotonic() - started:.0f} s")
                yield
    finally:
        if home:
            shutil.rmtree(home, ignore_errors=True)  # a server that broke down has not done it


class _Server(NamedTuple):
    process: subprocess.Popen[bytes]
    errors: IO[bytes]


@contextmanager
def _process() -> Iterator[_Server]:
    """Run a server in a process group of its own, where Ctrl-C does not reach it."""
    command = [sys.executable, "-m", "survkit.launch.local.prefect_server"]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=python_environment(),
            process_group=0,
        ) as process,  # leaving it closes its standard input and waits
    ):
        yield _Server(process, errors)


def _greeting(server: _Server) -> tuple[int, str]:
    """Return the port and the folder that a server has chosen."""
    assert server.process.stdout is not None
    port, _, home = server.process.stdout.readline().decode().strip().partition(" ")
    if not port:
        raise PrefectServerError(_last_words(server))
    return int(port), home


def _wait_until_it_answers(server: _Server, stop: threading.Event) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while _error_of_server() is not None:
        if server.process.poll() is not None:
            raise PrefectServerError(_last_words(server))
        if time.monotonic() > deadline:
            raise PrefectServerError(f"the server does not answer after {STARTUP_SECONDS:.0f} s")
        if stop.wait(0.3):
            raise PrefectServerError("stopped before the server answered")


def _error_of_server() -> Exception | None:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return client.api_healthcheck()


def _last_words(server: _Server) -> str:
    server.errors.seek(0)
    lines = server.errors.read().decode(errors="replace").split("\n")
    line = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"the server did not start: {line}"


def _serve() -> None:
    """Serve prefect's API until standard input is closed; print the port and the folder used."""
    home = tempfile.mkdtemp(prefix="survkit-prefect-")
    threading.Thread(target=_end_with_standard_input, args=(home,), daemon=True).start()
    os.environ["PREFECT_HOME"] = home
    address = socket.socket()
    address.bind(("127.0.0.1", 0))  # refuses connections until the server listens
    print(address.getsockname()[1], home, flush=True)
    import uvicorn
    from prefect.server.api.server import create_app

    config = uvicorn.Config(create_app(ephemeral=True, final=True), log_level="error")
    uvicorn.Server(config).run(sockets=[address])


def _end_with_standard_input(home: str) -> None:
    sys.stdin.buffer.read()
    while Path(home).exists():  # its other threads may still write there
        shutil.rmtree(home, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    _serve()
