"""The searches of a benchmark: each model finds its hyperparameters in each split."""

from __future__ import annotations

import contextlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from survkit.benchmark.definition import Benchmark
from survkit.experiments import PlannedRun
from survkit.launch.job_maker import JobMaker
from survkit.launch.jobs import Job, Outcome
from survkit.launch.plan import Refused
from survkit.models.registry import MODELS
from survkit.models.search_spaces import Space
from survkit.search.definition import Search
from survkit.search.opened import OpenSearch
from survkit.search.space import search_space
from survkit.search.trials import TrialSource
from survkit.types import InputError

SEARCHES = "searches"
"""Subfolder of the group's folder: a folder for each search, with its trials."""


def searches_of(
    benchmark: Benchmark, jobs: Iterable[Job], fixed: Iterable[str], make_job: JobMaker
) -> list[Search]:
    """Return a search for each run of a benchmark; a model with nothing to vary has an empty space.

    Parameters
    ----------
    benchmark : Benchmark
        Has rules for searches.
    jobs : iterable of Job
        The runs, without a search.
    fixed : iterable of str
        Flags that are given a value for every run.
    make_job : JobMaker
        Makes jobs and keeps datasets.

    Raises
    ------
    InputError
        For a space that cannot be searched.
    """
    rules = benchmark.search
    assert rules is not None
    fixed = {*fixed, *benchmark.common}
    spaces: dict[str, Space] = {}
    for name, flags in benchmark.models.items():
        model = str(flags["model"])
        own = benchmark.spaces.get(name)
        if own is None and not MODELS[model].search_space:
            spaces[name] = {}
            continue
        given = {*fixed, *flags}
        if "loss_limits" in given:
            raise InputError(f"{name}: --loss_limits cannot be given: the search itself sets them")
        where = f"the search space of {name}"
        spaces[name] = search_space(model, own, fixed=given, where=where)
    searches = []
    for job in jobs:
        group_folder = job.folder.parent
        base = replace(job.config, inner_folds=rules.inner_folds)
        searches.append(
            Search(
                base=base,
                space=spaces[benchmark.kinds[job.kind][1]],
                rules=rules.config,
                folder=group_folder / SEARCHES / job.folder.name,
                wandb=job.wandb,
                make_job=make_job,
                name=job.name.removeprefix(f"{group_folder.name} "),
                kind=job.kind,
            )
        )
    return searches


@dataclass
class _Going:
    """A search with trials left, and whether one of its runs has not ended."""

    opened: OpenSearch
    source: TrialSource
    runs: bool = False


class Searches:
    """Many searches as jobs, a `JobSource`.

    As many are open as there are places, and each has one run at a time: what a search tries
    depends on its own earlier trials alone, and not on how many others run beside it.

    Parameters
    ----------
    searches : sequence of Search
        In the order in which they begin.
    tell : callable
        Called with a line for each search that ends.
    """

    def __init__(self, searches: Sequence[Search], tell: Callable[[str], None]) -> None:
        self._left = deque(searches)
        self._tell = tell
        self._going: dict[str, _Going] = {}  # by the name of the search
        self._chosen: deque[Job] = deque()
        self._searching: dict[str, _Going] = {}  # by the name of the job
        self._finished: list[Job] = []
        self._refused: list[Refused] = []

    @property
    def chosen_jobs(self) -> list[Job]:
        """The jobs of the configurations that were chosen, those with a record included."""
        return list(self._finished)

    @property
    def refused(self) -> list[Refused]:
        """The searches without a choice so far, each with the reason."""
        stopped = [
            _refused(going.opened.search, _standing(going)) for going in self._going.values()
        ]
        waiting = [_refused(search, "not searched yet") for search in self._left]
        return [*self._refused, *stopped, *waiting]

    @property
    def remaining(self) -> int:
        """At most how many runs are still to come."""
        to_come = sum(map(_most_runs, self._left))
        for going in self._going.values():
            to_come += going.source.remaining + len(going.opened.search.final_seeds)
        return to_come + len(self._chosen)

    def next_job(self) -> Job | None:
        """Return a chosen configuration's job, or a trial of a search that has none running."""
        while not self._chosen:
            for going in list(self._going.values()):
                if not going.runs and (job := self._trial(going)) is not None:
                    return job
            if self._chosen:
                break
            if not self._left:
                return None
            self._begin(self._left.popleft())
        return self._chosen.popleft()

    def ended(self, outcome: Outcome) -> None:
        """Take note of how a trial ended."""
        going = self._searching.pop(outcome.job.name, None)
        if going is None:
            return
        going.source.ended(outcome)
        going.runs = False

    def close(self) -> None:
        """Let go of the folders of all searches that have not ended."""
        for going in self._going.values():
            going.opened.close()

    def _begin(self, search: Search) -> None:
        try:
            if not search.space:
                self._finish(search.final_jobs({}))
                return
            opened = OpenSearch(search)
        except InputError as error:
            self._refuse(search, error)
            return
        if opened.record.is_closed:
            self._close(opened)
        else:
            source = opened.source(lambda trial, best: None)
            self._going[search.name] = _Going(opened, source)

    def _trial(self, going: _Going) -> Job | None:
        """Return the next run of a search; where there is none, the search is closed."""
        job = going.source.next_job()
        if job is not None:
            going.runs = True
            self._searching[job.name] = going
            return job
        search, record = going.opened.search, going.opened.record
        del self._going[search.name]
        try:
            going.opened.choose()
        except InputError as error:
            going.opened.close()
            self._refuse(search, error)
            return None
        self._tell(
            f"{search.name}: trial {record.chosen['trial']} chosen, {search.rules.metric} "
            f"{record.chosen['value']:.5g}"
        )
        self._close(going.opened)
        return None

    def _close(self, opened: OpenSearch) -> None:
        """Let the choice of a search be tested, and go from its folder."""
        with contextlib.closing(opened):
            try:
                self._finish(opened.final_jobs())
            except InputError as error:
                self._refuse(opened.search, error)

    def _refuse(self, search: Search, error: InputError) -> None:
        self._refused.append(_refused(search, str(error)))
        self._tell(f"{search.name}: {error}")

    def _finish(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self._finished.append(job)
            if not job.is_complete:
                self._chosen.append(job)


def _most_runs(search: Search) -> int:
    trials = search.rules.trials * search.folds if search.space else 0
    return trials + len(search.final_seeds)


def _refused(search: Search, why: str) -> Refused:
    return Refused(PlannedRun(search.name, search.base, kind=search.kind), why)


def _standing(going: _Going) -> str:
    ended = Counter(bool(trial.ended) for trial in going.opened.study.trials())[True]
    return f"not searched to the end: {ended} of {going.opened.search.rules.trials} trials"
