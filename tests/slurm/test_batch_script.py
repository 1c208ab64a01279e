"""How jobs are grouped into submissions, and what a script says about itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from survkit.slurm import slurm_scripts
from survkit.slurm.batch_script import batches
from survkit.slurm.job_script import array_runs, run_key
from tests.slurm.job_fixtures import make_config, make_job

FOLDER = Path("/logs/group")


def names(grouped: list) -> list[list[str]]:
    return [[job.name for job in batch] for batch in grouped]


def test_without_arrays_every_job_is_a_submission_of_its_own() -> None:
    jobs = [make_job(FOLDER, "a"), make_job(FOLDER, "b"), make_job(FOLDER, "c", after=("a",))]
    assert names(batches(jobs, array=False, largest_array=9)) == [["a"], ["b"], ["c"]]


def test_an_array_holds_jobs_that_wait_for_the_same_others() -> None:
    jobs = [
        make_job(FOLDER, "a"),
        make_job(FOLDER, "b", after=("a",)),
        make_job(FOLDER, "c", after=("b", "a")),
        make_job(FOLDER, "d"),
        make_job(FOLDER, "e", after=("a", "b")),
        make_job(FOLDER, "f", after=("finished before",)),
    ]
    assert names(batches(jobs, array=True, largest_array=9)) == [
        ["a", "d"],
        ["f"],
        ["b"],
        ["c", "e"],
    ]


@given(st.data())
def test_arrays_keep_every_job_once_and_behind_what_it_waits_for(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    largest = data.draw(st.integers(1, 4))
    jobs = []
    for index in range(count):
        after = data.draw(st.sets(st.integers(0, index - 1), max_size=2)) if index else set()
        jobs.append(make_job(FOLDER, str(index), after=tuple(map(str, after))))
    grouped = batches(jobs, array=True, largest_array=largest)
    submitted: set[str] = set()
    for batch in grouped:
        assert len(batch) <= largest
        assert all(set(job.after) == set(batch[0].after) for job in batch)
        assert set(batch[0].after) <= submitted
        submitted |= {job.name for job in batch}
    assert sum(map(len, grouped)) == len(submitted) == count


def test_the_scripts_of_a_sweep_are_shown_with_names_for_ids() -> None:
    jobs = [make_job(FOLDER, "first", ("--seed=42",)), make_job(FOLDER, "then", after=("first",))]
    first, then = slurm_scripts(jobs, make_config())
    assert '#SBATCH --output              "/logs/group/launcher/first.log"\n' in first
    assert f'#SBATCH --comment             "survkit run {run_key(jobs[0])}"\n' in first
    assert " -m survkit.train --seed=42)\n" in first
    assert "#SBATCH --dependency          afterok:<first>\n" in then


def test_an_array_tells_the_run_of_every_task_whatever_the_arguments() -> None:
    hostile = "\n7) # run 0123456789abcdef: not a task"
    jobs = [make_job(FOLDER, name, (hostile,)) for name in ("a", "b", "c")]
    (script,) = slurm_scripts(jobs, make_config(array=True, array_limit=2))
    assert array_runs(script) == {task: run_key(job) for task, job in enumerate(jobs)}
    assert "#SBATCH --array               0-2%2\n" in script


def test_a_login_node_needs_no_torch() -> None:
    check = "import sys, survkit.slurm; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_runs_of_the_same_name_in_other_folders_are_other_runs() -> None:
    assert run_key(make_job(FOLDER, "a")) != run_key(make_job(Path("/logs/other"), "a"))
