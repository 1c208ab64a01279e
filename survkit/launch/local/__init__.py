"""Runs the jobs of a sweep on this machine, or on a Dask cluster, each in a process of its own."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from contextvars import copy_context
from pathlib import Path

from survkit.configs.launch import LaunchConfig
from survkit.launch.gpu_slots import gpu_slots
from survkit.launch.jobs import Job, JobSource, Outcome
from survkit.launch.local.dask_cluster import dask_site
from survkit.launch.local.prefect_server import prefect_api
from survkit.launch.local.schedule import Schedule
from survkit.launch.local.this_machine import Site, local_site
from survkit.launch.overview import Overview

WAKE_SECONDS = 0.2
"""How often the main thread wakes: a signal that another thread caught is handled only then."""


def launch_locally(
    jobs: Sequence[Job],
    config: LaunchConfig,
    *,
    stop: threading.Event,
    overview: Overview,
    source: JobSource | None = None,
) -> list[Outcome]:
    """Run jobs, each after those that it depends on, and return how each ended, in their order.

    There must be one job; those that a `source` gives follow whenever a place is free.

    Once `stop` is set, what runs is ended, and nothing starts any more. InputError, before anything
    starts, for GPUs that are not there or not free, or a Dask cluster that does not answer or
    cannot run the jobs.
    """
    num_jobs = len(jobs) + (source.remaining if source else 0)
    with _site(jobs[0].log.parent, num_jobs, config, stop) as site, overview:
        schedule = Schedule(
            jobs,
            site.places,
            stop=stop,
            overview=overview,
            is_free=site.is_free,
            source=source,
        )
        with ThreadPoolExecutor(1) as other_thread:  # this one is left to the signals
            context = copy_context()  # prefect keeps its settings there
            launching = other_thread.submit(
                context.run, _run, schedule, site, config.runner, stop, overview.tell
            )
            try:
                while not wait([launching], WAKE_SECONDS).done:
                    pass
                launching.result()
            except BaseException:
                stop.set()
                raise
    return schedule.outcomes


def _site(
    log_folder: Path, num_jobs: int, config: LaunchConfig, stop: threading.Event
) -> AbstractContextManager[Site]:
    if config.runner == "dask":
        return dask_site(
            str(config.dask_address),
            log_folder=log_folder,
            num_jobs=num_jobs,
            max_subprocesses=config.max_subprocesses,
            retries=config.retries,
            stop=stop,
        )
    return local_site(
        gpu_slots(
            gpu_list=config.gpu_list,
            gpu_mb_per_job=config.gpu_mb_per_job,
            max_per_gpu=config.max_per_gpu,
        ),
        num_jobs=num_jobs,
        max_subprocesses=config.max_subprocesses,
        gpu_mb_per_job=config.gpu_mb_per_job,
        retries=config.retries,
        jobs_per_worker=config.jobs_per_worker,
        stop=stop,
    )


def _run(
    schedule: Schedule,
    site: Site,
    runner: str,
    stop: threading.Event,
    tell: Callable[[str], None],
) -> None:
    if runner != "process":
        try:
            with prefect_api(stop, tell):
                from survkit.launch.local.prefect_flow import run_as_flow

                run_as_flow(schedule, site.run, site.task_runner())
        except Exception as error:  # prefect may raise anything; the sweep does without it
            if not stop.is_set():
                print(f"warning: continuing without prefect: {error}", file=sys.stderr)
    schedule.run(lambda job, place: site.executor.submit(site.run, job, place))
