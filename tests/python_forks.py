"""Runs `python -m ...` and `python -c ...` in forks of a process that has imported what is heavy.

A page has many commands, and a new interpreter would spend more seconds on importing torch and
pandas than most commands on their work. survkit itself is imported in each fork, from the copy
that the page may have edited.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import select
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path

HEAVY = (
    *("torch", "pandas", "scipy.stats", "scipy.optimize", "matplotlib.figure", "joblib"),
    *("sklearn.model_selection", "sklearn.ensemble", "sksurv.ensemble", "sksurv.linear_model"),
    *("sksurv.metrics", "matplotlib.backends.backend_svg", "jinja2", "yaml", "filelock"),
)

_CLIENT = """#!{python} -ISE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({path!r})
    socket.send_fds(server, [b"3"], [0, 1, 2])
    request = [sys.argv[1:], os.getcwd(), dict(os.environ)]
    server.sendall(json.dumps(request).encode())
    server.shutdown(socket.SHUT_WR)
    status = int(server.makefile().read())
sys.exit(status)
"""


@cache
def python_that_forks() -> Path:
    """Return a folder for the PATH whose `python` runs in a fork; it is gone at the end."""
    folder = tempfile.TemporaryDirectory(prefix="forks")
    path = Path(folder.name)
    server = subprocess.Popen(
        [sys.executable, __file__, str(path / "socket")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert server.stdin is not None
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"

    def end() -> None:
        assert server.stdin is not None
        server.stdin.close()
        server.wait(30)
        folder.cleanup()

    atexit.register(end)
    client = path / "python"
    client.write_text(_CLIENT.format(python=sys.executable, path=str(path / "socket")))
    client.chmod(0o755)
    return path


def main() -> None:
    """Serve requests until standard input ends; in a fork, run what was asked for instead."""
    for name in HEAVY:
        import_module(name)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen()
    print("ready", flush=True)
    while True:
        readable, _, _ = select.select([listener, sys.stdin], [], [], 1.0)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass  # a fork that has answered
        if sys.stdin in readable:
            return
        if listener in readable:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _answer(connection)
                return
            connection.close()


def _answer(connection: socket.socket) -> None:
    """Run one request in a fork of this fork, and send its exit status."""
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as file:
        argv, folder, environment = json.load(file)
    pid = os.fork()
    if pid == 0:
        connection.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        _run(argv)
        return
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    connection.sendall(str(status if status >= 0 else 128 - status).encode())
    os._exit(0)


def _run(argv: list[str]) -> None:
    """Run what `python` runs with these arguments; another way than -m and -c is a new process."""
    kind, what = argv[0], "".join(argv[1:2])
    sys.path[:] = [os.getcwd(), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    sys.path += _LIBRARIES
    sys.argv = [kind, *argv[2:]]
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    elif kind == "-c":
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
    else:
        os.execv(sys.executable, [sys.executable, *argv])


_LIBRARIES = sys.path[1:]

if __name__ == "__main__":
    main()
