"""The metrics that are a weighted mean over subjects: loss, Brier, accuracy, errors of times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from survkit.metrics.brier import accuracy_contributions, brier_contributions, integration_weights
from survkit.metrics.clustering import router_entropy
from survkit.metrics.point_error import (
    PointError,
    PseudoObservations,
    optimal_times,
    pseudo_observations,
)
from survkit.metrics.point_error import point_error as error_of
from survkit.metrics.problem import (
    NO_CUTS,
    PERCENTAGES,
    Problem,
    class_likelihood,
    class_probabilities,
)
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
    """

    numerator: FloatArray
    denominator: FloatArray
    n_used: int
    max_weight: float = 1.0
    reason: str | None = None


def undefined(reason: str) -> MeanMetric:
    """Return a metric that has no value, for the given reason."""
    return MeanMetric(np.zeros(0), np.zeros(0), 0, reason=reason)


def mean_metrics(
    problem: Problem,
    train_time: FloatArray,
    train_event: BoolArray,
    kind: PointError,
    *,
    pseudo: PseudoObservations | None = None,
) -> dict[str, MeanMetric]:
    """Return every mean metric of a prediction by name.

    Parameters
    ----------
    problem : Problem
        The prediction and its outcomes.
    train_time, train_event : array, shape (n_train,)
        Outcomes of the training rows, for pseudo-observations.
    kind : {"absolute", "relative", "squared", "log"}
        The error of `point_error_optimal`.
    pseudo : PseudoObservations, optional
        From `pseudo_observations` for these rows, where they are known already.
    """
    median = problem.median
    metrics = {"loss": _loss(problem), **_brier(problem)}
    metrics |= {f"accuracy@{p}": _accuracy(problem, p) for p in PERCENTAGES}
    metrics["mae"] = _error(median, problem.time, problem.event.astype(np.float64))
    metrics["mae_pseudo"] = _pseudo(problem, median, train_time, train_event, pseudo)
    metrics["point_error_optimal"] = _optimal(problem, kind)
    if problem.outcomes.data.true_time is not None:
        metrics |= _against_truth(problem, problem.outcomes.data.true_time, median)
    if problem.prediction.expert_weights is not None:
        entropy = router_entropy(problem.prediction.expert_weights)
        metrics["router_entropy"] = _plain(entropy)
    return metrics


def _plain(values: FloatArray) -> MeanMetric:
    return MeanMetric(values, np.ones(len(values)), len(values))


def _loss(problem: Problem) -> MeanMetric:
    event_class = problem.outcomes.event_class
    likelihood = class_likelihood(problem.survival, problem.event, event_class)
    impossible = np.count_nonzero(likelihood <= 0)
    if impossible:
        return undefined(f"{impossible} of {len(likelihood)} outcomes had predicted probability 0")
    return _plain(-np.log(likelihood))


def _brier(problem: Problem) -> dict[str, MeanMetric]:
    last = problem.last_cut
    contributions = brier_contributions(
        problem.survival[:, : last + 1], problem.happened, problem.at_cuts
    )
    metrics: dict[str, MeanMetric] = {}
    for percentage in PERCENTAGES:
        cut, reason = problem.cut_at(percentage)
        metrics[f"brier@{percentage}"] = (
            undefined(reason) if reason else _at_cut(problem, contributions[:, cut].copy(), cut)
        )
    reason = _no_mean_over_cuts(problem)
    if reason is not None:
        return metrics | {"brier": undefined(reason), "integrated_brier": undefined(reason)}
    integral = contributions @ integration_weights(problem.cuts[: last + 1])
    metrics["brier"] = _over_cuts(problem, contributions[:, 1:].mean(axis=1), first_cut=1)
    metrics["integrated_brier"] = _over_cuts(problem, integral, first_cut=0)
    return metrics


def _no_mean_over_cuts(problem: Problem) -> str | None:
    if problem.last_cut == 0:
        return NO_CUTS
    empty = ~problem.used.any(axis=0)
    if empty.any():
        first = int(np.argmax(empty))
        return f"every subject is censored by time {problem.cuts[first]:g}"
    return None


def _at_cut(problem: Problem, values: FloatArray, cut: int) -> MeanMetric:
    """Return a mean over all subjects that rests on the weights at one cut."""
    weights = problem.at_cuts[:, cut]
    used = int(np.count_nonzero(weights))
    return MeanMetric(values, np.ones(len(values)), used, float(weights.max()))


def _over_cuts(problem: Problem, values: FloatArray, *, first_cut: int) -> MeanMetric:
    """Return a mean over all subjects that rests on the weights from a cut to K."""
    used, max_weight = problem.outcomes.weighed_from(first_cut)
    return MeanMetric(values, np.ones(len(values)), used, max_weight)


def _accuracy(problem: Problem, percentage: int) -> MeanMetric:
    cut, reason = problem.cut_at(percentage)
    if reason is not None:
        return undefined(reason)
    weights = problem.at_cuts[:, cut]
    correct = accuracy_contributions(problem.survival[:, cut], problem.happened[:, cut], weights)
    used = int(np.count_nonzero(weights))
    return MeanMetric(correct, weights, used, float(weights.max()))


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
    return MeanMetric(error, confidence, int(np.count_nonzero(used)), 1.0)


def _pseudo(
    problem: Problem,
    median: FloatArray,
    train_time: FloatArray,
    train_event: BoolArray,
    pseudo: PseudoObservations | None,
) -> MeanMetric:
    train_time, train_event = np.asarray(train_time), np.asarray(train_event, dtype=np.bool_)
    if not (train_event & (train_time > 0)).any():
        return undefined("the training rows have no event after time 0")
    if pseudo is None:
        pseudo = pseudo_observations(problem.time, problem.event, train_time, train_event)
    return _error(median, *pseudo)


def _optimal(problem: Problem, kind: PointError) -> MeanMetric:
    predicted = np.concatenate(
        [
            optimal_times(class_probabilities(problem.survival[rows]), problem.cuts, kind)
            for rows in _row_blocks(len(problem.survival))
        ]
    )
    event = problem.event
    if not event.any():
        return undefined("no subject has a known event time")
    at_zero = np.count_nonzero(event & (problem.time == 0))
    if kind == "log" and at_zero:
        return undefined(f"the event was at time 0, which has no logarithm, for {at_zero} subjects")
    error = np.zeros(len(event))
    error[event] = error_of(predicted[event], problem.time[event], kind)
    return MeanMetric(error, event.astype(np.float64), int(event.sum()))


def _row_blocks(n: int) -> list[slice]:
    return [slice(start, start + _BLOCK_ROWS) for start in range(0, n, _BLOCK_ROWS)]


def _against_truth(
    problem: Problem, true_time: FloatArray, median: FloatArray
) -> dict[str, MeanMetric]:
    metrics = {"mae_true": _error(median, true_time, np.ones(len(true_time)))}
    for percentage in PERCENTAGES:
        cut = percentage * len(problem.cuts) // 100
        happened = true_time <= problem.cuts[cut]
        score = brier_contributions(problem.survival[:, cut], happened, np.ones(len(happened)))
        metrics[f"brier_true@{percentage}"] = _plain(score)
    return metrics
