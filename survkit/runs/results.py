"""What the commands that make records share: scoring the splits, describing and showing a run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import survkit
from survkit.baselines.published import renormalised
from survkit.datasets.assemble import Dataset
from survkit.metrics import Evaluation, Outcomes, evaluate_against
from survkit.models.calibration import Calibration
from survkit.models.composite import CalibratedModel, NamedModel
from survkit.runs.folder import RunFolder, peak_gpu_memory_mb
from survkit.runs.metric_text import result_summary
from survkit.system import peak_memory_mb
from survkit.types import SurvivalData, SurvivalModel, SurvivalPrediction


def scorer(dataset: Dataset, settings: Mapping[str, Any]) -> Callable[..., Evaluation]:
    """Return `evaluate` on a dataset under a configuration's conventions.

    What it returns takes a prediction, its outcomes, and further keywords of `evaluate_against`.
    """
    train = dataset.splits.train

    @cache  # a network's training scores the validation split every epoch
    def outcomes(data: SurvivalData) -> Outcomes:
        return Outcomes(data, train.time, train.event, dataset.grid, settings["evaluation"])

    def score(prediction: SurvivalPrediction, data: SurvivalData, **options: Any) -> Evaluation:
        return evaluate_against(
            prediction, outcomes(data), point_error=settings["point_error"], **options
        )

    return score


def write_fitted(
    folder: RunFolder, named: NamedModel, dataset: Dataset, settings: Mapping[str, Any]
) -> None:
    """Write the checkpoint of a fitted model, which `survkit.runs.folder.load_fitted` reads."""
    preprocessor = dataset.preprocessor
    folder.write_checkpoint(
        {
            **named.saved(),
            "preprocessor": None if preprocessor is None else preprocessor.state(),
            "config": settings,
            "survkit_version": survkit.__version__,
        }
    )


def evaluate_splits(
    model: SurvivalModel,
    dataset: Dataset,
    folder: RunFolder,
    score: Callable[..., Evaluation],
    *,
    bootstrap: int,
    renormalise: bool = False,
) -> dict[str, Any]:
    """Predict and score the validation and the test split; return their part of the result.

    Parameters
    ----------
    model : SurvivalModel
        The fitted model.
    dataset : Dataset
        What it was fitted on.
    folder : RunFolder
        Where the predictions are written.
    score : callable
        From `scorer`.
    bootstrap : int
        Resamples for the intervals of the test metrics.
    renormalise : bool
        Spread probability beyond the horizon over the grid, as the published evaluation does.
    """
    parts: dict[str, Any] = {}
    for split, resamples in {"validation": 0, "test": bootstrap}.items():
        data: SurvivalData = getattr(dataset.splits, split)
        prediction = model.predict(data.features)
        if renormalise:
            prediction, flat = renormalised(prediction)
            if flat:
                folder.warn(
                    f"{split} rows: {flat} of {len(data)} predicted curves never fall; they have "
                    "nothing to renormalise and stay at 1"
                )
        folder.write_predictions(split, prediction, data)
        evaluation = score(prediction, data, bootstrap=resamples)
        parts[split], parts[f"{split}_details"] = evaluation.values, evaluation.details
        if resamples:
            parts[f"{split}_interval"] = evaluation.intervals
    return {"test_interval": {}, **parts}


def timing(*, load_seconds: float, fit_seconds: float, evaluate_seconds: float) -> dict[str, float]:
    """Return the seconds of each part of a run, and their sum."""
    return {
        "load_seconds": load_seconds,
        "fit_seconds": fit_seconds,
        "evaluate_seconds": evaluate_seconds,
        "total_seconds": load_seconds + fit_seconds + evaluate_seconds,
    }


def describe_run(
    folder: RunFolder, dataset: Dataset, model: SurvivalModel, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a result says of a run beside its metrics and its timing.

    Parameters
    ----------
    folder : RunFolder
        The run's folder.
    dataset : Dataset
        What the model was fitted on.
    model : SurvivalModel
        The fitted model.
    settings : mapping
        The resolved configuration, by flag; `device` may be missing.
    """
    calibration = model.calibration if isinstance(model, CalibratedModel) else None
    return {
        "run_id": folder.path.name,
        **{name: settings[name] for name in ("dataset", "model", "group", "seed", "evaluation")},
        "data_sha256": dataset.sha256,
        "known_leaks": dataset.card.known_leaks,
        "notes": [*dataset.card.notes, *([calibration.describe()] if calibration else [])],
        "calibration": calibration._asdict() if calibration else None,
        **model.fit_summary._asdict(),
        "time_unit": dataset.card.time_unit,
        "survkit_version": survkit.__version__,
        "peak_memory_mb": peak_memory_mb(),
        "peak_gpu_memory_mb": peak_gpu_memory_mb(str(settings.get("device"))),
    }


def say_complete(
    folder: RunFolder, result: Mapping[str, Any], *, overwriting: str = "trains it again"
) -> None:
    """Print that a record is there already, and whether another version made it."""
    print(f"{folder.path} is complete; --overwrite {overwriting}")
    if result["survkit_version"] != survkit.__version__:
        print(
            f"warning: it was made by survkit {result['survkit_version']}, "
            f"this is {survkit.__version__}",
            file=sys.stderr,
        )


def show(folder: RunFolder, result: dict[str, Any]) -> None:
    """Print a record's warnings, its calibration after training and its main metrics."""
    for message in folder.warnings:
        print(f"warning: {message}", file=sys.stderr)
    for leak in result["known_leaks"]:
        print(f"known leak: {leak}", file=sys.stderr)
    if result.get("calibration"):
        print(Calibration(**result["calibration"]).describe())
    print(result_summary(result))
    print(f"record: {folder.path}")
