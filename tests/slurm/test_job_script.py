"""The commands of a batch script, run by bash without a cluster.

The training is a small shell script here, so that it can fail at will; tests/integration/slurm runs
real trainings on a real cluster.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from survkit.launch.jobs import Job
from survkit.slurm.job_script import run_commands, shell_quoted
from tests.slurm.job_fixtures import make_config, make_job


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return make_job(tmp_path, "run", ("--seed=42",))


def train_by(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, commands: str) -> None:
    """Let the interpreter that trains be a shell script, and keep what scontrol is asked."""
    for name, content in {
        "python": commands,
        "scontrol": f'echo scontrol "$@" >> {tmp_path / "asked"}',
    }.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/bash\n{content}\n")
        program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("RUN", str(tmp_path / "run"))
    (tmp_path / "run").mkdir()


def start(job: Job, **flags: object) -> subprocess.Popen[str]:
    script = run_commands([job], make_config(**flags), array=False)
    return subprocess.Popen(
        ["bash", "-c", script], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def finish(job: Job, **flags: object) -> tuple[int, str]:
    process = start(job, **flags)
    output, _ = process.communicate(timeout=20)
    return process.returncode, output


def asked(tmp_path: Path) -> str:
    path = tmp_path / "asked"
    return path.read_text() if path.exists() else ""


FAIL_TWICE = 'echo again >> "$RUN/tries"; (($(wc -l < "$RUN/tries") > 2)) || exit 1'


def test_a_failure_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: Job
) -> None:
    train_by(monkeypatch, tmp_path, FAIL_TWICE)
    status, output = finish(job, retries=2)
    assert status == 0
    assert output.count("=== ") == 3
    assert "attempt 3 on " in output
    assert "SLURM job 17" in output


def test_no_more_often_than_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: Job
) -> None:
    train_by(monkeypatch, tmp_path, FAIL_TWICE)
    status, output = finish(job, retries=1)
    assert (status, output.count("=== ")) == (1, 2)


def test_bad_input_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: Job
) -> None:
    train_by(monkeypatch, tmp_path, "exit 2")
    status, output = finish(job, retries=5)
    assert (status, output.count("=== ")) == (2, 1)


def test_a_training_that_is_killed_is_said_to_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: Job
) -> None:
    train_by(monkeypatch, tmp_path, "kill -KILL $$")
    status, output = finish(job, retries=1)
    assert (status, output.count("=== ")) == (128 + signal.SIGKILL, 2)
    assert output.splitlines()[-1] == "killed by SIGKILL"


@pytest.mark.parametrize(("requeue", "question"), [(True, "scontrol requeue 17\n"), (False, "")])
def test_a_run_that_another_process_trains_is_looked_at_later(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: Job, requeue: bool, question: str
) -> None:
    train_by(monkeypatch, tmp_path, "exit 75")
    status, output = finish(job, requeue=requeue, retries=3)
    assert (status, output.count("=== ")) == (75, 1)
    assert asked(tmp_path) == question


TRAIN_UNTIL_TERMINATED = """
trap 'echo ending; sleep 0.3; exit 143' TERM
echo training
[ -z "$SAVES" ] || touch "$RUN/last.pt"
while :; do sleep 0.05; done
"""


def interrupt(job: Job, *signals: int) -> tuple[int, str]:
    """Send signals to the batch script once it trains."""
    process = start(job, retries=3)
    assert process.stdout is not None
    while "training" not in process.stdout.readline():
        pass
    time.sleep(0.2)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.1)
    output, _ = process.communicate(timeout=20)
    return process.returncode, output


def test_near_the_time_limit_the_training_ends_and_the_job_requeues_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: Job
) -> None:
    train_by(monkeypatch, tmp_path, TRAIN_UNTIL_TERMINATED)
    monkeypatch.setenv("SAVES", "yes")
    status, output = interrupt(job, signal.SIGUSR1)
    assert status == 143
    assert output.splitlines() == ["ending", "the time limit is near; job 17 requeues itself"]
    assert asked(tmp_path) == "scontrol requeue 17\n"


def test_a_job_that_saves_nothing_in_its_time_is_not_requeued_for_ever(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: Job
) -> None:
    train_by(monkeypatch, tmp_path, TRAIN_UNTIL_TERMINATED)
    status, output = interrupt(job, signal.SIGUSR1)
    assert status == 143
    assert "no checkpoint within the time limit; give the job a longer --time" in output
    assert asked(tmp_path) == ""


@pytest.mark.parametrize("signals", [(signal.SIGTERM,), (signal.SIGUSR1, signal.SIGTERM)])
def test_a_cancelled_job_ends_the_training_and_is_not_requeued(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: Job, signals: tuple[int, ...]
) -> None:
    train_by(monkeypatch, tmp_path, TRAIN_UNTIL_TERMINATED)
    monkeypatch.setenv("SAVES", "yes")
    status, output = interrupt(job, *signals)
    assert status == 143
    assert output.startswith("ending\n")
    assert asked(tmp_path) == ""


def test_a_training_that_ends_well_in_spite_of_the_signal_has_ended_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: Job
) -> None:
    train_by(monkeypatch, tmp_path, TRAIN_UNTIL_TERMINATED.replace("exit 143", "exit 0"))
    status, _ = interrupt(job, signal.SIGUSR1)
    assert status == 0
    assert asked(tmp_path) == ""


def test_each_task_of_an_array_finds_its_run_and_its_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    jobs = [make_job(tmp_path, name, (f"--name={name}",)) for name in ("a b", "$c", "'d'")]
    jobs[0].log.parent.mkdir()
    train_by(monkeypatch, tmp_path, 'echo "$@"; exit 75')
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "17")
    script = run_commands(jobs, make_config(), array=True)
    for task in range(3):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", str(task))
        subprocess.run(["bash", "-c", script], check=False, timeout=20)
    for job in jobs:
        assert f"-m survkit.train --name={job.name}\n" in job.log.read_text()
    assert asked(tmp_path) == "".join(f"scontrol requeue 17_{task}\n" for task in range(3))


def test_the_training_finds_this_survkit_and_keeps_to_its_cores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: Job
) -> None:
    train_by(monkeypatch, tmp_path, 'echo "$OMP_NUM_THREADS $LOKY_MAX_CPU_COUNT $PYTHONPATH"')
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    _, output = finish(job, cpu=3)
    root = Path(__file__).parents[2]
    assert output.splitlines()[-1] == f"3 3 {root}:/elsewhere"


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
