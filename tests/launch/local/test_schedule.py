"""The schedule with jobs that are functions of this process."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survkit.launch.jobs import Job, Outcome, Status
from survkit.launch.local import schedule as schedule_module
from survkit.launch.local.schedule import Schedule, Submit
from survkit.launch.overview import Overview
from survkit.launch.process import Place
from survkit.runs.folder import RunFolder
from tests.launch.job_fixtures import make_job
from tests.runs.records import finish

NOWHERE = Path("/nowhere")

Run = Callable[[Job, Place], Outcome | None]


def submitter(executor: Executor, run: Run, refuses_after: int | None = None) -> Submit:
    """Return what runs functions in threads, and refuses all jobs after the first few."""
    submitted: list[str] = []

    def submit(job: Job, place: Place) -> Future[Outcome | None]:
        if len(submitted) == refuses_after:
            raise ConnectionError("the server is gone")
        submitted.append(job.name)
        return executor.submit(run, job, place)

    return submit


def places(count: int) -> list[Place]:
    return [Place(f"slot {number}", 1) for number in range(count)]


def make_schedule(
    jobs: list[Job],
    count: int = 2,
    *,
    stop: threading.Event | None = None,
    is_free: Callable[[Place], bool] = lambda place: True,
) -> Schedule:
    return Schedule(
        jobs,
        places(count),
        stop=stop or threading.Event(),
        overview=Overview(len(jobs)),
        is_free=is_free,
    )


def run(schedule: Schedule, function: Run) -> list[Outcome]:
    with ThreadPoolExecutor(8) as executor:
        schedule.run(submitter(executor, function))
    return schedule.outcomes


def done(job: Job, _place: Place) -> Outcome:
    return Outcome(job, Status.DONE)


@st.composite
def sweeps(draw: st.DrawFn) -> tuple[list[Job], set[str]]:
    """Draw jobs with dependencies, and the names of those that fail."""
    names = [str(number) for number in range(draw(st.integers(1, 8)))]
    jobs = [
        make_job(
            NOWHERE,
            name,
            *draw(st.sets(st.sampled_from(names[:index])) if index else st.just(set())),
        )
        for index, name in enumerate(names)
    ]
    return jobs, draw(st.sets(st.sampled_from(names)))


@settings(max_examples=40, deadline=None)
@given(sweeps(), st.integers(1, 3), st.integers(0, 8))
def test_every_job_runs_once_after_what_it_needs(
    sweep: tuple[list[Job], set[str]], count: int, refused_after: int
) -> None:
    jobs, failing = sweep
    runs: Counter[str] = Counter()
    ended: set[str] = set()
    at_work: Counter[str] = Counter()

    def work(job: Job, place: Place) -> Outcome:
        runs[job.name] += 1
        at_work[place.name] += 1
        assert at_work[place.name] == 1
        assert set(job.after) <= ended
        ended.add(job.name)
        at_work[place.name] -= 1
        return Outcome(job, Status.FAILED if job.name in failing else Status.DONE)

    schedule = make_schedule(jobs, count)
    with ThreadPoolExecutor(count) as executor:
        try:
            schedule.run(submitter(executor, work, refused_after))
        except ConnectionError:
            schedule.run(submitter(executor, work))
    status = {outcome.job.name: outcome.status for outcome in schedule.outcomes}
    assert list(status) == [job.name for job in jobs]
    for job in jobs:
        if any(status[name] is not Status.DONE for name in job.after):
            assert status[job.name] is Status.BLOCKED
        else:
            assert status[job.name] is (Status.FAILED if job.name in failing else Status.DONE)
        assert runs[job.name] == (status[job.name] is not Status.BLOCKED)


def test_a_blocked_job_names_what_it_needs() -> None:
    jobs = [
        make_job(NOWHERE, "a"),
        make_job(NOWHERE, "b"),
        make_job(NOWHERE, "c", "a", "b"),
        make_job(NOWHERE, "d", "c", "elsewhere"),
    ]

    def work(job: Job, _place: Place) -> Outcome:
        return Outcome(job, Status.DONE if job.name == "b" else Status.FAILED)

    outcomes = run(make_schedule(jobs), work)
    assert [outcome.status for outcome in outcomes[2:]] == [Status.BLOCKED] * 2
    assert [outcome.note for outcome in outcomes[2:]] == ["needs a (failed)", "needs c (blocked)"]


def test_a_dependency_that_is_no_job_counts_as_done() -> None:
    (outcome,) = run(make_schedule([make_job(NOWHERE, "a", "done before")]), done)
    assert outcome.status is Status.DONE


def test_an_exception_of_a_runner_fails_one_job_only() -> None:
    def work(job: Job, place: Place) -> Outcome:
        if job.name == "a":
            raise RuntimeError("the worker died")
        return done(job, place)

    outcomes = run(make_schedule([make_job(NOWHERE, "a"), make_job(NOWHERE, "b")]), work)
    assert outcomes[0].note == "RuntimeError: the worker died"
    assert [outcome.status for outcome in outcomes] == [Status.FAILED, Status.DONE]


def test_a_run_of_another_process_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = [make_job(tmp_path, name) for name in ("a", "b", "c")]
    started: list[str] = []

    def work(job: Job, place: Place) -> Outcome:
        started.append(job.name)
        return done(job, place)

    def another_process() -> None:
        with RunFolder(jobs[0].folder).lock(), RunFolder(jobs[1].folder).lock():
            locked.set()
            while "c" not in started:
                time.sleep(0.01)
            finish(jobs[0].folder)

    locked = threading.Event()
    thread = threading.Thread(target=another_process)
    thread.start()
    locked.wait()
    outcomes = run(make_schedule(jobs, 1), work)
    thread.join()
    assert started == ["c", "b"]
    assert [outcome.status for outcome in outcomes] == [Status.DONE] * 3
    assert [outcome.note for outcome in outcomes] == ["by another process", "", ""]
    assert "postponed a: another process trains it" in capsys.readouterr().out


def test_a_run_that_turns_out_to_be_elsewhere_gives_its_place_back() -> None:
    answers: dict[str, list[Outcome | None]] = {"a": [None, None], "b": []}

    def work(job: Job, place: Place) -> Outcome | None:
        return answers[job.name].pop() if answers[job.name] else done(job, place)

    outcomes = run(make_schedule([make_job(NOWHERE, "a"), make_job(NOWHERE, "b", "a")], 1), work)
    assert [outcome.status for outcome in outcomes] == [Status.DONE] * 2


def test_a_damaged_record_is_made_again(tmp_path: Path) -> None:
    job = make_job(tmp_path, "a")
    job.folder.mkdir()
    (job.folder / "result.json").write_text("{}")
    (outcome,) = run(make_schedule([job]), done)
    assert outcome.note == ""


def test_a_stop_ends_what_waits_and_keeps_what_ran() -> None:
    stop = threading.Event()

    def work(job: Job, place: Place) -> Outcome:
        if job.name == "b":
            stop.set()
            time.sleep(0.3)
            return Outcome(job, Status.STOPPED)
        return done(job, place)

    jobs = [
        make_job(NOWHERE, "a"),
        make_job(NOWHERE, "b", "a"),
        make_job(NOWHERE, "c", "b"),
        make_job(NOWHERE, "d", "b"),
    ]
    outcomes = run(make_schedule(jobs, 1, stop=stop), work)
    stopped = Status.STOPPED
    assert [outcome.status for outcome in outcomes] == [Status.DONE, stopped, stopped, stopped]
    assert outcomes[3].note == "not started"


def test_a_job_that_does_not_answer_after_a_stop_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(schedule_module, "GIVE_UP_SECONDS", 0.2)
    stop, ended = threading.Event(), threading.Event()

    def work(job: Job, place: Place) -> Outcome:
        stop.set()
        ended.wait(10)
        return done(job, place)

    schedule = make_schedule([make_job(NOWHERE, "a")], stop=stop)
    with ThreadPoolExecutor(1) as executor:
        schedule.run(submitter(executor, work))
        assert not ended.is_set()
        ended.set()
    assert schedule.outcomes[0].note == "does not answer"


def test_a_place_that_is_not_free_waits(capsys: pytest.CaptureFixture[str]) -> None:
    asked: Counter[str] = Counter()

    def is_free(place: Place) -> bool:
        asked[place.name] += 1
        return asked[place.name] > 2

    outcomes = run(
        make_schedule([make_job(NOWHERE, "a"), make_job(NOWHERE, "b")], 1, is_free=is_free), done
    )
    assert [outcome.status for outcome in outcomes] == [Status.DONE] * 2
    assert capsys.readouterr().out.count("waiting for free memory on slot 0") == 1


class Source:
    """Gives jobs whose names say which had ended by then."""

    def __init__(self, count: int) -> None:
        self._left, self.known = count, list[str]()

    @property
    def remaining(self) -> int:
        return self._left

    def next_job(self) -> Job | None:
        if not self._left:
            return None
        self._left -= 1
        return make_job(NOWHERE, f"{self._left} after {len(self.known)}")

    def ended(self, outcome: Outcome) -> None:
        self.known.append(outcome.job.name)


@pytest.mark.parametrize("count", [1, 3])
def test_a_source_gives_the_next_job_when_a_place_is_free(count: int) -> None:
    source = Source(6)
    first = source.next_job()
    assert first is not None
    schedule = Schedule(
        [first], places(count), stop=threading.Event(), overview=Overview(6), source=source
    )
    outcomes = run(schedule, done)
    assert schedule.is_finished
    assert sorted(source.known) == sorted(outcome.job.name for outcome in outcomes)
    assert len(outcomes) == 6
    if count == 1:  # each knows of all before it
        assert source.known == [f"{5 - ended} after {ended}" for ended in range(6)]


class OneAtATime(Source):
    """Has nothing to give while one of its jobs runs."""

    runs = False

    def next_job(self) -> Job | None:
        if self.runs:
            return None
        self.runs = True
        return super().next_job()

    def ended(self, outcome: Outcome) -> None:
        self.runs = False
        super().ended(outcome)


def test_a_source_that_has_nothing_now_is_asked_again() -> None:
    source = OneAtATime(4)
    schedule = Schedule([], places(3), stop=threading.Event(), overview=Overview(4), source=source)
    assert len(run(schedule, done)) == 4
    assert source.known == [f"{3 - ended} after {ended}" for ended in range(4)]


def test_a_stop_ends_a_source() -> None:
    source, stop = Source(100), threading.Event()

    def stopping(job: Job, _place: Place) -> Outcome:
        stop.set()
        return Outcome(job, Status.STOPPED)

    schedule = Schedule([], places(1), stop=stop, overview=Overview(100), source=source)
    outcomes = run(schedule, stopping)
    assert [outcome.status for outcome in outcomes] == [Status.STOPPED]
    assert source.remaining == 99
