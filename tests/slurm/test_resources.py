"""What is asked of SLURM is checked before SLURM is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from survkit.slurm.resources import check_commands, check_resources, time_limit_seconds
from survkit.slurm.slurm_launcher import slurm_scripts
from survkit.types import InputError
from tests.launch.job_fixtures import make_job
from tests.slurm.job_fixtures import make_config


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90 * 60),
        ("10:30", 10 * 60 + 30),
        ("4:00:00", 4 * 3600),
        ("2-12", 60 * 3600),
        ("2-12:30", 60 * 3600 + 30 * 60),
        ("1-00:00:01", 86401),
        ("0", None),
        ("UNLIMITED", None),
    ],
)
def test_time_limits_are_read_as_sbatch_reads_them(text: str, seconds: int | None) -> None:
    assert time_limit_seconds(text) == seconds


@pytest.mark.parametrize(
    "flags",
    [
        {},
        {"account": "lab", "partition": "short,long", "qos": "high", "gpu": "a100:2"},
        {"memory": "500", "time": "1-0", "gpu": "1"},
        {"time": "1:00", "requeue_seconds": 59},
        {"time": "1:00", "requeue_seconds": 60, "requeue": False},
        {"time": "0", "requeue_seconds": 10**6},
    ],
)
def test_sound_flags_pass(flags: dict[str, object]) -> None:
    check_resources((), make_config(**flags))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"cluster": "generik"}, r"generik.*did you mean generic.*generic, example_site"),
        ({"account": "my lab"}, "--account is 'my lab'; it must be a name without spaces"),
        ({"partition": ""}, "--partition"),
        ({"partition": "x" * 5000}, r"--partition is 'x{60}\.\.\. \(5,000 characters\)'"),
        ({"time": "9" * 5000}, r"--time is '9{60}\.\.\. \(5,000 characters\)'"),
        ({"time": "\uff14:00:00"}, "--time"),
        ({"memory": "\uff18G"}, "--memory"),
        ({"memory": "9" * 5000}, r"\(5,000 characters\)"),
        ({"gpu": "a100:" + "9" * 5000}, r"\(5,005 characters\)"),
        ({"cluster": "x" * 5000}, r"\(5,000 characters\)"),
        ({"qos": "-x"}, "--qos"),
        ({"gpu": "a100"}, "--gpu is 'a100'; it must be a number or type:number"),
        ({"gpu": "0"}, "--gpu"),
        ({"memory": "8 GB"}, "--memory is '8 GB'"),
        ({"time": "4h"}, "--time is '4h'"),
        ({"time": "1:2:3:4"}, "--time"),
        ({"time": "1"}, "--requeue_seconds is 120.*time limit of 60 s.*--no_requeue"),
    ],
)
def test_flags_that_cannot_be_used_are_named(flags: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_resources((), make_config(**flags))


def test_trainings_that_would_start_over_are_refused() -> None:
    with pytest.raises(InputError, match="--no_resume does not go with --requeue"):
        slurm_scripts([make_job(Path("/logs"), "a", resume=False)], make_config())


def test_a_training_may_start_over_where_nothing_requeues_it() -> None:
    assert slurm_scripts([make_job(Path("/logs"), "a", resume=False)], make_config(requeue=False))


def test_scripts_can_be_seen_on_a_machine_without_slurm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    jobs = [make_job(Path("/logs"), name) for name in "ab"]
    (script,) = slurm_scripts(jobs, make_config(array=True))
    assert "0-1" in script


def test_a_machine_without_slurm_is_told_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="no sbatch on the path"):
        check_commands()
