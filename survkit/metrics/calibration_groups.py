"""The calibration metrics of one prediction, for an event of any cause or of one cause."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from survkit.metrics import calibration
from survkit.metrics.curve_calibration import aj_calibration, km_calibration
from survkit.metrics.metric_group import (
    Metric,
    MetricGroup,
    constant_group,
    undefined_group,
    where_anyone_survives,
)
from survkit.metrics.names import of_cause
from survkit.metrics.outcomes import TimePoint
from survkit.metrics.problem import Problem
from survkit.types import BoolArray, FloatArray, IntArray


def calibration_groups(problem: Problem) -> list[MetricGroup]:
    """Return the calibration over cuts 1..K.

    Of a cause they are the calibration errors alone: the causes are compared with Aalen-Johansen
    together, see `aj_calibration_group`, and the true cause of censored subjects is not known.
    """
    true_time = None if problem.cause else problem.outcomes.data.true_time
    if problem.last_cut == 0:
        names = ["ece", "ece_equal_mass"]
        names += [] if problem.cause else ["km_calibration"]
        names += [] if true_time is None else ["ece_true"]
        return [undefined_group(dict.fromkeys(names, str(problem.outcomes.why_no_cuts)))]
    over_time = slice(1, problem.last_cut + 1)
    predicted = 1.0 - problem.survival[:, over_time]
    seen = predicted, problem.happened[:, over_time], problem.at_cuts[:, over_time]
    width, mass = calibration.equal_width_bins(predicted), calibration.equal_mass_bins(predicted)
    weighed, survivors = problem.outcomes.weighed_from(1), problem.outcomes.survivors
    groups = [
        _calibration_error(Metric("ece", *weighed), survivors, *seen, width),
        _calibration_error(Metric("ece_equal_mass", *weighed), survivors, *seen, mass),
        *([] if problem.cause else [_km_calibration(problem)]),
    ]
    if true_time is not None:
        truth = true_time[:, None] <= problem.cuts[over_time]
        known = predicted, truth, np.broadcast_to(1.0, truth.shape)
        metric = Metric("ece_true", len(truth))
        groups.append(_calibration_error(metric, None, *known, width))
    return groups


def _calibration_error(
    metric: Metric,
    survivors: BoolArray | None,
    predicted: FloatArray,
    happened: BoolArray,
    weights: FloatArray,
    bins: IntArray,
) -> MetricGroup:
    def error(counts: FloatArray) -> NDArray[np.float64]:
        return calibration.expected_calibration_error(predicted, happened, weights, bins, counts)[
            :, None
        ]

    reason = "every subject is censored before some cut"
    metric = replace(metric, if_undefined=reason)
    return MetricGroup([metric], where_anyone_survives(error, [survivors]))


def calibration_null(problem: Problem, own: Problem, draws: int, seed: int) -> MetricGroup:
    """Return the null distribution of the calibration error of `own`.

    `own` is that of a cause, or the problem itself: outcomes are drawn from the latter's curves.
    """
    names = ("ece_null_mean", "ece_null_p95")
    if problem.last_cut == 0:
        return undefined_group(dict.fromkeys(names, str(problem.outcomes.why_no_cuts)))
    over_time = slice(1, problem.last_cut + 1)
    survival = problem.survival[:, over_time]
    predicted = 1.0 - own.survival[:, over_time]
    errors = calibration.calibration_error_null(
        survival,
        problem.cuts[over_time],
        calibration.equal_mass_bins(predicted),
        problem.outcomes.censoring,
        problem.outcomes.weights,
        incidence=predicted if own.cause else None,
        draws=draws,
        seed=seed,
    )
    reason = "in some draws every subject is censored before some cut"
    largest = float(problem.outcomes.weights.at_cut.max())
    metrics = [Metric(name, len(problem.time), largest, reason) for name in names]
    return constant_group(metrics, np.array([errors.mean(), np.quantile(errors, 0.95)]))


def _km_calibration(problem: Problem) -> MetricGroup:
    upto = slice(0, problem.last_cut + 1)
    survival, cuts = problem.survival[:, upto], problem.cuts[upto]

    def distance(counts: FloatArray) -> NDArray[np.float64]:
        return km_calibration(survival, cuts, problem.time, problem.event, counts)[:, None]

    metric = Metric("km_calibration", len(problem.time))
    return MetricGroup([metric], where_anyone_survives(distance, [problem.outcomes.survivors]))


def aj_calibration_group(problem: Problem) -> MetricGroup:
    """Return the distance of each cause's mean predicted incidence from Aalen-Johansen."""
    incidence, cause = problem.incidence, problem.outcomes.data.cause
    names = [of_cause(own.cause_name, "aj_calibration") for own in problem.causes]
    if problem.last_cut == 0 or incidence is None or cause is None:
        return undefined_group(dict.fromkeys(names, str(problem.outcomes.why_no_cuts)))
    upto = slice(0, problem.last_cut + 1)
    predicted, cuts = incidence[:, :, upto], problem.cuts[upto]

    def distance(counts: FloatArray) -> NDArray[np.float64]:
        return aj_calibration(predicted, cuts, problem.time, cause, counts)

    metrics = [Metric(name, len(problem.time)) for name in names]
    survivors = [problem.outcomes.survivors] * len(names)
    return MetricGroup(metrics, where_anyone_survives(distance, survivors))


def calibration_at(problem: Problem, names: list[str], point: TimePoint) -> list[MetricGroup]:
    """Return the two calibration errors of the given names at a usable time."""
    predicted = 1.0 - problem.survival_at(point)[:, None]
    weights = problem.outcomes.weights_at(point)[:, None]
    happened = problem.happened_by(point)[:, None]
    survivors = problem.outcomes.survivors_at(point)
    weighed = int(np.count_nonzero(weights)), float(weights.max())
    bins = calibration.equal_width_bins(predicted), calibration.equal_mass_bins(predicted)
    return [
        _calibration_error(
            Metric(name, *weighed, point=point), survivors, predicted, happened, weights, own
        )
        for name, own in zip(names, bins, strict=True)
    ]
