"""Runs every training run of a sweep that has no record yet, on this machine or on a cluster.

python -m survkit.grid_search --group support2_mixture
"""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from survkit.cli import FAILED, INTERRUPTED, TERMINATED, run_command
from survkit.configs.args_file import Given, build_config, given_flags
from survkit.configs.batch_run import BatchRunConfig
from survkit.configs.launch import LaunchConfig
from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig
from survkit.extras import require
from survkit.launch.jobs import Job, JobSource, Outcome, join_seeds
from survkit.launch.overview import Overview, closing_table
from survkit.runs.flags import registry_names

# The heavy imports are in the functions below, so that --help answers at once.
if TYPE_CHECKING:
    from survkit.launch.plan import Plan

PROG = "survkit.grid_search"

RUNNER_PACKAGES = {
    "prefect": ("prefect", "rich"),
    "process": ("rich",),
    "dask": ("prefect", "prefect_dask", "rich"),
    "slurm": ("simple_slurm", "rich"),
}
"""What each runner needs of the extra `launch`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status, which is not 0 where a run failed."""
    argv = sys.argv[1:] if argv is None else argv

    def command() -> int:
        given = given_flags(
            (BatchRunConfig, WandbConfig, TrainConfig),
            argv,
            prog=PROG,
            description=str(__doc__),
            words=registry_names(),
        )
        return grid_search(given)

    return run_command(PROG, command)


def grid_search(given: Given) -> int:
    """Plan the runs, launch those that have no record, and say how each ended.

    Parameters
    ----------
    given : Given
        Values for fields of `BatchRunConfig`, `WandbConfig` and `TrainConfig`.

    Returns
    -------
    int
        0, or 1 where a run failed, or 130 and 143 where Ctrl-C or SIGTERM stopped the launcher.

    Raises
    ------
    InputError
        For anything that cannot be used; nothing has been started then.
    """
    from survkit.launch.plan import plan_sweeps

    config: BatchRunConfig = build_config(BatchRunConfig, given.values)
    if not config.dry_run:
        require_runner(config)
    plan = plan_sweeps(config, given.values, of_files=set(given.of_files) - set(given.typed))
    _show(plan)
    jobs = plan.jobs
    if config.join_seeds and config.runner != "slurm":
        jobs = join_seeds(jobs)
    if config.dry_run:
        show_commands(jobs, config)
        return 0
    if not jobs:
        print("nothing to run")
        return 0
    outcomes, exit_status = run_jobs(jobs, config, Overview(len(plan.jobs)), prog=PROG)
    print(closing_table([*plan.skipped, *outcomes]))
    return exit_status


def require_runner(config: LaunchConfig) -> None:
    """Refuse a runner whose packages are not installed."""
    require(RUNNER_PACKAGES[config.runner], f"--runner {config.runner}")


def run_jobs(
    jobs: Sequence[Job],
    config: LaunchConfig,
    overview: Overview,
    *,
    prog: str,
    source: JobSource | None = None,
) -> tuple[list[Outcome], int]:
    """Run jobs where the configuration says, until they have ended or a signal stops them.

    A `source` gives further jobs while these run; on SLURM they are followed to their ends.

    Returns
    -------
    tuple
        How each run ended, and the exit status of the command `prog`: 0, or 1 where a run failed,
        or 130 and 143 where Ctrl-C or SIGTERM stopped it.
    """
    require_runner(config)
    with _signals_stop(prog) as stop:
        outcomes = _launch(jobs, config, stop, overview, source)
    if stop.exit_status:
        return outcomes, stop.exit_status
    return outcomes, FAILED if any(outcome.status.is_bad for outcome in outcomes) else 0


def _show(plan: Plan) -> None:
    for outcome in plan.skipped:
        print(f"skipped {outcome.job.name}: {outcome.note}")
    print(f"{len(plan.jobs)} to run, {len(plan.skipped)} skipped")


def show_commands(jobs: Sequence[Job], config: LaunchConfig) -> None:
    """Print the commands of jobs, or on SLURM their scripts."""
    if config.runner == "slurm":
        from survkit.slurm.slurm_launcher import slurm_scripts

        for script in slurm_scripts(jobs, config):
            print(script)
        return
    for job in jobs:
        print(f"# {job.name}" + (f", after {', '.join(job.after)}" if job.after else ""))
        print(shlex.join(["python", "-m", "survkit.train", *job.arguments]))


class _Stop(threading.Event):
    """Set once a signal has asked the launcher to stop; knows the exit status that follows."""

    exit_status = 0


@contextmanager
def _signals_stop(prog: str) -> Iterator[_Stop]:
    """Let Ctrl-C and SIGTERM set an event, so that running jobs can be ended first."""
    stop = _Stop()

    def handle(number: int, _frame: FrameType | None) -> None:
        if not stop.is_set():
            print(f"{prog}: stopping; run the same command to continue", file=sys.stderr)
        stop.exit_status = INTERRUPTED if number == signal.SIGINT else TERMINATED
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _launch(
    jobs: Sequence[Job],
    config: LaunchConfig,
    stop: _Stop,
    overview: Overview,
    source: JobSource | None,
) -> list[Outcome]:
    if config.runner == "slurm":
        from survkit.slurm.slurm_launcher import slurm_launch, slurm_launch_source

        if source is not None:
            return slurm_launch_source(jobs, source, config, stop=stop, overview=overview)
        return slurm_launch(jobs, config, stop=stop, overview=overview)
    from survkit.launch.local import launch_locally

    return launch_locally(jobs, config, stop=stop, overview=overview, source=source)


if __name__ == "__main__":
    sys.exit(main())
