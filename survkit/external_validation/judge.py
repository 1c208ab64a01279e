"""From a run and new data to their evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from survkit import __version__
from survkit.configs.data import DataConfig
from survkit.configs.evaluation import EvaluateConfig
from survkit.datasets import load_parameters
from survkit.datasets.assemble import Dataset
from survkit.datasets.card import UNKNOWN_UNIT
from survkit.datasets.table_flags import TableFlags
from survkit.external_validation.evaluated import (
    AS_TRAINED,
    RECALIBRATED,
    Evaluated,
    named_predictions,
)
from survkit.external_validation.new_data import OWN, NewData, cause_of_interest, from_dataset
from survkit.external_validation.new_table import read_new_table
from survkit.external_validation.recalibration import part_of_subjects, recalibrate
from survkit.external_validation.scores import (
    Scores,
    grid_of,
    outcomes_of_new,
    outcomes_of_own,
    resamples_for,
    score,
    settings_of,
)
from survkit.external_validation.shift import Shift, shift_between
from survkit.external_validation.subgroups import (
    check_new_subgroups,
    new_subgroup_scores,
    own_subgroup_scores,
)
from survkit.metrics import Outcomes
from survkit.report.decision_section import Decisions, decision_section
from survkit.runs.folder import plain_values
from survkit.runs.predictions import NotAtHandError, load_dataset_of
from survkit.runs.read import FittedRun, load_fitted
from survkit.runs.record_files import read_config, read_result
from survkit.runs.subgroups import check_subgroups
from survkit.types import InputError, SurvivalPrediction


def judge(config: EvaluateConfig, data: Mapping[str, Any]) -> Evaluated:
    """Evaluate a run on a table, on another dataset or on its own test rows.

    Parameters
    ----------
    config : EvaluateConfig
        Which run, and how.
    data : mapping
        The flags of the new data that were given.

    Raises
    ------
    InputError
        For a run or data that cannot be used.
    """
    path = Path(str(config.run))
    run, result = load_fitted(path), read_result(path) or {}
    data_dir = data.get("data_dir")
    if config.csv is None and "dataset" not in data:
        return _own_rows(config, path, run, result, data_dir)
    new = _new_data(config, data, run, result)
    if run.survkit_version != __version__:
        new.notes.insert(
            0, f"the run was made by survkit {run.survkit_version}, this is {__version__}"
        )
    check_new_subgroups(new, config.subgroups)
    settings, grid = settings_of(run), grid_of(run, new.data.features)
    recalibration, judged = None, new
    if config.recalibrate != "none":
        how: dict[str, Any] = {"share": config.recalibrate_share, "seed": config.recalibrate_seed}
        part, rest = part_of_subjects(new.data, **how)
        recalibration = recalibrate(run, new.subset(part), grid, kind=config.recalibrate, **how)
        judged = new.subset(rest)
    outcomes = outcomes_of_new(
        judged.data,
        grid,
        settings=settings,
        evaluation_times=config.evaluation_times,
        min_at_risk=config.min_at_risk,
    )
    models = {AS_TRAINED: run.model}
    if recalibration is not None:
        models[RECALIBRATED] = recalibration.model
    scores = {
        name: score(model, outcomes, settings=settings, bootstrap=config.bootstrap)
        for name, model in models.items()
    }
    predictions = named_predictions(str(run.config["model"]), scores)
    resamples = resamples_for(settings, config.bootstrap)
    shift, why_not = _shift(path, run, new, outcomes, data_dir)
    return Evaluated(
        path,
        run,
        result,
        judged,
        outcomes,
        scores,
        recalibration=recalibration,
        shift=shift,
        why_no_shift=why_not,
        subgroups=new_subgroup_scores(
            predictions, outcomes, judged, config.subgroups, bootstrap=resamples
        ),
        decisions=_decisions(config, predictions, outcomes, resamples, result),
    )


def _decisions(
    config: EvaluateConfig,
    predictions: Mapping[str, SurvivalPrediction],
    outcomes: Outcomes,
    resamples: int,
    result: Mapping[str, Any],
) -> Decisions:
    """Return decision curves by the times asked for, or those of metrics that are defined."""
    usable = [point.time for point in outcomes.points if point.reason is None]
    return decision_section(
        predictions,
        outcomes.data,
        config.decision_times or sorted(set(usable)),
        thresholds=config.decision_thresholds,
        resamples=resamples,
        time_unit=str(result.get("time_unit", "")),
        min_at_risk=outcomes.min_at_risk,
    )


def _new_data(
    config: EvaluateConfig, data: Mapping[str, Any], run: FittedRun, result: Mapping[str, Any]
) -> NewData:
    unit = str(result.get("time_unit", UNKNOWN_UNIT))
    if config.csv is not None:
        names = {field.name for field in fields(TableFlags)}
        flags = TableFlags(**{name: value for name, value in data.items() if name in names})
        return read_new_table(Path(config.csv), run, flags, unit)
    name = str(data["dataset"])
    given = {"data_dir": DataConfig().data_dir, **data}
    parameters = load_parameters(name)
    if "cause_of_interest" in parameters:
        given["cause_of_interest"] = cause_of_interest(run, data.get("cause_of_interest"))
    defaults = {field.name: getattr(DataConfig(), field.name) for field in fields(DataConfig)}
    used = {flag: {**defaults, **given}[flag] for flag in parameters}
    return from_dataset({**used, "dataset": name}, run, unit)


def _shift(
    path: Path, run: FittedRun, new: NewData, outcomes: Outcomes, data_dir: str | None
) -> tuple[Shift | None, str]:
    """Return the shift from the training rows, or why they are not there."""
    try:
        dataset = _recorded(path, data_dir)
    except NotAtHandError as error:
        return None, f"the training rows are needed for that, and {error}"
    times = sorted({point.time for point in outcomes.points})
    usable = [point.time for point in outcomes.points if point.reason is None]
    risk_time = max(usable, default=times[len(times) // 2])
    return shift_between(run, dataset, new, times, risk_time), ""


def _recorded(path: Path, data_dir: str | None) -> Dataset:
    config = read_config(path)
    if config is None:
        raise NotAtHandError(f"{path / 'config.json'} is missing")
    return load_dataset_of(config, data_dir)


def _own_rows(
    config: EvaluateConfig,
    path: Path,
    run: FittedRun,
    result: dict[str, Any],
    data_dir: str | None,
) -> Evaluated:
    """Evaluate a run again on its own test rows."""
    if config.recalibrate != "none":
        raise InputError(
            f"--recalibrate {config.recalibrate} needs other data, which --csv or --dataset names: "
            "the run's own test rows stay unseen"
        )
    dataset = _recorded(path, data_dir)
    check_subgroups(dataset, config.subgroups)
    settings = settings_of(run)
    outcomes = outcomes_of_own(
        dataset,
        settings=settings,
        evaluation_times=config.evaluation_times,
        min_at_risk=config.min_at_risk,
    )
    scores = score(run.model, outcomes, settings=settings, bootstrap=config.bootstrap)
    predictions = named_predictions(str(run.config["model"]), {AS_TRAINED: scores})
    resamples = resamples_for(settings, config.bootstrap)
    raw = None
    if dataset.raw is not None and dataset.rows is not None and run.preprocessor is not None:
        frame = dataset.raw.features[list(run.preprocessor.columns)]
        raw = frame.iloc[dataset.rows.test].reset_index(drop=True)
    new = NewData(OWN, OWN, dataset.splits.test, raw)
    return Evaluated(
        path,
        run,
        result,
        new,
        outcomes,
        {AS_TRAINED: scores},
        is_own=True,
        agreement=_agreement(scores, result),
        subgroups=own_subgroup_scores(
            predictions, outcomes, dataset, config.subgroups, bootstrap=resamples
        ),
        decisions=_decisions(config, predictions, outcomes, resamples, result),
    )


def _agreement(scores: Scores, result: Mapping[str, Any]) -> str:
    """Return whether the metrics and intervals are those of the record, in a sentence."""
    evaluation = scores.evaluation
    found = plain_values(evaluation.values), plain_values(evaluation.intervals)
    recorded = result.get("test", {}), result.get("test_interval", {})
    names = [name for name in found[0] if name in recorded[0]]
    other = [name for name in names if found[0][name] != recorded[0][name]]
    other += [
        f"the interval of {name}"
        for name in found[1]
        if name in recorded[1] and found[1][name] != recorded[1][name]
    ]
    if not names:
        return "The record has no metrics to compare these with."
    if not other:
        return (
            f"All {len(names)} metrics and their intervals are those of the record, to the digit."
        )
    return (
        f"{len(other)} numbers are not those of the record: {', '.join(other)}. Other hardware, "
        "another version of a package or other flags may be the reason."
    )
