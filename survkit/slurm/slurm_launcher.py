"""Runs jobs on a SLURM cluster: submits those that are not in the queue yet and follows them.

The queue itself says what it holds (see `queue.active_runs`), so a launcher that was killed and is
started again submits nothing twice.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Self

from survkit.configs.launch import LaunchConfig
from survkit.launch.jobs import Job, JobSource, Outcome
from survkit.launch.overview import Overview
from survkit.slurm.batch_script import batch_script, batches
from survkit.slurm.following import Follower
from survkit.slurm.queue import largest_array
from survkit.slurm.resources import check_commands, check_resources
from survkit.slurm.submission import submit_jobs

SOURCE_LIMIT = 8
"""Jobs of a source in the queue at the same time, unless `--array_limit` says otherwise."""

IDLE_SECONDS = 1.0
"""How often a source that has nothing to start now is asked again."""


def slurm_launch(
    jobs: Sequence[Job], config: LaunchConfig, *, stop: threading.Event, overview: Overview
) -> list[Outcome]:
    """Submit jobs, each after those that it depends on; with `--wait`, follow them to their ends.

    Once `stop` is set, no further job is submitted or followed; those in the queue stay. A job in
    the queue that is not followed is `submitted`. A script that SLURM refuses is a failure of its
    jobs; if it is the first, sbatch's own words are the InputError's, and nothing is submitted.
    """
    check_resources(jobs, config)
    check_commands()
    submitted = submit_jobs(jobs, config, stop)
    outcomes = submitted.outcomes
    with overview:
        for job in jobs:
            if not (config.wait and job.name in submitted.job_ids):
                overview.ended(outcomes[job.name])
        if config.wait:
            Follower(jobs, submitted.job_ids, outcomes, overview).follow(stop)
    return [outcomes[job.name] for job in jobs]


class _Shared(Overview):
    """Hands everything on to the overview of several threads, which is open already."""

    def __init__(self, overview: Overview) -> None:
        self._overview = overview

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def started(self, name: str, note: str = "", folder: Path | None = None) -> None:
        self._overview.started(name, note, folder)

    def ended(self, outcome: Outcome) -> None:
        self._overview.ended(outcome)

    def tell(self, text: str) -> None:
        self._overview.tell(text)


def slurm_launch_source(
    jobs: Sequence[Job],
    source: JobSource,
    config: LaunchConfig,
    *,
    stop: threading.Event,
    overview: Overview,
) -> list[Outcome]:
    """Submit jobs, then those of a source, a new one whenever one ends; follow all to their ends.

    At most `--array_limit` are in the queue at a time, 8 by default. A job that is in the queue
    already is followed, as in `slurm_launch`.
    """
    at_once = config.array_limit or SOURCE_LIMIT
    config = replace(config, wait=True, array=False, array_limit=None)
    waiting, outcomes, lock = deque(jobs), list[Outcome](), threading.Lock()

    def follow() -> None:
        while not stop.is_set():
            with lock:
                job = waiting.popleft() if waiting else source.next_job()
                is_last = job is None and source.remaining == 0
            if is_last:
                return
            if job is None:
                stop.wait(IDLE_SECONDS)
                continue
            (outcome,) = slurm_launch([job], config, stop=stop, overview=_Shared(overview))
            with lock:
                outcomes.append(outcome)
                source.ended(outcome)

    with overview, ThreadPoolExecutor(at_once) as threads:
        for thread in [threads.submit(follow) for _ in range(at_once)]:
            thread.result()
    return outcomes


def slurm_scripts(jobs: Sequence[Job], config: LaunchConfig) -> list[str]:
    """Return the scripts that `slurm_launch` would submit, in their order.

    An id that SLURM has not given yet is the name of the job in angle brackets.
    """
    check_resources(jobs, config)
    size = largest_array() if config.array else 1
    return [
        batch_script(batch, config, [f"<{name}>" for name in batch[0].after])
        for batch in batches(jobs, array=config.array, largest_array=size)
    ]
