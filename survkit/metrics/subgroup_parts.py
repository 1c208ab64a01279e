"""The rows of a subgroup, or of all others, and the metrics that are computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.bootstrap import once_each
from survkit.metrics.evaluate import Evaluation, record_interval, record_values
from survkit.metrics.mean_metrics import mean_metrics
from survkit.metrics.metric_group import MetricGroup
from survkit.metrics.metric_groups import metric_groups
from survkit.metrics.names import of_cause, split_cause, stands_over_cuts
from survkit.metrics.observed_expected import observed_expected_groups
from survkit.metrics.outcomes import Outcomes
from survkit.metrics.problem import problem_of
from survkit.types import FloatArray, InputError, SurvivalPrediction

NULL_METRICS = ("ece_null_mean", "ece_null_p95")
"""What a calibrated model's `ece_equal_mass` would be in a subgroup of that size."""


@dataclass(frozen=True, eq=False)
class Grouping:
    """A partition of n rows into subgroups.

    Parameters
    ----------
    column : str
        What makes it: the column's name, or "expert".
    names : tuple of str
        The subgroups; one may have no rows.
    codes : array, shape (n,), int64
        Each row's place in `names`.
    spec : str
        What was asked for, such as "age:65"; the column where not given.

    Raises
    ------
    InputError
        For repeated names, or a code that is no place in `names`.
    """

    column: str
    names: tuple[str, ...]
    codes: NDArray[np.int64]
    spec: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "codes", np.asarray(self.codes, dtype=np.int64))
        object.__setattr__(self, "spec", self.spec or self.column)
        if len(set(self.names)) < len(self.names):
            raise InputError(f"subgroups of '{self.column}' must have different names")
        if ((self.codes < 0) | (self.codes >= len(self.names))).any():
            raise InputError(f"a code of '{self.column}' is none of its {len(self.names)} places")

    @property
    def present(self) -> list[int]:
        """The places of the subgroups with rows."""
        return [int(place) for place in np.unique(self.codes)]

    @property
    def is_pair(self) -> bool:
        """Whether there are two subgroups, each of which is all others of the other."""
        return len(self.present) == 2


@dataclass(frozen=True, eq=False)
class Part:
    """A subgroup's rows or those of all others, with what is computed from them.

    Parameters
    ----------
    rows : array, shape (k,), int64
        The rows.
    outcomes : Outcomes or None
        Their outcomes; None where there are no rows.
    reason : str
        Why the part has no metrics; "" where it has.
    groups : list of MetricGroup
        The metrics.
    evaluation : Evaluation
        The values.
    resamples : dict of str to array, shape (b,)
        Each metric in every resample.
    """

    rows: NDArray[np.int64]
    outcomes: Outcomes | None
    reason: str
    groups: list[MetricGroup] = field(default_factory=list)
    evaluation: Evaluation = field(default_factory=Evaluation)
    resamples: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def value(self, metric: str) -> float:
        """Return the value of a metric, NaN where it is undefined."""
        return float(np.asarray(self.evaluation.values[metric]))

    def record_intervals(self) -> None:
        """Note the intervals of all metrics that were resampled."""
        for name, values in self.resamples.items():
            record_interval(self.evaluation, name, values)

    @property
    def last_time(self) -> float:
        """The last cut of its metrics over several cuts."""
        if self.outcomes is None or self.reason:
            return np.inf
        return float(self.outcomes.grid.cuts[self.outcomes.weights.last_cut])


class Pair(NamedTuple):
    """A subgroup's part and that of all others.

    `over_cuts` has both for the metrics over several cuts, up to the last cut that both can use.
    """

    own: Part
    rest: Part
    over_cuts: tuple[Part, Part]

    def sides(self, metric: str) -> tuple[Part, Part]:
        """Return the two parts that a metric is compared between."""
        return self.over_cuts if stands_over_cuts(metric) else (self.own, self.rest)


def make_pairs(
    prediction: SurvivalPrediction,
    outcomes: Outcomes,
    grouping: Grouping,
    own: Sequence[Part],
    metrics: Sequence[str],
) -> dict[int, Pair]:
    """Return each subgroup with all others, by its place; none where there is one subgroup."""

    def part(rows: NDArray[np.int64], last_time: float = np.inf) -> Part:
        over_cuts = [metric for metric in metrics if stands_over_cuts(metric)]
        names = metrics if last_time == np.inf else over_cuts
        return make_part(prediction, replace(outcomes, last_time=last_time), rows, names)

    def limited(one: Part, last_time: float) -> Part:
        return one if one.reason or one.last_time <= last_time else part(one.rows, last_time)

    if len(grouping.present) < 2:
        return {}
    pairs: dict[int, Pair] = {}
    for place in grouping.present:
        if grouping.is_pair and pairs:
            (before,) = pairs.values()
            pairs[place] = Pair(before.rest, before.own, before.over_cuts[::-1])
            continue
        rows = np.flatnonzero(grouping.codes != place)
        rest = own[grouping.present[1]] if grouping.is_pair else part(rows)
        end = min(own[place].last_time, rest.last_time)
        pairs[place] = Pair(own[place], rest, (limited(own[place], end), limited(rest, end)))
    return pairs


def make_part(
    prediction: SurvivalPrediction,
    outcomes: Outcomes,
    rows: NDArray[np.int64],
    metrics: Sequence[str],
) -> Part:
    """Return the part of some rows with the values of metrics.

    Parameters
    ----------
    prediction : SurvivalPrediction
        Of n rows.
    outcomes : Outcomes
        Theirs.
    rows : array, shape (k,), int64
        The part's rows.
    metrics : sequence of str
        The metrics that it has.
    """
    if len(rows) == 0:
        return _undefined(Part(rows, None, "there is no such subject"), metrics)
    own = replace(outcomes, data=outcomes.data.subset(rows))
    subjects, least = own.data.num_subjects, own.min_at_risk
    if own.convention == "standard" and subjects < least:
        are = "subject" if subjects == 1 else "subjects"
        why = f"{subjects} {are}, fewer than min_at_risk {least}"
        return _undefined(Part(rows, own, why), metrics)
    problem = problem_of(prediction.subset(rows), own)
    groups = metric_groups(problem, mean_metrics(problem, "absolute"), null_draws=0, seed=0)
    groups += observed_expected_groups(problem)
    wanted = [g for g in groups if any(metric.name in metrics for metric in g.metrics)]
    part = Part(rows, own, "", wanted)
    _record(part, wanted, metrics)
    return part


def _record(part: Part, groups: Sequence[MetricGroup], metrics: Sequence[str]) -> None:
    found = Evaluation()
    for group in groups:
        record_values(found, group, group.compute(once_each(len(part.rows)))[0])
    for name in metrics:
        if name in found.values:
            part.evaluation.values[name] = found.values[name]
            part.evaluation.details[name] = found.details[name]


def _undefined(part: Part, metrics: Sequence[str]) -> Part:
    for name in metrics:
        part.evaluation.values[name] = np.nan
        part.evaluation.details[name] = {"n_used": 0, "max_weight": 1.0, "reason": part.reason}
    return part


def add_null(
    part: Part, prediction: SurvivalPrediction, metrics: Sequence[str], draws: int, seed: int
) -> None:
    """Add what a calibrated model's calibration error would be, for all causes and for each."""
    if part.outcomes is None or part.reason or not draws:
        return
    problem = problem_of(prediction.subset(part.rows), part.outcomes)
    groups = metric_groups(problem, {}, draws, seed)
    causes = dict.fromkeys(split_cause(metric)[0] for metric in metrics)
    names = [of_cause(cause, null) for cause in causes for null in NULL_METRICS]
    _record(part, [g for g in groups if any(m.name in names for m in g.metrics)], names)


def resample(part: Part, counts: FloatArray) -> None:
    """Add a chunk of resamples, whose counts (b, n) are those of all rows."""
    # The resamples of one row stay contiguous.
    own = np.ascontiguousarray(counts.T[part.rows]).T
    for group in part.groups:
        if not group.resampled:
            continue
        values = group.compute(own)
        for metric, resampled in zip(group.metrics, values.T, strict=True):
            if metric.name in part.evaluation.values:
                before = part.resamples.get(metric.name, np.zeros(0))
                part.resamples[metric.name] = np.concatenate([before, resampled])
