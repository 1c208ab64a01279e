"""Compares models over many datasets and splits, from one file to one page.

python -m survkit.benchmark --config args/benchmark_small.yaml
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

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
    from survkit.launch.job_maker import JobMaker
    from survkit.launch.jobs import Job, Outcome
    from survkit.launch.plan import Plan, Refused
    from survkit.search.definition import Search

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
    from survkit.benchmark.searches import searches_of
    from survkit.benchmark.tables import means_table
    from survkit.launch.job_maker import JobMaker
    from survkit.launch.plan import plan_runs

    config: BenchmarkConfig = build_config(BenchmarkConfig, given.values)
    definition = read_benchmark(str(config.config))
    for flag in ("check_wandb", "array"):
        if definition.search is not None and getattr(config, flag):
            raise InputError(f"--{flag} does not go with searches, which make one run at a time")
    group = config.group or Path(str(config.config)).stem
    check_group(group)
    datasets, models, splits = sizes(definition)
    print(f"{datasets} datasets x {models} models x {splits} splits: planning", flush=True)
    wandb: WandbConfig = build_config(WandbConfig, {"mode": "disabled", **given.values})
    make_job = JobMaker()
    plan = plan_runs(
        group,
        definition.sweep,
        _overrides(given),
        wandb,
        check_wandb=config.check_wandb,
        make_job=make_job,
    )
    planned = [*plan.jobs, *(outcome.job for outcome in plan.skipped)]
    if not planned:
        raise InputError(f"no run can be made; the first one: {plan.refused[0].why}")
    for run, why in plan.refused:
        print(f"cannot be made: {run.name}: {why}", file=sys.stderr)
    if definition.search is None:
        done = _run(plan, config)
    else:
        done = _search(searches_of(definition, planned, _overrides(given), make_job), config)
    if config.dry_run:
        return done.exit_status
    refused = [*plan.refused, *done.refused]
    cells = read_cells(done.jobs, done.outcomes, refused, definition.kinds)
    rules = "" if definition.search is None else str(definition.search)
    material = gather(cells, _facts(planned, definition.kinds, make_job), rules)
    for comparison in material.comparisons:
        print(f"\n{comparison.metric}\n{means_table(comparison).text.to_string()}")
        print("\n".join(findings(comparison)))
    for path in write_benchmark(material, Path(planned[0].config.log_dir) / group):
        print(f"saved {path}")
    return done.exit_status or (FAILED if refused else 0)


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


class _Done(NamedTuple):
    """The runs to compare, how those ended that were run now, and what could not be made."""

    jobs: list[Job]
    outcomes: list[Outcome]
    refused: list[Refused]
    exit_status: int


def _run(plan: Plan, config: BenchmarkConfig) -> _Done:
    """Run what has no record yet."""
    from survkit.grid_search import run_jobs, show_commands
    from survkit.launch.jobs import join_seeds
    from survkit.launch.overview import Overview, closing_table

    jobs = [*plan.jobs, *(outcome.job for outcome in plan.skipped)]
    print(f"{len(plan.jobs)} to run, {len(plan.skipped)} finished before", flush=True)
    if not plan.jobs:
        return _Done(jobs, [], [], 0)
    joins = config.join_seeds and config.runner != "slurm"
    joined = join_seeds(plan.jobs) if joins else plan.jobs
    if config.dry_run:
        show_commands(joined, config)
        return _Done(jobs, [], [], 0)
    outcomes, exit_status = run_jobs(joined, config, Overview(len(plan.jobs)), prog=PROG)
    print(closing_table(outcomes))
    return _Done(jobs, outcomes, [], exit_status)


def _search(searches: Sequence[Search], config: BenchmarkConfig) -> _Done:
    """Search in each split, and train and test what is chosen."""
    from survkit.benchmark.searches import Searches
    from survkit.grid_search import run_jobs, show_commands
    from survkit.launch.overview import Overview, closing_table
    from survkit.search.study import Trial

    if config.dry_run:
        first = [
            made.trial_job(Trial(0, made.defaults), 0, ()) if made.space else made.final_jobs({})[0]
            for made in searches
        ]
        print(f"# the first of {searches[0].rules.trials} trials of each search")
        show_commands(first, config)
        return _Done([], [], [], 0)
    overview = Overview(0)
    with closing(Searches(searches, overview.tell)) as source:
        first_job = source.next_job()
        if first_job is None:
            print("all searches are closed, and their choices tested")
            return _Done(source.chosen_jobs, [], source.refused, 0)
        overview.expect(1 + source.remaining)
        outcomes, exit_status = run_jobs([first_job], config, overview, prog=PROG, source=source)
        chosen = {job.name for job in source.chosen_jobs}
        finals = [outcome for outcome in outcomes if outcome.job.name in chosen]
        print(closing_table(finals))
        if exit_status == FAILED:  # as trials may
            exit_status = FAILED if any(outcome.status.is_bad for outcome in finals) else 0
        return _Done(source.chosen_jobs, finals, source.refused, exit_status)


def _facts(
    jobs: Sequence[Job], kinds: Mapping[str, tuple[str, str]], make_job: JobMaker
) -> dict[str, DatasetFacts]:
    from survkit.benchmark.cells import facts_of

    first: dict[str, Job] = {}
    for job in jobs:
        first.setdefault(kinds[job.kind][0], job)
    order = list(dict.fromkeys(dataset for dataset, _ in kinds.values()))
    return {name: facts_of(make_job.load(first[name].config)) for name in order if name in first}


if __name__ == "__main__":
    sys.exit(main())
