"""Jobs and configurations for the tests of the SLURM launcher."""

from __future__ import annotations

from pathlib import Path

from survkit.configs.batch_run import BatchRunConfig
from survkit.launch.jobs import Job


def make_job(
    folder: Path, name: str, arguments: tuple[str, ...] = (), after: tuple[str, ...] = ()
) -> Job:
    return Job(name, arguments, folder / name, folder / "launcher" / f"{name}.log", after)


def make_config(**flags: object) -> BatchRunConfig:
    values = {"group": ("some",), "runner": "slurm", "cpu": 1, "memory": "500M", **flags}
    return BatchRunConfig(**values)  # type: ignore[arg-type]
