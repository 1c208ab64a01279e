"""Configuration of a grid of runs: which runs, and where they run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from survkit.configs.groups import check_group
from survkit.configs.launch import LaunchConfig
from survkit.configs.options import option
from survkit.types import InputError

_sweep = partial(option, topic="Sweep")


@dataclass(frozen=True)
class BatchRunConfig(LaunchConfig):
    """Which runs a sweep consists of and how they are launched."""

    group: tuple[str, ...] = _sweep(
        (), "sweeps of survkit.experiments to run; each is also the group of its records"
    )
    sweep: str | None = _sweep(
        None,
        "YAML file of a sweep; its records go to the group of the file's name, or --group",
        is_path=True,
    )
    num_runs: int | None = _sweep(
        None,
        "run a random choice of this many runs of each sweep, always the same one",
        at_least=1,
        at_most=10**9,
        shown_default="all",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.group and not self.sweep:
            raise InputError("name a sweep with --group, or a file of one with --sweep")
        if self.sweep and len(self.group) > 1:
            raise InputError("--sweep takes one --group at most, the group of its records")
        for group in self.group:
            check_group(group)
