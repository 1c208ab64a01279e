"""A batch script and the process that it becomes, run by bash without a cluster.

The training is a small shell script here, so that it can fail at will; tests/integration/slurm runs
real trainings on a real cluster.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from survkit.launch.jobs import Job
from survkit.slurm.batch_script import batch_script
from tests.launch.job_fixtures import make_job
from tests.runs.records import finish as finish_record
from tests.runs.records import small_result
from tests.slurm.job_fixtures import make_config

PYTHON = """
if [ "$2" = survkit.slurm.batch_job ]; then
  begin='import sys; sys.executable = sys.argv.pop(1); sys.argv.pop(1); sys.argv.pop(1)
from survkit.slurm.batch_job import main; sys.exit(main())'
  exec {python} -c "$begin" "$0" "$@"
fi
{commands}
"""
"""An interpreter that runs the process of a job as it is, and shell commands as the training."""


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return make_job(tmp_path, "run")


def train_by(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, commands: str) -> None:
    """Let shell commands be the training, and keep what scontrol is asked."""
    for name, content in {
        "python": PYTHON.format(python=sys.executable, commands=commands),
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
    (tmp_path / "launcher").mkdir()


def start(job: Job, **flags: object) -> subprocess.Popen[bytes]:
    """Start a batch script as SLURM does, with its output in the log."""
    script = batch_script([job], make_config(**flags), ())
    with job.log.open("ab") as log:
        return subprocess.Popen(["bash", "-c", script], stdout=log, stderr=log)


def finish(job: Job, **flags: object) -> tuple[int, str]:
    status = start(job, **flags).wait(timeout=60)
    return status, job.log.read_text()


def note(job: Job) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(job.log.with_suffix(".json").read_text())
    return content


def asked(tmp_path: Path) -> str:
    path = tmp_path / "asked"
    return path.read_text() if path.exists() else ""


RECORD = f"""echo '{json.dumps(small_result())}' > "$RUN/result.json"\n"""
FAIL_TWICE = f"""
echo again >> "$RUN/tries"
(($(wc -l < "$RUN/tries") > 2)) || exit 1
{RECORD}
"""


def test_a_failure_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: Job
) -> None:
    train_by(monkeypatch, tmp_path, FAIL_TWICE)
    status, output = finish(job, retries=2)
    assert status == 0
    assert output.count("=== ") == 3
    assert "attempt 3 on " in output
    assert ", SLURM job 17: " in output
    assert "ended with exit status 1\n" in output
    assert note(job)["status"] == "done"
    assert (note(job)["attempts"], note(job)["job_id"]) == (3, "17")


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
    assert (note(job)["status"], note(job)["exit_status"]) == ("failed", 2)


def test_a_training_that_leaves_no_record_has_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: Job
) -> None:
    train_by(monkeypatch, tmp_path, "exit 0")
    status, output = finish(job)
    assert status == 1
    assert output.endswith(f"finished without an error, but left no record at {job.folder}\n")


def test_a_training_that_is_killed_is_said_to_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: Job
) -> None:
    train_by(monkeypatch, tmp_path, "kill -KILL $$")
    status, output = finish(job, retries=1)
    assert (status, output.count("=== ")) == (128 + signal.SIGKILL, 2)
    assert output.splitlines()[-1] == "killed by SIGKILL (out of memory?)"


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
    """Send signals to the batch script once it trains; return what it says then."""
    process = start(job, retries=3)
    deadline = time.monotonic() + 60
    while "training\n" not in job.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    before = len(job.log.read_text())
    for number in signals:
        process.send_signal(number)
        time.sleep(0.1)
    return process.wait(timeout=60), job.log.read_text()[before:]


def test_near_the_time_limit_the_training_ends_and_the_job_requeues_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: Job
) -> None:
    train_by(monkeypatch, tmp_path, TRAIN_UNTIL_TERMINATED)
    monkeypatch.setenv("SAVES", "yes")
    status, output = interrupt(job, signal.SIGUSR1)
    assert status == 143
    assert output.endswith("ending\nthe time limit is near; job 17 requeues itself\n")
    assert asked(tmp_path) == "scontrol requeue 17\n"
    assert note(job)["status"] == "submitted"
    assert note(job)["note"] == "the time limit is near; job 17 requeues itself"


def test_a_job_that_saves_nothing_in_its_time_is_not_requeued_for_ever(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: Job
) -> None:
    train_by(monkeypatch, tmp_path, TRAIN_UNTIL_TERMINATED)
    status, output = interrupt(job, signal.SIGUSR1)
    assert status == 143
    assert output.endswith("no checkpoint within the time limit; give the job a longer --time\n")
    assert note(job)["status"] == "failed"
    assert asked(tmp_path) == ""


def test_a_requeue_that_slurm_refuses_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: Job
) -> None:
    train_by(monkeypatch, tmp_path, "exit 75")
    (tmp_path / "bin" / "scontrol").write_text("#!/bin/bash\necho no requeue here >&2; exit 1\n")
    assert finish(job)[0] == 75
    assert (note(job)["status"], note(job)["note"]) == ("failed", "no requeue here")


@pytest.mark.parametrize("signals", [(signal.SIGTERM,), (signal.SIGUSR1, signal.SIGTERM)])
def test_a_cancelled_job_ends_the_training_and_is_not_requeued(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: Job, signals: tuple[int, ...]
) -> None:
    train_by(monkeypatch, tmp_path, TRAIN_UNTIL_TERMINATED)
    monkeypatch.setenv("SAVES", "yes")
    status, output = interrupt(job, *signals)
    assert status == 143
    assert output.endswith("ending\n")
    assert note(job)["status"] == "stopped"
    assert asked(tmp_path) == ""


def test_a_training_that_ends_well_in_spite_of_the_signal_has_ended_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: Job
) -> None:
    train_by(monkeypatch, tmp_path, TRAIN_UNTIL_TERMINATED.replace("exit 143", "exit 0"))
    finish_record(job.folder)
    status, _ = interrupt(job, signal.SIGUSR1)
    assert (status, note(job)["status"]) == (0, "done")
    assert asked(tmp_path) == ""


def test_each_task_of_an_array_finds_its_run_and_its_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    jobs = [make_job(tmp_path, name, csv_path=name) for name in ("a b", "$c", "'d'")]
    train_by(monkeypatch, tmp_path, 'echo "$@"; exit 75')
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "17")
    script = batch_script(jobs, make_config(), ())
    for task in range(3):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", str(task))
        subprocess.run(["bash", "-c", script], check=False, timeout=60)
    for job in jobs:
        assert f" --csv_path={job.name} " in job.log.read_text().splitlines()[1]
    assert asked(tmp_path) == "".join(f"scontrol requeue 17_{task}\n" for task in range(3))


def test_the_training_finds_this_survkit_and_keeps_to_its_cores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: Job
) -> None:
    train_by(monkeypatch, tmp_path, 'echo "$OMP_NUM_THREADS $LOKY_MAX_CPU_COUNT $PYTHONPATH"')
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    _, output = finish(job, cpu=3)
    root = Path(__file__).parents[2]
    assert output.splitlines()[1] == f"3 3 {root}:/elsewhere"
