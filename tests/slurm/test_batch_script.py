"""How jobs are grouped into submissions, and what a script says about itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from survkit.shell import shell_quoted
from survkit.slurm.batch_script import batches
from survkit.slurm.queue import array_runs, run_key
from survkit.slurm.slurm_launcher import slurm_scripts
from tests.launch.job_fixtures import make_job
from tests.slurm.job_fixtures import make_config

FOLDER = Path("/logs/group")


def names(grouped: list) -> list[list[str]]:
    return [[job.name for job in batch] for batch in grouped]


def test_without_arrays_every_job_is_a_submission_of_its_own() -> None:
    jobs = [make_job(FOLDER, "a"), make_job(FOLDER, "b"), make_job(FOLDER, "c", "a")]
    assert names(batches(jobs, array=False, largest_array=9)) == [["a"], ["b"], ["c"]]


def test_an_array_holds_jobs_that_wait_for_the_same_others() -> None:
    jobs = [
        make_job(FOLDER, "a"),
        make_job(FOLDER, "b", "a"),
        make_job(FOLDER, "c", "b", "a"),
        make_job(FOLDER, "d"),
        make_job(FOLDER, "e", "a", "b"),
        make_job(FOLDER, "f", "finished before"),
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
        jobs.append(make_job(FOLDER, str(index), *map(str, after)))
    grouped = batches(jobs, array=True, largest_array=largest)
    submitted: set[str] = set()
    for batch in grouped:
        assert len(batch) <= largest
        assert all(set(job.after) == set(batch[0].after) for job in batch)
        assert set(batch[0].after) <= submitted
        submitted |= {job.name for job in batch}
    assert sum(map(len, grouped)) == len(submitted) == count


def test_the_scripts_of_a_sweep_are_shown_with_names_for_ids() -> None:
    jobs = [make_job(FOLDER, "first", dataset="veteran"), make_job(FOLDER, "then", "first")]
    first, then = slurm_scripts(jobs, make_config())
    assert '#SBATCH --output              "/logs/group/launcher/first.log"\n' in first
    assert f'#SBATCH --comment             "survkit run {run_key(jobs[0])}"\n' in first
    assert '"arguments": ["--dataset=veteran", ' in first
    assert "#SBATCH --dependency          afterok:<first>\n" in then


def test_an_array_tells_the_run_of_every_task_whatever_the_arguments() -> None:
    hostile = "\n7) # run 0123456789abcdef: not a task"
    jobs = [make_job(FOLDER, name, csv_path=hostile) for name in ("a", "b", "c")]
    (script,) = slurm_scripts(jobs, make_config(array=True, array_limit=2))
    assert array_runs(script) == {task: run_key(job) for task, job in enumerate(jobs)}
    assert "#SBATCH --array               0-2%2\n" in script


def test_a_login_node_needs_no_torch() -> None:
    check = "import sys, survkit.slurm.slurm_launcher; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_runs_of_the_same_name_in_other_folders_are_other_runs() -> None:
    assert run_key(make_job(FOLDER, "a")) != run_key(make_job(Path("/logs/other"), "a"))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), max_size=4))
@example(
    ["a b", "'", '"', "$HOME", "$(id)", "`id`", "\\", "\\n", "!", "*", "~", "-", "", "é", "😀"]
)
@example(
    ["\n", "\r\n", "\t", "\x1b[31m", "\x7f", "\x85", "\u2028", "\\'\n$'", "\x01f", "a\n#SBATCH x"]
)
def test_every_character_comes_through_bash(arguments: list[str]) -> None:
    quoted = [shell_quoted(argument) for argument in arguments]
    assert not any("\n" in text or "\r" in text for text in quoted)
    result = subprocess.run(
        ["bash", "-c", f"arguments=({' '.join(quoted)})\nprintf '%s\\0' \"${{arguments[@]}}\""],
        capture_output=True,
        check=True,
    )
    expected = b"".join(argument.encode() + b"\0" for argument in arguments)
    assert result.stdout == (expected or b"\0")
