"""The metrics that are a weighted mean over subjects: loss, Brier, accuracy, errors of times."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from survkit.metrics.brier import accuracy_contributions, brier_contributions, integration_weights
from survkit.metrics.classes import (
    class_likelihood,
    class_probabilities,
    incidence_likelihood,
    likelihood_given_entry,
)
from survkit.metrics.clustering import router_entropy
from survkit.metrics.outcomes import LATE_ENTRY, TimePoint
from survkit.metrics.point_error import PointError, optimal_times
from survkit.metrics.point_error import point_error as error_of
from survkit.metrics.problem import Problem
from survkit.types import BoolArray, FloatArray

_BLOCK_ROWS = 500
"""Rows whose class probabilities are held at once: bounds the memory."""


@dataclass(frozen=True, eq=False)
class MeanMetric:
    """A metric that is one sum over subjects divided by another.

    Parameters
    ----------
    numerator, denominator : array, shape (n,)
        What each subject adds to the two sums.
    n_used : int
        Subjects that carry weight.
    max_weight : float
        Largest censoring weight.
    reason : str, optional
        Why the metric is undefined; then the arrays are empty.
    survivors : array, shape (n,), bool, optional
        The subjects still at risk at the metric's last time; it has no value where none is drawn.
    point : TimePoint, optional
        The time of a metric that stands at one.
    """

    numerator: FloatArray
    denominator: FloatArray
    n_used: int
    max_weight: float = 1.0
    reason: str | None = None
    survivors: BoolArray | None = None
    point: TimePoint | None = None


def undefined(reason: str, point: TimePoint | None = None) -> MeanMetric:
    """Return a metric that has no value, for the given reason."""
    return MeanMetric(np.zeros(0), np.zeros(0), 0, reason=reason, point=point)


def mean_metrics(problem: Problem, kind: PointError) -> dict[str, MeanMetric]:
    """Return every mean metric of a prediction by name; `kind` is that of `point_error_optimal`."""
    metrics = {"loss": _loss(problem), **_at_points(problem), **_over_cuts(problem)}
    metrics |= _of_times(problem, kind)
    if problem.prediction.expert_weights is not None:
        metrics["router_entropy"] = _mean(router_entropy(problem.prediction.expert_weights))
    return metrics


def _of_times(problem: Problem, kind: PointError) -> dict[str, MeanMetric]:
    """Return the errors of predicted times, and what compares with true times."""
    if problem.outcomes.is_late:
        return dict.fromkeys(("mae", "mae_pseudo", "point_error_optimal"), undefined(LATE_ENTRY))
    median, pseudo = problem.median, problem.outcomes.pseudo
    metrics = {"mae": _error(median, problem.time, problem.event.astype(np.float64))}
    no_event = undefined("the training rows have no event after time 0")
    metrics["mae_pseudo"] = _error(median, *pseudo) if pseudo else no_event
    metrics["point_error_optimal"] = _optimal(problem, kind)
    if problem.outcomes.data.true_time is not None:
        metrics |= _against_truth(problem, problem.outcomes.data.true_time, median)
    return metrics


def mean_metrics_of_cause(problem: Problem) -> dict[str, MeanMetric]:
    """Return every mean metric of one cause by its plain name: Brier scores of the incidence."""
    return {**_at_points(problem), **_over_cuts(problem)}


def _mean(values: FloatArray, weighed: tuple[int, float] | None = None) -> MeanMetric:
    """Return a mean over all subjects; `weighed` counts those with weight and has the largest."""
    return MeanMetric(values, np.ones(len(values)), *(weighed or (len(values), 1.0)))


def _loss(problem: Problem) -> MeanMetric:
    event_class, cause = problem.outcomes.event_class, problem.outcomes.data.cause
    if problem.incidence is None or cause is None:
        likelihood = class_likelihood(problem.survival, problem.event, event_class)
    else:
        likelihood = incidence_likelihood(problem.survival, problem.incidence, cause, event_class)
    if problem.outcomes.first_class is not None:
        likelihood = likelihood_given_entry(
            likelihood, problem.survival, event_class, problem.outcomes.first_class
        )
    impossible = np.count_nonzero(~(likelihood > 0))
    if impossible:
        return undefined(f"{impossible} of {len(likelihood)} outcomes had predicted probability 0")
    return _mean(-np.log(likelihood))


def _at_points(problem: Problem) -> dict[str, MeanMetric]:
    """Return Brier score and accuracy at every time of metrics that stand at one.

    Of a cause there is no accuracy: predicting that a rare one never comes is seldom wrong.
    """
    metrics: dict[str, MeanMetric] = {}
    for point in problem.points:
        names = ["brier"] if problem.cause else ["brier", "accuracy"]
        reason = problem.why_undefined(point)
        for name in names:
            metrics[f"{name}@{point.suffix}"] = (
                undefined(reason, point) if reason else _at_point(problem, name, point)
            )
    return metrics


def _at_point(problem: Problem, name: str, point: TimePoint) -> MeanMetric:
    weights, survival = problem.outcomes.weights_at(point), problem.survival_at(point)
    happened, survivors = problem.happened_by(point), problem.outcomes.survivors_at(point)
    weighed = int(np.count_nonzero(weights)), float(weights.max())
    if name == "accuracy":
        correct = accuracy_contributions(survival, happened, weights)
        return MeanMetric(correct, weights, *weighed, None, survivors, point)
    squares = brier_contributions(survival, happened, weights)
    return MeanMetric(squares, np.ones(len(squares)), *weighed, None, survivors, point)


def _over_cuts(problem: Problem) -> dict[str, MeanMetric]:
    """Return the Brier score's mean and integral over cuts 1..K and 0..K."""
    reason = no_mean_over_cuts(problem)
    if reason is not None:
        return {"brier": undefined(reason), "integrated_brier": undefined(reason)}
    last, outcomes = problem.last_cut, problem.outcomes
    contributions = brier_contributions(
        problem.survival[:, : last + 1], problem.happened, problem.at_cuts
    )
    mean = _mean(contributions[:, 1:].mean(axis=1), outcomes.weighed_from(1))
    integral = contributions @ integration_weights(problem.cuts[: last + 1])
    return {
        "brier": replace(mean, survivors=outcomes.survivors),
        "integrated_brier": replace(
            _mean(integral, outcomes.weighed_from(0)), survivors=outcomes.survivors
        ),
    }


def no_mean_over_cuts(problem: Problem) -> str | None:
    """Return why a mean over the cuts has no value, None where it has one."""
    if problem.outcomes.why_no_cuts is not None:
        return problem.outcomes.why_no_cuts
    empty = ~problem.used.any(axis=0)
    if empty.any():
        first = int(np.argmax(empty))
        return f"every subject is censored by time {problem.cuts[first]:g}"
    return None


def _error(predicted: FloatArray, target: FloatArray, confidence: FloatArray) -> MeanMetric:
    """Mean absolute error, weighted by confidence in the target."""
    used = confidence > 0
    if not used.any():
        return undefined("no subject has a known event time")
    infinite = np.count_nonzero(np.isinf(predicted[used]))
    if infinite:
        return undefined(
            f"the predicted median is infinite for {infinite} of {used.sum()} subjects"
        )
    error = np.zeros(len(predicted))
    error[used] = confidence[used] * error_of(predicted[used], target[used])
    return MeanMetric(error, confidence, int(np.count_nonzero(used)))


def _optimal(problem: Problem, kind: PointError) -> MeanMetric:
    event, starts = problem.event, range(0, len(problem.survival), _BLOCK_ROWS)
    blocks = (class_probabilities(problem.survival[at : at + _BLOCK_ROWS]) for at in starts)
    predicted = np.concatenate([optimal_times(block, problem.cuts, kind) for block in blocks])
    if not event.any():
        return undefined("no subject has a known event time")
    at_zero = np.count_nonzero(event & (problem.time == 0))
    if kind == "log" and at_zero:
        return undefined(f"the event was at time 0, which has no logarithm, for {at_zero} subjects")
    error = np.zeros(len(event))
    error[event] = error_of(predicted[event], problem.time[event], kind)
    return MeanMetric(error, event.astype(np.float64), int(event.sum()))


def _against_truth(
    problem: Problem, true_time: FloatArray, median: FloatArray
) -> dict[str, MeanMetric]:
    metrics = {"mae_true": _error(median, true_time, np.ones(len(true_time)))}
    for point in problem.points:
        metrics[f"brier_true@{point.suffix}"] = _true_brier(problem, true_time, point)
    return metrics


def _true_brier(problem: Problem, true_time: FloatArray, point: TimePoint) -> MeanMetric:
    outcomes, free = problem.outcomes, true_time > point.time
    if point.time > problem.prediction.times[-1]:
        return undefined(str(problem.why_undefined(point)), point)
    why = outcomes.why_no_truth(point)
    if why is not None:
        return undefined(why, point)
    everybody = np.ones(len(free))
    score = brier_contributions(problem.survival_at(point), ~free, everybody)
    survivors = None if outcomes.survivors_at(point) is None else free
    return replace(_mean(score), survivors=survivors, point=point)
