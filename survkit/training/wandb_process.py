"""The process that mirrors runs to Weights & Biases, beside the one that trains them.

Messages come as lines of JSON on standard input: `open` a run, `log` an epoch of it, `close` it.
Warnings and the closing are answered on standard output, where an empty line every second says that
the process is alive. Where the input ends before, as that of a training that was interrupted does,
the runs still open are closed as failed.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from queue import Queue
from threading import Thread
from typing import Any, Literal, TextIO

from survkit.cli import collect_garbage_rarely

Messages = Queue[dict[str, Any] | None]

MOST_MESSAGES = 10_000
"""Messages read ahead; a training that is further ahead gives the mirror up."""

ALIVE_SECONDS = 1.0

NETWORK_SECONDS = 10
"""Longest wait for the network at the start and at the end of a run."""


class MirroredRun:
    """A run as Weights & Biases has it; every failure of the mirror becomes a warning.

    Parameters
    ----------
    mode : {"online", "offline"}
        Where to log; what cannot be logged online is logged offline.
    folder : str
        The run's folder, or another; its `wandb/` is written.
    config : mapping
        The resolved configuration.
    where : mapping
        Project, entity, group, name and id that it is filed under; job type, tags and notes.
    warn : callable
        Told what failed.
    """

    def __init__(
        self,
        mode: Literal["online", "offline"],
        folder: str,
        config: Mapping[str, Any],
        where: Mapping[str, Any],
        warn: Callable[[str], None],
    ) -> None:
        self._warn = warn
        self._run: Any = None
        self._run = self._attempt(lambda: _start(mode, folder, config, where))
        if self._run is None and mode == "online":
            self._warn("Weights & Biases: logging offline instead")
            self._attempt(_forget_failed_run)
            self._run = self._attempt(lambda: _start("offline", folder, config, where))

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """Log the values of one epoch."""
        if self._run is not None:
            self._attempt(lambda: self._run.log(values, step=epoch))

    def close(self, summary: Mapping[str, Any]) -> None:
        """Log the finished record's metrics and close the run."""
        if self._run is not None:
            self._attempt(lambda: self._run.summary.update(summary))
        self._finish(exit_code=0)

    def fail(self) -> None:
        """Close the run as one that has not finished."""
        self._finish(exit_code=1)

    def _finish(self, *, exit_code: int) -> None:
        if self._run is not None:
            self._attempt(lambda: self._run.finish(exit_code=exit_code))

    def _attempt(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except Exception as error:  # of any kind: the run itself continues
            self._warn(failure(error))
            self._run = None
            return None


def failure(reason: object) -> str:
    """Return the warning of a mirror that failed, with the first line of why."""
    first_line = str(reason).partition("\n")[0]
    return f"Weights & Biases failed, but the run continues: {first_line}"


def _start(
    mode: Literal["online", "offline"],
    folder: str,
    config: Mapping[str, Any],
    where: Mapping[str, Any],
) -> Any:
    import wandb

    settings = wandb.Settings(
        silent=True,
        console="off",
        init_timeout=NETWORK_SECONDS,
        finish_timeout=NETWORK_SECONDS,
        finish_timeout_raises=True,
        x_disable_stats=True,
        x_save_requirements=False,  # config.json has the versions; listing all takes a second
    )
    os.makedirs(folder, exist_ok=True)
    return wandb.init(
        mode=mode,
        dir=folder,
        config=dict(config),
        resume="allow" if mode == "online" else None,
        reinit="create_new",  # beside the other seeds' runs
        settings=settings,
        **where,
    )


def _forget_failed_run() -> None:
    import wandb

    wandb.teardown()  # else the run's id counts as in use


def serve(messages: Messages, answers: int) -> None:
    """Do what the messages ask for, in their order, until None comes.

    `answers` is the file descriptor that the answers go to.
    """
    runs: dict[str, MirroredRun] = {}

    def answer(run_id: str, kind: str, text: str = "") -> None:
        message = {"kind": kind, "run_id": run_id, "text": text}
        with suppress(BrokenPipeError):  # of a training that was killed
            os.write(answers, json.dumps(message).encode() + b"\n")

    while (message := messages.get()) is not None:
        action, run_id, content = message["action"], message["run_id"], message["content"]
        if action == "open":
            runs[run_id] = MirroredRun(**content, warn=partial(answer, run_id, "warning"))
        elif action == "log":
            runs[run_id].log(**content)
        else:
            runs.pop(run_id).close(**content)
            answer(run_id, "closed")
    for run in runs.values():
        run.fail()


def _read(lines: TextIO, messages: Messages) -> None:
    for line in lines:
        if line.endswith("\n"):  # else the training was killed while it wrote
            messages.put(json.loads(line))
    messages.put(None)


def _say_alive(answers: int) -> None:
    with suppress(BrokenPipeError):
        while True:
            os.write(answers, b"\n")
            time.sleep(ALIVE_SECONDS)


def main() -> None:
    """Serve standard input; what libraries print goes to standard error."""
    collect_garbage_rarely()
    lines, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.dup(1)
    # Processes of Weights & Biases inherit neither: the pipes end with this one.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    messages: Messages = Queue(MOST_MESSAGES)
    # Read ahead, so that a slow network seldom fills the pipe.
    Thread(target=_read, args=(lines, messages), daemon=True).start()
    Thread(target=_say_alive, args=(answers,), daemon=True).start()
    serve(messages, answers)


if __name__ == "__main__":
    main()
