"""How a training is followed: a progress bar, and a mirror to Weights & Biases.

No run needs the mirror, and no failure of it costs a run its record.
"""

from __future__ import annotations

import json
import netrc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlparse

from tqdm import tqdm

from survkit.extras import is_installed
from survkit.training.wandb_process import NETWORK_SECONDS, failure
from survkit.types import InputError

Mode = Literal["online", "offline", "disabled"]

LONGEST_SILENCE = 10.0
"""Seconds without a sign of life, one of which comes every second, until the mirror is given up."""

LONGEST_WAIT = 30.0
"""Seconds that closing a run may take, from its last answer, until the mirror is given up."""

EXIT_SECONDS, STOPPED_SECONDS = 10.0, 1.5
"""Seconds that the process has to end by itself, and after Ctrl-C or SIGTERM."""

MOST_UNSENT = 2**22
"""Bytes that the process may be behind with, some ten thousand epochs."""

POLL_SECONDS = 0.01


def default_mode() -> Mode:
    """Return online where an API key is configured ($WANDB_API_KEY or .netrc), else offline.

    Where wandb is not installed, runs are not mirrored.
    """
    if not is_installed("wandb"):
        return "disabled"
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
    the training's. Nothing here blocks: a process that is dead, silent or far behind is ended, and
    each run that it mirrors gets one warning. To be used as a context, which ends with the process.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._failure = ""
        self._unsent, self._unread = bytearray(), bytearray()
        self._heard = 0.0
        self._open: dict[str, Callable[[str], None]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        process = self._process
        if process is None:
            return
        stopped = kind is not None and not issubclass(kind, Exception)
        alive = False
        try:
            _receive(process)  # signs of life until now
            _close_input(process)
            process.wait(STOPPED_SECONDS if stopped else EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            alive = stopped and bool(_receive(process))
        finally:
            self._end(kill=not alive)

    def open(self, run_id: str, warn: Callable[[str], None], content: Mapping[str, Any]) -> None:
        """Open a run; later errors are reported when it is closed at the latest."""
        self._open[run_id] = warn
        if self._process is None and not self._failure:
            try:
                self._start()
            except OSError as error:
                self._give_up(str(error))
        elif self._failure:
            self._give_up(self._failure)
        self._send("open", run_id, content)

    def _start(self) -> None:
        self._process = subprocess.Popen(
            # Weights & Biases shows the arguments of its own process as the run's command.
            [sys.executable, "-m", "survkit.training.wandb_process", *sys.argv[1:]],
            env={**os.environ, "WANDB_PROGRAM": "-m survkit.train"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # a signal to the training's group leaves it to close the runs
        )
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
        self._heard = time.monotonic()

    def log(self, run_id: str, epoch: int, values: Mapping[str, float]) -> None:
        """Log the values of one epoch."""
        self._send("log", run_id, {"epoch": epoch, "values": values})

    def close(self, run_id: str, summary: Mapping[str, Any]) -> None:
        """Log a finished record's metrics, close the run and wait until that is done."""
        self._send("close", run_id, {"summary": summary})
        deadline = time.monotonic() + LONGEST_WAIT
        while run_id in self._open:
            if self._exchange():
                deadline = time.monotonic() + LONGEST_WAIT
            elif time.monotonic() > deadline:
                self._give_up(f"its process did not close the run in {LONGEST_WAIT:.0f} s")
            else:
                time.sleep(POLL_SECONDS)

    def _send(self, action: str, run_id: str, content: Mapping[str, Any]) -> None:
        if self._process is not None:
            message = {"action": action, "run_id": run_id, "content": content}
            self._unsent += json.dumps(message, default=str).encode() + b"\n"
            self._exchange()

    def _exchange(self) -> bool:
        """Send and receive what the pipes take and hold; return whether there was an answer."""
        process = self._process
        if process is None:
            return False
        assert process.stdin is not None
        try:
            with suppress(BlockingIOError):
                while self._unsent:
                    del self._unsent[: os.write(process.stdin.fileno(), self._unsent)]
            received = _receive(process)
        except OSError:
            received = b""
        now = time.monotonic()
        if received:
            self._heard = now
            return self._take(received)
        if received is not None:  # the end of its output
            self._give_up("its process has died")
        elif now > self._heard + LONGEST_SILENCE:
            self._give_up(f"its process was silent for {LONGEST_SILENCE:.0f} s")
        elif len(self._unsent) > MOST_UNSENT:
            self._give_up(f"its process is {MOST_UNSENT / 2**20:.0f} MiB behind")
        return False

    def _take(self, received: bytes) -> bool:
        """Act on what was received; return whether it says more than that the process is alive."""
        *lines, rest = (self._unread + received).split(b"\n")
        self._unread = rest
        answers = [json.loads(line) for line in lines if line]
        for answer in answers:
            if answer["kind"] == "warning":
                self._open[answer["run_id"]](answer["text"])
            else:
                del self._open[answer["run_id"]]
        return bool(answers)

    def _give_up(self, reason: str) -> None:
        """End the process; it is not started again, so that no other run waits for it too."""
        self._failure = reason
        self._end()
        for warn in self._open.values():
            warn(failure(reason))
        self._open.clear()

    def _end(self, *, kill: bool = True) -> None:
        process, self._process = self._process, None
        if process is not None:
            if kill:
                process.kill()
                process.wait()
            else:  # it is still closing its runs, which has an end of its own
                process.returncode = 0  # else Popen would complain that it was not waited for
            _close_input(process)
            assert process.stdout is not None
            process.stdout.close()
            self._unsent.clear()


def _receive(process: subprocess.Popen[bytes]) -> bytes | None:
    """Return what a process has sent: None if nothing, no bytes once it has ended."""
    assert process.stdout is not None
    try:
        return os.read(process.stdout.fileno(), 2**16)
    except BlockingIOError:
        return None


def _close_input(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()


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
        Identifier of the run; a resumed run keeps it.
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
            summary = {f"{part}/{k}": v for part in parts for k, v in result.get(part, {}).items()}
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
