"""Turns sweeps into jobs: each run with its run_id, less those that are finished already."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import survkit
from survkit.configs.args_file import build_config
from survkit.configs.batch_run import BatchRunConfig
from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig
from survkit.datasets import load_configured, load_parameters
from survkit.datasets.assemble import Dataset
from survkit.experiments import PlannedRun, Sweep, expand, find_sweep, read_sweep
from survkit.launch.jobs import Job, Outcome, Status
from survkit.models.registry import MODELS
from survkit.models.size import evaluation_need
from survkit.runs.flags import canonical
from survkit.runs.folder import RunFolder
from survkit.runs.identity import RunFinder, configuration_id, resolved, run_id
from survkit.runs.state import LAUNCHER_FOLDER
from survkit.system import check_memory
from survkit.training.tracking import finished_runs
from survkit.types import InputError

Load = Callable[[TrainConfig], Dataset]


class Refused(NamedTuple):
    """A run that cannot be made, and why."""

    run: PlannedRun
    why: str


class Plan(NamedTuple):
    """Runs to make, each after those that it depends on, finished ones, and impossible ones."""

    jobs: list[Job]
    skipped: list[Outcome]
    refused: list[Refused]


def plan_sweeps(
    config: BatchRunConfig, given: Mapping[str, Any], *, of_files: Collection[str] = ()
) -> Plan:
    """Resolve every run of the sweeps and find out which are still to be made.

    `given` has values for fields of `TrainConfig`, which win over the sweep's, and of
    `WandbConfig`; those in `of_files` come from args files alone, so that no run needs to read
    them. InputError for an unknown sweep, or a run that cannot be made.
    """
    if given.get("seeds"):
        raise InputError("--seeds cannot be given here: the sweep says which seeds its runs have")
    fields = {field.name for field in dataclasses.fields(TrainConfig)} - {"group", "seeds"}
    overrides = {name: value for name, value in given.items() if name in fields}
    wandb: WandbConfig = build_config(WandbConfig, given)
    if wandb.dir:
        wandb = replace(wandb, dir=os.path.abspath(wandb.dir))
    load = remember_datasets()
    plan = Plan([], [], [])
    for group, sweep in _sweeps(config):
        try:
            runs = expand(sweep, overrides, optional=of_files, num_runs=config.num_runs)
            jobs = _jobs(group, runs, wandb, load, None)
        except InputError as error:
            raise InputError(f"{group}: {error}") from None
        finished = finished_runs(wandb.entity, wandb.project, group) if config.check_wandb else ()
        _divide(jobs, plan, finished)
    _check_log_folders(plan.jobs)
    return plan


def plan_runs(
    group: str,
    sweep: Sweep,
    overrides: Mapping[str, Any],
    wandb: WandbConfig,
    *,
    check_wandb: bool = False,
) -> Plan:
    """Resolve every run of a sweep; one that cannot be made stops no other.

    InputError where the sweep itself cannot be used.
    """
    plan = Plan([], [], [])
    runs = expand(sweep, overrides)
    jobs = _jobs(group, runs, wandb, remember_datasets(), plan.refused)
    finished = finished_runs(wandb.entity, wandb.project, group) if check_wandb else ()
    _divide(jobs, plan, finished)
    _check_log_folders(plan.jobs)
    return plan


def _sweeps(config: BatchRunConfig) -> list[tuple[str, Sweep]]:
    if config.sweep is None:
        return [(name, find_sweep(name)) for name in dict.fromkeys(config.group)]
    group = config.group[0] if config.group else Path(config.sweep).stem
    return [(group, read_sweep(config.sweep))]


def remember_datasets() -> Load:
    """Return a function that loads the dataset of a configuration, each only once."""
    loaded: dict[str, Dataset] = {}

    def load(config: TrainConfig) -> Dataset:
        names = ("dataset", *load_parameters(config.dataset))
        key = repr([getattr(config, name) for name in names])
        if key not in loaded:
            loaded[key] = load_configured(asdict(config))
        return loaded[key]

    return load


def _jobs(
    group: str,
    runs: Sequence[PlannedRun],
    wandb: WandbConfig,
    load: Load,
    refused: list[Refused] | None,
) -> list[Job]:
    """Return the runs as jobs; add those that cannot be made to `refused` where it is given."""
    jobs: dict[str, Job] = {}
    finders: dict[Path, RunFinder] = {}
    for run in runs:
        try:
            job = make_job(group, run, wandb, load, finders)
        except InputError as error:
            if refused is None:
                raise InputError(f"{run.name}: {error}") from None
            refused.append(Refused(run, str(error)))
            continue
        if job.folder.name in jobs:
            raise InputError(f"{run.name} and {jobs[job.folder.name].name} are the same run")
        jobs[job.folder.name] = job
    return list(jobs.values())


def make_job(
    group: str, run: PlannedRun, wandb: WandbConfig, load: Load, finders: dict[Path, RunFinder]
) -> Job:
    """Return a run as a job; it need not be unfinished.

    `finders` keeps what was found of earlier versions' folders in each group.

    Raises
    ------
    InputError
        For a run that cannot be made.
    """
    config = canonical(replace(with_absolute_paths(run.config), group=group))
    group_folder = Path(config.log_dir) / group
    if config.overwrite:  # no launch could tell what an earlier one has made again
        raise InputError(
            "--overwrite does not go with a sweep, which would begin again at every start; move "
            f"the old records in {group_folder} away, or choose another --log_dir"
        )
    dataset = load(config)
    check_memory(evaluation_need(dataset))  # of what is computed here; a job checks its own
    known = resolved(config, dataset)
    MODELS[known.model].build(  # refuses parameters that do not fit together
        grid=dataset.grid, parameters=asdict(known), seed=known.seed, device="cpu"
    )
    finder = finders.setdefault(group_folder, RunFinder(group_folder))
    folder = finder.folder(run_id(known, dataset.sha256))
    return Job(
        name=f"{group} {run.name}",
        config=config,
        wandb=wandb,
        folder=folder,
        log=group_folder / LAUNCHER_FOLDER / f"{folder.name}.log",
        after=tuple(f"{group} {name}" for name in run.after),
        kind=run.kind,
        stack=configuration_id(known, dataset.sha256) if MODELS[config.model].network else "",
    )


def with_absolute_paths(config: TrainConfig) -> TrainConfig:
    """Make paths mean the same wherever a job starts; links stay as they are."""
    paths = {name: getattr(config, name) for name in ("data_dir", "log_dir", "csv_path")}
    return replace(config, **{name: os.path.abspath(p) for name, p in paths.items() if p})


def _divide(jobs: Sequence[Job], plan: Plan, finished: Collection[str]) -> None:
    """Add jobs to a plan: those that are finished to its skipped ones."""
    done: set[str] = set()
    for job in jobs:
        if note := _why_finished(job, finished):
            done.add(job.name)
            plan.skipped.append(Outcome(job, Status.SKIPPED, note=note))
        else:
            after = tuple(name for name in job.after if name not in done)
            plan.jobs.append(job._replace(after=after))


def _why_finished(job: Job, finished: Collection[str]) -> str:
    folder = RunFolder(job.folder)
    try:
        result = folder.result()
    except InputError as error:  # the run itself will end with it
        folder.warn(str(error))
        result = None
    for message in folder.warnings:
        print(f"warning: {message}", file=sys.stderr)
    if result is not None:
        if result["survkit_version"] != survkit.__version__:
            made_by = f"was made by survkit {result['survkit_version']}, this is"
            print(f"warning: {job.folder} {made_by} {survkit.__version__}", file=sys.stderr)
        return "its record is complete"
    return "finished in Weights & Biases" if job.folder.name in finished else ""


def _check_log_folders(jobs: Sequence[Job]) -> None:
    for folder in dict.fromkeys(job.log.parent for job in jobs):
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
            raise InputError(f"cannot write to {existing}; choose another --log_dir")
