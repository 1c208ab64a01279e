"""Compares models over many datasets and splits, from one file to one page.

python -m survkit.benchmark --config args/benchmark_small.yaml
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survkit.cli import FAILED, run_command
from survkit.configs.args_file import Given, build_config, given_flags
from survkit.configs.benchmark import BenchmarkConfig
from survkit.configs.groups import check_group
from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig
from survkit.datasets import SPLIT_PARAMETERS
from survkit.runs.flags import registry_names
from survkit.types import InputError

# The heavy imports are in the functions below, so that --help answers at once.
if TYPE_CHECKING:
    from survkit.benchmark.cells import DatasetFacts
    from survkit.launch.jobs import Job
    from survkit.launch.plan import Plan

PROG = "survkit.benchmark"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status, which is not 0 where a run failed."""
    argv = sys.argv[1:] if argv is None else argv

    def command() -> int:
        given = given_flags(
            (BenchmarkConfig, WandbConfig, TrainConfig),
            argv,
            prog=PROG,
            description=str(__doc__),
            words=registry_names(),
        )
        return benchmark(given)

    return run_command(PROG, command)


def benchmark(given: Given) -> int:
    """Make the runs that have no record yet, compare the models and write the page.

    Parameters
    ----------
    given : Given
        Values for fields of `BenchmarkConfig`, `WandbConfig` and `TrainConfig`.

    Returns
    -------
    int
        0, or 1 where a run failed, or 130 and 143 where a signal stopped the command; the page
        shows what is there.

    Raises
    ------
    InputError
        For a file or flags that cannot be used; nothing has been started then.
    """
    from survkit.benchmark.cells import read_cells
    from survkit.benchmark.definition import read_benchmark, sizes
    from survkit.benchmark.page import findings, gather, write_benchmark
    from survkit.benchmark.tables import means_table
    from survkit.launch.plan import plan_runs

    config: BenchmarkConfig = build_config(BenchmarkConfig, given.values)
    definition = read_benchmark(str(config.config))
    group = config.group or Path(str(config.config)).stem
    check_group(group)
    datasets, models, splits = sizes(definition)
    print(f"{datasets} datasets x {models} models x {splits} splits: planning", flush=True)
    wandb: WandbConfig = build_config(WandbConfig, {"mode": "disabled", **given.values})
    plan = plan_runs(
        group, definition.sweep, _overrides(given), wandb, check_wandb=config.check_wandb
    )
    jobs = [*plan.jobs, *(outcome.job for outcome in plan.skipped)]
    if not jobs:
        raise InputError(f"no run can be made; the first one: {plan.refused[0].why}")
    outcomes, exit_status = _run(plan, config)
    if config.dry_run:
        return exit_status
    cells = read_cells(jobs, outcomes, plan.refused, definition.kinds)
    material = gather(cells, _facts(jobs, definition.kinds))
    for comparison in material.comparisons:
        print(f"\n{comparison.metric}\n{means_table(comparison).text.to_string()}")
        print("\n".join(findings(comparison)))
    for path in write_benchmark(material, Path(jobs[0].config.log_dir) / group):
        print(f"saved {path}")
    return exit_status or (FAILED if plan.refused else 0)


def _overrides(given: Given) -> dict[str, Any]:
    """Return the flags of training that were given, for every run."""
    fields = {field.name for field in dataclasses.fields(TrainConfig)} - {"group", "seeds"}
    overrides = {name: value for name, value in given.values.items() if name in fields}
    for name in ("dataset", "model", "seeds", *SPLIT_PARAMETERS[1:]):
        if name in given.values:
            raise InputError(f"--{name} cannot be given here: the benchmark's file says it")
    if "evaluate_test" in given.values:
        raise InputError("--evaluate_test cannot be given here: models are compared on test rows")
    return overrides


def _run(plan: Plan, config: BenchmarkConfig) -> tuple[list[Any], int]:
    """Run what has no record yet; return how it ended, and the exit status."""
    from survkit.grid_search import run_jobs, show_commands
    from survkit.launch.jobs import join_seeds
    from survkit.launch.overview import Overview, closing_table

    for run, why in plan.refused:
        print(f"cannot be made: {run.name}: {why}", file=sys.stderr)
    print(f"{len(plan.jobs)} to run, {len(plan.skipped)} finished before", flush=True)
    if not plan.jobs:
        return [], 0
    joins = config.join_seeds and config.runner != "slurm"
    jobs = join_seeds(plan.jobs) if joins else plan.jobs
    if config.dry_run:
        show_commands(jobs, config)
        return [], 0
    outcomes, exit_status = run_jobs(jobs, config, Overview(len(plan.jobs)), prog=PROG)
    print(closing_table(outcomes))
    return outcomes, exit_status


def _facts(jobs: Sequence[Job], kinds: Mapping[str, tuple[str, str]]) -> dict[str, DatasetFacts]:
    from survkit.benchmark.cells import facts_of
    from survkit.datasets import load_configured

    first: dict[str, Job] = {}
    for job in jobs:
        first.setdefault(kinds[job.kind][0], job)
    order = list(dict.fromkeys(dataset for dataset, _ in kinds.values()))
    return {
        name: facts_of(load_configured(asdict(first[name].config)))
        for name in order
        if name in first
    }


if __name__ == "__main__":
    sys.exit(main())
