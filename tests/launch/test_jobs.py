"""Runs that one process trains, as one job."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from survkit.launch.jobs import Job, Outcome, Status, join_seeds
from tests.launch.job_fixtures import make_job
from tests.runs.records import finish


def make_run(
    folder: Path, model: str, seed: int, *, stack: str = "", after: tuple[str, ...] = ()
) -> Job:
    name = f"group {model} seed={seed}"
    return make_job(folder, name, *after, model=model, seed=seed, lr=0.1)._replace(stack=stack)


def complete(run: Job) -> None:
    finish(run.folder)


def test_runs_of_one_stack_become_one_job(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path, model, seed, stack=stack)
        for seed in (42, 43, 44)
        for model, stack in (("mtlr", "a"), ("fixed_moe", "b"), ("coxph", ""))
    ][:8]
    jobs = join_seeds(runs)
    assert [job.name for job in jobs] == [
        "group mtlr seed=42 and seeds 43, 44",
        "group fixed_moe seed=42 and seeds 43, 44",
        "group coxph seed=42",
        "group coxph seed=43",
    ]
    assert jobs[0].config == replace(runs[0].config, seeds=(42, 43, 44))
    assert " --seeds 42 43 44 " in " ".join(jobs[0].arguments)
    assert jobs[0].runs == (runs[0], runs[3], runs[6])
    assert jobs[2].runs == (runs[2],)
    assert jobs[0].folder == runs[0].folder


def test_a_run_alone_stays_as_it_is(tmp_path: Path) -> None:
    run = make_run(tmp_path, "mtlr", 42, stack="a")
    assert join_seeds([run]) == [run]


def test_dependencies_are_those_of_the_joined_jobs(tmp_path: Path) -> None:
    first = [make_run(tmp_path, "mtlr", seed, stack="a") for seed in (42, 43)]
    after = tuple(run.name for run in first)
    then = [make_run(tmp_path, "rsf", seed, after=after) for seed in (42, 43)]
    early = make_run(tmp_path, "fixed_moe", 42, stack="b")
    late = make_run(tmp_path, "fixed_moe", 43, stack="b", after=(first[0].name,))
    jobs = {job.name: job for job in join_seeds([*first, *then, early, late])}
    assert jobs["group rsf seed=42"].after == ("group mtlr seed=42 and seed 43",)
    assert jobs["group fixed_moe seed=42"].after == ()
    assert jobs["group fixed_moe seed=43"].after == ("group mtlr seed=42 and seed 43",)


def test_a_job_is_complete_with_all_its_records_and_tells_of_each(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, "mtlr", seed, stack="a") for seed in (42, 43)]
    (job,) = join_seeds(runs)
    complete(runs[0])
    assert not job.is_complete
    done, failed = Outcome(job, Status.FAILED, 10.0, 300.0, "killed by SIGKILL").of_runs()
    assert (done.job.name, done.status, done.note) == (runs[0].name, Status.DONE, "")
    assert (failed.job.name, failed.status) == (runs[1].name, Status.FAILED)
    assert failed.note == "killed by SIGKILL"
    assert failed.job.log == job.log
    assert (done.seconds, done.peak_memory_mb) == (5.0, 300.0)
    complete(runs[1])
    assert job.is_complete
    alone = Outcome(runs[0], Status.STOPPED)
    assert alone.of_runs() == [alone]
