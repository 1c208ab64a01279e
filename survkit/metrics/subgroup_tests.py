"""Whether a subgroup differs from all other subjects, by the bootstrap."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.bootstrap import bootstrap_interval
from survkit.metrics.names import higher_is_better, split_cause, stands_over_cuts
from survkit.metrics.observed_expected import IN_THE_LARGE, OBSERVED_EXPECTED
from survkit.metrics.subgroup_parts import Grouping, Pair, Part
from survkit.types import FloatArray

MIN_EVENTS = 10
"""Events in the subgroup, and in all others, without which a metric is not tested."""

LEVEL = 0.05
"""A difference is significant below it, after Holm's method."""

MIN_DEFINED = 0.95
"""Share of the resamples in which a difference must be defined to be tested."""

_SUBSAMPLES = 200

_SUBGROUP, _OTHERS = "of the subgroup", "of all others"


class Comparison(NamedTuple):
    """A subgroup against all other subjects, by one metric.

    Parameters
    ----------
    subgroup, metric : str
        Which.
    own, rest : float
        The metric of the subgroup and of all others, as they are compared: metrics over several
        cuts end at the last cut that both can use, and `ece_equal_mass` is that of equally many
        subjects.
    difference, low, high : float
        Subgroup minus others, with its 95 % bootstrap interval. Of `observed_expected` it is the
        difference of the logs.
    p, adjusted : float
        Two-sided p value, and by Holm's method over all comparisons of the column.
    worse : bool
        Whether the subgroup is worse off than the others.
    reason : str
        Why there is no p value; "" where there is one.
    """

    subgroup: str
    metric: str
    own: float
    rest: float
    difference: float
    low: float
    high: float
    p: float
    adjusted: float
    worse: bool
    reason: str


class _Test(NamedTuple):
    """A comparison before Holm's method."""

    own: float
    rest: float
    difference: float
    low: float
    high: float
    p: float
    worse: bool
    reason: str


def compare(
    grouping: Grouping,
    pairs: Mapping[int, Pair],
    metrics: Sequence[str],
    *,
    seed: int = 0,
) -> tuple[Comparison, ...]:
    """Compare each subgroup with all other subjects by each metric.

    The statistic is the difference over its bootstrap standard error, compared with the normal
    distribution. Ratios of observed and expected events are compared on the scale of their logs.
    The calibration error of a sample grows as the sample becomes smaller, so the larger part's is
    the mean over random subsamples of as many subjects as the smaller has. Metrics over several
    cuts end at the last cut that both parts can use, so that one time axis serves both.

    There is no p value where a part has fewer than `MIN_EVENTS` events (of the cause, by the time),
    or where a resample often has no value.

    Parameters
    ----------
    grouping : Grouping
        The subgroups.
    pairs : mapping of int to Pair
        Each subgroup with rows and all others, by its place.
    metrics : sequence of str
        What to compare by.
    seed : int
        Seed of the subsamples.

    Returns
    -------
    tuple of Comparison
        By subgroup, then by metric; for the second of two subgroups those of the first, reversed.
    """
    from survkit.metrics.model_comparison import holm  # scipy.stats takes a while to import

    mirrored = grouping.present[1] if grouping.is_pair and pairs else None
    tests = {
        (place, metric): _test(*pair.sides(metric), metric, seed)
        for place, pair in pairs.items()
        for metric in metrics
        if place != mirrored
    }
    tested = [key for key, test in tests.items() if not test.reason]
    adjusted = dict(zip(tested, holm([tests[key].p for key in tested]), strict=True))
    if mirrored is not None:
        first = grouping.present[0]
        for metric in metrics:
            tests[mirrored, metric] = _reversed(tests[first, metric], metric)
            if (first, metric) in adjusted:
                adjusted[mirrored, metric] = adjusted[first, metric]
    return tuple(
        Comparison(
            grouping.names[place],
            metric,
            *test[:6],
            adjusted.get((place, metric), math.nan),
            *test[6:],
        )
        for (place, metric), test in tests.items()
    )


def _test(own: Part, rest: Part, metric: str, seed: int) -> _Test:
    one, other = own.value(metric), rest.value(metric)
    why = _why_undefined(own, rest, metric)
    if why:
        return _Test(one, other, math.nan, math.nan, math.nan, math.nan, False, why)
    if _is_calibration_error(metric):
        one, other = _at_equal_size(own, rest, metric, seed)
    difference = float(_scaled(metric, one) - _scaled(metric, other))
    drawn = [_scaled(metric, part.resamples.get(metric, np.zeros(0))) for part in (own, rest)]
    resampled = drawn[0] - drawn[1]
    p, why = _p_value(difference, resampled)
    why = _few_events(own, rest, metric) or why
    return _Test(
        one,
        other,
        difference,
        *_interval(metric, difference, resampled),
        math.nan if why else p,
        _is_worse(metric, one, other),
        why,
    )


def _reversed(test: _Test, metric: str) -> _Test:
    """Return the comparison of all others with the subgroup."""
    swapped = {_SUBGROUP: _OTHERS, _OTHERS: _SUBGROUP}
    who = next((each for each in swapped if test.reason.startswith(each)), "")
    return _Test(
        test.rest,
        test.own,
        -test.difference,
        -test.high,
        -test.low,
        test.p,
        not math.isnan(test.difference) and _is_worse(metric, test.rest, test.own),
        swapped.get(who, "") + test.reason.removeprefix(who),
    )


def _is_calibration_error(metric: str) -> bool:
    return split_cause(metric)[1].startswith("ece")


def _scaled(metric: str, value: float | FloatArray) -> NDArray[np.float64]:
    """Return values on the scale on which they are compared."""
    array = np.asarray(value, dtype=np.float64)
    if not split_cause(metric)[1].startswith(OBSERVED_EXPECTED):
        return array
    return np.log(array, out=np.full(array.shape, np.nan), where=array > 0)


def _is_worse(metric: str, own: float, rest: float) -> bool:
    plain = split_cause(metric)[1]
    if plain.startswith((OBSERVED_EXPECTED, IN_THE_LARGE)):
        own, rest = (abs(float(_scaled(metric, value))) for value in (own, rest))
        return own > rest
    return own < rest if higher_is_better(metric) else own > rest


def _why_undefined(own: Part, rest: Part, metric: str) -> str:
    for who, part in ((_SUBGROUP, own), (_OTHERS, rest)):
        if math.isnan(part.value(metric)):
            return f"{who}: {part.evaluation.details[metric]['reason']}"
        if math.isnan(float(_scaled(metric, part.value(metric)))):
            return f"{who}: no event is observed"
    return ""


def _few_events(own: Part, rest: Part, metric: str) -> str:
    for who, part in ((_SUBGROUP, own), (_OTHERS, rest)):
        events = _events(part, metric)
        if events < MIN_EVENTS:
            return f"{who}: {events} event{'' if events == 1 else 's'}, fewer than {MIN_EVENTS}"
    return ""


def _events(part: Part, metric: str) -> int:
    """Count the events of a metric's cause, up to its last time."""
    outcomes = part.outcomes
    assert outcomes is not None
    cause, plain = split_cause(metric)
    event = outcomes.event_of(outcomes.data.cause_names.index(cause) + 1 if cause else 0)
    end = part.last_time if stands_over_cuts(metric) else math.inf
    suffix = plain.partition("@")[2]
    end = min([end, *(point.time for point in outcomes.points if point.suffix == suffix)])
    return int(np.count_nonzero(event & (outcomes.time <= end)))


def _interval(
    metric: str, difference: float, resampled: NDArray[np.float64]
) -> tuple[float, float]:
    biased = _is_calibration_error(metric)
    known = resampled[np.isfinite(resampled)]
    return bootstrap_interval(known, difference if biased else None) or (math.nan, math.nan)


def _p_value(difference: float, resampled: NDArray[np.float64]) -> tuple[float, str]:
    """Return the two-sided p value of a difference, and why there is none."""
    known = resampled[np.isfinite(resampled)]
    if len(resampled) < 2:
        return math.nan, "no bootstrap"
    if len(known) < MIN_DEFINED * len(resampled):
        undefined = len(resampled) - len(known)
        return math.nan, f"undefined in {undefined:,} of {len(resampled):,} resamples"
    error = float(known.std(ddof=1))
    if error == 0:
        return (1.0, "") if difference == 0 else (math.nan, "it does not vary over the resamples")
    return math.erfc(abs(difference) / error / math.sqrt(2)), ""


def _at_equal_size(own: Part, rest: Part, metric: str, seed: int) -> tuple[float, float]:
    """Return a metric of both parts, the larger one's averaged over subsamples of equal size."""
    values = [own.value(metric), rest.value(metric)]
    sizes = [part.outcomes.data.num_subjects for part in (own, rest) if part.outcomes is not None]
    larger = int(sizes[1] > sizes[0])
    if sizes[0] != sizes[1]:
        values[larger] = _subsampled((own, rest)[larger], metric, min(sizes), seed)
    return values[0], values[1]


def _subsampled(part: Part, metric: str, size: int, seed: int) -> float:
    """Return the mean of a metric over random subsamples of so many subjects."""
    assert part.outcomes is not None
    n, subject = len(part.rows), part.outcomes.data.subject_id
    of_row = np.arange(n) if subject is None else np.unique(subject, return_inverse=True)[1]
    generator = np.random.default_rng(seed)
    chosen = np.zeros((_SUBSAMPLES, int(of_row.max()) + 1), dtype=np.float32)
    for each in chosen:
        each[generator.choice(len(each), size, replace=False)] = 1.0
    counts = np.asfortranarray(chosen[:, of_row])
    for group in part.groups:
        names = [each.name for each in group.metrics]
        if metric in names:
            return float(np.nanmean(group.compute(counts)[:, names.index(metric)]))
    raise KeyError(metric)
