"""An existing Dask cluster as the site where jobs run.

Its workers import the same survkit and share the log folder with the launcher.
"""

from __future__ import annotations

import tempfile
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import survkit
from survkit.launch.jobs import Job, Outcome
from survkit.launch.local.this_machine import Site
from survkit.launch.process import Place, run_job
from survkit.system import available_cores
from survkit.types import InputError

if TYPE_CHECKING:
    from distributed import Client
    from prefect.task_runners import TaskRunner

CONNECT_SECONDS = 20
"""Longest wait for the scheduler, and for a first worker."""

_stopped: set[str] = set()
"""Launches whose jobs end, in a worker's process."""


@contextmanager
def dask_site(
    address: str,
    *,
    log_folder: Path,
    num_jobs: int,
    max_subprocesses: int | None,
    retries: int,
    stop: threading.Event,
) -> Iterator[Site]:
    """Run jobs on the workers of a Dask cluster, a thread of a worker for each.

    A GPU is the cluster's to hand out, as dask-cuda does: a job sees what its worker sees. At most
    `max_subprocesses` jobs run at the same time, or as many as all workers have threads now.
    InputError where the scheduler does not answer, or its workers cannot run the jobs.
    """
    with _connected(address) as client:
        threads = _threads_by_host(client, address)
        _check_workers(client, address, log_folder)
        launch = uuid.uuid4().hex
        count = max(1, min(max_subprocesses or threads.total(), num_jobs))
        with _stop_reaches_workers(client, launch, stop):
            yield Site(
                [Place("Dask", threads=1)] * count,
                partial(_run_on_worker, launch=launch, retries=retries, threads_by_host=threads),
                client.get_executor(pure=False),  # type: ignore[no-untyped-call]
                partial(_dask_task_runner, address),
            )


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    from distributed import Client

    try:
        client = Client(  # type: ignore[no-untyped-call]
            address, timeout=CONNECT_SECONDS, set_as_default=False
        )
    except (OSError, ValueError) as error:  # a timeout is an OSError
        raise InputError(f"--dask_address {address}: no scheduler answers there: {error}") from None
    with client:
        yield client


def _threads_by_host(client: Client, address: str) -> Counter[str]:
    """Return how many jobs the workers of each host take at the same time."""
    try:
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except TimeoutError:
        raise InputError(f"--dask_address {address}: the scheduler has no worker") from None
    threads: Counter[str] = Counter()
    for worker in client.scheduler_info(n_workers=-1)["workers"].values():
        threads[worker["host"]] += worker["nthreads"]
    return threads


def _check_workers(client: Client, address: str, log_folder: Path) -> None:
    log_folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=log_folder, prefix=".shared-") as file:
        try:
            views = client.run(_view_of_worker, file.name)
        except Exception as error:  # the import may raise anything there
            raise InputError(
                f"--dask_address {address}: its workers cannot import this survkit: {error}"
            ) from None
    for worker, (version, sees_folder) in views.items():
        if version != survkit.__version__:
            raise InputError(
                f"Dask's worker {worker} has survkit {version}, this is {survkit.__version__}"
            )
        if not sees_folder:
            raise InputError(
                f"Dask's worker {worker} does not see {log_folder}; choose a --log_dir that all "
                "machines share"
            )


def _view_of_worker(path: str) -> tuple[str, bool]:
    return survkit.__version__, Path(path).exists()


@contextmanager
def _stop_reaches_workers(client: Client, launch: str, stop: threading.Event) -> Iterator[None]:
    """Have the workers end their jobs when `stop` is set, or this context ends."""
    ended = threading.Event()

    def pass_on() -> None:
        while not (stop.wait(0.2) or ended.is_set()):
            pass
        client.run(_note_stop, launch, on_error="ignore")

    thread = threading.Thread(target=pass_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(CONNECT_SECONDS)  # longer where a worker does not answer


def _note_stop(launch: str) -> None:
    _stopped.add(launch)


def _run_on_worker(
    job: Job, place: Place, *, launch: str, retries: int, threads_by_host: Mapping[str, int]
) -> Outcome | None:
    """Run a job in a worker, with its share of the worker's host."""
    from distributed import get_worker

    worker = get_worker()
    jobs_of_host = threads_by_host.get(
        str(urlsplit(worker.address).hostname), worker.state.nthreads
    )
    here = Place(f"{place.name} {worker.address}", max(1, available_cores() // jobs_of_host))
    return run_job(job, here, retries=retries, stop=lambda: launch in _stopped)


def _dask_task_runner(address: str) -> TaskRunner[Any]:
    from prefect_dask.task_runners import DaskTaskRunner

    return DaskTaskRunner(address=address)
