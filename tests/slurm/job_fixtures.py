"""Configurations for the tests of the SLURM launcher."""

from __future__ import annotations

from survkit.configs.batch_run import BatchRunConfig


def make_config(**flags: object) -> BatchRunConfig:
    values = {"group": ("some",), "runner": "slurm", "cpu": 1, "memory": "500M", **flags}
    return BatchRunConfig(**values)  # type: ignore[arg-type]
