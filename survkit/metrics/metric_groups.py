"""The metrics of one prediction as groups that are computed together in every resample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from survkit.metrics import calibration, concordance
from survkit.metrics.bootstrap import weighted_ratio
from survkit.metrics.brier import cumulative_dynamic_auc
from survkit.metrics.clustering import (
    adjusted_rand_index,
    chosen_expert,
    contingency,
    normalized_mutual_information,
    purity,
)
from survkit.metrics.curve_calibration import d_calibration, km_calibration, survival_bounds
from survkit.metrics.mean_metrics import MeanMetric
from survkit.metrics.outcomes import TimePoint
from survkit.metrics.problem import Problem
from survkit.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Metric:
    """What is known of a metric before it is computed, and the reason if it comes out NaN.

    `point` is the time of a metric that stands at one.
    """

    name: str
    n_used: int
    max_weight: float = 1.0
    if_undefined: str = ""
    point: TimePoint | None = None


@dataclass(frozen=True)
class MetricGroup:
    """Metrics computed together: counts (b, n) -> values (b, len(metrics)).

    Parameters
    ----------
    metrics : list of Metric
        One for each column of the values.
    compute : callable
        The values in every resample.
    resampled : bool
        Whether a bootstrap interval makes sense.
    """

    metrics: list[Metric]
    compute: Callable[[FloatArray], NDArray[np.float64]]
    resampled: bool = True


def undefined_group(reasons: Mapping[str, str], point: TimePoint | None = None) -> MetricGroup:
    """Return a group of metrics that are known to be undefined, each with its reason."""
    metrics = [
        Metric(name, 0, if_undefined=reason, point=point) for name, reason in reasons.items()
    ]
    return _constant_group(metrics, np.full(len(metrics), np.nan))


def metric_groups(
    problem: Problem, means: dict[str, MeanMetric], null_draws: int, seed: int
) -> list[MetricGroup]:
    """Return every metric that has one number: the given means, and the metrics that are not means.

    Parameters
    ----------
    problem : Problem
        The prediction and its outcomes.
    means : dict of MeanMetric
        From `mean_metrics`.
    null_draws, seed : int
        Size and seed of the calibration error's null distribution; none where the size is 0.
    """
    return [
        *_mean_groups(means),
        _risk_concordance(problem),
        _curve_concordance(problem),
        *[group for point in problem.points for group in _point_groups(problem, point)],
        _d_calibration(problem),
        *_calibration_groups(problem),
        *([_calibration_null(problem, null_draws, seed)] if null_draws else []),
        *_agreement_groups(problem),
    ]


def _constant_group(metrics: list[Metric], values: NDArray[np.float64]) -> MetricGroup:
    return MetricGroup(metrics, lambda counts: values[None], resampled=False)


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
    return [MetricGroup(metrics, _where_anyone_survives(means_of, survivors)), *groups]


def _where_anyone_survives(
    compute: Callable[[FloatArray], NDArray[np.float64]], survivors: Sequence[BoolArray | None]
) -> Callable[[FloatArray], NDArray[np.float64]]:
    """Return metrics (b, q) without a value in the resamples that draw none of the survivors.

    `survivors` has those at the last time of each of the q metrics, None where they do not matter.
    """
    columns: dict[bytes, list[int]] = {}  # those with the same survivors
    for column, still_at_risk in enumerate(survivors):
        if still_at_risk is not None:
            columns.setdefault(still_at_risk.tobytes(), []).append(column)
    if not columns:
        return compute
    groups = [(survivors[own[0]], own) for own in columns.values()]

    def computed(counts: FloatArray) -> NDArray[np.float64]:
        values = compute(counts)
        for still_at_risk, own in groups:
            gone = counts @ np.asarray(still_at_risk, counts.dtype) == 0
            values[np.ix_(gone, own)] = np.nan
        return values

    return computed


def _risk_concordance(problem: Problem) -> MetricGroup:
    time, event = problem.time, problem.event
    before_tau = event & (time < problem.cuts[problem.last_cut])
    uno = np.where(before_tau, problem.outcomes.weights.at_event**2, 0.0)
    weights = np.column_stack([np.ones(len(time)), uno])
    risk, pairs = -problem.median, problem.outcomes.pairs
    used, largest = pairs.subjects(before_tau), float(uno.max(initial=1.0))
    no_pairs = problem.outcomes.why_no_cuts or "no comparable pairs before the last usable cut"
    ipcw = Metric("concordance_ipcw", used, largest, no_pairs)
    return MetricGroup(
        [Metric("concordance", pairs.subjects(), if_undefined=_NO_PAIRS), ipcw],
        lambda counts: concordance.concordance(risk, time, event, weights, counts),
    )


_NO_PAIRS = "no comparable pairs: no subject was followed for longer than another's event"


def _curve_concordance(problem: Problem) -> MetricGroup:
    prediction, time, event = problem.curve, problem.time, problem.event
    used = problem.outcomes.pairs.subjects()
    return MetricGroup(
        [Metric("concordance_td", used, if_undefined=_NO_PAIRS)],
        lambda counts: concordance.concordance_td(
            prediction.survival, prediction.times, time, event, counts
        )[:, None],
    )


def _point_groups(problem: Problem, point: TimePoint) -> list[MetricGroup]:
    """Return what stands at one time and is no mean: the AUC and, at a time asked for, calibration.

    (At the cuts the calibration error is averaged, see `_calibration_groups`.)
    """
    names = [f"auc@{point.suffix}"]
    if point.cut is None:
        names += [f"ece@{point.suffix}", f"ece_equal_mass@{point.suffix}"]
    reason = problem.why_undefined(point)
    if reason is not None:
        return [undefined_group(dict.fromkeys(names, reason), point)]
    groups = [_auc(problem, names[0], point)]
    if point.cut is None:
        groups += _calibration_at(problem, names[1:], point)
    return groups


def _auc(problem: Problem, name: str, point: TimePoint) -> MetricGroup:
    weights, survival = problem.outcomes.weights_at(point), problem.survival_at(point)
    happened = problem.outcomes.happened_by(np.array([point.time]))[:, 0]
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


def _calibration_at(problem: Problem, names: list[str], point: TimePoint) -> list[MetricGroup]:
    predicted = 1.0 - problem.survival_at(point)[:, None]
    weights = problem.outcomes.weights_at(point)[:, None]
    happened = problem.outcomes.happened_by(np.array([point.time]))
    survivors = problem.outcomes.survivors_at(point)
    weighed = int(np.count_nonzero(weights)), float(weights.max())
    bins = calibration.equal_width_bins(predicted), calibration.equal_mass_bins(predicted)
    return [
        _calibration_error(
            Metric(name, *weighed, point=point), survivors, predicted, happened, weights, own
        )
        for name, own in zip(names, bins, strict=True)
    ]


def _d_calibration(problem: Problem) -> MetricGroup:
    prediction = problem.curve
    bounds = survival_bounds(prediction.survival, prediction.times, problem.time, problem.event)
    metric = Metric("d_calibration_p", len(problem.time))
    return _constant_group([metric], np.array([d_calibration(*bounds)]))


def _calibration_groups(problem: Problem) -> list[MetricGroup]:
    true_time = problem.outcomes.data.true_time
    if problem.last_cut == 0:
        names = ["ece", "ece_equal_mass", "km_calibration"]
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
        _km_calibration(problem),
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
    return MetricGroup([metric], _where_anyone_survives(error, [survivors]))


def _calibration_null(problem: Problem, draws: int, seed: int) -> MetricGroup:
    names = ("ece_null_mean", "ece_null_p95")
    if problem.last_cut == 0:
        return undefined_group(dict.fromkeys(names, str(problem.outcomes.why_no_cuts)))
    over_time = slice(1, problem.last_cut + 1)
    survival = problem.survival[:, over_time]
    errors = calibration.calibration_error_null(
        survival,
        problem.cuts[over_time],
        calibration.equal_mass_bins(1.0 - survival),
        problem.outcomes.censoring,
        problem.outcomes.weights,
        draws=draws,
        seed=seed,
    )
    reason = "in some draws every subject is censored before some cut"
    largest = float(problem.outcomes.weights.at_cut.max())
    metrics = [Metric(name, len(problem.time), largest, reason) for name in names]
    return _constant_group(metrics, np.array([errors.mean(), np.quantile(errors, 0.95)]))


def _km_calibration(problem: Problem) -> MetricGroup:
    upto = slice(0, problem.last_cut + 1)
    survival, cuts = problem.survival[:, upto], problem.cuts[upto]

    def distance(counts: FloatArray) -> NDArray[np.float64]:
        return km_calibration(survival, cuts, problem.time, problem.event, counts)[:, None]

    metric = Metric("km_calibration", len(problem.time))
    return MetricGroup([metric], _where_anyone_survives(distance, [problem.outcomes.survivors]))


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
