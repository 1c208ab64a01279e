"""Turns sweeps into jobs: each run with its run_id, less those that are finished already."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import survkit
from survkit.configs.args_file import build_config
from survkit.configs.batch_run import BatchRunConfig
from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig
from survkit.experiments import PlannedRun, Sweep, expand, find_sweep, read_sweep
from survkit.launch.job_maker import JobMaker
from survkit.launch.jobs import Job, Outcome, Status
from survkit.runs.folder import RunFolder
from survkit.training.tracking import finished_runs
from survkit.types import InputError


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
    make_job = JobMaker()
    plan = Plan([], [], [])
    for group, sweep in _sweeps(config):
        try:
            runs = expand(sweep, overrides, optional=of_files, num_runs=config.num_runs)
            jobs = _jobs(group, runs, wandb, make_job, None)
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
    make_job: JobMaker | None = None,
) -> Plan:
    """Resolve every run of a sweep; one that cannot be made stops no other.

    InputError where the sweep itself cannot be used.
    """
    plan = Plan([], [], [])
    runs = expand(sweep, overrides)
    jobs = _jobs(group, runs, wandb, make_job or JobMaker(), plan.refused)
    finished = finished_runs(wandb.entity, wandb.project, group) if check_wandb else ()
    _divide(jobs, plan, finished)
    _check_log_folders(plan.jobs)
    return plan


def _sweeps(config: BatchRunConfig) -> list[tuple[str, Sweep]]:
    if config.sweep is None:
        return [(name, find_sweep(name)) for name in dict.fromkeys(config.group)]
    group = config.group[0] if config.group else Path(config.sweep).stem
    return [(group, read_sweep(config.sweep))]


def _jobs(
    group: str,
    runs: Sequence[PlannedRun],
    wandb: WandbConfig,
    make_job: JobMaker,
    refused: list[Refused] | None,
) -> list[Job]:
    """Return the runs as jobs; add those that cannot be made to `refused` where it is given."""
    jobs: dict[str, Job] = {}
    for run in runs:
        try:
            job = make_job(group, run, wandb)
        except InputError as error:
            if refused is None:
                raise InputError(f"{run.name}: {error}") from None
            refused.append(Refused(run, str(error)))
            continue
        if job.folder.name in jobs:
            raise InputError(f"{run.name} and {jobs[job.folder.name].name} are the same run")
        jobs[job.folder.name] = job
    return list(jobs.values())


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
