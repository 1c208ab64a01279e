"""Groups jobs into submissions and writes the batch script of each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from survkit.configs.batch_run import BatchRunConfig
from survkit.launch.jobs import Job
from survkit.slurm.job_script import one_line, run_commands, run_key
from survkit.slurm.queue import ARRAY_COMMENT, run_comment
from survkit.slurm.simple_slurm_script import CLUSTERS, Submission

Batch = Sequence[Job]
"""One job, or the jobs of a job array, which wait for the same others."""


def batches(jobs: Sequence[Job], *, array: bool, largest_array: int) -> list[Batch]:
    """Return the submissions that jobs come to, each after those that it depends on.

    Parameters
    ----------
    jobs : sequence of Job
        The jobs, each after those that it depends on.
    array : bool
        Whether jobs that wait for the same others become tasks of one array.
    largest_array : int
        Largest number of tasks of an array.
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


def batch_script(batch: Batch, config: BatchRunConfig, after: Sequence[str]) -> str:
    """Return the script of a submission, as sbatch reads it.

    Parameters
    ----------
    batch : sequence of Job
        What it runs.
    config : BatchRunConfig
        What it asks the cluster for.
    after : sequence of str
        Ids of the jobs that it waits for.
    """
    first = batch[0]
    if len(batch) == 1:
        submission = Submission(one_line(first.name), run_comment(first), first.log, tuple(after))
    else:
        keys = " ".join(run_key(job) for job in batch)
        digest = hashlib.sha256(keys.encode()).hexdigest()[:16]
        name = f"{one_line(first.name)} and {len(batch) - 1} more"
        output = first.log.parent / f"array-{digest}.log"
        submission = Submission(name, ARRAY_COMMENT, output, tuple(after), len(batch))
    slurm = CLUSTERS[config.cluster](config, submission)
    slurm.add_cmd(run_commands(batch, config, array=len(batch) > 1))
    script: str = slurm.script(convert=False)
    return script
