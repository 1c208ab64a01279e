"""Runs the jobs of a sweep on this machine, or on a Dask cluster, each in a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from survkit.configs.batch_run import BatchRunConfig
from survkit.gpu_slots import available_cores, free_memory_mb, gpu_slots
from survkit.job_overview import Overview
from survkit.job_process import Place, run_job
from survkit.jobs import Job, Outcome
from survkit.local_launcher.schedule import Schedule


def launch_locally(
    jobs: Sequence[Job], config: BatchRunConfig, *, stop: threading.Event, overview: Overview
) -> list[Outcome]:
    """Run jobs and return how each ended, in their order.

    Parameters
    ----------
    jobs : sequence of Job
        The jobs, none of them complete, each after those that it depends on.
    config : BatchRunConfig
        The runner, the GPUs or the number of slots, and the number of retries.
    stop : threading.Event
        Once set, what runs is ended, and nothing starts any more.
    overview : Overview
        Told of every job that starts or ends.

    Raises
    ------
    InputError
        Before anything starts: for GPUs that are not there or not free.
    """
    places = local_places(config, num_jobs=len(jobs))
    schedule = Schedule(
        jobs,
        places,
        stop=stop,
        overview=overview,
        is_free=partial(_has_memory, needed_mb=config.gpu_mb_per_job),
    )
    run = partial(run_job, retries=config.retries, stop=stop.is_set)
    with overview:
        try:
            _run_in_threads(schedule, run, overview, len(places))
        finally:  # an exception here leaves no process behind either
            stop.set()
    return schedule.outcomes


def local_places(config: BatchRunConfig, *, num_jobs: int) -> list[Place]:
    """Return where the jobs run: slots on the GPUs, or on the cores where there is no GPU.

    The cores are shared out evenly among the jobs that run at the same time.

    Raises
    ------
    InputError
        For GPUs that are not there or not free.
    """
    gpus = gpu_slots(
        gpu_list=config.gpu_list,
        gpu_mb_per_job=config.gpu_mb_per_job,
        max_per_gpu=config.max_per_gpu,
    )
    cores = available_cores()
    count = min(
        len(gpus) or config.max_subprocesses or cores,
        config.max_subprocesses or num_jobs,
        max(num_jobs, 1),
    )
    threads = max(1, cores // count)
    if gpus:
        return [Place(f"GPU {gpu.index}", threads, gpu.uuid) for gpu in gpus[:count]]
    return [Place(f"slot {number}", threads) for number in range(1, count + 1)]


def _has_memory(place: Place, needed_mb: int) -> bool:
    """Tell whether a GPU still has the memory: on a shared server others may have taken it."""
    uuid = place.cuda_visible_devices
    return uuid is None or free_memory_mb(uuid) >= needed_mb


class _ThreadRunner:
    """Runs each job from a thread of this process."""

    def __init__(
        self,
        executor: ThreadPoolExecutor,
        run: Callable[[Job, Place], Outcome | None],
        overview: Overview,
    ) -> None:
        self._executor = executor
        self._run = run
        self._overview = overview

    def submit(self, job: Job, place: Place) -> Future[Outcome | None]:
        """Start a job."""
        self._overview.started(job.name, place.name, job.folder)
        return self._executor.submit(self._run, job, place)

    def result(self, handle: Future[Outcome | None]) -> Outcome | None:
        """Return how a job ended."""
        return handle.result()


def _run_in_threads(
    schedule: Schedule,
    run: Callable[[Job, Place], Outcome | None],
    overview: Overview,
    num_threads: int,
) -> None:
    with ThreadPoolExecutor(num_threads) as executor:
        schedule.run(_ThreadRunner(executor, run, overview))
