"""How a search goes from its flags to the tested configuration."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from survkit.cli import FAILED, RunsElsewhereError
from survkit.configs.args_file import Given, build_config
from survkit.configs.search import SearchConfig
from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig
from survkit.datasets.assemble import Dataset
from survkit.experiments import PlannedRun
from survkit.files import writing
from survkit.grid_search import run_jobs, show_commands
from survkit.launch.jobs import Job, join_seeds
from survkit.launch.overview import closing_table
from survkit.launch.plan import make_job, remember_datasets, with_absolute_paths
from survkit.models.registry import MODELS
from survkit.models.search_spaces import Space
from survkit.report.differences import higher_is_better
from survkit.runs.flags import canonical, is_read, refuse_unread
from survkit.runs.identity import RunFinder, resolved
from survkit.search.limits import Limits
from survkit.search.record import FILE, SearchRecord
from survkit.search.show import SearchOverview, final_table, trials_table
from survkit.search.space import as_plain, contains, search_space
from survkit.search.study import JOURNAL, Study, Trial
from survkit.search.trials import TrialSource
from survkit.types import InputError

PROG = "survkit.search"
TRIALS = "trials"
"""Subfolder of the group's folder for the records of trials."""

LOCK = ".search.lock"

OWN_FLAGS = {
    "seeds": "a trial has the seed --seed, and the chosen configuration --final_seeds",
    "evaluate_test": "the search itself decides when the test rows are looked at",
    "inner_fold": "each trial is validated on all of the --inner_folds",
    "overwrite": "a search continues where it stopped; choose another --group to begin again",
    "loss_limits": "the search itself sets them; --no_pruning leaves them out",
}
"""Flags of `survkit.train` that a search sets, and why."""


class _Search(NamedTuple):
    """What a search is made of."""

    config: SearchConfig
    wandb: WandbConfig
    base: TrainConfig  # all flags but those of the space
    space: Space
    dataset: Dataset

    @property
    def folder(self) -> Path:
        return Path(self.base.log_dir) / str(self.base.group)

    @property
    def maximize(self) -> bool:
        return higher_is_better(self.config.metric)

    @property
    def folds(self) -> int:
        return self.base.inner_folds or 1

    def identity(self) -> dict[str, Any]:
        """Return what decides the trials, as plain values."""
        base = resolved(self.base, self.dataset)
        flags = {
            field.name: getattr(base, field.name)
            for field in fields(TrainConfig)
            if field.metadata["identity"]
            and is_read(field.name, base.dataset, base.model)
            and field.name not in ("evaluate_test", "inner_fold", "dataset", "model", "seed")
        }
        return {
            "dataset": base.dataset,
            "data_sha256": self.dataset.sha256,
            "model": base.model,
            "metric": self.config.metric,
            "seed": base.seed,
            "pruning": self.config.pruning,
            "space": as_plain(self.space),
            "flags": flags,
        }


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
    if made.config.dry_run:
        _show_first(made)
        return 0
    with _locked(made.folder):
        record = SearchRecord(made.folder, made.identity())
        _check_journal(made.folder, record)
        study = _study(made) if record.exists else None
        record.plan(made.config.trials, len(study.trials()) if study else 0)
        study = study or _study(made)
        if not record.is_closed:
            status = _try(made, study, record)
            if status:
                return status
        print(trials_table(study.trials(), record.content, made.config.metric))
        if not made.config.final:
            print("the choice is not tested yet: run the same command without --no_final")
            return 0
        return _test(made, record)


def _made_of(given: Given) -> _Search:
    for flag, why in OWN_FLAGS.items():
        if flag in given.values:
            raise InputError(f"--{flag} cannot be given here: {why}")
    config: SearchConfig = build_config(SearchConfig, given.values)
    base: TrainConfig = build_config(TrainConfig, given.values)
    refuse_unread(base, given)
    known = canonical(base)
    group = base.group or f"search_{known.dataset}_{known.model}"
    known = canonical(replace(with_absolute_paths(base), group=group))
    space = search_space(known.model, config.space, given.typed)
    wandb: WandbConfig = build_config(WandbConfig, given.values)
    if wandb.dir:
        wandb = replace(wandb, dir=os.path.abspath(wandb.dir))
    return _Search(config, wandb, known, space, remember_datasets()(known))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes from searching in the same folder."""
    lock = FileLock(folder / LOCK, timeout=0)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout:
            raise RunsElsewhereError(f"another process searches in {folder} now") from None
    try:
        yield
    finally:
        lock.release()


def _check_journal(folder: Path, record: SearchRecord) -> None:
    """Refuse to continue where one of the two files of a search was removed."""
    has_journal = (folder / JOURNAL).exists()
    if has_journal and not record.exists:
        there, lost = JOURNAL, FILE
    elif record.content["tried"] and not has_journal:
        there, lost = FILE, JOURNAL
    else:
        return
    raise InputError(f"{folder} has {there}, but no {lost}; restore it, or choose another --group")


def _study(made: _Search) -> Study:
    """Open the trials; the configuration without any choice is tried first."""
    defaults = {
        flag: value
        for flag, domain in made.space.items()
        if contains(domain, value := getattr(made.base, flag))
    }
    return Study(
        made.folder, made.space, defaults=defaults, seed=made.base.seed, maximize=made.maximize
    )


class _JobMaker:
    """Makes the jobs of trials and of the final runs; every dataset is loaded once."""

    def __init__(self, made: _Search) -> None:
        self._made, self._load = made, remember_datasets()
        self._finders: dict[Path, RunFinder] = {}

    def of_trial(self, trial: Trial, fold: int, limits: tuple[float, ...]) -> Job:
        """Return the job of a trial on one fold."""
        made = self._made
        config = self._config(
            trial.parameters,
            log_dir=str(made.folder),
            inner_fold=fold,
            evaluate_test=False,
            loss_limits=limits,
        )
        of_fold = f" fold {fold}" if made.folds > 1 else ""
        return self._job(TRIALS, f"trial {trial.number}{of_fold}", config)

    def of_seed(self, parameters: Mapping[str, Any], seed: int) -> Job:
        """Return the job that trains and tests the chosen configuration with a seed."""
        return self._job(
            str(self._made.base.group),
            f"chosen seed={seed}",
            self._config(parameters, seed=seed, inner_folds=0),
        )

    def _config(self, parameters: Mapping[str, Any], **own: Any) -> TrainConfig:
        return replace(self._made.base, **{**parameters, **own})

    def _job(self, group: str, name: str, config: TrainConfig) -> Job:
        run = PlannedRun(name, config)
        return make_job(group, run, self._made.wandb, self._load, self._finders)


def _try(made: _Search, study: Study, record: SearchRecord) -> int:
    """Run the trials that are left, and close the search; return the exit status if it stopped."""
    jobs = _JobMaker(made)
    overview = SearchOverview(made.config.trials, made.config.metric, maximize=made.maximize)
    trials_folder = made.folder / TRIALS

    def report(trial: Trial, best: Trial | None) -> None:
        record.note(study.trials())
        overview.tried(trial, best)

    source = TrialSource(
        study,
        trials=made.config.trials,
        folds=made.folds,
        metric=made.config.metric,
        make_job=jobs.of_trial,
        limits=_limits(made, trials_folder),
        report=report,
    )
    overview.begun(len(study.finished()), study.best(), source.remaining)
    first = source.next_job()
    if first is not None:
        _, status = run_jobs([first], made.config, overview, prog=PROG, source=source)
        if status not in (0, FAILED):
            return status
    record.note(study.trials())
    best = study.best()
    if best is None:
        notes = [trial.note for trial in study.finished() if trial.note]
        raise InputError(
            f"none of {made.config.trials} trials is complete, the last: "
            f"{notes[-1] if notes else 'no word'}; more --trials, or another --space in another "
            "--group"
        )
    record.close(best, metric=made.config.metric, maximize=made.maximize)
    return 0


def _limits(made: _Search, trials_folder: Path) -> Limits | None:
    if not (made.config.pruning and MODELS[made.base.model].network):
        return None
    return Limits(
        lambda run: trials_folder / run,
        lambda trial: int(trial.parameters.get("epochs", made.base.epochs)),
    )


def _test(made: _Search, record: SearchRecord) -> int:
    """Train the choice with every seed and test it, where that has not been done."""
    maker = _JobMaker(made)
    count = 1 if MODELS[made.base.model].is_deterministic else made.config.final_seeds
    jobs = [
        maker.of_seed(record.chosen["parameters"], seed)
        for seed in range(made.base.seed, made.base.seed + count)
    ]
    record.begin_test([job.folder.name for job in jobs])
    open_jobs = [job for job in jobs if not job.is_complete]
    status = 0
    if open_jobs:
        joined = join_seeds(open_jobs) if made.config.join_seeds else open_jobs
        if made.config.runner == "slurm":
            joined = open_jobs
        overview = SearchOverview(len(open_jobs), made.config.metric, maximize=made.maximize)
        config = replace(made.config, wait=made.config.runner == "slurm")
        outcomes, status = run_jobs(joined, config, overview, prog=PROG)
        if status:
            print(closing_table(outcomes))
    print(final_table([job.folder for job in jobs if job.is_complete]))
    print(f"records: {made.folder}")
    return status


def _show_first(made: _Search) -> None:
    """Print the space and the first trial, or on SLURM its script."""
    for flag, domain in as_plain(made.space).items():
        print(f"# {flag}: {domain}")
    parameters = {
        flag: getattr(made.base, flag)
        for flag, domain in made.space.items()
        if contains(domain, getattr(made.base, flag))
    }
    print(f"# {made.config.trials} trials of {made.folds} runs; the first, but for what is drawn:")
    job = _JobMaker(made).of_trial(Trial(0, parameters), 0, ())
    show_commands([job], made.config)
    print(shlex.join(["#", "records:", str(made.folder)]))
