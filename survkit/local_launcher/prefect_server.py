"""The prefect server that a sweep reports to: the user's own, or one that lives as long as it.

A server of our own keeps its database in a temporary folder: two sweeps at once do not share
one, and nothing is left behind. It ends when its standard input is closed, so it cannot outlive
a launcher that is killed.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from survkit.job_process import python_environment
from survkit.jobs import last_line

STARTUP_SECONDS = 180.0
"""Longest wait for the server; it takes about ten seconds of a free core."""

QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
}
"""No telemetry, and no logging over the overview, unless the user's environment says otherwise."""


class PrefectServerError(Exception):
    """No server answers."""


@contextmanager
def prefect_server(stop: threading.Event) -> Iterator[None]:
    """Have prefect use the server of PREFECT_API_URL, or else one that ends with this context.

    Parameters
    ----------
    stop : threading.Event
        Once set, a server that is still starting is given up.

    Raises
    ------
    ImportError
        Where prefect cannot be imported.
    PrefectServerError
        Where the server does not answer.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    from prefect.settings import PREFECT_API_URL, temporary_settings

    address = PREFECT_API_URL.value()
    if address:
        error = _error_of_server()
        if error is not None:
            raise PrefectServerError(f"the server at {address} does not answer: {error}")
        yield
        return
    with (
        tempfile.TemporaryDirectory(prefix="survkit-prefect-") as home,
        _process(home) as server,
        temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{_port(server, home)}/api"}),
    ):
        _wait_until_it_answers(server, home, stop)
        yield


@contextmanager
def _process(home: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in a process group of its own, where Ctrl-C does not reach it."""
    command = [sys.executable, "-m", "survkit.local_launcher.prefect_server"]
    with (Path(home) / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**python_environment(), "PREFECT_HOME": home},
            process_group=0,
        )
    with process:  # leaving it closes its standard input and waits
        yield process


def _port(server: subprocess.Popen[bytes], home: str) -> int:
    assert server.stdout is not None
    line = server.stdout.readline()
    if not line:
        raise PrefectServerError(_last_words(home))
    return int(line)


def _wait_until_it_answers(
    server: subprocess.Popen[bytes], home: str, stop: threading.Event
) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while _error_of_server() is not None:
        if server.poll() is not None:
            raise PrefectServerError(_last_words(home))
        if time.monotonic() > deadline:
            raise PrefectServerError(f"the server does not answer after {STARTUP_SECONDS:.0f} s")
        if stop.wait(0.3):
            raise PrefectServerError("told to stop before the server answered")


def _error_of_server() -> Exception | None:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return client.api_healthcheck()


def _last_words(home: str) -> str:
    return f"the server did not start: {last_line(Path(home) / 'server.log')}"


def _serve() -> None:
    """Serve prefect's API at a free port, which is printed, until standard input is closed."""
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    import uvicorn
    from prefect.server.api.server import create_app

    config = uvicorn.Config(create_app(ephemeral=True, final=True), log_level="error")
    uvicorn.Server(config).run(sockets=[listening])


def _end_with_standard_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    _serve()
