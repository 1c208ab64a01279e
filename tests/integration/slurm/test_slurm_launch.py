"""Real jobs on a real SLURM: chains, arrays, failures, quoting, refusals."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
from simple_slurm import Slurm

from survkit.configs.batch_run import BatchRunConfig
from survkit.launch.jobs import Job, Status
from survkit.slurm.simple_slurm_script import CLUSTERS, Submission, generic
from survkit.types import InputError
from tests.integration.slurm.sweeps import COXPH, FAILING, held_ids, launch, note, plan, wait_until
from tests.launch.job_fixtures import make_job

pytestmark = pytest.mark.cluster

ODD = "two words, 'single' \"double\" $HOME `x` 100%j é"
"""A folder's name that corrupts a command somewhere."""

HOSTILE = (
    "a b",
    "'",
    '"',
    "$HOME",
    "$(id)",
    "`id`",
    "\\",
    "\\n",
    "a\r\nb",
    "\n#SBATCH x",
    "*",
    "é😀",
    "",
)

PROGRAM = """#!{python}
import json, sys
if "survkit.slurm.batch_job" in sys.argv:
    from survkit.slurm.batch_job import main
    sys.executable = __file__
    sys.exit(main(sys.argv[3:]))
print(json.dumps(sys.argv[1:]))
sys.exit(2)
"""
"""An interpreter that runs the process of a job as it is, and in the training's place shows its
arguments."""


def held(config: BatchRunConfig, submission: Submission) -> Slurm:
    """Keep jobs in the queue."""
    return generic(config, submission).set_hold(True)


@pytest.fixture
def jobs_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CLUSTERS, "generic", held)


def test_a_chain_runs_in_its_order_whatever_the_names(tmp_path: Path) -> None:
    jobs, config = plan(
        tmp_path,
        COXPH,
        {"name": "then", **COXPH, "cox_alpha": 0.1, "after": ["coxph"]},
        log_dir=ODD,
    )
    first, then = outcomes = launch(jobs, config)
    assert [outcome.status for outcome in outcomes] == [Status.DONE, Status.DONE]
    for outcome in outcomes:
        assert outcome.seconds is not None
        assert outcome.peak_memory_mb is not None
        assert f"record: {outcome.job.folder}\n" in outcome.job.log.read_text()
        noted = note(outcome.job)
        assert noted["status"] == "done"
        header = outcome.job.log.read_text().splitlines()[0]
        assert f", SLURM job {noted['job_id']}: " in header
    assert start(then.job) > (first.job.folder / "result.json").stat().st_mtime - 1


def start(job: Job) -> float:
    """Return when a job's last attempt began, to the second."""
    header = [line for line in job.log.read_text().splitlines() if line.startswith("=== ")][-1]
    return datetime.fromisoformat(header.split()[1]).timestamp()


def test_a_failure_is_named_what_needs_it_is_blocked_and_the_others_finish(tmp_path: Path) -> None:
    jobs, config = plan(
        tmp_path,
        FAILING,
        {"name": "needs bad", **COXPH, "cox_alpha": 0.1, "after": ["bad"]},
        {"name": "needs that", **COXPH, "cox_alpha": 0.2, "after": ["needs bad"]},
        {"name": "good", **COXPH},
        retries=2,
    )
    outcomes = {outcome.job.name: outcome for outcome in launch(jobs, config)}
    assert outcomes["sweep good"].status is Status.DONE
    bad = outcomes["sweep bad"]
    assert bad.status is Status.FAILED
    assert bad.note.startswith("survkit.train: error: 100 trees")
    assert bad.job.log.read_text().count("=== ") == 1  # bad input is not tried again
    for name, needed in {
        "needs bad": "sweep bad (failed)",
        "needs that": "sweep needs bad (blocked)",
    }.items():
        outcome = outcomes[f"sweep {name}"]
        assert (outcome.status, outcome.note) == (Status.BLOCKED, f"needs {needed}")
        assert not outcome.job.log.exists()


def test_an_array_keeps_to_its_limit(tmp_path: Path) -> None:
    jobs, config = plan(tmp_path, {**COXPH, "seed": [1, 2]}, array=True, array_limit=1)
    outcomes = launch(jobs, config)
    assert [outcome.status for outcome in outcomes] == [Status.DONE, Status.DONE]
    first, second = (note(job)["job_id"] for job in jobs)
    assert second == first.removesuffix("_0") + "_1"
    assert start(jobs[1]) > (jobs[0].folder / "result.json").stat().st_mtime - 1


def test_arguments_reach_the_program_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    _, config = plan(tmp_path, COXPH)
    jobs = [
        make_job(tmp_path / ODD, name, model="a\r\nb", categorical_columns=HOSTILE)
        for name in ("plain", "in an array", "also")
    ]
    outcomes = launch(jobs[:1], config)
    outcomes += launch(jobs[1:], BatchRunConfig(**{**vars(config), "array": True}))
    for outcome in outcomes:
        assert outcome.status is Status.FAILED
        assert json.loads(outcome.note) == ["-m", "survkit.train", *outcome.job.arguments]


def test_the_words_of_sbatch_are_shown_where_it_refuses(tmp_path: Path) -> None:
    jobs, config = plan(tmp_path, COXPH, partition="nowhere")
    with pytest.raises(InputError, match="sbatch: error: invalid partition specified: nowhere"):
        launch(jobs, config)
    assert held_ids() == []


def test_a_refusal_later_on_is_the_failure_of_its_job_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def second_is_refused(config: BatchRunConfig, submission: Submission) -> Slurm:
        slurm = held(config, submission)
        return slurm.set_partition("nowhere") if "seed=2" in submission.name else slurm

    monkeypatch.setitem(CLUSTERS, "generic", second_is_refused)
    last = {"name": "last", **COXPH, "cox_alpha": 0.1, "after": ["coxph"]}
    jobs, config = plan(tmp_path, {**COXPH, "seed": [1, 2, 3]}, last, wait=False)
    outcomes = launch(jobs, config)
    submitted, failed, blocked = Status.SUBMITTED, Status.FAILED, Status.BLOCKED
    assert [outcome.status for outcome in outcomes] == [submitted, failed, submitted, blocked]
    assert "invalid partition specified: nowhere" in outcomes[1].note
    assert outcomes[3].note == "needs sweep coxph seed=2 (failed)"
    assert len(held_ids()) == 2


@pytest.mark.usefixtures("jobs_are_held")
@pytest.mark.parametrize("array", [False, True])
def test_what_is_in_the_queue_is_not_submitted_again(tmp_path: Path, array: bool) -> None:
    waits = {"name": "waits", **COXPH, "cox_alpha": 0.1, "after": ["coxph"]}
    runs = ({**COXPH, "seed": [1, 2, 3]}, waits)
    jobs, config = plan(tmp_path, *runs, array=array, wait=False)
    before = launch(jobs[1:3], config)
    now = launch(jobs, config)
    assert all(outcome.status is Status.SUBMITTED for outcome in now)
    assert [o.note for o in now[1:3]] == [f"already in the queue as {o.note}" for o in before]
    assert len(held_ids()) == 4
    again = launch(jobs, config)
    assert all(outcome.note.startswith("already in the queue as job ") for outcome in again)
    assert len(held_ids()) == 4


@pytest.mark.usefixtures("jobs_are_held")
def test_an_array_beyond_the_cluster_s_limit_becomes_several(tmp_path: Path) -> None:
    jobs, config = plan(tmp_path, {**COXPH, "seed": list(range(8))}, array=True, wait=False)
    arrays = {outcome.note.split("_")[0] for outcome in launch(jobs, config)}
    assert len(arrays) == 2
    assert len(held_ids()) == 8


@pytest.mark.usefixtures("jobs_are_held")
def test_launchers_at_once_submit_every_run_once(tmp_path: Path) -> None:
    jobs, config = plan(tmp_path, {**COXPH, "seed": [1, 2, 3, 4]}, wait=False)
    with ThreadPoolExecutor(3) as pool:
        for outcomes in pool.map(lambda _: launch(jobs, config), range(3)):
            assert all(outcome.status is Status.SUBMITTED for outcome in outcomes)
    assert len(held_ids()) == 4


@pytest.mark.usefixtures("jobs_are_held")
def test_a_launcher_that_is_stopped_leaves_the_jobs_and_says_how_to_end_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs, config = plan(tmp_path, {**COXPH, "seed": [1, 2]})
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        launching = pool.submit(launch, jobs, config, stop)
        wait_until(lambda: len(held_ids()) == 2)
        stop.set()
        outcomes = launching.result(timeout=10)
    ids = " ".join(outcome.note.removeprefix("job ") for outcome in outcomes)
    assert all(outcome.status is Status.SUBMITTED for outcome in outcomes)
    assert f"the jobs keep running; scancel {ids} ends them" in capsys.readouterr().out
    assert sorted(ids.split()) == held_ids()


@pytest.mark.usefixtures("jobs_are_held")
def test_a_controller_that_does_not_answer_ends_nothing_that_is_followed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs, config = plan(tmp_path, COXPH)
    printed = ""

    def has_printed(text: str) -> bool:
        nonlocal printed
        printed += capsys.readouterr().out
        return text in printed

    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        launching = pool.submit(launch, jobs, config, stop)
        wait_until(lambda: has_printed("wait: JobHeldUser"))
        with pytest.MonkeyPatch.context() as patch:
            down = tmp_path / "slurm.conf"
            configuration = Path(os.environ["SLURM_CONF"]).read_text()
            elsewhere = re.sub(r"SlurmctldPort=\d+", "SlurmctldPort=1", configuration)
            down.write_text(elsewhere + "MessageTimeout=2\n")
            patch.setenv("SLURM_CONF", str(down))
            wait_until(lambda: has_printed("Unable to contact slurm controller"))
            with pytest.raises(InputError, match="Unable to contact slurm controller"):
                launch(jobs, config)
        time.sleep(3)
        assert not launching.done()
        stop.set()
        (outcome,) = launching.result()
    assert outcome.note == f"job {held_ids()[0]}"


def test_nothing_is_submitted_after_the_stop(tmp_path: Path) -> None:
    jobs, config = plan(tmp_path, COXPH)
    stop = threading.Event()
    stop.set()
    (outcome,) = launch(jobs, config, stop)
    assert (outcome.status, outcome.note) == (Status.STOPPED, "not submitted")
    assert held_ids() == []


def test_a_gpu_and_a_site_s_own_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def site(config: BatchRunConfig, submission: Submission) -> Slurm:
        slurm = generic(config, submission)
        slurm.add_cmd('echo "sees GPU $CUDA_VISIBLE_DEVICES in $TMPDIR"; exit 1')
        return slurm

    monkeypatch.setitem(CLUSTERS, "mine", site)
    jobs, config = plan(tmp_path, COXPH, gpu="1", cluster="mine")
    (outcome,) = launch(jobs, config)
    assert outcome.note.startswith("sees GPU 0 in")
