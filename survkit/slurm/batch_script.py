"""Groups jobs into submissions and writes the batch script of each.

A script runs one job, or as a job array the job of each task. An array is known by its script
alone: it names the run of every task.
"""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import survkit
from survkit.configs.launch import LaunchConfig
from survkit.launch.jobs import Job
from survkit.shell import shell_quoted
from survkit.slurm.batch_job import job_text
from survkit.slurm.queue import ARRAY_COMMENT, run_comment, run_key
from survkit.slurm.simple_slurm_script import CLUSTERS, Submission

Batch = Sequence[Job]
"""One job, or the jobs of a job array, which wait for the same others."""


def batches(jobs: Sequence[Job], *, array: bool, largest_array: int) -> list[Batch]:
    """Return the submissions that jobs come to, each after those that it depends on, as jobs are.

    With `array`, jobs that wait for the same others become tasks of one array, or of several where
    they are more than `largest_array`.
    """
    if not array:
        return [(job,) for job in jobs]
    depth: dict[str, int] = {}
    groups: dict[tuple[int, frozenset[str]], list[Job]] = {}
    for job in jobs:
        depth[job.name] = 1 + max((depth.get(name, 0) for name in job.after), default=0)
        groups.setdefault((depth[job.name], frozenset(job.after)), []).append(job)
    ordered = [groups[key] for key in sorted(groups, key=lambda key: key[0])]
    return [
        group[start : start + largest_array]
        for group in ordered
        for start in range(0, len(group), largest_array)
    ]


def batch_script(batch: Batch, config: LaunchConfig, after: Sequence[str]) -> str:
    """Return the script of a submission that waits for the job ids `after`, as sbatch reads it."""
    first = batch[0]
    if len(batch) == 1:
        submission = Submission(_one_line(first.name), run_comment(first), first.log, tuple(after))
    else:
        keys = " ".join(run_key(job) for job in batch)
        digest = hashlib.sha256(keys.encode()).hexdigest()[:16]
        name = f"{_one_line(first.name)} and {len(batch) - 1} more"
        output = first.log.parent / f"array-{digest}.log"
        submission = Submission(name, ARRAY_COMMENT, output, tuple(after), len(batch))
    slurm = CLUSTERS[config.cluster](config, submission)
    slurm.add_cmd("\n".join(_commands(batch, config)))
    script: str = slurm.script(convert=False)
    return script


def _commands(batch: Batch, config: LaunchConfig) -> list[str]:
    """Return the bash commands that become the process of a job, or of each task's job."""
    root = shell_quoted(str(Path(survkit.__file__).parent.parent))
    return [
        f'export PYTHONPATH={root}"${{PYTHONPATH:+:$PYTHONPATH}}" PYTHONSAFEPATH=1',
        *(_choice_of_task(batch, config) if len(batch) > 1 else [_text(batch[0], config)]),
        f'exec {shell_quoted(sys.executable)} -m survkit.slurm.batch_job "$job"',
    ]


def _choice_of_task(batch: Batch, config: LaunchConfig) -> list[str]:
    lines = ["case $SLURM_ARRAY_TASK_ID in"]
    for task, job in enumerate(batch):
        lines += [
            f"{task}) # run {run_key(job)}: {_one_line(job.name)}",
            f"  exec >>{shell_quoted(str(job.log))} 2>&1",
            f"  {_text(job, config)}",
            "  ;;",
        ]
    return [*lines, "esac"]


def _text(job: Job, config: LaunchConfig) -> str:
    return f"job={shlex.quote(job_text(job, config))}"


def _one_line(text: str) -> str:
    """Return text with all white space made single spaces."""
    return " ".join(text.split())
