"""What a job asks a cluster for: one function per cluster, chosen by `--cluster`.

To add a cluster, write a function like `example_site`, which changes what `generic` asks for and
adds the commands that come before the training, and give it a name in `CLUSTERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from simple_slurm import Slurm

from survkit.configs.launch import LaunchConfig


class Submission(NamedTuple):
    """What sets one submission of a sweep apart from the others.

    Parameters
    ----------
    name : str
        What `squeue` shows.
    comment : str
        By which a later launcher knows what the submission runs.
    output : Path
        File for what SLURM itself says.
    after : tuple of str
        Ids of the jobs that must end well before.
    tasks : int, optional
        Number of tasks of a job array; None for a job of its own.
    """

    name: str  # what squeue shows
    comment: str  # by which a later launcher knows what the submission runs
    output: Path  # file for what SLURM itself says
    after: tuple[str, ...] = ()  # ids of the jobs that must end well before
    tasks: int | None = None  # number of tasks of a job array; None for a job of its own


def generic(config: LaunchConfig, submission: Submission) -> Slurm:
    """Ask for what the flags say; works unchanged on a plain cluster."""
    slurm = Slurm(
        job_name=quoted(submission.name),
        comment=quoted(submission.comment),
        output=quoted_path(submission.output),
        open_mode="append",
        cpus_per_task=config.cpu,
        mem=config.memory,
        time=config.time,
    )
    slurm.set_shell("/bin/bash")
    for option in ("account", "partition", "qos"):
        if value := getattr(config, option):
            slurm.add_arguments(option, quoted(value))
    if config.gpu:
        slurm.set_gres(f"gpu:{config.gpu}")
    if submission.tasks is not None:
        limit = f"%{config.array_limit}" if config.array_limit else ""
        slurm.set_array(f"0-{submission.tasks - 1}{limit}")
    if submission.after:
        slurm.set_dependency(":".join(("afterok", *submission.after)))
        slurm.set_kill_on_invalid_dep("yes")  # else it would wait for ever
    if config.requeue:
        slurm.set_requeue(True)
        slurm.set_signal(f"B:USR1@{config.requeue_seconds}")
    else:
        slurm.set_no_requeue(True)
    return slurm


def example_site(config: LaunchConfig, submission: Submission) -> Slurm:
    """Show what a site's own function does: a constraint, modules, conda, a temporary directory."""
    slurm = generic(config, submission)
    slurm.set_constraint("a100|h100")
    slurm.add_cmd("module purge")
    slurm.add_cmd("module load cuda/12.4")
    slurm.add_cmd('source "$HOME/miniconda3/etc/profile.d/conda.sh"')
    slurm.add_cmd("conda activate survkit")
    slurm.add_cmd('export TMPDIR="/scratch/$SLURM_JOB_ID"')  # which this site's epilog removes
    return slurm


CLUSTERS: dict[str, Callable[[LaunchConfig, Submission], Slurm]] = {
    "generic": generic,
    "example_site": example_site,
}


def quoted(text: str) -> str:
    r"""Quote text for an #SBATCH line: between double quotes, sbatch reads \\ and \" as one."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def quoted_path(path: Path) -> str:
    """Quote a file name for an #SBATCH line, in which % has no meaning then.

    A backslash switches the meaning of % off and must be doubled itself.
    """
    text = str(path)
    text = text.replace("\\", "\\\\") if "\\" in text else text.replace("%", "%%")
    return quoted(text)
