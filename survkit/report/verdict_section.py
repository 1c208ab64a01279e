"""The part of a report on how sure it is which model is best."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from survkit.metrics.names import split_cause
from survkit.pages.document import Picture, Section
from survkit.pages.svg import draw_svg, height_with_legend
from survkit.pages.text_tables import TextTable
from survkit.report.summary_tables import SHARES_NOTE, head
from survkit.report.verdict import MetricVerdict, Verdict
from survkit.report.verdict_dependence import Dependence
from survkit.report.verdict_figure import FAMILY_NAMES, difference_over_dependence
from survkit.report.verdict_text import (
    causes_sentence,
    censoring_sentences,
    concordance_sentence,
    difference_sentence,
    from_test_sentence,
    interval_text,
    settled_sentence,
    value_text,
)

TITLE = "How sure is the verdict"

ABOUT_TABLE = (
    "Subjects needed: the number of test subjects at which a difference as large as the one seen "
    "is found at 80 % power by a two-sided test at 5 %, and in brackets how many more that is than "
    "there are; it rests on the observed difference. Ahead, from the second row on: above 0 where "
    "the model that is best by the first row is better."
)

ABOUT_TURNS = (
    "Turns round: the weakest dependence of event and censoring time (Kendall's tau, from -0.5 to "
    "0.5 with Frank's copula, from 0 to 0.5 with Clayton's) at which the other model would be "
    "better. Nothing assumed: the range of what may be true of these test subjects, for any fate "
    "of the censored ones."
)


def verdict_section(verdict: Verdict | str, unit: str, also: Sequence[str] = ()) -> Section:
    """Return the part on how sure it is that the best model is better than the second.

    Parameters
    ----------
    verdict : Verdict or str
        From `verdict_of`.
    unit : str
        Of the times.
    also : sequence of str
        Sentences on the same two models, to stand between those on the difference and those on
        censoring.
    """
    if isinstance(verdict, str):
        return Section(TITLE, (verdict,))
    paragraphs = [
        " ".join(
            [
                difference_sentence(verdict, unit),
                settled_sentence(verdict),
                *concordance_sentence(verdict),
                *causes_sentence(verdict),
                *from_test_sentence(verdict),
            ]
        ),
        " ".join(also),
        " ".join(censoring_sentences(verdict, unit)),
    ]
    return Section(
        TITLE, tuple(filter(None, paragraphs)), (_table(verdict),), tuple(_pictures(verdict))
    )


def _table(verdict: Verdict) -> TextTable:
    rows, bold = {}, []
    for row in verdict.rows:
        rows[head(row.metric)] = _cells(row, verdict.dependence)
        bold.append([row.is_settled if name == "ahead (95 %)" else False for name in _COLUMNS])
    text = pd.DataFrame.from_dict(rows, orient="index", columns=_COLUMNS).rename_axis("metric")
    notes = [ABOUT_TABLE, SHARES_NOTE]
    if isinstance(verdict.dependence, Dependence):
        notes.insert(1, ABOUT_TURNS)
    return TextTable(
        f"{verdict.best} against {verdict.second}",
        text,
        pd.DataFrame(bold, text.index, text.columns),
        tuple(notes),
    )


_COLUMNS = [
    "best",
    "second",
    "ahead (95 %)",
    "subjects needed",
    "turns round, Frank",
    "turns round, Clayton",
    "nothing assumed",
]


def _cells(row: MetricVerdict, dependence: Dependence | str) -> list[str]:
    cells = [
        value_text(row.metric, row.best),
        value_text(row.metric, row.second),
        f"{value_text(row.metric, row.ahead, '+')}{interval_text(row.metric, row.low, row.high)}",
        _needed(row),
    ]
    if isinstance(dependence, str) or row.metric not in dependence.metrics:
        return [*cells, "-", "-", "-"]
    score = dependence.metrics.index(row.metric)
    turns = [curve.turns_at(score) for curve in dependence.curves.values()]
    cells += ["no" if tau is None else f"{tau:.2f}" for tau in turns]
    low, high = dependence.bounds[:, score]
    return [*cells, f"{value_text(row.metric, low)} to {value_text(row.metric, high)}"]


def _needed(row: MetricVerdict) -> str:
    size = row.size
    if np.isnan(size.needed):
        return "-"
    if np.isinf(size.needed):
        return "no number"
    return f"{size.needed:,.0f} ({size.more:,.0f} more)"


def _pictures(verdict: Verdict) -> list[Picture]:
    dependence = verdict.dependence
    if isinstance(dependence, str):
        return []
    metric = split_cause(dependence.metrics[0])[1].replace("_", " ")
    return [
        Picture(
            draw_svg(
                partial(difference_over_dependence, dependence, verdict.best),
                width=5.4,
                height=height_with_legend(len(FAMILY_NAMES) + 2),
                label="difference over dependent censoring",
            ),
            f"By how much {verdict.best} is ahead of {verdict.second} ({metric}, in percent) if "
            "event and censoring times depend on each other; at 0 as in the tables. Above 0: who "
            "would have had the event early was censored early. The data cannot tell which tau is "
            "true.",
        )
    ]
