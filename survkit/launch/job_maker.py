"""Makes jobs of configurations: each with its run_id, its folder and its log."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path

from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig
from survkit.datasets import load_configured, load_parameters
from survkit.datasets.assemble import Dataset
from survkit.experiments import PlannedRun
from survkit.launch.jobs import Job
from survkit.models.registry import MODELS
from survkit.models.size import evaluation_need
from survkit.runs.flags import canonical
from survkit.runs.identity import RunFinder, configuration_id, resolved, run_id
from survkit.runs.state import LAUNCHER_FOLDER
from survkit.system import check_memory
from survkit.types import InputError

KEPT_BYTES = 2**30
"""Features that are kept of datasets loaded before; the one in use comes on top."""


class JobMaker:
    """Makes jobs, and keeps what several of them need.

    The datasets of earlier jobs stay in memory up to a limit, the least recently used leave first;
    what was found of earlier versions' folders stays for each group.
    """

    def __init__(self) -> None:
        self._datasets: dict[str, Dataset] = {}
        self._finders: dict[Path, RunFinder] = {}

    def load(self, config: TrainConfig) -> Dataset:
        """Return the dataset of a configuration."""
        names = ("dataset", *load_parameters(config.dataset))
        key = repr([getattr(config, name) for name in names])
        dataset = self._datasets.pop(key, None) or load_configured(asdict(config))
        self._datasets[key] = dataset  # the last one is the one used last
        while len(self._datasets) > 1 and sum(map(_size, self._datasets.values())) > KEPT_BYTES:
            del self._datasets[next(iter(self._datasets))]
        return dataset

    def __call__(self, group: str, run: PlannedRun, wandb: WandbConfig) -> Job:
        """Return a run as a job; it need not be unfinished.

        Raises
        ------
        InputError
            For a run that cannot be made.
        """
        config = canonical(replace(with_absolute_paths(run.config), group=group))
        group_folder = Path(config.log_dir) / group
        if config.overwrite:  # no launch could tell what an earlier one has made again
            raise InputError(
                "--overwrite does not go with a sweep, which would begin again at every start; "
                f"move the old records in {group_folder} away, or choose another --log_dir"
            )
        dataset = self.load(config)
        check_memory(evaluation_need(dataset))  # of what is computed here; a job checks its own
        known = resolved(config, dataset)
        MODELS[known.model].build(  # refuses parameters that do not fit together
            grid=dataset.grid, parameters=asdict(known), seed=known.seed, device="cpu"
        )
        finder = self._finders.setdefault(group_folder, RunFinder(group_folder))
        folder = finder.folder(run_id(known, dataset.sha256))
        stacks = MODELS[config.model].network
        return Job(
            name=f"{group} {run.name}",
            config=config,
            wandb=wandb,
            folder=folder,
            log=group_folder / LAUNCHER_FOLDER / f"{folder.name}.log",
            after=tuple(f"{group} {name}" for name in run.after),
            kind=run.kind,
            stack=configuration_id(known, dataset.sha256) if stacks else "",
        )


def with_absolute_paths(config: TrainConfig) -> TrainConfig:
    """Make paths mean the same wherever a job starts; links stay as they are."""
    paths = {name: getattr(config, name) for name in ("data_dir", "log_dir", "csv_path")}
    return replace(config, **{name: os.path.abspath(p) for name, p in paths.items() if p})


def _size(dataset: Dataset) -> int:
    return sum(part.features.nbytes for part in dataset.splits)
