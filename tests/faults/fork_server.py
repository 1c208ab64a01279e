"""Runs commands of survkit in forks of a process that has imported everything.

A new interpreter would spend seconds on imports for each command. Requests come as lines of JSON
on standard input; each is answered with the process id of the fork, and at its end with its exit
status. One command runs at a time.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

HEAVY = (
    *("survkit.datasets", "survkit.models.fitting", "survkit.training.neural_model"),
    *("survkit.training.tracking", "survkit.runs.results", "survkit.baselines.coxph"),
    *("survkit.baselines.random_survival_forest", "survkit.baselines.pycox_models"),
    *("survkit.bart.baseline", "survkit.explain.writing", "survkit.report.page", "joblib"),
    *("survkit.predict.tables", "survkit.ensemble.record", "survkit.launch.local", "matplotlib"),
)


def main() -> None:
    """Serve requests until standard input ends; in a fork, run the command instead."""
    output = int(sys.argv[1])
    for name in HEAVY:
        import_module(name)
    import matplotlib as mpl
    import torch

    mpl.use("Agg")
    torch.set_num_threads(1)
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            sys.exit(_command(request, output)(request["argv"]))
        _answer(pid)
        _, status = os.waitpid(pid, 0)
        _answer(os.waitstatus_to_exitcode(status))


def _answer(number: int) -> None:
    print(number, flush=True)


def _command(request: dict[str, Any], output: int) -> Callable[[list[str]], int]:
    """Give a fork its own session, folder, outputs and limits; return what it runs."""
    os.setsid()  # what a command leaves behind is found by its session
    os.chdir(request["cwd"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "stdout"), (2, "stderr")):
        _redirect(number, name, request[name], output)
    os.close(output)
    if request["file_size"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_size"],) * 2)
    sys.argv = ["-m", *request["argv"]]
    command: Callable[[list[str]], int] = import_module(request["module"]).main
    return command


def _redirect(number: int, name: str, kind: str, output: int) -> None:
    if kind == "closed":  # Python has no such stream then
        os.close(number)
        setattr(sys, name, None)
        setattr(sys, f"__{name}__", None)
    elif kind == "full":
        os.dup2(os.open("/dev/full", os.O_WRONLY), number)
    elif kind == "broken":
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, number)
    else:
        os.dup2(output, number)


if __name__ == "__main__":
    main()
