"""The metrics of one prediction as groups that are computed together in every resample."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.bootstrap import weighted_ratio
from survkit.metrics.calibration_groups import (
    aj_calibration_group,
    calibration_groups,
    calibration_null,
)
from survkit.metrics.clustering import (
    adjusted_rand_index,
    chosen_expert,
    contingency,
    normalized_mutual_information,
    purity,
)
from survkit.metrics.concordance_groups import concordance_groups
from survkit.metrics.curve_calibration import d_calibration, survival_bounds
from survkit.metrics.mean_metrics import MeanMetric, mean_metrics_of_cause
from survkit.metrics.metric_group import (
    Metric,
    MetricGroup,
    constant_group,
    groups_of_cause,
    undefined_group,
    where_anyone_survives,
)
from survkit.metrics.outcomes import LATE_ENTRY
from survkit.metrics.point_groups import point_groups
from survkit.metrics.problem import Problem
from survkit.types import FloatArray


def metric_groups(
    problem: Problem, means: dict[str, MeanMetric], null_draws: int, seed: int
) -> list[MetricGroup]:
    """Return every metric that has one number: the given means, and the metrics that are not means.

    After them come all metrics of each cause, where the prediction and the data have causes.

    Parameters
    ----------
    problem : Problem
        The prediction and its outcomes.
    means : dict of MeanMetric
        From `mean_metrics`, those of an event of any cause.
    null_draws, seed : int
        Size and seed of the calibration error's null distribution; none where the size is 0.
    """
    return [
        *_mean_groups(means),
        *concordance_groups(problem),
        *[group for point in problem.points for group in point_groups(problem, point)],
        _d_calibration(problem),
        *calibration_groups(problem),
        *([calibration_null(problem, problem, null_draws, seed)] if null_draws else []),
        *_agreement_groups(problem),
        *[
            group
            for own in problem.causes
            for group in _groups_of_cause(problem, own, null_draws, seed)
        ],
        *([aj_calibration_group(problem)] if problem.causes else []),
    ]


def _groups_of_cause(
    problem: Problem, own: Problem, null_draws: int, seed: int
) -> list[MetricGroup]:
    """Return every metric of one cause, whose problem is `own`."""
    groups = [
        *_mean_groups(mean_metrics_of_cause(own)),
        *concordance_groups(own),
        *[group for point in own.points for group in point_groups(own, point)],
        *calibration_groups(own),
        *([calibration_null(problem, own, null_draws, seed)] if null_draws else []),
    ]
    return groups_of_cause(own.cause_name, groups)


def _mean_groups(means: dict[str, MeanMetric]) -> list[MetricGroup]:
    defined = {name: mean for name, mean in means.items() if mean.reason is None}
    metrics = [
        Metric(name, mean.n_used, mean.max_weight, "no subject carries weight", mean.point)
        for name, mean in defined.items()
    ]
    groups = [
        undefined_group({name: mean.reason}, mean.point)
        for name, mean in means.items()
        if mean.reason is not None
    ]
    if not defined:
        return groups
    numerator = np.column_stack([mean.numerator for mean in defined.values()])
    denominator = np.column_stack([mean.denominator for mean in defined.values()])
    means_of = partial(weighted_ratio, numerator, denominator)
    survivors = [mean.survivors for mean in defined.values()]
    return [MetricGroup(metrics, where_anyone_survives(means_of, survivors)), *groups]


def _d_calibration(problem: Problem) -> MetricGroup:
    if problem.outcomes.is_late:
        return undefined_group({"d_calibration_p": LATE_ENTRY})
    prediction = problem.curve
    bounds = survival_bounds(prediction.survival, prediction.times, problem.time, problem.event)
    metric = Metric("d_calibration_p", len(problem.time))
    return constant_group([metric], np.array([d_calibration(*bounds)]))


def _agreement_groups(problem: Problem) -> list[MetricGroup]:
    expert_weights, label = problem.prediction.expert_weights, problem.outcomes.data.label
    if expert_weights is None or label is None:
        return []
    expert = chosen_expert(expert_weights)
    scores = {"purity": purity, "ari": adjusted_rand_index, "nmi": normalized_mutual_information}

    def agreement(counts: FloatArray) -> NDArray[np.float64]:
        table = contingency(expert, label, counts)
        return np.column_stack([score(table) for score in scores.values()])

    return [MetricGroup([Metric(name, len(label)) for name in scores], agreement)]
