"""Every metric of a prediction, with bootstrap intervals: the one entry point of the evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.bootstrap import bootstrap_interval, once_each, resample_chunks
from survkit.metrics.censoring import Convention
from survkit.metrics.clustering import dead_experts, expert_load
from survkit.metrics.mean_metrics import mean_metrics
from survkit.metrics.metric_group import MetricGroup
from survkit.metrics.metric_groups import metric_groups
from survkit.metrics.names import raised_by_resampling, within_range
from survkit.metrics.outcomes import MIN_AT_RISK, Outcomes
from survkit.metrics.point_error import PointError
from survkit.metrics.problem import problem_of
from survkit.types import (
    BoolArray,
    FloatArray,
    InputError,
    SurvivalData,
    SurvivalPrediction,
    TimeGrid,
)

_CHUNK_ELEMENTS = 10_000_000
"""Most counts (resamples x subjects) handled at once: bounds the memory."""


@dataclass(frozen=True)
class Evaluation:
    """Metrics of one prediction.

    Parameters
    ----------
    values : dict
        Metric -> value, a fraction rather than a percentage, NaN where undefined; `expert_load`
        is a list with one share per expert.
    intervals : dict
        Metric -> lower and upper end of the 95 % bootstrap interval, see `bootstrap_interval`.
    details : dict
        Metric -> `n_used` (subjects that carry weight in it), `max_weight` (largest censoring
        weight, 1.0 for metrics without), `reason` where the value is NaN,
        `resamples_defined` where the metric is undefined in some resamples, and of a metric that
        stands at one time that `time` and the number of subjects still `at_risk` then.
    """

    values: dict[str, float | list[float]] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    details: dict[str, dict[str, Any]] = field(default_factory=dict)


def evaluate(
    prediction: SurvivalPrediction,
    data: SurvivalData,
    *,
    train_time: FloatArray,
    train_event: BoolArray,
    grid: TimeGrid,
    convention: Convention = "standard",
    point_error: PointError = "absolute",
    bootstrap: int = 1000,
    seed: int = 0,
    null_draws: int = 200,
    min_at_risk: int = MIN_AT_RISK,
    evaluation_times: Sequence[float] = (),
) -> Evaluation:
    """Compute every metric that the prediction and the data allow.

    Intervals come from resampling subjects (all rows of one `subject_id` together), with the
    censoring distribution, the calibration bins and the last cut held fixed. `ece_null_mean`,
    `ece_null_p95`, `d_calibration_p`, `expert_load` and `dead_experts` have none: the first three
    describe a null distribution, the last two the sample itself. `ece_null_mean` and
    `ece_null_p95` are those of `ece_equal_mass`, which is above 0 for a calibrated model too.

    Where both the data and the prediction tell causes of the event apart, there are metrics of
    each: `relapse/brier@50` is that of the cause `relapse`. Metrics without a cause are those of
    an event of any cause.

    Parameters
    ----------
    prediction : SurvivalPrediction
        Predicted curves of n subjects; must reach the grid's horizon.
    data : SurvivalData
        Their outcomes.
    train_time, train_event, grid, convention, min_at_risk
        As in `Outcomes`.
    evaluation_times : sequence of float
        Further times, in the data's unit, at which to give Brier score, AUC, accuracy and
        calibration errors: `brier@t=30` and so on.
    point_error : {"absolute", "relative", "squared", "log"}
        The error behind `point_error_optimal`.
    bootstrap : int
        Number of resamples; 0 for no intervals.
    seed : int
        Seed of the resamples and of the calibration error's null distribution.
    null_draws : int
        Outcomes drawn for `ece_null_mean` and `ece_null_p95`; 0 leaves the two out.

    Returns
    -------
    Evaluation
        A metric that is undefined for these data is NaN with a reason; nothing is raised for it.

    Raises
    ------
    InputError
        For arguments that do not fit each other, or a prediction that ends before the horizon.
    """
    return evaluate_against(
        prediction,
        Outcomes(
            data,
            train_time,
            train_event,
            grid,
            convention,
            min_at_risk,
            tuple(np.atleast_1d(np.asarray(evaluation_times, dtype=np.float64)).tolist()),
        ),
        point_error=point_error,
        bootstrap=bootstrap,
        seed=seed,
        null_draws=null_draws,
    )


def evaluate_against(
    prediction: SurvivalPrediction,
    outcomes: Outcomes,
    *,
    point_error: PointError = "absolute",
    bootstrap: int = 1000,
    seed: int = 0,
    null_draws: int = 200,
) -> Evaluation:
    """Compute what `evaluate` does, for one of several predictions of the same outcomes.

    What depends on the outcomes alone is computed for the first prediction and kept in them.

    `outcomes` combines the outcomes of the predicted subjects with those of the training rows, the
    time grid and the convention. The other parameters and the errors are those of `evaluate`.
    """
    problem = problem_of(prediction, outcomes)
    groups = metric_groups(problem, mean_metrics(problem, point_error), null_draws, seed)
    evaluation = Evaluation()
    for group in groups:
        record_values(evaluation, group, group.compute(once_each(len(prediction)))[0])
    if prediction.expert_weights is not None:
        _record_experts(evaluation, prediction.expert_weights)
    if bootstrap:
        _record_intervals(evaluation, groups, outcomes.data, bootstrap, seed)
    return evaluation


def renormalise_beyond_horizon(prediction: SurvivalPrediction) -> SurvivalPrediction:
    """Redistribute the probability beyond the last time over the grid: (S - S_end) / (1 - S_end).

    Only for comparison with figures of models that were treated so; it biases survival downwards.

    Raises
    ------
    InputError
        Where a subject has no probability on the grid to scale up.
    """
    end = prediction.survival[:, -1:]
    empty = np.flatnonzero(end >= 1.0)
    if len(empty):
        raise InputError(
            f"{len(empty)} predicted curves never fall, the first of them subject {empty[0]}: no "
            "probability on the grid can be renormalised; use the standard convention"
        )
    survival = (prediction.survival - end) / (1.0 - end)
    return replace(prediction, survival=survival)


def record_values(evaluation: Evaluation, group: MetricGroup, values: NDArray[np.float64]) -> None:
    """Note the values (q,) of a group's metrics in an evaluation, with their details."""
    for metric, value in zip(group.metrics, values, strict=True):
        evaluation.values[metric.name] = float(value)
        details: dict[str, Any] = {"n_used": metric.n_used, "max_weight": metric.max_weight}
        if metric.point is not None:
            details |= {"time": metric.point.time, "at_risk": metric.point.at_risk}
        if np.isnan(value):
            details["reason"] = metric.if_undefined
        evaluation.details[metric.name] = details


def _record_experts(evaluation: Evaluation, expert_weights: NDArray[np.float64]) -> None:
    evaluation.values["expert_load"] = expert_load(expert_weights).tolist()
    evaluation.values["dead_experts"] = float(dead_experts(expert_weights))
    for name in ("expert_load", "dead_experts"):
        evaluation.details[name] = {"n_used": len(expert_weights), "max_weight": 1.0}


def _record_intervals(
    evaluation: Evaluation, groups: list[MetricGroup], data: SurvivalData, resamples: int, seed: int
) -> None:
    groups = [group for group in groups if group.resampled]
    chunks: list[list[NDArray[np.float64]]] = [[] for _ in groups]
    for counts in resample_chunks(
        len(data),
        resamples=resamples,
        seed=seed,
        subject_id=data.subject_id,
        at_once=max(1, _CHUNK_ELEMENTS // len(data)),
    ):
        for group, values in zip(groups, chunks, strict=True):
            values.append(group.compute(counts))
    for group, values in zip(groups, chunks, strict=True):
        for metric, resampled in zip(group.metrics, np.concatenate(values).T, strict=True):
            record_interval(evaluation, metric.name, resampled)


def record_interval(evaluation: Evaluation, name: str, resampled: NDArray[np.float64]) -> None:
    """Note the bootstrap interval of a metric from its values in the resamples, shape (b,)."""
    biased = raised_by_resampling(name)
    estimate = cast(float, evaluation.values[name]) if biased else None
    interval = bootstrap_interval(resampled, estimate)
    if interval is None or "reason" in evaluation.details[name]:
        return
    evaluation.intervals[name] = within_range(name, interval)
    defined = int(np.count_nonzero(~np.isnan(resampled)))
    if defined < len(resampled):
        evaluation.details[name]["resamples_defined"] = defined
