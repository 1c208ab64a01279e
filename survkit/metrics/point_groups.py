"""The metrics at one time that are no means, for an event of any cause or of one cause."""

from __future__ import annotations

import numpy as np

from survkit.metrics.brier import cumulative_dynamic_auc, incidence_auc
from survkit.metrics.calibration_groups import calibration_at
from survkit.metrics.metric_group import (
    Metric,
    MetricGroup,
    undefined_group,
    where_anyone_survives,
)
from survkit.metrics.outcomes import TimePoint
from survkit.metrics.problem import Problem


def point_groups(problem: Problem, point: TimePoint) -> list[MetricGroup]:
    """Return what stands at one time and is no mean: the AUC and, at a time asked for, calibration.

    (At the cuts the calibration error is averaged, see `calibration_groups`.)
    """
    names = [f"auc@{point.suffix}"]
    if point.cut is None:
        names += [f"ece@{point.suffix}", f"ece_equal_mass@{point.suffix}"]
    reason = problem.why_undefined(point)
    if reason is not None:
        return [undefined_group(dict.fromkeys(names, reason), point)]
    auc = _auc_of_cause if problem.cause else _auc
    groups = [auc(problem, names[0], point)]
    if point.cut is None:
        groups += calibration_at(problem, names[1:], point)
    return groups


def _auc(problem: Problem, name: str, point: TimePoint) -> MetricGroup:
    weights, survival = problem.outcomes.weights_at(point), problem.survival_at(point)
    happened = problem.happened_by(point)
    metric = Metric(
        name,
        int(np.count_nonzero(weights)),
        float(weights.max(where=happened, initial=1.0)),
        f"no event up to, or nobody at risk after, time {point.time:g}",
        point,
    )
    return MetricGroup(
        [metric],
        lambda counts: cumulative_dynamic_auc(
            survival, problem.time, problem.event, point.time, weights, counts
        )[:, None],
    )


def _auc_of_cause(problem: Problem, name: str, point: TimePoint) -> MetricGroup:
    weights, incidence = problem.outcomes.weights_at(point), 1.0 - problem.survival_at(point)
    happened, survivors = problem.happened_by(point), problem.outcomes.survivors_at(point)
    reason = f"no event of this cause up to, or nobody without one at, time {point.time:g}"
    weighed = int(np.count_nonzero(weights)), float(weights.max())
    return MetricGroup(
        [Metric(name, *weighed, reason, point)],
        # Those with another event are controls too, but somebody must still be at risk.
        where_anyone_survives(
            lambda counts: incidence_auc(incidence, happened, weights, counts)[:, None],
            [survivors],
        ),
    )
