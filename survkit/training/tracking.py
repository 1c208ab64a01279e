"""How a training is followed: a progress bar, and a mirror to Weights & Biases.

No run needs the mirror, and no failure of it costs a run its record.
"""

from __future__ import annotations

import netrc
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse

from tqdm import tqdm

from survkit.types import InputError

Mode = Literal["online", "offline", "disabled"]

NETWORK_SECONDS = 10
"""Longest wait for the network at the start and at the end of a run."""


def default_mode() -> Mode:
    """Return online where an API key is configured ($WANDB_API_KEY or .netrc), else offline."""
    if os.environ.get("WANDB_API_KEY"):
        return "online"
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return "online" if netrc.netrc().authenticators(host) else "offline"
    except (OSError, netrc.NetrcParseError):
        return "offline"


class WandbMirror:
    """Logs a run to Weights & Biases and turns every failure of it into one warning.

    Everything is done in another thread, in its order: only the end waits for it.

    Parameters
    ----------
    mode : {"online", "offline", "disabled"}
        Where to log; offline runs are kept in `folder` for `wandb sync`.
    project, entity, group, name : str
        Where the run is filed, and what it is called there.
    run_id : str
        Identifier of the run; a resumed run goes on under the same one.
    config : mapping
        The resolved configuration.
    folder : Path
        The run's folder; its `wandb/` is written.
    warn : callable
        Told, once, what failed.
    thread : Executor
        One thread, which may serve several runs.
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
        thread: Executor,
    ) -> None:
        self._warn = warn
        self._thread = thread
        self._run: Any = None
        self._enabled = mode != "disabled"
        where = {
            "project": project,
            "entity": entity,
            "group": group,
            "name": name,
            "id": run_id,
        }
        if self._enabled:
            thread.submit(self._open, mode, folder, config, where)

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """Mirror the values of one epoch."""
        if self._enabled:
            self._thread.submit(self._log, epoch, dict(values))

    def finish(self, result: Mapping[str, Any]) -> None:
        """Mirror the finished record's metrics, close the run and wait until that is done."""
        if self._enabled:
            parts = ("validation", "test")
            summary = {f"{part}/{k}": v for part in parts for k, v in result[part].items()}
            self._thread.submit(self._close, summary).result()

    def _open(
        self, mode: Mode, folder: Path, config: Mapping[str, Any], where: Mapping[str, Any]
    ) -> None:
        self._run = self._attempt(lambda: _start(mode, folder, config, where))
        if self._run is None and mode == "online":
            self._warn("Weights & Biases: logging offline instead")
            self._attempt(_forget_failed_run)
            self._run = self._attempt(lambda: _start("offline", folder, config, where))

    def _log(self, epoch: int, values: dict[str, float]) -> None:
        if self._run is not None:
            self._attempt(lambda: self._run.log(values, step=epoch))

    def _close(self, summary: Mapping[str, Any]) -> None:
        if self._run is not None:
            self._attempt(lambda: self._run.summary.update(summary))
        if self._run is not None:
            self._attempt(self._run.finish)

    def _attempt(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except Exception as error:  # whatever wandb raises, the run itself goes on
            first_line = str(error).partition("\n")[0]
            self._warn(f"Weights & Biases failed, the run itself goes on: {first_line}")
            self._run = None
            return None


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


def _forget_failed_run() -> None:
    import wandb

    wandb.teardown()  # else the run's id counts as in use


def _start(mode: Mode, folder: Path, config: Mapping[str, Any], where: Mapping[str, Any]) -> Any:
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
    folder.mkdir(parents=True, exist_ok=True)
    return wandb.init(
        mode=mode,
        dir=folder,
        config=dict(config),
        resume="allow" if mode == "online" else None,
        reinit="create_new",  # beside the other seeds' runs
        settings=settings,
        **where,
    )


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
