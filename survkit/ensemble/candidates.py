"""Finds what a group of runs offers to an ensemble, and says why other runs offer nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

import survkit
from survkit.configs.train import TrainConfig
from survkit.datasets import load_parameters
from survkit.models.registry import MODELS, model_name
from survkit.runs.flags import PATHS
from survkit.runs.identity import EARLIER
from survkit.runs.read import load_fitted
from survkit.runs.record_files import read_config
from survkit.runs.state import (
    OpenRun,
    damaged_run,
    missing_seeds,
    missing_seeds_text,
    open_runs,
    why_not_converged,
)
from survkit.runs.table import find_runs
from survkit.runs.variants import variant_labels
from survkit.types import InputError, SurvivalModel

IDENTITY = [field.name for field in fields(TrainConfig) if field.metadata["identity"]]
"""The flags that decide a run's numbers."""


class Candidate(NamedTuple):
    """The finished runs of one model, which differ in nothing but the seed.

    `label` is the model and the flags that tell it from others of the group; `runs` are the
    folders in the order of the seeds and `settings` the configuration that they share. `missing`
    says what is known of unfinished runs; `not_converged` says why, by the run's identifier.
    """

    label: str
    model: str
    runs: tuple[Path, ...]
    seeds: tuple[int, ...]
    settings: dict[str, Any]
    missing: tuple[str, ...]
    not_converged: dict[str, str]

    @property
    def run_ids(self) -> list[str]:
        """The identifiers of the runs."""
        return [run.name for run in self.runs]

    def load(self) -> tuple[list[SurvivalModel], list[str]]:
        """Return the fitted models, and warnings of those that another version made.

        A record may know that a fit did not converge where its checkpoint, of an earlier version,
        does not; the model then says what the record says. Errors are those of `load_fitted`.
        """
        members, warnings = [], []
        for run in self.runs:
            fitted = load_fitted(run)
            model = fitted.model
            if run.name in self.not_converged:
                model.fit_summary = model.fit_summary._replace(
                    converged=False, convergence_reason=self.not_converged[run.name]
                )
            members.append(model)
            if fitted.survkit_version != survkit.__version__:
                warnings.append(
                    f"member {run.name} was made by survkit {fitted.survkit_version}, "
                    f"this is {survkit.__version__}"
                )
        return members, warnings


def find_candidates(
    log_dir: Path, group: str, models: Sequence[str] = ()
) -> tuple[list[Candidate], list[str]]:
    """Return the models (by name or alias; all by default) of a group, and notes on runs left out.

    Raises
    ------
    InputError
        For a group without finished runs of these models, or runs of other data, conventions or
        time grids.
    """
    runs, unreadable, notes = _usable_runs(log_dir, group, models)
    configs = {path: _configuration(Path(path)) for path in runs["path"]}
    _check_agreement(configs)
    labels = variant_labels(runs)
    begun = [*open_runs(log_dir / group), *unreadable]
    open_now = [run for run in begun if run.model in (None, *MODELS)]
    absent = missing_seeds(runs, labels, open_now)
    candidates = []
    for label, own in runs.groupby(labels, sort=False):
        model = str(own["model"].iloc[0])
        unfinished = [_not_finished(run) for run in open_now if run.model == model]
        missing = [missing_seeds_text(label, absent[label])] if label in absent else []
        reasons = [(row["run_id"], why_not_converged(row)) for row in own.to_dict("records")]
        candidates.append(
            Candidate(
                label=str(label),
                model=model,
                runs=tuple(map(Path, own["path"])),
                seeds=tuple(map(int, own["seed"])),
                settings=shared_settings([configs[path] for path in own["path"]]),
                missing=(*unfinished, *missing),
                not_converged={run_id: why for run_id, why in reasons if why is not None},
            )
        )
    if not models:
        present = {candidate.model for candidate in candidates}
        notes += [_not_finished(run) for run in open_now if run.model not in present]
    return candidates, notes


def _usable_runs(
    log_dir: Path, group: str, models: Sequence[str]
) -> tuple[pd.DataFrame, list[OpenRun], list[str]]:
    """Return the runs that can be members, those with damaged checkpoints, and notes on others."""
    runs, damaged = find_runs(log_dir, group)
    if runs is None:
        why = "".join(f"; {text}" for text in damaged.values())
        raise InputError(f"no finished run in {log_dir / group}{why}")
    runs, notes = _single_runs(runs)
    if models:
        runs = _of_models(runs, [model_name(name) for name in models])
    runs, unreadable = _with_models(runs)
    if runs.empty:
        notes += map(_not_finished, unreadable)
        raise InputError(f"no run in {log_dir / group} can be a member: {'; '.join(notes)}")
    return runs, unreadable, notes


def _not_finished(run: OpenRun) -> str:
    return f"run {run.run_id} ({run.name or 'unknown'}) is {run.status} ({run.note})"


def why_not_over_seeds(candidate: Candidate) -> str | None:
    """Return why there is no ensemble over the seeds of a model, None where there can be."""
    evaluation = candidate.settings["evaluation"]
    if MODELS[candidate.model].is_deterministic and evaluation == "standard":
        return f"{candidate.label}: every seed gives the same model, so an ensemble is that model"
    if len(candidate.runs) < 2:
        unfinished = "".join(f"; {text}" for text in candidate.missing)
        return (
            f"{candidate.label}: one finished run, seed {candidate.seeds[0]}; an ensemble needs "
            f"two at least{unfinished}"
        )
    return why_not_a_member(candidate)


def why_not_a_member(candidate: Candidate) -> str | None:
    """Return why a model cannot be combined with any other, None where it can."""
    if MODELS[candidate.model].is_baseline and candidate.settings["evaluation"] == "published":
        return (
            f"{candidate.label}: the published evaluation renormalises what a baseline predicts, "
            "so the checkpoint does not give the recorded predictions; use the standard one"
        )
    return None


def shared_settings(configs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the flags on which all configurations agree, less what is of single runs."""
    first = configs[0]
    own = ("model", "seed", "calibrate", "bootstrap")
    names = [name for name in IDENTITY if name not in own]
    shared = {
        name: first[name]
        for name in (*names, "data_sha256")
        if all(name in config and config[name] == first[name] for config in configs)
    }
    # Where the data lie, how they are read and what they are called may differ from run to run.
    of_data = [name for name in load_parameters(first["dataset"]) if name not in IDENTITY]
    return shared | {name: first[name] for name in (*PATHS, *of_data)}


def _single_runs(runs: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Drop ensembles, runs of unknown models and calibrated runs, and say so of the latter two."""
    if "members" in runs:
        runs = runs[runs["members"].isna()]
    unknown = ~runs["model"].isin(list(MODELS))
    foreign = [
        f"run {row['run_id']} is of {row['model']!r}, which this version of survkit does not know"
        for row in runs[unknown].to_dict("records")
    ]
    runs = runs[~unknown]
    none = pd.Series("none", runs.index)
    calibrated = runs.get("config_calibrate", pd.Series(False, runs.index)).eq(True)
    calibrated |= runs.get("config_conformal", none).fillna("none").ne("none")
    notes = [
        f"run {row['run_id']} ({row['model']}, seed {row['seed']:.0f}) is calibrated itself; an "
        "ensemble is calibrated as a whole (--calibrate), not by its members"
        for row in runs[calibrated].to_dict("records")
    ]
    return runs[~calibrated], [*foreign, *notes]


def _with_models(runs: pd.DataFrame) -> tuple[pd.DataFrame, list[OpenRun]]:
    """Part runs whose models can be loaded from those whose checkpoints cannot be read."""
    unreadable = {}
    for index, run in runs.iterrows():
        try:
            load_fitted(run["path"])
        except InputError as error:
            unreadable[index] = damaged_run(run.to_dict(), str(error))
    return runs.drop(index=list(unreadable)), list(unreadable.values())


def _of_models(runs: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    found = list(runs["model"].unique())
    for model in models:
        if model not in found:
            raise InputError(
                f"--models names {model}, of which there is no finished run; "
                f"there are runs of {', '.join(found)}"
            )
    return runs[runs["model"].isin(models)]


def _configuration(run: Path) -> dict[str, Any]:
    """Return a run's configuration; flags that it is from before have what keeps its numbers."""
    config = read_config(run)
    if config is None:
        raise InputError(f"{run / 'config.json'} is missing; train that run again")
    return {**asdict(TrainConfig()), **EARLIER, **config}


def _check_agreement(configs: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse runs on other data, of other conventions or on another grid."""
    of_data = load_parameters(next(iter(configs.values()))["dataset"])
    conventions = ("dataset", "data_sha256", "evaluation", "point_error")
    for name in (*conventions, *(name for name in of_data if name in IDENTITY)):
        values = sorted({str(config[name]) for config in configs.values()})
        if len(values) > 1:
            raise InputError(
                f"the runs differ in {name} ({', '.join(values)}); members of an ensemble predict "
                "the same subjects on one time grid under one convention; --models can choose "
                "among them"
            )
