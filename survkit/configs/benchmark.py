"""Configuration of a benchmark: which file, and where its runs run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from survkit.configs.groups import check_group
from survkit.configs.launch import LaunchConfig
from survkit.configs.options import option
from survkit.types import InputError

_benchmark = partial(option, topic="Benchmark")


@dataclass(frozen=True)
class BenchmarkConfig(LaunchConfig):
    """Which datasets, models and splits are compared, and how their runs are launched."""

    config: str | None = _benchmark(
        None, "YAML file of the benchmark: datasets, models, splits", is_path=True
    )
    group: str | None = _benchmark(
        None, "subfolder of log_dir for its records and its page", shown_default="the file's name"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.config:
            raise InputError("name the file of a benchmark with --config")
        if self.group is not None:
            check_group(self.group)
