"""Differences between models on the same test subjects, with paired bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.metrics.bootstrap import bootstrap_interval, once_each, resample_counts
from survkit.metrics.censoring import Convention
from survkit.metrics.mean_metrics import mean_metrics
from survkit.metrics.metric_group import MetricGroup
from survkit.metrics.metric_groups import metric_groups
from survkit.metrics.names import higher_is_better, raised_by_resampling, within_range
from survkit.metrics.outcomes import MIN_AT_RISK, Outcomes
from survkit.metrics.problem import problem_of
from survkit.types import SurvivalData, SurvivalPrediction, TimeGrid

_DIFFERENCE = ("difference", "difference_low", "difference_high")

_CHUNK_ELEMENTS = 10_000_000
"""Most counts (resamples x subjects) handled at once: bounds the memory."""


class Resampled(NamedTuple):
    """Metrics of one prediction, in the sample and in its resamples.

    Parameters
    ----------
    estimate : array, shape (q,), float64
        Each metric on the subjects themselves; NaN where it is undefined or unknown.
    resamples : array, shape (b, q), float64
        Each metric in every resample.
    """

    estimate: NDArray[np.float64]
    resamples: NDArray[np.float64]


def resample_metrics(
    predictions: Mapping[str, SurvivalPrediction],
    data: SurvivalData,
    metrics: Sequence[str],
    *,
    train: SurvivalData,
    grid: TimeGrid,
    convention: Convention = "standard",
    resamples: int = 1000,
    seed: int = 0,
    min_at_risk: int = MIN_AT_RISK,
    evaluation_times: Sequence[float] = (),
) -> dict[str, Resampled]:
    """Compute metrics of several predictions in the same bootstrap resamples of the subjects.

    All rows of one `subject_id` are drawn together. The censoring distribution and the bins of
    calibration errors are those of the sample, as in `survkit.metrics.evaluate`.

    Parameters
    ----------
    predictions : mapping of str to SurvivalPrediction
        By model, for the same n subjects.
    data : SurvivalData
        Their outcomes.
    metrics : sequence of str
        Names of metrics as in `survkit.metrics.evaluate`.
    train : SurvivalData
        The training rows, whose outcomes give the censoring distribution.
    grid, convention, min_at_risk, evaluation_times
        As in `survkit.metrics.evaluate`.
    resamples, seed : int
        Number of resamples, and their seed.

    Returns
    -------
    dict of str to Resampled
        By model; a metric that has no resamples (a null distribution's mean, say) is NaN, and so
        is one at a time with too few subjects at risk.

    Raises
    ------
    InputError
        As `survkit.metrics.evaluate`.
    """
    counts = resample_counts(len(data), resamples=resamples, seed=seed, subject_id=data.subject_id)
    resampled = {}
    times = tuple(evaluation_times)
    outcomes = Outcomes(data, train.time, train.event, grid, convention, min_at_risk, times)
    for name, prediction in predictions.items():
        problem = problem_of(prediction, outcomes)
        means = mean_metrics(problem, "absolute")
        groups = metric_groups(problem, means, null_draws=0, seed=0)
        resampled[name] = _resample(groups, metrics, counts)
    return resampled


def _resample(
    groups: Sequence[MetricGroup], metrics: Sequence[str], counts: NDArray[np.float32]
) -> Resampled:
    estimate = np.full(len(metrics), np.nan)
    values = np.full((len(counts), len(metrics)), np.nan)
    step = max(1, _CHUNK_ELEMENTS // counts.shape[1])
    for group in groups:
        names = [metric.name for metric in group.metrics]
        wanted = [(names.index(name), j) for j, name in enumerate(metrics) if name in names]
        if not wanted:
            continue
        columns, places = map(list, zip(*wanted, strict=True))
        estimate[places] = group.compute(once_each(counts.shape[1]))[0][columns]
        if group.resampled:
            for start in range(0, len(counts), step):
                chunk = slice(start, start + step)
                values[chunk, places] = group.compute(counts[chunk])[:, columns]
    return Resampled(estimate, values)


def paired_differences(
    resampled: Mapping[str, Resampled], metrics: Sequence[str], reference: str
) -> pd.DataFrame:
    """Return each model's metrics and their differences to a reference, with 95 % intervals.

    Percentiles of the difference over the resamples, which every model shares. As in
    `survkit.metrics.evaluate`, intervals of the metrics that resampling pushes upwards are moved
    back by the bootstrap's estimate of that bias.

    Parameters
    ----------
    resampled : mapping of str to Resampled
        From `resample_metrics`.
    metrics : sequence of str
        The metrics it was called with.
    reference : str
        One of the models.

    Returns
    -------
    DataFrame
        A row for each model and metric: model, metric, value, low, high (of the prediction
        averaged over seeds), difference, difference_low, difference_high (model less reference;
        NaN for the reference itself).

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, sections 10.2 and 13.3.
    """
    rows: list[tuple[Any, ...]] = []
    base = resampled[reference]
    for model, own in resampled.items():
        for j, metric in enumerate(metrics):
            value = _value(own, j, metric)
            unknown = (np.nan,) * 3
            difference = unknown if model == reference else _difference(own, base, j, metric)
            rows.append((model, metric, *value, *difference))
    return pd.DataFrame(rows, columns=["model", "metric", "value", "low", "high", *_DIFFERENCE])


def _value(own: Resampled, column: int, metric: str) -> tuple[float, float, float]:
    """Return one metric of a model, and its 95 % interval."""
    value, *interval = _with_interval(metric, own.estimate[column], own.resamples[:, column])
    low, high = interval
    return value, *within_range(metric, (low, high))


def _difference(
    one: Resampled, other: Resampled, column: int, metric: str
) -> tuple[float, float, float]:
    """Return the difference of one metric between two models, and its 95 % interval."""
    resamples = one.resamples[:, column] - other.resamples[:, column]
    return _with_interval(metric, one.estimate[column] - other.estimate[column], resamples)


def best_models(resampled: Mapping[str, Resampled], metrics: Sequence[str]) -> pd.DataFrame:
    """Return for each metric the best model, the second, and which cannot be told from the best.

    Parameters
    ----------
    resampled, metrics
        As in `paired_differences`.

    Returns
    -------
    DataFrame
        A row a metric that at least two models have: metric, best, value, low, high, second,
        difference, difference_low, difference_high (the best minus the second), and `level`, the
        models whose interval of the difference to the best includes zero.
    """
    rows: list[tuple[Any, ...]] = []
    for j, metric in enumerate(metrics):
        sign = -1 if higher_is_better(metric) else 1
        defined = [m for m, own in resampled.items() if not np.isnan(own.estimate[j])]
        order = sorted(defined, key=lambda model: sign * resampled[model].estimate[j])
        if len(order) < 2:
            continue
        best, second = order[:2]
        own = resampled[best]
        value = _value(own, j, metric)
        differences = {m: _difference(own, resampled[m], j, metric) for m in order[1:]}
        level = [m for m, (_, lo, hi) in differences.items() if not excludes_zero(lo, hi)]
        rows.append((metric, best, *value, second, *differences[second], level))
    names = ["metric", "best", "value", "low", "high", "second", *_DIFFERENCE, "level"]
    return pd.DataFrame(rows, columns=names)


def excludes_zero(low: float, high: float) -> bool:
    """Whether an interval lies on one side of 0; one that is unknown (NaN) does not."""
    return low > 0 or high < 0


def _with_interval(
    metric: str, estimate: float, resamples: NDArray[np.float64]
) -> tuple[float, float, float]:
    if np.isnan(estimate):
        return np.nan, np.nan, np.nan
    biased = raised_by_resampling(metric)
    interval = bootstrap_interval(resamples, float(estimate) if biased else None)
    return float(estimate), *(interval or (np.nan, np.nan))
