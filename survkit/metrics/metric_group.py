"""Groups of metrics that are computed together in every resample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.names import of_cause
from survkit.metrics.outcomes import TimePoint
from survkit.types import BoolArray, FloatArray


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
    return constant_group(metrics, np.full(len(metrics), np.nan))


def constant_group(metrics: list[Metric], values: NDArray[np.float64]) -> MetricGroup:
    """Return metrics whose values (q,) are known, and which resampling says nothing of."""
    return MetricGroup(metrics, lambda counts: values[None], resampled=False)


def where_anyone_survives(
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


def groups_of_cause(cause: str, groups: Sequence[MetricGroup]) -> list[MetricGroup]:
    """Return groups whose metrics have the name of their cause before their own."""
    return [
        replace(
            group,
            metrics=[replace(each, name=of_cause(cause, each.name)) for each in group.metrics],
        )
        for group in groups
    ]
