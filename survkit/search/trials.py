"""Gives the trials of a search to a launcher one by one, and reads what became of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from survkit.cli import PRUNED
from survkit.launch.jobs import Job, Outcome, Status
from survkit.launch.notes import read_note
from survkit.runs.record_files import read_result
from survkit.search.limits import Limits
from survkit.search.study import Ended, Study, Trial
from survkit.types import InputError

MakeJob = Callable[[Trial, int, tuple[float, ...]], Job]
"""Makes the job of a trial on one of its folds, with the limits that may end it."""


@dataclass
class _Open:
    """A trial that runs: the jobs that have not started, and what is known of each fold."""

    trial: Trial
    folders: list[Path]
    values: dict[int, float] = field(default_factory=dict)


class TrialSource:
    """The trials of a search as jobs, a `JobSource`.

    A trial that was begun before and has not ended comes first, with the parameters that it had.

    Parameters
    ----------
    study : Study
        Where trials are kept.
    trials : int
        Trials in all, those that have ended included.
    folds : int
        Runs of each trial: the folds that it is validated on, or 1.
    metric : str
        The metric of the validation rows; a trial's value is its mean over the folds.
    make_job : callable
        Makes the jobs.
    limits : Limits, optional
        What ends a training that is far behind; None for a model without epochs.
    report : callable
        Called with every trial that has ended, and the best so far.
    """

    def __init__(
        self,
        study: Study,
        *,
        trials: int,
        folds: int,
        metric: str,
        make_job: MakeJob,
        limits: Limits | None,
        report: Callable[[Trial, Trial | None], None],
    ) -> None:
        self._study, self._folds, self._metric = study, folds, metric
        self._make_job, self._limits, self._report = make_job, limits, report
        begun = study.trials()
        self._begun_before = deque(trial.number for trial in begun if not trial.ended)
        self._left = trials - len(begun)
        self._open: dict[int, _Open] = {}
        self._waiting: deque[tuple[int, int, Job]] = deque()  # trial, fold and job
        self._given: dict[str, tuple[int, int]] = {}

    @property
    def remaining(self) -> int:
        """How many runs there are still to come."""
        return (self._left + len(self._begun_before)) * self._folds + len(self._waiting)

    def next_job(self) -> Job | None:
        """Return the next run; None where all trials have been begun."""
        while not self._waiting:
            if self._begun_before:
                self._begin(self._study.ask(self._begun_before.popleft()))
            elif self._left > 0:
                self._left -= 1
                self._begin(self._study.ask())
            else:
                return None
        number, fold, job = self._waiting.popleft()
        self._given[job.name] = (number, fold)
        return job

    def _begin(self, trial: Trial) -> None:
        done = [t for t in self._study.finished() if t.ended is Ended.COMPLETE]
        try:
            jobs = []
            for fold in range(self._folds):
                epochs = self._limits.of(trial, done, fold) if self._limits else ()
                jobs.append(self._make_job(trial, fold, epochs))
        except InputError as error:  # values that do not fit together
            self._tell(trial, Ended.FAILED, note=str(error))
            return
        self._open[trial.number] = _Open(trial, [job.folder for job in jobs])
        self._waiting += [(trial.number, fold, job) for fold, job in enumerate(jobs)]

    def ended(self, outcome: Outcome) -> None:
        """Take note of how a run ended; a trial that a signal stopped stays open."""
        number, fold = self._given.pop(outcome.job.name, (-1, -1))
        known = self._open.get(number)
        if known is None or outcome.status is Status.STOPPED:
            return
        if outcome.status is not Status.DONE:
            self._give_up(known, *_why(outcome))
            return
        try:
            known.values[fold] = validation_value(outcome.job.folder, self._metric)
        except InputError as error:
            self._give_up(known, Ended.FAILED, str(error))
            return
        if len(known.values) == self._folds:
            del self._open[number]
            value = fmean(known.values[fold] for fold in range(self._folds))
            runs = tuple(folder.name for folder in known.folders)
            self._tell(known.trial, Ended.COMPLETE, value=value, runs=runs)

    def _give_up(self, known: _Open, ended: Ended, note: str) -> None:
        """End a trial, and its runs that have not started."""
        number = known.trial.number
        del self._open[number]
        self._waiting = deque(item for item in self._waiting if item[0] != number)
        self._tell(known.trial, ended, note=note)

    def _tell(self, trial: Trial, ended: Ended, **how: Any) -> None:
        self._study.tell(trial.number, ended, **how)
        self._report(trial._replace(ended=ended, **how), self._study.best())


def validation_value(folder: Path, metric: str) -> float:
    """Return a metric of the validation rows of a run.

    Raises
    ------
    InputError
        Where it has no value, with the reason.
    """
    result: Mapping[str, Any] = read_result(folder) or {}
    value = result.get("validation", {}).get(metric)
    if isinstance(value, int | float):
        return float(value)
    reason = result.get("validation_details", {}).get(metric, {}).get("reason", "no value")
    raise InputError(
        f"{metric} of the validation rows is missing: {reason}; --inner_folds gives each trial "
        "more validation rows"
    )


def _why(outcome: Outcome) -> tuple[Ended, str]:
    """Return how a run without a record ended; on a cluster, only its own note says it."""
    status = outcome.exit_status
    if status is None:
        status = read_note(outcome.job).get("exit_status")
    return (Ended.PRUNED if status == PRUNED else Ended.FAILED), outcome.note
