"""Subgroups in words: who does worst, and a table for the screen and the model card."""

from __future__ import annotations

import math
from collections.abc import Sequence

from survkit.metrics.names import split_cause
from survkit.metrics.observed_expected import IN_THE_LARGE, OBSERVED_EXPECTED
from survkit.metrics.subgroup_tests import LEVEL, Comparison
from survkit.metrics.subgroups import Subgroup, SubgroupScores, worst_comparison
from survkit.pages.labels import shortened
from survkit.runs.metric_text import decimals, scale_of, time_text
from survkit.text import count_text, one_line

NOT_REACHED = "not reached"

LONGEST_NAME = 60
"""Characters of a name in a sentence or on the screen."""

_NAMES = {
    "concordance": "concordance",
    "auc": "AUC",
    "brier": "Brier score",
    "integrated_brier": "integrated Brier score",
    "ece_equal_mass": "calibration error",
    OBSERVED_EXPECTED: "ratio of observed to expected risk",
    IN_THE_LARGE: "calibration in the large",
}


def metric_name(metric: str) -> str:
    """Return a metric's name in a sentence, such as "AUC@50 of relapse"."""
    cause, plain = split_cause(metric)
    word, at, suffix = plain.partition("@")
    return f"{_NAMES.get(word, word)}{at}{suffix}{f' of {cause}' if cause else ''}"


def value_text(metric: str, value: float) -> str:
    """Return a value in the unit of the tables: shares in percent; "-" where it is undefined."""
    if math.isnan(value):
        return "-"
    scaled = value * scale_of(metric)
    return f"{scaled:.{_decimals(metric, scaled)}f}"


def interval_text(metric: str, low: float, high: float) -> str:
    """Return an interval in the unit of the tables, "" where it is unknown."""
    if math.isnan(low):
        return ""
    return f"{value_text(metric, low)} to {value_text(metric, high)}"


def cell_text(subgroup: Subgroup, metric: str) -> str:
    """Return a subgroup's value of a metric with its interval."""
    evaluation = subgroup.evaluation
    value = evaluation.values.get(metric)
    text = value_text(metric, math.nan if not isinstance(value, float) else value)
    ends = evaluation.intervals.get(metric)
    return text if ends is None else f"{text} ({interval_text(metric, *ends)})"


def difference_text(comparison: Comparison) -> str:
    """Return a difference with its interval; of observed over expected, as a factor."""
    metric, ends = comparison.metric, (comparison.low, comparison.high)
    if math.isnan(comparison.difference):
        return "-"
    if is_factor(metric):
        factor = f"factor {math.exp(comparison.difference):.2f}"
        known = not math.isnan(ends[0])
        return f"{factor} ({math.exp(ends[0]):.2f} to {math.exp(ends[1]):.2f})" if known else factor
    scaled = comparison.difference * scale_of(metric)
    text = f"{scaled:+.{_decimals(metric, scaled)}f}"
    interval = interval_text(metric, *ends)
    return f"{text} ({interval})" if interval else text


def p_text(p: float) -> str:
    """Return a p value."""
    if math.isnan(p):
        return "-"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def subgroup_text(column: str, name: str) -> str:
    """Return a subgroup in a sentence, such as "age ≥ 65" or "sex F", on one line."""
    return f"{_shown(column)} {_shown(name)}"


def _shown(name: str) -> str:
    return shortened(one_line(name), LONGEST_NAME)


def worst_text(model: str, scores: SubgroupScores) -> str:
    """Return a sentence on which subgroup a model serves worst: by what, by how much, how surely.

    Parameters
    ----------
    model : str
        Its name.
    scores : SubgroupScores
        Its scores in the subgroups of a column.
    """
    column, spec = scores.column, _shown(scores.spec)
    if scores.note:
        return f"{model} has no subgroups by {_shown(column)}: {scores.note}."
    if not scores.comparisons:
        return f"{model}: all subjects are in one subgroup of {spec}; nothing is compared."
    worst = worst_comparison(scores)
    if worst is None:
        return (
            f"{model}: no subgroup of {spec} fares worse than the others by a metric that "
            "could be tested."
        )
    factor = "" if is_factor(worst.metric) else "difference "
    how = (
        f"{metric_name(worst.metric)} {_own_and_rest(worst)}, {factor}{difference_text(worst)}, "
        f"p = {p_text(worst.p)}, {p_text(worst.adjusted)} after Holm's method over "
        f"{count_text(num_tests(scores), 'test')}"
    ).replace("= <", "<")
    who = subgroup_text(column, worst.subgroup)
    if worst.adjusted < LEVEL:
        return f"{model} does worst for {who}, significantly worse than for the others: {how}."
    return (
        f"{model} does not do significantly worse for any subgroup of {spec} than for the "
        f"others. It comes nearest to it for {who}: {how}."
    )


def _own_and_rest(comparison: Comparison) -> str:
    own, rest = (value_text(comparison.metric, each) for each in (comparison.own, comparison.rest))
    unit = " %" if scale_of(comparison.metric) > 1 else ""
    return f"{own}{unit} against {rest}{unit}"


def compared_subgroups(scores: SubgroupScores) -> list[str]:
    """Return the subgroups whose differences to the others count: of two, the first."""
    names = list(dict.fromkeys(each.subgroup for each in scores.comparisons))
    return names[:1] if len(names) == 2 else names


def num_tests(scores: SubgroupScores) -> int:
    """Return over how many tests Holm's method adjusts."""
    counted = compared_subgroups(scores)
    return sum(each.subgroup in counted and not each.reason for each in scores.comparisons)


def follow_up_text(subgroup: Subgroup, time_unit: str) -> str:
    """Return the median follow-up of a subgroup."""
    if subgroup.rows == 0:
        return "-"
    known = not math.isnan(subgroup.follow_up)
    return time_text(subgroup.follow_up, time_unit) if known else NOT_REACHED


def undefined_text(scores: SubgroupScores) -> list[str]:
    """Return phrases on the metrics that subgroups lack, with the reason, one for each reason."""
    phrases: dict[tuple[str, str], list[str]] = {}
    for own in scores.subgroups:
        for metric in scores.metrics:
            reason = own.evaluation.details.get(metric, {}).get("reason")
            if reason is not None:
                phrases.setdefault((own.name, reason), []).append(metric)
    return [
        f"{subgroup_text(scores.column, name)}: "
        f"{'no metrics' if len(metrics) == len(scores.metrics) else 'no ' + ', '.join(metrics)} "
        f"({reason})."
        for (name, reason), metrics in phrases.items()
    ]


def censoring_text(scores: SubgroupScores) -> str:
    """Return a sentence on whether censoring differs between the subgroups, "" if unknown."""
    p = scores.censoring_p
    if math.isnan(p):
        return ""
    if p >= LEVEL:
        return f"Nothing suggests that censoring differs between them (log-rank p = {p_text(p)})."
    return (
        f"Censoring differs between them (log-rank p = {p_text(p)}): Brier scores, AUC and "
        "calibration errors weight all of them by the censoring of all training rows, and may be "
        "biased. The ratio of observed to expected risk and calibration in the large use no such "
        "weights."
    ).replace("= <", "<")


def scores_text(model: str, scores: Sequence[SubgroupScores], time_unit: str) -> str:
    """Return the scores of a run as text: a table for each column, and what it shows."""
    return "\n\n".join(
        "\n".join([*_table(own, time_unit), worst_text(model, own)]) for own in scores
    )


def _table(scores: SubgroupScores, time_unit: str) -> list[str]:
    if not scores.subgroups:
        return []
    rows = {
        "subjects": [f"{own.subjects:,}" for own in scores.subgroups],
        "events": [f"{own.events:,}" for own in scores.subgroups],
        "median follow-up": [follow_up_text(own, time_unit) for own in scores.subgroups],
        **{
            metric: [cell_text(own, metric) for own in scores.subgroups]
            for metric in scores.metrics
        },
    }
    names = [subgroup_text(scores.column, own.name) for own in scores.subgroups]
    first = max(map(len, ("subgroups (test rows)", *rows)))
    widths = [
        max(len(name), *(len(cells[place]) for cells in rows.values()))
        for place, name in enumerate(names)
    ]
    lines = [("subgroups (test rows)", names), *rows.items()]
    table = [
        "  ".join([f"{head:<{first}}", *(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))])
        for head, cells in lines
    ]
    notes = [*undefined_text(scores), censoring_text(scores)]
    return [*map(str.rstrip, table), *filter(None, notes)]


def is_factor(metric: str) -> bool:
    """Whether a metric is a ratio, whose difference is that of the logs."""
    return split_cause(metric)[1].startswith(OBSERVED_EXPECTED)


def _decimals(metric: str, value: float) -> int:
    plain = split_cause(metric)[1]
    if plain.startswith((OBSERVED_EXPECTED, IN_THE_LARGE)):
        return 2
    return 1 if scale_of(metric) > 1 else decimals(metric, value)
