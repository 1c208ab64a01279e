"""A sweep as a prefect flow: every job is a task run of the job's name."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple

from prefect import Flow, Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Cancelled, Completed, Failed
from prefect.task_runners import TaskRunner

from survkit.launch.jobs import Job, Outcome, Status
from survkit.launch.local.schedule import Schedule, Submit
from survkit.launch.local.this_machine import Run
from survkit.launch.process import Place

_schedule: ContextVar[tuple[Schedule, Run]] = ContextVar("_schedule")
"""What the flow runs; it is no parameter, since tasks on Dask carry those to the workers."""


def run_as_flow(schedule: Schedule, run: Run, task_runner: TaskRunner[Any]) -> None:
    """Run a schedule as a flow; prefect's exceptions are passed on.

    `run` runs one job in a place; it is called where the task runner puts it.
    """
    _schedule.set((schedule, run))
    flow = Flow(
        _sweep,
        name="survkit",
        task_runner=task_runner,
        validate_parameters=False,
        persist_result=False,
    )
    state = flow(return_state=True)
    if not schedule.is_finished:
        state.result()


def _sweep() -> State[Any]:
    schedule, run = _schedule.get()
    schedule.run(_submitter(run))
    bad = sum(outcome.status is not Status.DONE for outcome in schedule.outcomes)
    if bad:
        return Failed(message=f"{bad} of {len(schedule.outcomes)} runs did not end well")
    return Completed(message="every run has its record")


def _submitter(run: Run) -> Submit:
    """Return what submits jobs as tasks of the flow that is running."""
    futures: dict[str, PrefectFuture[Any]] = {}

    def submit(job: Job, place: Place) -> _Handle:
        train: Task[..., Any] = Task(
            _train,
            name="train",
            task_run_name=lambda: job.name,
            cache_policy=NO_CACHE,
            persist_result=False,
        )
        after = [futures[name] for name in job.after if name in futures]
        futures[job.name] = train.submit(run, job, place, wait_for=after)
        return _Handle(futures[job.name])

    return submit


class _Handle(NamedTuple):
    future: PrefectFuture[Any]

    def add_done_callback(self, callback: Callable[[Any], None], /) -> None:
        self.future.add_done_callback(callback)

    def result(self) -> Outcome | None:
        outcome: Any = self.future.result(raise_on_failure=False)
        if isinstance(outcome, BaseException):  # of prefect or Dask, not of the job
            raise outcome
        ended: Outcome | None = outcome
        return ended


def _train(run: Run, job: Job, place: Place) -> Any:
    outcome = run(job, place)
    if outcome is None or outcome.status is Status.DONE:
        return outcome
    state = Cancelled if outcome.status is Status.STOPPED else Failed
    return state(message=outcome.note, data=outcome)
