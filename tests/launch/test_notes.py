"""What is noted of jobs beside their logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from survkit.launch.jobs import Outcome, Status, join_seeds
from survkit.launch.notes import read_note, write_note
from tests.launch.job_fixtures import make_job
from tests.runs.records import finish


def test_each_run_of_a_job_has_its_note_and_all_share_a_log(tmp_path: Path) -> None:
    runs = [
        make_job(tmp_path, f"mtlr{seed}", dataset="veteran", model="mtlr", seed=seed)
        for seed in (42, 43)
    ]
    (job,) = join_seeds([run._replace(stack="a") for run in runs])
    finish(runs[0].folder)
    failed = Outcome(job, Status.FAILED, 3.0, 100.0, "it broke", exit_status=1, attempts=2)
    write_note(failed, place="GPU 0", gpu="GPU-abc")
    done, broken = map(read_note, runs)
    assert (done["status"], done["note"], done["seed"]) == ("done", "", 42)
    assert (broken["status"], broken["note"], broken["seed"]) == ("failed", "it broke", 43)
    assert (broken["dataset"], broken["model"]) == ("veteran", "mtlr")
    assert (broken["exit_status"], broken["attempts"], broken["seconds"]) == (1, 2, 1.5)
    assert (broken["place"], broken["gpu"], broken["job_id"]) == ("GPU 0", "GPU-abc", None)
    assert broken["log"] == done["log"] == runs[0].log.name
    assert "--seed=43" in broken["command"]


@pytest.mark.parametrize("text", [None, "", "{", "[]"])
def test_a_note_that_is_missing_or_damaged_says_nothing(tmp_path: Path, text: str | None) -> None:
    job = make_job(tmp_path, "a")
    if text is not None:
        job.log.parent.mkdir()
        job.log.with_suffix(".json").write_text(text)
    assert read_note(job) == {}


def test_a_note_that_cannot_be_written_costs_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "launcher").write_text("a file, not a folder")
    write_note(Outcome(make_job(tmp_path, "a"), Status.DONE), place="slot 1")
    assert "warning: cannot write" in capsys.readouterr().err
