"""Survival by Kaplan-Meier as tables: medians, survival at round times, numbers at risk."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.describe.cohort import Cohort
from survkit.describe.follow_up import NOT_REACHED, reached
from survkit.describe.kaplan_meier import Curve, Estimate, kaplan_meier_curve
from survkit.describe.numbers import DASH
from survkit.metrics.log_rank import log_rank_test
from survkit.pages.text_tables import TextTable
from survkit.runs.metric_text import short_unit, time_text

FEW_AT_RISK = 10
ALL = "all"

_MOST_NAMED = 3
"""More groups are counted where a sentence would name them."""

_MOST_TIMES = 6
_STEPS = {
    "days": (1, 2, 5, 10, 15, 30, 60, 90, 180, 365, 730, 1825, 3650),
    "weeks": (1, 2, 4, 13, 26, 52, 104, 260, 520),
    "months": (1, 2, 3, 6, 12, 24, 60, 120),
}
"""Steps between round times, which end on whole months and years."""


class NamedCurve(NamedTuple):
    """A group's curve with its subjects and events."""

    name: str
    curve: Curve
    n: int
    events: int


def curve_of_all(cohort: Cohort) -> list[NamedCurve]:
    """Return the one curve of all rows."""
    curve = kaplan_meier_curve(cohort.time, cohort.event, cohort.entry)
    return [NamedCurve(ALL, curve, len(cohort), int(cohort.event.sum()))]


def curves_by_group(cohort: Cohort) -> list[NamedCurve]:
    """Return the curve of each of the cohort's groups, none where there are no groups."""
    curves = []
    for number, name in enumerate(cohort.groups.names if cohort.groups else ()):
        assert cohort.groups is not None
        rows = cohort.groups.rows(number)
        time, event = cohort.time[rows], cohort.event[rows]
        entry = None if cohort.entry is None else cohort.entry[rows]
        curve = kaplan_meier_curve(time, event, entry)
        curves.append(NamedCurve(name, curve, len(time), int(event.sum())))
    return curves


def round_times(longest: float, unit: str) -> NDArray[np.float64]:
    """Return evenly spaced round times from 0 to a longest time, at most six after 0."""
    if longest <= 0:
        return np.zeros(1)
    decimal = [digit * 10.0**power for power in range(-12, 13) for digit in (1, 2, 5)]
    steps: tuple[float, ...] = _STEPS.get(short_unit(unit), ())
    most = (_MOST_TIMES + 1) * (1 - 1e-12)  # 7 times 0.1 is more than 0.7
    fitting = [step for step in steps if step <= longest < most * step]
    fitting = fitting or [step for step in decimal if longest < most * step]
    step = fitting[0] if fitting else longest
    # Three steps of 0.2 are 0.6000000000000001 in floating point; a table has 0.6.
    ticks = range(math.floor(longest / step * (1 + 1e-12)) + 1)
    return np.array([min(float(f"{tick * step:.12g}"), longest) for tick in ticks])


def survival_table(
    curves: list[NamedCurve], times: NDArray[np.float64], cohort: Cohort
) -> TextTable:
    """Return each group's subjects, events, median and survival at times, with intervals."""
    unit = short_unit(cohort.unit)
    columns: dict[str, list[str]] = {
        cohort.who: [f"{each.n:,}" for each in curves],
        "events": [f"{each.events:,}" for each in curves],
        f"median survival ({unit})" if unit else "median survival": [
            _median_text(each.curve.time_at(0.5)) for each in curves
        ],
    }
    for time in times[1:]:
        head = f"at {time_text(time, cohort.unit)}"
        columns[head] = [share_text(each.curve.at(time)) for each in curves]
    frame = pd.DataFrame(columns, index=pd.Index([each.name for each in curves]))
    notes = (
        "Kaplan-Meier estimates with 95 % intervals: Greenwood's variance on the scale of "
        "log(-log S); the median's by Brookmeyer and Crowley (1982). There is no "
        f"estimate after a group's longest time ({DASH}).",
        *late_entry_notes(cohort),
        *_few_at_risk(curves, cohort),
        *repeated_notes(cohort),
    )
    return TextTable("Median survival, and survival at round times", frame, notes=notes)


def at_risk_table(
    curves: list[NamedCurve], times: NDArray[np.float64], cohort: Cohort
) -> TextTable:
    """Return each group's numbers at risk at times."""
    columns: Mapping[str, list[str]] = {
        time_text(time, cohort.unit): [f"{int(each.curve.at_risk(time)):,}" for each in curves]
        for time in times
    }
    frame = pd.DataFrame(columns, index=pd.Index([each.name for each in curves]))
    return TextTable("Numbers at risk", frame)


def log_rank_sentences(cohort: Cohort) -> tuple[str, ...]:
    """Return the log-rank test of the cohort's groups in words, or why there is none."""
    groups = cohort.groups
    if groups is None:
        return ()
    if cohort.repeated:
        return (
            "There is no log-rank test: rows of the same subject are not independent, and the test "
            "takes them as if they were.",
        )
    known = groups.codes < groups.num_known
    left_out = (
        f"{groups.num_missing:,} {cohort.who} without a value of {groups.column} are a group of "
        "their own in tables and figures, and not in the log-rank test."
    )
    missing = (left_out,) if groups.num_missing else ()
    entry = None if cohort.entry is None else cohort.entry[known]
    test = log_rank_test(cohort.time[known], cohort.event[known], groups.codes[known], entry)
    if test is None:
        return ("There is no log-rank test: too few groups are at risk at an event.", *missing)
    return (
        f"Log-rank test that survival is the same in the {test.degrees + 1} groups: chi-squared "
        f"{test.chi_square:.2f} with {test.degrees} degree{'s' * (test.degrees > 1)} of freedom, "
        f"{p_text(test.p)}.",
        *missing,
    )


def p_text(p: float) -> str:
    """Return a p value: "p = 0.021", "p < 0.001"."""
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _median_text(median: Estimate) -> str:
    if not np.isfinite(median.value):
        since = f" (95 % from {reached(median.low, '')})" if np.isfinite(median.low) else ""
        return NOT_REACHED + since
    if not np.isfinite(median.low):
        return reached(median.value, "")
    return f"{reached(median.value, '')} ({reached(median.low, '')} to {reached(median.high, '')})"


def share_text(share: Estimate) -> str:
    """Return a share with its interval in percent, a dash where there is no estimate."""
    if np.isnan(share.value):
        return DASH
    if np.isnan(share.low):
        return f"{share.value:.1%}"
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"


def late_entry_notes(cohort: Cohort) -> tuple[str, ...]:
    """Return what late entry means for a curve; empty where all are observed from the start."""
    if cohort.entry is None:
        return ()
    return (
        "A row is at risk from its entry on. The curve starts with the few who enter first, so "
        "that an early event can move it far.",
    )


def _few_at_risk(curves: list[NamedCurve], cohort: Cohort) -> tuple[str, ...]:
    """Return from when on curves are uncertain; empty where enough are at risk to the end."""
    whose: dict[str, list[str]] = {}
    for name, curve, n, _ in curves:
        if n < FEW_AT_RISK:
            whose.setdefault("from the start", []).append(name)
        elif (
            cohort.entry is None
            and (last := curve.sorted_time[n - FEW_AT_RISK]) < curve.sorted_time[-1]
        ):
            whose.setdefault(f"after {time_text(last, cohort.unit)}", []).append(name)
    if not whose:
        return ()
    alone = len(curves) == 1 and curves[0].name == ALL
    texts = [
        when if alone else f"{when} in {_groups_text(names, len(curves))}"
        for when, names in whose.items()
    ]
    return (f"Fewer than {FEW_AT_RISK} at risk, and curves uncertain: {'; '.join(texts)}.",)


def _groups_text(names: list[str], total: int) -> str:
    if len(names) <= _MOST_NAMED:
        return ", ".join(names)
    return f"all {total} groups" if len(names) == total else f"{len(names)} of {total} groups"


def repeated_notes(cohort: Cohort) -> tuple[str, ...]:
    """Return what several rows a subject mean for intervals; empty where each has one."""
    if not cohort.repeated:
        return ()
    return ("Rows of the same subject are taken as independent, so the intervals are too narrow.",)
