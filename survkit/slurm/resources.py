"""Checks what is asked of SLURM as far as it can be known before SLURM is asked."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable

from survkit.configs.launch import LaunchConfig
from survkit.launch.jobs import Job
from survkit.slurm.simple_slurm_script import CLUSTERS
from survkit.text import cut, nearest
from survkit.types import InputError

COMMANDS = ("sbatch", "squeue", "scontrol")
UNLIMITED = ("0", "infinite", "unlimited")

_NUMBER = r"[0-9]{1,9}"
_TIME = re.compile(rf"{_NUMBER}-{_NUMBER}(:{_NUMBER}){{0,2}}|{_NUMBER}(:{_NUMBER}){{0,2}}")
_MEMORY = re.compile(rf"{_NUMBER}[KMGTkmgt]?")
_GPU = re.compile(r"([A-Za-z][\w.-]{0,99}:)?[1-9][0-9]{0,8}", re.ASCII)
_NAME = re.compile(r"[^\s-][^\s]{0,254}")


def check_resources(jobs: Iterable[Job], config: LaunchConfig) -> None:
    """Check the SLURM flags, and that jobs which are requeued do not start over."""
    if config.cluster not in CLUSTERS:
        raise InputError(
            f"--cluster is '{cut(config.cluster)}'{nearest(config.cluster, CLUSTERS)}; "
            f"known are {', '.join(CLUSTERS)}; add others in survkit/slurm/simple_slurm_script.py"
        )
    names = ((flag, _NAME, "a name without spaces") for flag in ("account", "partition", "qos"))
    for name, pattern, right in (
        *names,
        ("gpu", _GPU, "a number or type:number, such as 1 or a100:1"),
        ("memory", _MEMORY, "a whole number with K, M, G or T, such as 8G"),
    ):
        value = getattr(config, name)
        if value is not None and not pattern.fullmatch(value):
            raise InputError(f"--{name} is '{cut(value)}'; it must be {right}")
    seconds = time_limit_seconds(config.time)
    if config.requeue and seconds is not None and config.requeue_seconds >= seconds:
        raise InputError(
            f"--requeue_seconds is {config.requeue_seconds}, which leaves nothing of a time limit "
            f"of {seconds} s; it must be below that, or give --no_requeue"
        )
    if config.requeue and not all(job.config.resume for job in jobs):
        raise InputError(
            "--no_resume does not go with --requeue, as the job would start over each time; "
            "give --no_requeue"
        )


def check_commands() -> None:
    """Raise InputError where one of SLURM's commands is not on the path."""
    for command in COMMANDS:
        if shutil.which(command) is None:
            raise InputError(
                f"there is no {command} on the path; start this on a login node of the cluster, "
                "or run on this machine with --runner process"
            )


def time_limit_seconds(text: str) -> int | None:
    """Return a time limit in seconds; None where it is unlimited.

    The text has a form that sbatch takes: minutes, minutes:seconds, hours:minutes:seconds,
    days-hours, days-hours:minutes or days-hours:minutes:seconds.
    """
    if text.casefold() in UNLIMITED:
        return None
    if not _TIME.fullmatch(text):
        raise InputError(
            f"--time is '{cut(text)}'; it must be minutes, hours:minutes:seconds or "
            "days-hours:minutes:seconds, such as 4:00:00"
        )
    parts = [int(part) for part in re.split("[-:]", text)]
    if "-" not in text:  # one number is minutes, two are minutes and seconds
        parts = [0, *parts] if len(parts) == 3 else [0, 0, *parts]
    days, hours, minutes, seconds = (*parts, 0, 0, 0)[:4]
    return 86400 * days + 3600 * hours + 60 * minutes + seconds
