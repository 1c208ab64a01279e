"""A search whose folder this process holds: its trials, its choice and the runs that test it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from survkit.cli import RunsElsewhereError
from survkit.files import writing
from survkit.launch.jobs import Job
from survkit.search.definition import Search
from survkit.search.record import FILE, SearchRecord
from survkit.search.study import JOURNAL, Study, Trial
from survkit.search.trials import TrialSource
from survkit.types import InputError

LOCK = ".search.lock"


class OpenSearch:
    """A search, begun or continued, that no other process has open.

    `close` lets go of its folder.

    Parameters
    ----------
    search : Search
        What it is.

    Raises
    ------
    InputError
        Where the folder has another search, or one that cannot go on like this.
    DamagedError
        For files that cannot be read.
    RunsElsewhereError
        Where another process has the search open.
    """

    def __init__(self, search: Search) -> None:
        self.search = search
        self._lock = FileLock(search.folder / LOCK, timeout=0, thread_local=False)
        with writing(search.folder):
            search.folder.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire()
            except Timeout:
                raise RunsElsewhereError(
                    f"another process searches in {search.folder} now"
                ) from None
        try:
            self.record = SearchRecord(search.folder, search.identity())
            _check_journal(search.folder, self.record)
            study = self._study() if self.record.exists else None
            self.record.plan(search.rules.trials, len(study.trials()) if study else 0)
            self.study = study or self._study()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the folder."""
        self._lock.release()

    def _study(self) -> Study:
        """Open the trials; the configuration without any choice is tried first."""
        return Study(
            self.search.folder,
            self.search.space,
            defaults=self.search.defaults,
            seed=self.search.base.seed,
            maximize=self.search.maximize,
        )

    def source(self, report: Callable[[Trial, Trial | None], None]) -> TrialSource:
        """Return the trials left to run; `report` gets each trial that ends, and the best one."""

        def noted(trial: Trial, best: Trial | None) -> None:
            self.record.note(self.study.trials())
            report(trial, best)

        return TrialSource(
            self.study,
            trials=self.search.rules.trials,
            folds=self.search.folds,
            metric=self.search.rules.metric,
            make_job=self.search.trial_job,
            limits=self.search.limits,
            report=noted,
        )

    def choose(self) -> None:
        """Close the search with the best of its trials.

        Raises
        ------
        InputError
            Where no trial is complete.
        """
        self.record.note(self.study.trials())
        best = self.study.best()
        rules = self.search.rules
        if best is None:
            notes = [trial.note for trial in self.study.finished() if trial.note]
            raise InputError(
                f"none of {rules.trials} trials is complete, the last: "
                f"{notes[-1] if notes else 'no word'}; more trials or another space, in another "
                "group, may find one"
            )
        self.record.close(best, metric=rules.metric, maximize=self.search.maximize)

    def final_jobs(self) -> list[Job]:
        """Return the jobs that train and test the choice; from now on it counts as tested."""
        jobs = self.search.final_jobs(self.record.chosen["parameters"])
        self.record.begin_test([job.folder.name for job in jobs])
        return jobs


def _check_journal(folder: Path, record: SearchRecord) -> None:
    """Refuse to continue where one of the two files of a search was removed."""
    has_journal = (folder / JOURNAL).exists()
    if has_journal and not record.exists:
        there, lost = JOURNAL, FILE
    elif record.content["tried"] and not has_journal:
        there, lost = FILE, JOURNAL
    else:
        return
    raise InputError(f"{folder} has {there}, but no {lost}; restore it, or choose another --group")
