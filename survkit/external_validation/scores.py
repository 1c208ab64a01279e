"""What a prediction of new subjects scores: every metric, and its calibration at fixed times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from survkit.baselines.published import renormalised
from survkit.configs.train import TrainConfig
from survkit.datasets.assemble import Dataset
from survkit.external_validation.fixed_times import CalibrationAt, calibration_at_points
from survkit.metrics import Outcomes, evaluate_against
from survkit.metrics.evaluate import Evaluation
from survkit.metrics.outcomes import MIN_AT_RISK
from survkit.models.size import check_bootstrap
from survkit.runs.identity import EARLIER
from survkit.runs.read import FittedRun
from survkit.runs.results import evaluated_outcomes, predict_outcomes
from survkit.runs.rows import is_published_baseline
from survkit.types import InputError, SurvivalData, SurvivalModel, SurvivalPrediction, TimeGrid


@dataclass(frozen=True, eq=False)
class Scores:
    """One model's predictions of the evaluated subjects, and what they score.

    Parameters
    ----------
    prediction : SurvivalPrediction
        The predicted curves.
    evaluation : Evaluation
        Every metric, with intervals.
    calibration : list of CalibrationAt
        Calibration at each time of metrics at one time, of an event of any cause and of each cause.
    """

    prediction: SurvivalPrediction
    evaluation: Evaluation
    calibration: list[CalibrationAt]


def settings_of(run: FittedRun) -> dict[str, Any]:
    """Return a run's flags, with the values that count where its record is older than a flag."""
    return {**asdict(TrainConfig()), **EARLIER, **run.config}


def grid_of(run: FittedRun, features: np.ndarray[Any, Any]) -> TimeGrid:
    """Return the time grid of a run: the times at which its model predicts unless told others.

    `features` (n, p) are those of any subjects.
    """
    cuts = run.model.predict(features[:1]).times
    return TimeGrid(cuts, bool(settings_of(run)["labeling_floor_mode"]))


def outcomes_of_new(
    data: SurvivalData,
    grid: TimeGrid,
    *,
    settings: Mapping[str, Any],
    evaluation_times: tuple[float, ...] = (),
    min_at_risk: int | None = None,
) -> Outcomes:
    """Return new outcomes with weights from their own censoring.

    The weights make up for subjects of the evaluated sample who were lost, and in another sample
    others are lost, at other times: weights from the training rows would be those of another
    study. So the Kaplan-Meier curve of censoring, and that of `mae_pseudo`, come from the new rows.

    Parameters
    ----------
    data : SurvivalData
        The subjects that are evaluated.
    grid : TimeGrid
        The run's.
    settings : mapping
        The run's flags.
    evaluation_times : tuple of float
        Further times; the run's where none are given.
    min_at_risk : int, optional
        As in `Outcomes`. A record has 0 where the number decided nothing in the run's own rows,
        which says nothing of others, so it is then the default.
    """
    if min_at_risk is None:
        min_at_risk = int(settings["min_at_risk"]) or MIN_AT_RISK
    times = evaluation_times or tuple(settings["evaluation_times"])
    _check_times(times, grid)
    return Outcomes(data, data.time, data.event, grid, "standard", min_at_risk, times)


def outcomes_of_own(
    dataset: Dataset,
    *,
    settings: Mapping[str, Any],
    evaluation_times: tuple[float, ...] = (),
    min_at_risk: int | None = None,
) -> Outcomes:
    """Return the outcomes of the run's own test rows, weighted as in its record."""
    changed: dict[str, Any] = {}
    if evaluation_times:
        changed["evaluation_times"] = evaluation_times
    if min_at_risk is not None:
        changed["min_at_risk"] = min_at_risk
    _check_times(evaluation_times, dataset.grid)
    return evaluated_outcomes(dataset, {**settings, **changed, "evaluate_test": True})["test"]


def _check_times(times: tuple[float, ...], grid: TimeGrid) -> None:
    if beyond := [f"{time:g}" for time in times if time > grid.horizon]:
        raise InputError(
            f"--evaluation_times {' '.join(beyond)}: the run's horizon is {grid.horizon:g}, and "
            "nothing is predicted beyond it"
        )


def resamples_for(settings: Mapping[str, Any], bootstrap: int | None) -> int:
    """Return the number of resamples: as many as the run's where none are asked for."""
    return int(settings["bootstrap"]) if bootstrap is None else bootstrap


def score(
    model: SurvivalModel,
    outcomes: Outcomes,
    *,
    settings: Mapping[str, Any],
    bootstrap: int | None = None,
) -> Scores:
    """Predict the evaluated subjects and compute every metric.

    Parameters
    ----------
    model : SurvivalModel
        The fitted model.
    outcomes : Outcomes
        From `outcomes_of_new` or `outcomes_of_own`.
    settings : mapping
        The run's flags.
    bootstrap : int, optional
        Resamples for the intervals; as many as the run's where not given.
    """
    resamples = resamples_for(settings, bootstrap)
    check_bootstrap(resamples, len(outcomes.data))
    prediction = predict_outcomes(model, outcomes)
    if outcomes.convention == "published" and is_published_baseline(settings):
        prediction, _ = renormalised(prediction)
    evaluation = evaluate_against(
        prediction, outcomes, point_error=settings["point_error"], bootstrap=resamples
    )
    return Scores(prediction, evaluation, calibration_at_points(prediction, outcomes))
