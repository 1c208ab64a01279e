"""The metrics that are a weighted mean over subjects: loss, Brier, accuracy, errors of times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from survkit.metrics.brier import accuracy_contributions, brier_contributions, integration_weights
from survkit.metrics.clustering import router_entropy
from survkit.metrics.point_error import PointError, optimal_times
from survkit.metrics.point_error import point_error as error_of
from survkit.metrics.problem import (
    NO_CUTS,
    PERCENTAGES,
    Problem,
    class_likelihood,
    class_probabilities,
)
from survkit.types import FloatArray

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
    """

    numerator: FloatArray
    denominator: FloatArray
    n_used: int
    max_weight: float = 1.0
    reason: str | None = None


def undefined(reason: str) -> MeanMetric:
    """Return a metric that has no value, for the given reason."""
    return MeanMetric(np.zeros(0), np.zeros(0), 0, reason=reason)


def mean_metrics(problem: Problem, kind: PointError) -> dict[str, MeanMetric]:
    """Return every mean metric of a prediction by name; `kind` is that of `point_error_optimal`."""
    median, pseudo = problem.median, problem.outcomes.pseudo
    metrics = {"loss": _loss(problem), **_brier(problem)}
    metrics |= {f"accuracy@{p}": _accuracy(problem, p) for p in PERCENTAGES}
    metrics["mae"] = _error(median, problem.time, problem.event.astype(np.float64))
    no_event = undefined("the training rows have no event after time 0")
    metrics["mae_pseudo"] = _error(median, *pseudo) if pseudo else no_event
    metrics["point_error_optimal"] = _optimal(problem, kind)
    if problem.outcomes.data.true_time is not None:
        metrics |= _against_truth(problem, problem.outcomes.data.true_time, median)
    if problem.prediction.expert_weights is not None:
        metrics["router_entropy"] = _mean(router_entropy(problem.prediction.expert_weights))
    return metrics


def _mean(values: FloatArray, weighed: tuple[int, float] | None = None) -> MeanMetric:
    """Return a mean over all subjects; `weighed` counts those with weight and has the largest."""
    return MeanMetric(values, np.ones(len(values)), *(weighed or (len(values), 1.0)))


def _loss(problem: Problem) -> MeanMetric:
    event_class = problem.outcomes.event_class
    likelihood = class_likelihood(problem.survival, problem.event, event_class)
    impossible = np.count_nonzero(likelihood <= 0)
    if impossible:
        return undefined(f"{impossible} of {len(likelihood)} outcomes had predicted probability 0")
    return _mean(-np.log(likelihood))


def _brier(problem: Problem) -> dict[str, MeanMetric]:
    last = problem.last_cut
    contributions = brier_contributions(
        problem.survival[:, : last + 1], problem.happened, problem.at_cuts
    )
    metrics: dict[str, MeanMetric] = {}
    for percentage in PERCENTAGES:
        cut, reason = problem.cut_at(percentage)
        metrics[f"brier@{percentage}"] = (
            undefined(reason)
            if reason
            else _mean(contributions[:, cut].copy(), _weighed_at(problem, cut))
        )
    reason = _no_mean_over_cuts(problem)
    if reason is not None:
        return metrics | {"brier": undefined(reason), "integrated_brier": undefined(reason)}
    integral = contributions @ integration_weights(problem.cuts[: last + 1])
    weighed_from = problem.outcomes.weighed_from
    metrics["brier"] = _mean(contributions[:, 1:].mean(axis=1), weighed_from(1))
    metrics["integrated_brier"] = _mean(integral, weighed_from(0))
    return metrics


def _no_mean_over_cuts(problem: Problem) -> str | None:
    if problem.last_cut == 0:
        return NO_CUTS
    empty = ~problem.used.any(axis=0)
    if empty.any():
        first = int(np.argmax(empty))
        return f"every subject is censored by time {problem.cuts[first]:g}"
    return None


def _weighed_at(problem: Problem, cut: int) -> tuple[int, float]:
    weights = problem.at_cuts[:, cut]
    return int(np.count_nonzero(weights)), float(weights.max())


def _accuracy(problem: Problem, percentage: int) -> MeanMetric:
    cut, reason = problem.cut_at(percentage)
    if reason is not None:
        return undefined(reason)
    weights = problem.at_cuts[:, cut]
    correct = accuracy_contributions(problem.survival[:, cut], problem.happened[:, cut], weights)
    return MeanMetric(correct, weights, *_weighed_at(problem, cut))


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
    for percentage in PERCENTAGES:
        cut = percentage * len(problem.cuts) // 100
        happened = true_time <= problem.cuts[cut]
        score = brier_contributions(problem.survival[:, cut], happened, np.ones(len(happened)))
        metrics[f"brier_true@{percentage}"] = _mean(score)
    return metrics
