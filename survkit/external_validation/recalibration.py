"""Recalibrates a run on a part of new data, so that the rest can tell what that is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import survkit
from survkit.datasets.holdout import stratified_split
from survkit.external_validation.new_data import NewData
from survkit.models.calibrated import CalibratedModel
from survkit.models.calibration import Calibration, fit_recalibration
from survkit.runs.read import FittedRun
from survkit.types import InputError, SurvivalData, SurvivalModel, TimeGrid

Kind = Literal["none", "intercept", "slope"]


@dataclass(frozen=True, eq=False)
class Recalibration:
    """A map fitted on a part of the new data, and the model that it makes of the run's.

    Parameters
    ----------
    kind : {"intercept", "slope"}
        What was fitted.
    calibration : Calibration
        The map: logit S' = intercept + slope logit S.
    model : SurvivalModel
        The run's model with it.
    n, subjects, events : int
        Rows, subjects and events that it was fitted on.
    share, seed
        How they were chosen.
    """

    kind: Kind
    calibration: Calibration
    model: SurvivalModel
    n: int
    subjects: int
    events: int
    share: float
    seed: int

    def describe(self) -> str:
        """Return what was fitted on what, in a sentence."""
        fitted = "the intercept and the slope" if self.kind == "slope" else "the intercept alone"
        map_text = (
            f"logit S' = {self.calibration.intercept:.3f} + {self.calibration.slope:.3f} logit S"
        )
        sentence = (
            f"Recalibrated by {map_text}: {fitted}, fitted by maximum likelihood on "
            f"{self.subjects:,} subjects of the new data with {self.events:,} events (share "
            f"{self.share:g}, drawn with seed {self.seed} and stratified by the event)."
        )
        if self.calibration.n_impossible:
            sentence += (
                f" {self.calibration.n_impossible} of their rows, to whose outcome the model gives "
                "probability 0, did not enter the fit."
            )
        return sentence


def part_of_subjects(
    data: SurvivalData, share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of a random share of the subjects, and the others, each in their order.

    The share has its part of the events, and of each cause; the rows of a subject stay together.

    Parameters
    ----------
    data : SurvivalData
        The subjects.
    share : float
        Above 0 and below 1.
    seed : int
        Of the draw.

    Raises
    ------
    InputError
        For fewer than two subjects.
    """
    code = data.event.astype(np.int64) if data.cause is None else data.cause
    ids = np.arange(len(data)) if data.subject_id is None else data.subject_id
    subject = np.unique(ids, return_inverse=True)[1]
    count = int(subject.max()) + 1
    if count < 2:
        raise InputError(
            "a recalibration needs two parts of the subjects, and there is one subject"
        )
    of_subject = np.zeros(count, np.int64)
    np.maximum.at(of_subject, subject, code)
    held = min(max(round(share * count), 1), count - 1)
    _, part = stratified_split(np.arange(count), held, of_subject, seed=seed)
    chosen = np.isin(subject, part)
    return np.flatnonzero(chosen), np.flatnonzero(~chosen)


def recalibrate(
    run: FittedRun, part: NewData, grid: TimeGrid, *, kind: Kind, share: float, seed: int
) -> Recalibration:
    """Fit a map of the run's predictions on a part of the new subjects.

    A run that was calibrated after training is recalibrated as it predicts; the two maps are one.

    Parameters
    ----------
    run : FittedRun
        The run.
    part : NewData
        The subjects to fit on.
    grid : TimeGrid
        The run's: the classes of the likelihood.
    kind : {"intercept", "slope"}
        Whether the slope is fitted too.
    share, seed
        How the part was drawn, for the record.

    Raises
    ------
    InputError
        As `fit_recalibration`.
    """
    data = part.data
    try:
        fitted = fit_recalibration(
            run.model.predict(data.features), data, grid, with_slope=kind == "slope"
        )
    except InputError as error:
        raise InputError(f"--recalibrate {kind}: {error}") from None
    model = recalibrated_model(run.model, fitted, grid)
    events = int(data.event.sum())
    return Recalibration(kind, fitted, model, len(data), data.num_subjects, events, share, seed)


def recalibrated_model(
    model: SurvivalModel, calibration: Calibration, grid: TimeGrid
) -> CalibratedModel:
    """Return a model with a further map of its predictions; one that has a map has one in the end.

    Parameters
    ----------
    model : SurvivalModel
        The model.
    calibration : Calibration
        The map of what it predicts.
    grid : TimeGrid
        The classes of the likelihood that it was fitted by.
    """
    if not isinstance(model, CalibratedModel):
        return CalibratedModel(model, grid=grid, calibration=calibration)
    first = model.calibration
    if first.applied:
        calibration = calibration._replace(
            intercept=calibration.intercept + calibration.slope * first.intercept,
            slope=calibration.slope * first.slope,
        )
    return CalibratedModel(model.inner, grid=grid, calibration=calibration)


def checkpoint_of(run: FittedRun, model: SurvivalModel) -> dict[str, Any]:
    """Return a checkpoint of a run with another model, as `survkit.predict` reads it."""
    preprocessor, schema = run.preprocessor, run.schema
    return {
        "state": model.state(),
        "preprocessor": None if preprocessor is None else preprocessor.state(),
        "schema": None if schema is None else schema.state(),
        "config": run.config,
        "survkit_version": survkit.__version__,
        **({"cause_names": list(run.cause_names)} if run.cause_names else {}),
    }
