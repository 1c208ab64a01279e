"""How a command ends a run: evaluate the fitted model, write the record, show it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import survkit
from survkit.baselines.published import renormalised
from survkit.datasets.assemble import Dataset
from survkit.metrics import Outcomes, evaluate_against
from survkit.models.calibrated import CalibratedModel
from survkit.models.calibration import Calibration
from survkit.models.registry import MODELS
from survkit.runs.conformal_record import conformal_record
from survkit.runs.conformal_text import conformal_sentences
from survkit.runs.documents import run_documents
from survkit.runs.folder import RunFolder, peak_gpu_memory_mb
from survkit.runs.hazard_record import hazard_ratio_record
from survkit.runs.metric_text import result_summary
from survkit.runs.record_schema import NOT_TESTED
from survkit.runs.rows import is_published_baseline, training_rows
from survkit.runs.subgroup_text import scores_text
from survkit.runs.subgroups import (
    SUBGROUPS,
    recorded_subgroups,
    score_requested,
    subgroups_record,
)
from survkit.system import peak_memory_mb
from survkit.text import one_line
from survkit.types import (
    InputError,
    NotFiniteError,
    SurvivalModel,
    SurvivalPrediction,
)


def evaluated_splits(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the splits that a run is evaluated on: a run of a search leaves the test rows out."""
    return ("validation", "test") if settings.get("evaluate_test", True) else ("validation",)


def evaluated_outcomes(dataset: Dataset, settings: Mapping[str, Any]) -> dict[str, Outcomes]:
    """Return the outcomes of the splits that runs of these flags are evaluated on.

    Parameters
    ----------
    dataset : Dataset
        The data.
    settings : mapping
        The flags of the evaluation: `evaluation`, `min_at_risk`, `evaluation_times` and
        `evaluate_test`.
    """
    train = dataset.splits.train
    return {
        split: Outcomes(
            getattr(dataset.splits, split),
            train.time,
            train.event,
            dataset.grid,
            settings["evaluation"],
            settings["min_at_risk"],
            tuple(settings["evaluation_times"]),
        )
        for split in evaluated_splits(settings)
    }


def finish_run(
    folder: RunFolder,
    model: SurvivalModel,
    dataset: Dataset,
    settings: Mapping[str, Any],
    *,
    outcomes: Mapping[str, Outcomes],
    seconds: Mapping[str, float],
    facts: Mapping[str, Any],
    mirror: Callable[[Mapping[str, Any]], None] | None = None,
    documents: Callable[..., Mapping[str, str]] = run_documents,
) -> dict[str, Any]:
    """Evaluate a fitted model, write what remains of its record and return the result.

    Parameters
    ----------
    folder : RunFolder
        The run's folder, started and locked.
    model : SurvivalModel
        The fitted model.
    dataset : Dataset
        The data that it was fitted on.
    settings : mapping
        The resolved configuration, by flag; `device` may be missing.
    outcomes : mapping
        From `evaluated_outcomes`.
    seconds : mapping
        `load_seconds` and `fit_seconds`.
    facts : mapping
        What else belongs in the result; its `notes` are added to those of the dataset.
    mirror : callable, optional
        Takes the result, before the record is complete; its warnings still enter the record.
    documents : callable
        Makes what a run writes for readers, from the arguments of `run_documents`.

    Returns
    -------
    dict
        The result as it reads from `result.json`: NaN is None there.

    Raises
    ------
    InputError
        Where a prediction is not finite; no checkpoint is written then.
    """
    started = time.perf_counter()
    try:
        metrics = _evaluate(folder, model, dataset, settings, outcomes)
    except NotFiniteError as error:
        folder.drop_unfinished()
        raise _not_finite(error, settings) from None
    _write_checkpoint(folder, model, dataset, settings)
    rows = training_rows(dataset, settings)
    effects = hazard_ratio_record(model, rows.fit, dataset.preprocessor)
    dependent = dataset.card.dependent_censoring
    guarantees = conformal_record(
        model, rows, outcomes.get("test"), settings, dependent_censoring=dependent
    )
    timing = {**seconds, "evaluate_seconds": time.perf_counter() - started}
    described = _describe(folder, dataset, model, settings)
    result = {
        **described,
        **facts,
        "notes": [*described["notes"], *facts.get("notes", ())],
        "timing": {**timing, "total_seconds": sum(timing.values())},
        **metrics,
        **effects,
        **guarantees,
    }
    if mirror:
        mirror(result)
    if "test" in outcomes:  # they describe a model that is ready for use
        known = {**result, "warnings": folder.warnings}
        for name, text in documents(dataset, settings, known, folder=folder.path).items():
            folder.write(name, text.encode())
    return folder.write_result(result)


def _not_finite(error: NotFiniteError, settings: Mapping[str, Any]) -> InputError:
    model = settings["model"]
    entry = MODELS.get(model)  # an ensemble has none
    smaller = f"a smaller --lr than {settings['lr']} or " if entry and entry.network else ""
    return InputError(
        f"what {model} predicts is not finite ({error}); {smaller}features without values far "
        "beyond those of the training rows may help"
    )


def recorded_schema(dataset: Dataset) -> dict[str, Any]:
    """Return what a `config.json` says of a table of the user's own; nothing for other data."""
    return {} if dataset.schema is None else {"schema": dataset.schema.state()}


def _write_checkpoint(
    folder: RunFolder, model: SurvivalModel, dataset: Dataset, settings: Mapping[str, Any]
) -> None:
    preprocessor, schema = dataset.preprocessor, dataset.schema
    folder.write_checkpoint(
        {
            "state": model.state(),
            "preprocessor": None if preprocessor is None else preprocessor.state(),
            "schema": None if schema is None else schema.state(),
            "config": settings,
            "survkit_version": survkit.__version__,
            **_causes(dataset),
        }
    )


def _evaluate(
    folder: RunFolder,
    model: SurvivalModel,
    dataset: Dataset,
    settings: Mapping[str, Any],
    outcomes: Mapping[str, Outcomes],
) -> dict[str, Any]:
    """Predict and score both splits; return their part of the result."""
    parts: dict[str, Any] = {"test_interval": {}} if "test" in outcomes else NOT_TESTED.copy()
    for split, of_split in outcomes.items():
        prediction = predict_outcomes(model, of_split)
        if is_published_baseline(settings):
            prediction = _renormalised(prediction, folder, split)
        folder.write_predictions(split, prediction, of_split.data)
        resamples = settings["bootstrap"] if split == "test" else 0
        evaluation = evaluate_against(
            prediction, of_split, point_error=settings["point_error"], bootstrap=resamples
        )
        parts[split], parts[f"{split}_details"] = evaluation.values, evaluation.details
        if resamples:
            parts[f"{split}_interval"] = evaluation.intervals
        if split == "test" and settings.get(SUBGROUPS):
            specs = settings[SUBGROUPS]
            known = {"dataset": dataset, "specs": specs, "bootstrap": resamples}
            parts[SUBGROUPS] = subgroups_record(score_requested(prediction, of_split, **known))
    _warn_of_dead_experts(folder, parts.get("test", {}).get("expert_load", ()))
    return parts


def _warn_of_dead_experts(folder: RunFolder, load: Sequence[float]) -> None:
    dead = [str(number) for number, share in enumerate(load, start=1) if share == 0]
    if dead:
        experts, have = ("experts", "have") if len(dead) > 1 else ("expert", "has")
        folder.warn(
            f"{experts} {', '.join(dead)} of {len(load)} {have} the largest weight for no test "
            "subject"
        )


def predict_outcomes(model: SurvivalModel, outcomes: Outcomes) -> SurvivalPrediction:
    """Predict at the cuts, and at the evaluation times as the model knows them."""
    features, times = outcomes.data.features, outcomes.evaluation_times
    if not times:
        return model.predict(features)
    prediction = model.predict(features, np.union1d(outcomes.grid.cuts, times))
    # As without evaluation times, when a curve is known at the cuts alone.
    return replace(prediction, step=False)


def _renormalised(
    prediction: SurvivalPrediction, folder: RunFolder, split: str
) -> SurvivalPrediction:
    prediction, flat = renormalised(prediction)
    if flat:
        folder.warn(
            f"{split} rows: {flat} of {len(prediction)} predicted curves never fall; they have "
            "nothing to renormalise and stay at 1"
        )
    return prediction


def _describe(
    folder: RunFolder, dataset: Dataset, model: SurvivalModel, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a result says of a run beside its metrics and its timing."""
    calibration = model.calibration if isinstance(model, CalibratedModel) else None
    return {
        "run_id": folder.path.name,
        **{name: settings[name] for name in ("dataset", "model", "group", "seed", "evaluation")},
        "data_sha256": dataset.sha256,
        "known_leaks": dataset.card.known_leaks,
        **_leak_checks(dataset),
        **_causes(dataset),
        "notes": [*dataset.card.notes, *([calibration.describe()] if calibration else [])],
        "calibration": calibration._asdict() if calibration else None,
        **model.fit_summary._asdict(),
        "time_unit": dataset.card.time_unit,
        "survkit_version": survkit.__version__,
        "peak_memory_mb": peak_memory_mb(),
        "peak_gpu_memory_mb": peak_gpu_memory_mb(str(settings.get("device"))),
    }


def _causes(dataset: Dataset) -> dict[str, Any]:
    """Return what a record says of competing causes; nothing for data of one cause."""
    names = dataset.splits.train.cause_names
    return {"cause_names": list(names)} if names else {}


def _leak_checks(dataset: Dataset) -> dict[str, Any]:
    """Return what the checks of a user's own table found; nothing for other data."""
    checks = dataset.card.leak_checks
    return {} if checks is None else {"leak_checks": [check.record() for check in checks]}


def say_complete(
    folder: RunFolder,
    result: Mapping[str, Any],
    *,
    overwriting: str = "trains it again",
    time_unit: str | None = None,
) -> None:
    """Print that a record is there already, and whether another version or unit made it."""
    print(f"{one_line(str(folder.path))} is complete; --overwrite {overwriting}")
    if result["survkit_version"] != survkit.__version__:
        print(
            f"warning: it was made by survkit {result['survkit_version']}, "
            f"this is {survkit.__version__}",
            file=sys.stderr,
        )
    recorded = result.get("time_unit", time_unit)
    if time_unit is not None and recorded != time_unit:
        print(
            f"warning: it calls the unit of time '{recorded}', not '{time_unit}'; --overwrite "
            "changes that",
            file=sys.stderr,
        )


def show(folder: RunFolder, result: dict[str, Any]) -> None:
    """Print a record's warnings, its calibration after training and its main metrics."""
    for message in folder.warnings:
        print(f"warning: {one_line(message)}", file=sys.stderr)
    for leak in result["known_leaks"]:
        print(f"known leak: {leak}", file=sys.stderr)
    if result.get("calibration"):
        print(Calibration(**result["calibration"]).describe())
    print(result_summary(result))
    if scores := recorded_subgroups(result):
        print(f"\n{scores_text(result['model'], scores, result['time_unit'])}\n")
    for sentence in conformal_sentences(result):
        print(sentence)
    print(f"record: {one_line(str(folder.path))}")
