"""What a search is: its data, its flags, its space and its rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from survkit.configs.search import SearchConfig
from survkit.configs.train import TrainConfig
from survkit.configs.wandb import WandbConfig
from survkit.experiments import PlannedRun
from survkit.launch.job_maker import JobMaker
from survkit.launch.jobs import Job
from survkit.metrics.names import higher_is_better
from survkit.models.registry import MODELS
from survkit.models.search_spaces import Space
from survkit.runs.flags import is_read, not_filled_in
from survkit.runs.identity import resolved
from survkit.search.limits import Limits
from survkit.search.space import as_plain, contains
from survkit.search.study import Trial

TRIALS = "trials"
"""Subfolder of a search's folder for the records of its trials."""


class Search(NamedTuple):
    """What a search consists of.

    Parameters
    ----------
    base : TrainConfig
        All flags but those that the space varies, canonical, with absolute paths and a group: the
        chosen configuration is trained in that group.
    space : mapping
        What is varied.
    rules : SearchConfig
        Trials, metric, pruning and final seeds.
    folder : Path
        Where the search keeps its own files and the records of its trials.
    wandb : WandbConfig
        Of every run.
    make_job : JobMaker
        Loads data and makes jobs of configurations.
    name : str
        What the names of its jobs begin with, if several searches run side by side.
    kind : str
        What the runs of the chosen configuration are called in a sweep.
    """

    base: TrainConfig
    space: Space
    rules: SearchConfig
    folder: Path
    wandb: WandbConfig
    make_job: JobMaker
    name: str = ""
    kind: str = ""

    @property
    def maximize(self) -> bool:
        """Whether more of the metric is better."""
        return higher_is_better(self.rules.metric)

    @property
    def folds(self) -> int:
        """Runs of each trial."""
        return self.base.inner_folds or 1

    @property
    def final_seeds(self) -> range:
        """The seeds that the chosen configuration is trained with."""
        is_deterministic = MODELS[self.base.model].is_deterministic
        count = 1 if is_deterministic else self.rules.final_seeds
        return range(self.base.seed, self.base.seed + count)

    @property
    def defaults(self) -> dict[str, Any]:
        """The values of the base that the space contains: the first trial."""
        return {
            flag: value
            for flag, domain in self.space.items()
            if contains(domain, value := getattr(self.base, flag))
        }

    @property
    def limits(self) -> Limits | None:
        """What ends a training that is far behind; None where nothing does."""
        if not (self.rules.pruning and MODELS[self.base.model].network):
            return None
        trials = self.folder / TRIALS
        return Limits(
            lambda run: trials / run,
            lambda trial: int(trial.parameters.get("epochs", self.base.epochs)),
        )

    def identity(self) -> dict[str, Any]:
        """Return what decides the trials, as plain values."""
        dataset = self.make_job.load(self.base)
        base = resolved(self.base, dataset)
        flags = {
            field.name: getattr(base, field.name)
            for field in fields(TrainConfig)
            if field.metadata["identity"]
            and is_read(field.name, base.dataset, base.model)
            and field.name not in ("evaluate_test", "inner_fold", "dataset", "model", "seed")
        }
        return {
            "dataset": base.dataset,
            "data_sha256": dataset.sha256,
            "model": base.model,
            "metric": self.rules.metric,
            "seed": base.seed,
            "pruning": self.rules.pruning,
            "space": as_plain(self.space),
            "flags": flags,
        }

    def trial_job(self, trial: Trial, fold: int, limits: tuple[float, ...]) -> Job:
        """Return the job of a trial on one fold, which never sees the test rows."""
        config = self._config(
            trial.parameters,
            log_dir=str(self.folder),
            inner_fold=fold,
            evaluate_test=False,
            loss_limits=limits,
        )
        of_fold = f" fold {fold}" if self.folds > 1 else ""
        return self._job(TRIALS, f"trial {trial.number}{of_fold}", config)

    def final_jobs(self, parameters: Mapping[str, Any]) -> list[Job]:
        """Return the jobs that train and test the chosen configuration, one for each seed."""
        return [
            self._job(
                str(self.base.group),
                f"chosen seed={seed}",
                self._config(parameters, seed=seed, inner_folds=0),
            )
            for seed in self.final_seeds
        ]

    def _config(self, parameters: Mapping[str, Any], **own: Any) -> TrainConfig:
        return replace(not_filled_in(self.base), **{**parameters, **own})

    def _job(self, group: str, name: str, config: TrainConfig) -> Job:
        run = PlannedRun(f"{self.name} {name}".lstrip(), config, kind=self.kind)
        return self.make_job(group, run, self.wandb)
