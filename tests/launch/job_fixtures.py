"""Jobs for the tests of the launchers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig
from survkit.launch.jobs import Job


def make_job(folder: Path, name: str, *after: str, **flags: Any) -> Job:
    """Return a job with flags of the training; its folder and log are named after it."""
    config = TrainConfig(**flags)
    log = folder / "launcher" / f"{name}.log"
    return Job(name, config, WandbConfig(mode="disabled"), folder / name, log, after)
