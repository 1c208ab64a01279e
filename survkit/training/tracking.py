"""How a training is followed: a progress bar, and a mirror to Weights & Biases.

No run needs the mirror, and no failure of it costs a run its record.
"""

from __future__ import annotations

import json
import netrc
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO, Any, Literal, Self
from urllib.parse import urlparse

from tqdm import tqdm

from survkit.training.wandb_process import NETWORK_SECONDS, failure
from survkit.types import InputError

Mode = Literal["online", "offline", "disabled"]

LONGEST_WAIT = 60.0
"""Seconds without an answer after which the mirror is given up."""


def default_mode() -> Mode:
    """Return online where an API key is configured ($WANDB_API_KEY or .netrc), else offline."""
    if os.environ.get("WANDB_API_KEY"):
        return "online"
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return "online" if netrc.netrc().authenticators(host) else "offline"
    except (OSError, netrc.NetrcParseError):
        return "offline"


class WandbProcess:
    """The process beside the training in which runs are mirrored, started with the first of them.

    Importing and serving Weights & Biases takes a second of processor time that way, but none of
    the training's. To be used as a context, whose end waits for the process.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._reader: Thread | None = None
        self._answers: SimpleQueue[dict[str, str] | None] = SimpleQueue()
        self._warn: dict[str, Callable[[str], None]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._reader is not None:
            with suppress(OSError):
                _input_of(self._process).close()
            try:
                self._process.wait(LONGEST_WAIT)
            except subprocess.TimeoutExpired:
                self._process.kill()
            self._reader.join()

    def open(self, run_id: str, warn: Callable[[str], None], content: Mapping[str, Any]) -> None:
        """Open a run; what goes wrong with it later is told when it is closed."""
        self._warn[run_id] = warn
        if self._process is None:
            try:
                self._start()
            except OSError as error:
                warn(failure(error))
                return
        self._send("open", run_id, content)

    def _start(self) -> None:
        self._process = subprocess.Popen(
            # Weights & Biases shows the arguments of its own process as the run's command.
            [sys.executable, "-m", "survkit.training.wandb_process", *sys.argv[1:]],
            env={**os.environ, "WANDB_PROGRAM": "-m survkit.train"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # a signal to the training's group leaves it to close the runs
        )
        self._reader = Thread(target=_read, args=(self._process, self._answers), daemon=True)
        self._reader.start()

    def log(self, run_id: str, epoch: int, values: Mapping[str, float]) -> None:
        """Log the values of one epoch."""
        self._send("log", run_id, {"epoch": epoch, "values": values})

    def close(self, run_id: str, summary: Mapping[str, Any]) -> None:
        """Log a finished record's metrics, close the run and wait until that is done."""
        if self._process is None:
            return
        self._send("close", run_id, {"summary": summary})
        try:
            while (answer := self._answers.get(timeout=LONGEST_WAIT)) is not None:
                if answer["kind"] == "warning":
                    self._warn[answer["run_id"]](answer["text"])
                elif answer["run_id"] == run_id:
                    return
            self._answers.put(None)  # for the other runs
            self._warn[run_id](failure("its process has died"))
        except Empty:
            self._process.kill()  # else each further run would wait as long
            self._warn[run_id](failure(f"its process was silent for {LONGEST_WAIT} s"))

    def _send(self, action: str, run_id: str, content: Mapping[str, Any]) -> None:
        message = {"action": action, "run_id": run_id, "content": content}
        if self._process is not None:
            with suppress(OSError):  # a process that has died is warned of when a run is closed
                _input_of(self._process).write(json.dumps(message, default=str) + "\n")
                _input_of(self._process).flush()


def _read(process: subprocess.Popen[str], answers: SimpleQueue[dict[str, str] | None]) -> None:
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            answers.put(json.loads(line))
    answers.put(None)


def _input_of(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdin is not None
    return process.stdin


class WandbMirror:
    """Logs a run to Weights & Biases and turns every failure of it into a warning.

    Only the end waits for it.

    Parameters
    ----------
    mode : {"online", "offline", "disabled"}
        Where to log; offline runs are kept in `folder` for `wandb sync`.
    project, entity, group, name : str
        Where the run is filed, and what it is called there.
    job_type, tags, notes : str, sequence of str, str, optional
        What else is said of the run there.
    run_id : str
        Identifier of the run; a resumed run goes on under the same one.
    config : mapping
        The resolved configuration.
    folder : Path
        The run's folder, or another; its `wandb/` is written.
    warn : callable
        Told what failed, when the run is finished.
    process : WandbProcess
        Where it is done; it may serve several runs.
    """

    def __init__(
        self,
        mode: Mode,
        *,
        project: str,
        entity: str | None,
        group: str,
        name: str,
        run_id: str,
        config: Mapping[str, Any],
        folder: Path,
        warn: Callable[[str], None],
        process: WandbProcess,
        job_type: str | None = None,
        tags: Sequence[str] = (),
        notes: str | None = None,
    ) -> None:
        self._process = process
        self._run_id = run_id
        self._enabled = mode != "disabled"
        where = {
            "project": project,
            "entity": entity,
            "group": group,
            "name": name,
            "id": run_id,
            "job_type": job_type,
            "tags": list(tags),
            "notes": notes,
        }
        if self._enabled:
            content = {"mode": mode, "folder": str(folder), "config": config, "where": where}
            process.open(run_id, warn, content)

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """Mirror the values of one epoch."""
        if self._enabled:
            self._process.log(self._run_id, epoch, values)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Mirror the finished record's metrics, close the run and wait until that is done."""
        if self._enabled:
            parts = ("validation", "test")
            summary = {f"{part}/{k}": v for part in parts for k, v in result[part].items()}
            self._process.close(self._run_id, summary)


def finished_runs(entity: str | None, project: str, group: str) -> frozenset[str]:
    """Return the identifiers of a group's runs that are finished in Weights & Biases.

    Raises
    ------
    InputError
        Where Weights & Biases cannot be asked.
    """
    import wandb

    path = f"{entity}/{project}" if entity else project
    try:
        api = wandb.Api(timeout=NETWORK_SECONDS)
        runs = api.runs(path, filters={"group": group, "state": "finished"})
        return frozenset(run.id for run in runs)
    except Exception as error:  # whatever wandb raises
        first_line = str(error).partition("\n")[0]
        raise InputError(
            f"--check_wandb: cannot ask for the runs of {path}: {first_line}"
        ) from None


class ProgressBar:
    """A bar of epochs with the losses, on a terminal only."""

    def __init__(self, epochs: int) -> None:
        self._bar = tqdm(total=epochs, unit="epoch", disable=None, leave=False)

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """Move on to an epoch."""
        self._bar.set_postfix({name: f"{values[name]:.4f}" for name in values if "loss" in name})
        self._bar.update(epoch - self._bar.n)

    def close(self) -> None:
        """Clear the bar from the screen."""
        self._bar.close()
