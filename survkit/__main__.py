"""The command `survkit`: `survkit train` is `python -m survkit.train`, and so on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

import survkit
from survkit.cli import run_command
from survkit.text import nearest
from survkit.types import InputError

PROG = "survkit"


class Command(NamedTuple):
    """A command: the module whose `main` takes its arguments, and what it does in a line."""

    module: str
    summary: str


COMMANDS = {
    "train": Command(
        "survkit.train",
        "Trains one model on one dataset, evaluates it under censoring and writes the record.",
    ),
    "describe": Command(
        "survkit.describe.__main__",
        "Describes a dataset before any model: how it was read, Table 1, follow-up, survival.",
    ),
    "predict": Command(
        "survkit.predict.__main__",
        "Predicts survival for new patients with the model of a finished run.",
    ),
    "evaluate": Command(
        "survkit.external_validation.__main__",
        "Evaluates a finished run on data that it has never seen, or again on its own test rows.",
    ),
    "explain": Command(
        "survkit.explain.__main__",
        "Explains predictions of a trained run: tables, and a figure for each patient.",
    ),
    "report": Command(
        "survkit.report.__main__",
        "Compares the runs of a group: a table on the screen, a page and tables beside the "
        "records.",
    ),
    "ensemble": Command(
        "survkit.ensemble.__main__",
        "Combines finished runs into ensembles, evaluated and recorded as runs like any other.",
    ),
    "search": Command(
        "survkit.search.__main__",
        "Tries configurations of a model, chooses one by the validation rows and tests it once.",
    ),
    "benchmark": Command(
        "survkit.benchmark.__main__",
        "Compares models over many datasets and splits, from one file to one page.",
    ),
    "grid-search": Command(
        "survkit.grid_search",
        "Runs every training run of a sweep that has no record yet, on this machine or on a "
        "cluster.",
    ),
    "datasets": Command(
        "survkit.datasets.__main__",
        "Lists all datasets, or makes some ready: downloads, checks, caches them and prints their "
        "cards.",
    ),
}
"""Each is also a module: `python -m survkit.train`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names; list all commands where there is none."""
    argv = sys.argv[1:] if argv is None else list(argv)
    if argv and (command := COMMANDS.get(argv[0])) is not None:
        status: int = import_module(command.module).main(argv[1:])
        return status
    return run_command(PROG, lambda: _answer(argv))


def _answer(argv: Sequence[str]) -> None:
    """Answer to what is no command: a request for help or the version, or a mistake."""
    first = argv[0] if argv else "--help"
    if first == "--version":
        print(f"survkit {survkit.__version__}")
    elif first in ("-h", "--help", "help"):
        print(overview())
    else:
        hint = nearest(first, COMMANDS)
        raise InputError(f"no command '{first}'{hint}; the commands are {', '.join(COMMANDS)}")


def overview() -> str:
    """Return the list of all commands, each with what it does."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: survkit COMMAND [--flag value ...]",
            "",
            *lines,
            "",
            "survkit COMMAND --help lists the flags of a command.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
