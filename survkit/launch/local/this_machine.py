"""The machine of the launcher as the site where jobs run, and what is known of any site."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from survkit.launch.gpu_slots import Gpu, free_memory_mb
from survkit.launch.jobs import Job, Outcome
from survkit.launch.process import Place, run_job
from survkit.launch.worker_pool import WorkerPool
from survkit.system import available_cores

if TYPE_CHECKING:
    from prefect.task_runners import TaskRunner

Run = Callable[[Job, Place], Outcome | None]


class Site(NamedTuple):
    """Where jobs run."""

    places: list[Place]  # as many jobs run at the same time
    run: Run  # runs one job in a place
    executor: Executor  # calls `run` where it belongs
    task_runner: Callable[[], TaskRunner[Any]]  # makes what does the same for a prefect flow
    is_free: Callable[[Place], bool] = lambda place: True  # whether a place can be used now


@contextmanager
def local_site(
    gpus: Sequence[Gpu],
    *,
    num_jobs: int,
    max_subprocesses: int | None,
    gpu_mb_per_job: int,
    retries: int,
    jobs_per_worker: int,
    stop: threading.Event,
) -> Iterator[Site]:
    """Run jobs on this machine, which shares out its cores evenly among those that run at once.

    `gpus` has a GPU for each job that can run at the same time; it is empty to run on the cores
    alone. A GPU must have `gpu_mb_per_job` MiB free when a job starts there.
    With `jobs_per_worker` above 1, each place has a worker, which starts at once and takes so many.
    """
    cores = available_cores()
    count = len(gpus) or max_subprocesses or cores
    count = max(1, min(count, max_subprocesses or count, num_jobs))
    threads = max(1, cores // count)
    places = [Place(f"slot {number}", threads) for number in range(1, count + 1)]
    if gpus:
        places = [Place(f"GPU {gpu.number}", threads, gpu.uuid) for gpu in gpus[:count]]
    with WorkerPool(jobs_per_worker) as workers, ThreadPoolExecutor(count) as executor:
        workers.start(places)
        yield Site(
            places,
            partial(run_job, retries=retries, stop=stop.is_set, execute=workers.run),
            executor,
            partial(_thread_pool, count),
            partial(_has_memory, needed_mb=gpu_mb_per_job),
        )


def _has_memory(place: Place, needed_mb: int) -> bool:
    """Return whether a GPU still has the memory: on a shared server others may have taken it."""
    uuid = place.cuda_visible_devices
    return uuid is None or free_memory_mb(uuid) >= needed_mb


def _thread_pool(max_workers: int) -> TaskRunner[Any]:
    from prefect.task_runners import ThreadPoolTaskRunner

    return ThreadPoolTaskRunner(max_workers=max_workers)
