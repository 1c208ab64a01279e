"""The tables of subgroups: metrics, differences, and everything as one tidy frame."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from survkit.metrics.names import higher_is_better, of_cause, split_cause
from survkit.metrics.observed_expected import IN_THE_LARGE
from survkit.metrics.subgroup_tests import LEVEL, Comparison
from survkit.metrics.subgroups import Subgroup, SubgroupScores
from survkit.pages.labels import shortened_apart
from survkit.pages.text_tables import TextTable, transposed
from survkit.runs.subgroup_text import (
    cell_text,
    compared_subgroups,
    difference_text,
    follow_up_text,
    is_factor,
    num_tests,
    p_text,
    undefined_text,
    value_text,
)
from survkit.text import count_text

MOST_COLUMNS = 6
"""Subgroups up to which they are the columns of their table, and not its rows."""

ABOUT_DIFFERENCES = (
    "Differences: subgroup minus all others, with the 95 % bootstrap interval, p, and in brackets "
    f"p after Holm's method over all tests of the column; bold where the latter is below {LEVEL}. "
    "Observed over expected is compared as a factor. Metrics over several cuts end at the last cut "
    "that both sides can use, and calibration errors are those of equally many subjects, so a "
    "difference need not be that of the values in the other table."
)

LONGEST_NAME = 40
"""Characters of a subgroup's name in a table; the file has the whole name."""


def metrics_by_cause(scores: SubgroupScores) -> dict[str, list[str]]:
    """Return the metrics of each cause, those of all causes ("") first."""
    causes: dict[str, list[str]] = {}
    for metric in scores.metrics:
        causes.setdefault(split_cause(metric)[0], []).append(metric)
    return causes


def subgroups_tables(model: str, scores: SubgroupScores, time_unit: str) -> list[TextTable]:
    """Return the metrics of each subgroup with their intervals, a table for each cause."""
    names = shortened_apart([own.name for own in scores.subgroups], LONGEST_NAME)
    tables = []
    for cause, metrics in metrics_by_cause(scores).items():
        rows = [
            {**_who(own, scores, cause, time_unit), **_metric_cells(own, metrics, cause)}
            for own in scores.subgroups
        ]
        text = pd.DataFrame(rows, index=pd.Index(names, name=scores.column))
        notes = () if cause else tuple(undefined_text(scores))
        of = f", {cause}" if cause else ""
        table = TextTable(f"{model}: metrics by {scores.spec}{of}", text, notes=notes)
        tables.append(transposed(table) if len(names) <= MOST_COLUMNS else table)
    return tables


def _who(own: Subgroup, scores: SubgroupScores, cause: str, time_unit: str) -> dict[str, str]:
    causes = list(metrics_by_cause(scores))
    events = own.events
    if cause and own.events_of_cause:
        events = own.events_of_cause[causes.index(cause) - 1]
    rows = {} if own.rows == own.subjects else {"rows": f"{own.rows:,}"}
    return {
        "subjects": f"{own.subjects:,}",
        **rows,
        "events": f"{events:,}",
        "median follow-up": follow_up_text(own, time_unit),
    }


def _metric_cells(own: Subgroup, metrics: Sequence[str], cause: str) -> dict[str, str]:
    cells = {}
    for metric in metrics:
        cells[_head(metric)] = cell_text(own, metric)
        if split_cause(metric)[1] == "ece_equal_mass":
            null = own.evaluation.values.get(of_cause(cause, "ece_null_mean"), math.nan)
            known = null if isinstance(null, float) else math.nan
            cells["if calibrated"] = value_text(metric, known)
    return cells


def _head(metric: str) -> str:
    plain = split_cause(metric)[1]
    if is_factor(metric) or plain == IN_THE_LARGE:
        return plain
    return f"{plain}\u00a0{'↑' if higher_is_better(metric) else '↓'}"


def subgroup_differences_table(model: str, scores: SubgroupScores) -> TextTable | None:
    """Return each subgroup's differences to all others, bold where significant; None without any.

    What its cells hold is said in `ABOUT_DIFFERENCES`.

    Of two subgroups it has the first, as the second's differences are the same the other way round.
    """
    shown = compared_subgroups(scores)
    if not shown:
        return None
    names = list(dict.fromkeys(each.subgroup for each in scores.comparisons))
    known = {(each.subgroup, each.metric): each for each in scores.comparisons}
    columns = [f"{name} minus {names[1] if len(names) == 2 else 'others'}" for name in shown]
    heads = shortened_apart(columns, 2 * LONGEST_NAME)
    text = pd.DataFrame(
        {
            head: [_difference_cell(known[name, metric]) for metric in scores.metrics]
            for head, name in zip(heads, shown, strict=True)
        },
        index=pd.Index(scores.metrics, name="metric"),
    )
    bold = pd.DataFrame(
        {
            head: [known[name, metric].adjusted < LEVEL for metric in scores.metrics]
            for head, name in zip(heads, shown, strict=True)
        },
        index=text.index,
    )
    return TextTable(
        f"{model}: differences by {scores.spec}",
        text,
        bold,
        (
            f"Holm's method over {count_text(num_tests(scores), 'test')}.",
            *_untested(scores, shown),
        ),
    )


def _difference_cell(comparison: Comparison) -> str:
    if math.isnan(comparison.difference):
        return "-"
    difference = difference_text(comparison)
    if comparison.reason:
        return f"{difference}, not tested"
    return f"{difference}, p {p_text(comparison.p)} [{p_text(comparison.adjusted)}]"


def _untested(scores: SubgroupScores, shown: Sequence[str]) -> list[str]:
    """Return sentences on the differences that were not tested, one for each reason."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for each in scores.comparisons:
        if each.reason and each.subgroup in shown:
            reasons.setdefault((each.subgroup, each.reason), []).append(each.metric)
    return [
        f"Not tested for {name}: {', '.join(metrics)} ({reason})."
        for (name, reason), metrics in reasons.items()
    ]


def subgroups_frame(scored: Mapping[str, Sequence[SubgroupScores]]) -> pd.DataFrame:
    """Return all numbers of all models' subgroups, a row for each subgroup and metric.

    Parameters
    ----------
    scored : mapping of str to sequence of SubgroupScores
        By model.

    Returns
    -------
    DataFrame
        model, subgroups (what was asked for), column, subgroup, subjects, rows, events, follow_up,
        metric, value, low, high, reason (why there is no value), own, rest, difference,
        difference_low, difference_high, p, p_holm, not_tested (why there is no p). Fractions, not
        percentages; the differences of observed_expected are those of the logs.
    """
    rows = []
    for model, several in scored.items():
        for scores in several:
            known = {(each.subgroup, each.metric): each for each in scores.comparisons}
            for own in scores.subgroups:
                for metric in scores.metrics:
                    comparison = known.get((own.name, metric))
                    rows.append(_tidy_row(model, scores, own, metric, comparison))
    return pd.DataFrame(rows)


def _tidy_row(
    model: str,
    scores: SubgroupScores,
    own: Subgroup,
    metric: str,
    comparison: Comparison | None,
) -> dict[str, object]:
    evaluation = own.evaluation
    low, high = evaluation.intervals.get(metric, (math.nan, math.nan))
    row: dict[str, object] = {
        "model": model,
        "subgroups": scores.spec,
        "column": scores.column,
        "subgroup": own.name,
        "subjects": own.subjects,
        "rows": own.rows,
        "events": own.events,
        "follow_up": own.follow_up,
        "metric": metric,
        "value": evaluation.values[metric],
        "low": low,
        "high": high,
        "reason": evaluation.details[metric].get("reason", ""),
    }
    names = ("own", "rest", "difference", "low", "high", "p", "adjusted")
    heads = ("own", "rest", "difference", "difference_low", "difference_high", "p", "p_holm")
    for head, name in zip(heads, names, strict=True):
        row[head] = math.nan if comparison is None else getattr(comparison, name)
    return {**row, "not_tested": "" if comparison is None else comparison.reason}
