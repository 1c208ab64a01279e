"""Runs jobs on a SLURM cluster: submits those that are not in the queue yet and follows them.

The queue itself says what it holds (see `queue.active_runs`), so a launcher that was killed and is
started again submits nothing twice.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from survkit.configs.launch import LaunchConfig
from survkit.launch.jobs import Job, Outcome
from survkit.launch.overview import Overview
from survkit.slurm.batch_script import batch_script, batches
from survkit.slurm.following import Follower
from survkit.slurm.queue import largest_array
from survkit.slurm.resources import check_commands, check_resources
from survkit.slurm.submission import submit_jobs


def slurm_launch(
    jobs: Sequence[Job], config: LaunchConfig, *, stop: threading.Event, overview: Overview
) -> list[Outcome]:
    """Submit jobs, each after those that it depends on; with `--wait`, follow them to their ends.

    Once `stop` is set, no further job is submitted or followed; those in the queue stay. A job in
    the queue that is not followed is `submitted`. A script that SLURM refuses is a failure of its
    jobs; if it is the first, sbatch's own words are the InputError's, and nothing is submitted.
    """
    check_resources(jobs, config)
    check_commands()
    submitted = submit_jobs(jobs, config, stop)
    outcomes = submitted.outcomes
    with overview:
        for job in jobs:
            if not (config.wait and job.name in submitted.job_ids):
                overview.ended(outcomes[job.name])
        if config.wait:
            Follower(jobs, submitted.job_ids, outcomes, overview).follow(stop)
    return [outcomes[job.name] for job in jobs]


def slurm_scripts(jobs: Sequence[Job], config: LaunchConfig) -> list[str]:
    """Return the scripts that `slurm_launch` would submit, in their order.

    An id that SLURM has not given yet is the name of the job in angle brackets.
    """
    check_resources(jobs, config)
    size = largest_array() if config.array else 1
    return [
        batch_script(batch, config, [f"<{name}>" for name in batch[0].after])
        for batch in batches(jobs, array=config.array, largest_array=size)
    ]
