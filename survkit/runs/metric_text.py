"""Metrics and their times as people read them: fractions in the records become percentages here."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from survkit.datasets.card import counts_text
from survkit.datasets.causes import cause_counts
from survkit.metrics.names import split_cause
from survkit.types import SurvivalData

SUMMARY = (
    "loss",
    "concordance",
    "concordance_ipcw",
    "concordance_td",
    "brier@25",
    "brier@50",
    "brier@75",
    "integrated_brier",
    "ece",
    "ece_equal_mass",
)

SHARES = ("concordance", "brier", "integrated_brier", "auc", "accuracy", "ece", "purity")
"""First words of the metrics that are fractions, shown in percent; all others are as they are."""

MAIN_AT_A_TIME = ("brier", "auc", "ece_equal_mass")
"""The metrics at a time of `--evaluation_times` that summaries and tables show."""

MAIN_OF_A_CAUSE = (
    "concordance_td",
    "auc@25",
    "auc@50",
    "integrated_brier",
    "ece_equal_mass",
)
"""The metrics of a competing cause that summaries and tables show."""

_UNITS = ("minute", "hour", "day", "week", "month", "year", "time unit")
_SINGULAR = {f"{unit}s": unit for unit in _UNITS}
_ORIGIN = re.compile(r",| since | from | after ")


def format_mean(metric: str, mean: float, deviation: float) -> str:
    """Return a mean and its standard deviation over seeds, which may be unknown, as text."""
    if math.isnan(mean):
        return "-"
    digits = decimals(metric, mean)
    text = f"{mean:.{digits}f}"
    return text if math.isnan(deviation) else f"{text} ± {deviation:.{digits}f}"


def decimals(metric: str, value: float) -> int:
    """Return the decimals of a value in a table: 2 for shares, else 3, or 1 from 100 upwards."""
    if scale_of(metric) > 1:
        return 2
    return 3 if abs(value) < 100 else 1


def scale_of(metric: str) -> float:
    """Return by what a table multiplies a metric: 100 for shares, 1 for all others."""
    return 100.0 if split_cause(metric)[1].startswith(SHARES) else 1.0


def short_unit(time_unit: str) -> str:
    """Return a unit without what it is counted from or to: "days" of "days since study entry".

    It is empty where the unit is only said to be that of something else.
    """
    if time_unit.startswith("the unit of "):
        return ""
    return _ORIGIN.split(time_unit, maxsplit=1)[0].strip()


def time_text(time: float, time_unit: str) -> str:
    """Return a time with its short unit, such as "1,014 days" or "1 day"."""
    number = f"{time:,.0f}" if abs(time) >= 1000 else f"{time:.4g}"
    unit = short_unit(time_unit)
    return f"{number} {_SINGULAR.get(unit, unit) if number == '1' else unit}".rstrip()


class MetricTime(NamedTuple):
    """The time of metrics at one time, and how many test subjects are still at risk then.

    `suffix` is what follows the @ in their names.
    """

    suffix: str
    time: float
    at_risk: int


def suffix_of(metric: str) -> str:
    """Return what follows the @ in the name of a metric at one time; "" of any other metric."""
    return metric.partition("@")[2]


def times_note(times: Sequence[MetricTime], num_subjects: int | None, time_unit: str) -> str:
    """Return a sentence on the times of metrics, with the subjects at risk at each of them.

    `num_subjects` is the number of test subjects, where it is known.
    """
    parts = [
        f"@{suffix}: {time_text(time, time_unit)}, {at_risk:,} at risk"
        for suffix, time, at_risk in times
    ]
    of_all = "" if num_subjects is None else f"of {num_subjects:,} "
    parts[0] = parts[0].replace(" at risk", f" {of_all}test subjects still at risk")
    return f"{'; '.join(parts)}."


def at_evaluation_times(names: Iterable[str]) -> tuple[str, ...]:
    """Return the main metrics at times that `--evaluation_times` asks for, by time.

    `names` are those of all metrics of a record.
    """
    known = set(names)
    suffixes = {suffix_of(name) for name in known if suffix_of(name).startswith("t=")}
    by_time = sorted(suffixes, key=lambda suffix: float(suffix.removeprefix("t=")))
    wanted = (f"{metric}@{suffix}" for suffix in by_time for metric in MAIN_AT_A_TIME)
    return tuple(metric for metric in wanted if metric in known)


def summary_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """Return the metrics that summaries show, of a record with metrics of these names."""
    names = list(names)
    return (*SUMMARY, *at_evaluation_times(names), *cause_metrics(names))


def cause_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """Return the main metrics of each competing cause, by cause; none where there is one cause.

    `names` are those of all metrics of a record.
    """
    known = list(names)
    causes = dict.fromkeys(cause for cause, _ in map(split_cause, known) if cause)
    wanted = (
        f"{cause}/{metric}"
        for cause in causes
        for metric in (
            *MAIN_OF_A_CAUSE,
            *at_evaluation_times(m for own, m in map(split_cause, known) if own == cause),
        )
    )
    return tuple(metric for metric in wanted if metric in known)


def causes_text(data: SurvivalData) -> str:
    """Return how many events each competing cause has, as a sentence."""
    return f"Events by cause: {counts_text(cause_counts(data))}."


def times_of(details: Mapping[str, Mapping[str, Any]], metrics: Sequence[str]) -> list[MetricTime]:
    """Return the times of metrics from the details of a record; earlier records lack them."""
    times = {}
    for metric in metrics:
        known = details.get(metric, {})
        if "at_risk" in known:
            suffix = suffix_of(metric)
            times[suffix] = MetricTime(suffix, known["time"], known["at_risk"])
    return list(times.values())


def result_summary(result: Mapping[str, Any], metrics: Sequence[str] | None = None) -> str:
    """Return the main metrics of one record as text, those of the test rows with 95 % intervals.

    They are those of the validation rows where the record has no others. A metric at one time says
    the time and how many subjects are still at risk then.
    """
    split = "test" if "test" in result else "validation"
    values, intervals = result[split], result.get(f"{split}_interval", {})
    if metrics is None:
        metrics = summary_metrics(values)
    width = max([18, *(len(metric) + 1 for metric in metrics)])
    lines = [f"{f'{split} metric':<{width}}{'value':>8}{'   95 % interval' * (split == 'test')}"]
    for metric in metrics:
        value, scale = values.get(metric), scale_of(metric)
        details = result[f"{split}_details"].get(metric, {})
        when = at_risk = ""
        if "at_risk" in details:
            when = f"at {time_text(details['time'], result.get('time_unit', ''))}"
            at_risk = f", {details['at_risk']:,} at risk"
        if value is None:
            reason = ": ".join(filter(None, [when, details.get("reason", "")]))
            lines.append(f"{metric:<{width}}{'-':>8}   {reason}".rstrip())
            continue
        interval = intervals.get(metric)
        bounds = f"{interval[0] * scale:.2f} to {interval[1] * scale:.2f}" if interval else ""
        unit = " %" if scale > 1 else "  "
        line = f"{metric:<{width}}{value * scale:>8.2f}{unit} {bounds:<16} {when}{at_risk}"
        lines.append(line.rstrip())
    return "\n".join(lines)
