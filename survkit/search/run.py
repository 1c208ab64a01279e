"""How a search goes from its flags to the tested configuration."""

from __future__ import annotations

import os
import shlex
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from survkit.cli import FAILED
from survkit.configs.args_file import Given, build_config
from survkit.configs.search import SearchConfig
from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig
from survkit.grid_search import run_jobs, show_commands
from survkit.launch.job_maker import JobMaker, with_absolute_paths
from survkit.launch.jobs import join_seeds
from survkit.launch.overview import closing_table
from survkit.runs.flags import canonical, refuse_unread
from survkit.search.definition import Search
from survkit.search.opened import OpenSearch
from survkit.search.show import SearchOverview, final_table, trials_table
from survkit.search.space import as_plain, read_space, search_space
from survkit.search.study import Trial
from survkit.types import InputError

PROG = "survkit.search"

OWN_FLAGS = {
    "seeds": "a trial has the seed --seed, and the chosen configuration --final_seeds",
    "evaluate_test": "the search itself decides when the test rows are looked at",
    "inner_fold": "each trial is validated on all of the --inner_folds",
    "overwrite": "a search continues where it stopped; choose another --group to begin again",
    "loss_limits": "the search itself sets them; --no_pruning leaves them out",
}
"""Flags of `survkit.train` that a search sets, and why."""


def search(given: Given) -> int:
    """Run a search, or continue it; then test its choice.

    Parameters
    ----------
    given : Given
        Values for fields of `SearchConfig`, `WandbConfig` and `TrainConfig`.

    Returns
    -------
    int
        0, or 1 where no trial was complete or a final run failed, or 130 and 143 where Ctrl-C or
        SIGTERM stopped it.

    Raises
    ------
    InputError
        For anything that cannot be used; nothing has been started then.
    """
    made = _made_of(given)
    if made.rules.dry_run:
        _show_first(made)
        return 0
    with closing(OpenSearch(made)) as opened:
        if not opened.record.is_closed:
            status = _try(opened)
            if status:
                return status
        print(trials_table(opened.study.trials(), opened.record.content, made.rules.metric))
        if not made.rules.final:
            print("the choice is not tested yet: run the same command without --no_final")
            return 0
        return _test(opened)


def _made_of(given: Given) -> Search:
    for flag, why in OWN_FLAGS.items():
        if flag in given.values:
            raise InputError(f"--{flag} cannot be given here: {why}")
    rules: SearchConfig = build_config(SearchConfig, given.values)
    base: TrainConfig = build_config(TrainConfig, given.values)
    refuse_unread(base, given)
    known = canonical(base)
    group = base.group or f"search_{known.dataset}_{known.model}"
    known = canonical(replace(with_absolute_paths(base), group=group))
    own = None if rules.space is None else read_space(rules.space)
    where = None if rules.space is None else f"the search space {rules.space}"
    space = search_space(known.model, own, fixed=given.typed, where=where)
    wandb: WandbConfig = build_config(WandbConfig, given.values)
    if wandb.dir:
        wandb = replace(wandb, dir=os.path.abspath(wandb.dir))
    made = Search(known, space, rules, Path(known.log_dir) / group, wandb, JobMaker())
    made.make_job.load(known)  # refuses data that cannot be used
    return made


def _try(opened: OpenSearch) -> int:
    """Run the trials that are left, and close the search; return the exit status if it stopped."""
    rules = opened.search.rules
    overview = SearchOverview(rules.trials, rules.metric, maximize=opened.search.maximize)
    source = opened.source(overview.tried)
    overview.begun(len(opened.study.finished()), opened.study.best(), source.remaining)
    first = source.next_job()
    if first is not None:
        _, status = run_jobs([first], rules, overview, prog=PROG, source=source)
        if status not in (0, FAILED):
            return status
    opened.choose()
    return 0


def _test(opened: OpenSearch) -> int:
    """Train the choice with every seed and test it, where that has not been done."""
    rules = opened.search.rules
    jobs = opened.final_jobs()
    open_jobs = [job for job in jobs if not job.is_complete]
    status = 0
    if open_jobs:
        joins = rules.join_seeds and rules.runner != "slurm"
        overview = SearchOverview(len(open_jobs), rules.metric, maximize=opened.search.maximize)
        config = replace(rules, wait=rules.runner == "slurm")
        joined = join_seeds(open_jobs) if joins else open_jobs
        outcomes, status = run_jobs(joined, config, overview, prog=PROG)
        if status:
            print(closing_table(outcomes))
    print(final_table([job.folder for job in jobs if job.is_complete]))
    print(f"records: {opened.search.folder}")
    return status


def _show_first(made: Search) -> None:
    """Print the space and the first trial, or on SLURM its script."""
    for flag, domain in as_plain(made.space).items():
        print(f"# {flag}: {domain}")
    print(f"# {made.rules.trials} trials of {made.folds} runs; the first, without drawn values:")
    show_commands([made.trial_job(Trial(0, made.defaults), 0, ())], made.rules)
    print(shlex.join(["#", "records:", str(made.folder)]))
