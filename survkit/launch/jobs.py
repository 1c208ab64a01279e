"""What a launcher is given and what it answers: training runs as jobs, and how each ended."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from survkit.configs.args_file import to_arguments
from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig
from survkit.runs.record_files import read_result
from survkit.types import InputError

ALWAYS_GIVEN = ("dataset", "model", "seed", "data_dir", "log_dir", "group")
"""Flags that a command shows even where they have their defaults."""


class Job(NamedTuple):
    """One process of a sweep: a training run, or several that differ in their seeds only.

    All paths, those in `config` too, are absolute.
    """

    name: str  # such as "support2_mixture mtlr seed=42"; unique among the jobs
    config: TrainConfig
    wandb: WandbConfig
    folder: Path  # of the run, or the first of several; its last part is the run_id
    log: Path  # for everything the run prints; outside `folder`
    after: tuple[str, ...] = ()  # names of the jobs that must be done before this one starts
    stack: str = ""  # equal for runs that one process can train at once; "" for those trained alone
    together: tuple[Job, ...] = ()  # the runs, of a job of several
    kind: str = ""  # what its kind of run is called in the sweep

    @property
    def arguments(self) -> list[str]:
        """The flags of `python -m survkit.train`."""
        return [*to_arguments(self.config, always=ALWAYS_GIVEN), *to_arguments(self.wandb)]

    @property
    def command(self) -> list[str]:
        """The command that makes its records, with the interpreter of this process."""
        return [sys.executable, "-m", "survkit.train", *self.arguments]

    @property
    def runs(self) -> tuple[Job, ...]:
        """Its runs, each as a job of its own."""
        return self.together or (self,)

    @property
    def is_complete(self) -> bool:
        """Whether its records are there and not damaged, as `RunFolder.result` has it."""
        return all(_has_record(run.folder) for run in self.runs)


def _has_record(folder: Path) -> bool:
    try:
        return read_result(folder) is not None
    except InputError:
        return False


def join_seeds(jobs: Sequence[Job]) -> list[Job]:
    """Make one job of those that one process can train at once, in the order of their first."""
    stacks: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        key = (job.stack, *job.after) if job.stack else ("", job.name)
        stacks.setdefault(key, []).append(job)
    joined = [_joined(runs) if len(runs) > 1 else runs[0] for runs in stacks.values()]
    name_of = {run.name: job.name for job in joined for run in job.runs}
    return [
        job._replace(after=tuple(dict.fromkeys(name_of.get(name, name) for name in job.after)))
        for job in joined
    ]


def _joined(runs: Sequence[Job]) -> Job:
    seeds = tuple(run.config.seed for run in runs)
    others = ", ".join(map(str, seeds[1:]))
    return runs[0]._replace(
        name=f"{runs[0].name} and {'seeds' if len(runs) > 2 else 'seed'} {others}",
        config=replace(runs[0].config, seeds=seeds),
        together=tuple(runs),
    )


class Status(StrEnum):
    """How a job ended."""

    DONE = "done"
    SKIPPED = "skipped"  # its record was complete before
    SUBMITTED = "submitted"  # waits or runs on a cluster that is not followed
    FAILED = "failed"
    BLOCKED = "blocked"  # a job that it depends on did not end well
    STOPPED = "stopped"  # by a signal to the launcher, or on a cluster to the job

    @property
    def is_bad(self) -> bool:
        """Whether the job ended without its record."""
        return self in (Status.FAILED, Status.BLOCKED, Status.STOPPED)


class Outcome(NamedTuple):
    """How a job ended: in its last attempt, if it was started several times."""

    job: Job
    status: Status
    seconds: float | None = None
    peak_memory_mb: float | None = None  # largest resident memory of its process, in MiB
    note: str = ""  # the last line of a failure's log, or another word on the status
    exit_status: int | None = None  # or minus the number of the signal that killed it
    attempts: int | None = None

    def of_runs(self) -> list[Outcome]:
        """Return how each of the job's runs ended: well where it has its record."""
        if not self.job.together:
            return [self]
        seconds = None if self.seconds is None else self.seconds / len(self.job.together)
        outcomes = []
        for run in self.job.together:
            done = run.is_complete
            outcome = self._replace(job=run._replace(log=self.job.log), seconds=seconds)
            outcomes.append(outcome._replace(status=Status.DONE, note="") if done else outcome)
        return outcomes


class JobSource(Protocol):
    """Gives jobs one by one while others run, as a search does; for one thread at a time."""

    @property
    def remaining(self) -> int:
        """How many jobs it may still give, at most; 0 means that no more will come."""

    def next_job(self) -> Job | None:
        """Return a job to start in a free place; None where there is none now."""

    def ended(self, outcome: Outcome) -> None:
        """Take note of how a job ended, before the next one is asked for."""
