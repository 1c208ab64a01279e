"""The part of an evaluation's page on how the new data differ from the training rows."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from survkit.describe.follow_up import reached
from survkit.describe.numbers import DASH, SPACE, decimals_for, fixed, percent
from survkit.external_validation.evaluated import Evaluated
from survkit.external_validation.shift import ColumnShift, OutcomeSummary, Pair, Shift
from survkit.metrics.fixed_time_calibration import Interval
from survkit.pages.document import Section
from survkit.pages.text_tables import TextTable
from survkit.runs.metric_text import short_unit, time_text

MOST_SHARES = 12
"""Of a category with more values, those that are most frequent in either are shown."""

TITLE = "How the new data differ"
_TRAINING, _NEW, _DIFFERENCE = "training rows", "new data", "difference"
_INDENT = SPACE * 4


def shift_section(evaluated: Evaluated) -> Section:
    """Return the part on the shift, or why nothing is known of it."""
    shift = evaluated.shift
    if shift is None:
        return Section(TITLE, (f"The two were not compared: {evaluated.why_no_shift}.",))
    return Section(
        TITLE,
        _sentences(shift, evaluated),
        (_outcome_table(shift, evaluated), _columns_table(shift)),
    )


def _sentences(shift: Shift, evaluated: Evaluated) -> tuple[str, ...]:
    known = [each for each in shift.columns if not math.isnan(each.difference)]
    largest = sorted(known, key=lambda each: -each.difference)[:3]
    named = ", ".join(f"{each.name} ({each.difference:.2f})" for each in largest)
    over = sum(each.difference >= 0.1 for each in known)
    sentences = []
    if known:
        sentences.append(
            f"{over} of {len(shift.columns)} columns differ by a standardised difference of at "
            f"least 0.1; the largest are {named}."
        )
    if math.isnan(shift.membership):
        sentences.append(f"There is no membership model: {shift.why_no_membership}.")
    else:
        sentences.append(
            "A logistic regression that tells the new data from the training rows by their "
            f"features has a cross-validated c-statistic of {shift.membership:.2f} (0.5: the same "
            "case mix; 1: nothing in common; after Debray et al. 2015)."
        )
    risk = shift.risk
    by = time_text(shift.risk_time, evaluated.unit)
    means, spreads = risk["mean"], risk["standard_deviation"]
    sentences.append(
        f"Predicted risk by {by}: mean {means.training:.1%} (standard deviation "
        f"{spreads.training:.1%}) in the training rows, {means.new:.1%} ({spreads.new:.1%}) in the "
        "new data. A narrower spread lowers concordance, however good the model."
    )
    return tuple(sentences)


def _outcome_table(shift: Shift, evaluated: Evaluated) -> TextTable:
    both = {_TRAINING: shift.training, _NEW: shift.new}
    unit = short_unit(evaluated.unit)
    columns = {name: _outcome_lines(each, unit) for name, each in both.items()}
    # One of the two may have lines that the other lacks, as those of causes.
    frame = pd.DataFrame(
        columns, index=list(dict.fromkeys(key for c in columns.values() for key in c))
    )
    frame = frame.fillna(DASH)
    return TextTable(
        "Outcomes",
        frame,
        notes=(
            "Follow-up: median by the reverse Kaplan-Meier curve. Risks: 1 minus Kaplan-Meier (of "
            f"a cause, Aalen-Johansen) with 95 % intervals; {DASH} after the longest time.",
        ),
    )


def _outcome_lines(outcome: OutcomeSummary, unit: str) -> dict[str, str]:
    lines = {"rows": f"{outcome.n:,}"}
    if outcome.subjects < outcome.n:
        lines["subjects"] = f"{outcome.subjects:,}"
    lines |= {
        "events": f"{outcome.events:,} ({percent(outcome.events, outcome.n)})",
        "median follow-up": reached(outcome.follow_up, unit),
        "longest time": time_text(outcome.longest, unit),
    }
    for (time, cause), risk in outcome.risks.items():
        of = f" of {cause}" if cause else ""
        lines[f"risk{of} by {time_text(time, unit)}"] = _risk_text(risk)
    return lines


def _risk_text(risk: Interval) -> str:
    if math.isnan(risk.value):
        return DASH
    if math.isnan(risk.low):
        return f"{risk.value:.1%}"
    return f"{risk.value:.1%} ({risk.low:.1%} to {risk.high:.1%})"


def _columns_table(shift: Shift) -> TextTable:
    names: list[str] = []
    lines: list[tuple[str, ...]] = []
    for column in shift.columns:
        for name, *cells in _column_lines(column):
            names.append(name)
            lines.append(tuple(cells))
    heads = [_TRAINING, _NEW, _DIFFERENCE, "missing, training", "missing, new"]
    frame = pd.DataFrame(lines, columns=heads, index=pd.Index(names, name="column"))
    undefined = [each.name for each in shift.columns if math.isnan(each.difference)]
    notes = [
        "Numbers: mean (standard deviation), median [quartiles]. Difference: of means over the "
        "root of the two variances' mean (Austin 2009); of categories, the Mahalanobis distance of "
        "their shares (Yang and Dalton 2012). Both are of the rows with a value."
    ]
    if undefined:
        notes.append(f"{', '.join(undefined)}: no difference, as their values do not overlap.")
    return TextTable("Columns that the model uses", frame, notes=tuple(notes))


def _column_lines(column: ColumnShift) -> list[tuple[str, ...]]:
    missing = tuple(f"{each:.1%}" for each in column.missing)
    difference = DASH if math.isnan(column.difference) else f"{column.difference:.2f}"
    if column.kind == "number":
        cells = _number_cells(column.numbers)
        return [(column.name, cells[0], cells[1], difference, *missing)]
    head = (column.name, "", "", difference, *missing)
    ordered = sorted(column.shares.items(), key=lambda item: -max(item[1]))
    shown = dict(ordered[:MOST_SHARES])
    kept = [(text, pair) for text, pair in column.shares.items() if text in shown]
    values: list[tuple[str, ...]] = [
        (f"{_INDENT}{text}", f"{pair.training:.1%}", f"{pair.new:.1%}", "", "", "")
        for text, pair in kept
    ]
    rest = ordered[MOST_SHARES:]
    if rest:
        sums = (sum(pair[j] for _, pair in rest) for j in (0, 1))
        values.append((f"{_INDENT}{len(rest)} others", *(f"{s:.1%}" for s in sums), "", "", ""))
    return [head, *values]


def _number_cells(numbers: dict[str, Pair]) -> list[str]:
    values = np.array([each for pair in numbers.values() for each in pair])
    digits = decimals_for(values)
    return [_number_cell({name: pair[j] for name, pair in numbers.items()}, digits) for j in (0, 1)]


def _number_cell(numbers: dict[str, float], digits: int) -> str:
    if math.isnan(numbers["mean"]):
        return DASH
    text = {
        name: fixed(each, digits) if not math.isnan(each) else DASH
        for name, each in numbers.items()
    }
    return (
        f"{text['mean']} ({text['standard_deviation']}), {text['median']} "
        f"[{text['low_quartile']} to {text['high_quartile']}]"
    )
