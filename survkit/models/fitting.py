"""How the training command builds and fits models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from survkit.metrics import Outcomes, evaluate_against
from survkit.models.calibrated import CalibratedModel
from survkit.models.cause_specific import for_causes
from survkit.models.conformal import ConformalModel
from survkit.models.registry import MODELS, refuse_causes, refuse_late_entry
from survkit.training.device import check_device
from survkit.training.neural_model import NeuralSurvivalModel, fit_together
from survkit.types import FitMonitor, InputError, SurvivalData, SurvivalModel, SurvivalPrediction


def use_device(device: str | None) -> str:
    """Return the name of the device to train on, and train in one thread.

    Parameters
    ----------
    device : str, optional
        A torch device; by default "cuda" where there is one, else "cpu".

    Raises
    ------
    InputError
        Where this machine does not have the device.
    """
    # A step takes about a millisecond, even of several seeds. Threads that share it wait for each
    # other at every operation: where another process has a core, for whole time slices.
    torch.set_num_threads(1)
    threadpool_limits(1, user_api="blas")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    check_device(device)
    return device


def build_model(settings: Mapping[str, Any], validation: Outcomes) -> SurvivalModel:
    """Return a new model of the registry, which follows the metrics of the validation split.

    For several competing causes it is one that predicts them all, or made of a model for each.

    Parameters
    ----------
    settings : mapping
        The resolved configuration, by flag.
    validation : Outcomes
        Outcomes of the validation split, on the time grid of the model.

    Raises
    ------
    InputError
        For parameters that do not fit together, a `monitored_val_metric` that cannot be computed
        on these rows, or several causes or late entries that the model does not know.
    """
    num_causes = validation.data.num_causes
    refuse_causes(settings["model"], num_causes)
    refuse_late_entry(settings["model"], late=validation.data.entry is not None)
    entry, metric = MODELS[settings["model"]], settings["monitored_val_metric"]
    why = validation.why_undefined(metric) if entry.network else None
    if why is not None:
        raise InputError(
            f"--monitored_val_metric {metric} is undefined on the validation split: {why}"
        )

    def validation_metrics(prediction: SurvivalPrediction) -> dict[str, float]:
        evaluation = evaluate_against(
            prediction, validation, point_error=settings["point_error"], bootstrap=0, null_draws=0
        )
        return {k: value for k, value in evaluation.values.items() if isinstance(value, float)}

    def build() -> SurvivalModel:
        return entry.build(
            grid=validation.grid,
            parameters=settings,
            seed=settings["seed"],
            device=settings["device"],
            validation_metrics=validation_metrics,
        )

    return for_causes(num_causes, entry, build)


def fit_models(
    models: Sequence[SurvivalModel],
    train: SurvivalData,
    validation: SurvivalData,
    *,
    monitors: Sequence[FitMonitor],
) -> list[InputError | None]:
    """Fit models that differ only in their seeds: networks as one stack, others one by one.

    Parameters
    ----------
    models : sequence of SurvivalModel
        Models that differ only in their seeds.
    train, validation : SurvivalData
        The rows of all models.
    monitors : sequence of FitMonitor
        One for each model.

    Returns
    -------
    list of InputError or None
        For each model that could not be fitted, why; the others are fitted.
    """
    networks = [model for model in models if isinstance(model, NeuralSurvivalModel)]
    if len(networks) == len(models):
        return fit_together(networks, train, validation, monitors=monitors)
    errors: list[InputError | None] = []
    for model, monitor in zip(models, monitors, strict=True):
        try:
            model.fit(train, validation, monitor=monitor)
            errors.append(None)
        except InputError as error:
            errors.append(error)
    return errors


def recalibrate(
    model: SurvivalModel,
    settings: Mapping[str, Any],
    validation: SurvivalData,
    fitted_on: SurvivalData,
    calibration: SurvivalData | None,
) -> SurvivalModel:
    """Return a fitted model with the calibration that its flags ask for, if any.

    Parameters
    ----------
    model : SurvivalModel
        The fitted model.
    settings : mapping
        The resolved configuration, by flag.
    validation : SurvivalData
        The validation rows, for `calibrate`.
    fitted_on, calibration : SurvivalData
        The rows that the model was fitted on, and those held out of them, for `conformal`.

    Raises
    ------
    InputError
        As `ConformalModel.calibrate`.
    """
    if settings["calibrate"]:
        return CalibratedModel(model, grid=model.grid).calibrate(validation)
    if calibration is None:
        return model
    conformal = ConformalModel(
        model,
        method=settings["conformal"],
        level=settings["conformal_level"],
        by_expert=settings["conformal_groups"] == "expert",
    )
    return conformal.calibrate(calibration, fitted_on, censoring=settings["conformal_censoring"])
