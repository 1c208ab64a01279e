"""The parts of a description: what was understood, Table 1, follow-up, survival, incidences."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.datasets.assemble import Dataset
from survkit.describe.cohort import Cohort
from survkit.describe.cumulative_incidence import (
    cause_curves,
    cause_curves_by_group,
    incidence_section,
)
from survkit.describe.follow_up import follow_up_table
from survkit.describe.numbers import percent
from survkit.describe.survival_tables import (
    NamedCurve,
    at_risk_table,
    curve_of_all,
    curves_by_group,
    log_rank_sentences,
    round_times,
    survival_table,
)
from survkit.describe.table_one import table_one, table_one_by_group
from survkit.pages.document import Picture, Section
from survkit.pages.svg import draw_svg
from survkit.pages.text_tables import TextTable

_WIDTH = 6.8
_ANY_CAUSE = (
    "The event is the first of any cause ({causes}), so survival is without any of them, and one "
    "minus survival is not the risk of one cause."
)
_WHY = "why"


def sections(cohort: Cohort, *, pictures: bool = True) -> list[Section]:
    """Return all parts of a description, with figures where asked.

    Parameters
    ----------
    cohort : Cohort
        What is described.
    pictures : bool
        Whether to draw the figures.
    """
    parts = [understood_section(cohort), *_table_sections(cohort)]
    parts.append(Section("Follow-up", tables=(follow_up_table(cohort),)))
    parts.append(_survival_section("Survival", curve_of_all(cohort), cohort, (), pictures=pictures))
    if cohort.groups is not None:
        parts.append(
            _survival_section(
                f"Survival by {cohort.groups.column}",
                curves_by_group(cohort),
                cohort,
                log_rank_sentences(cohort),
                pictures=pictures,
            )
        )
    return [*parts, *_incidence_sections(cohort, pictures=pictures)]


def _incidence_sections(cohort: Cohort, *, pictures: bool) -> list[Section]:
    """Return the parts on cumulative incidences; none where the event has one cause."""
    times = round_times(float(cohort.time.max()), cohort.unit)
    curves = {"Cumulative incidence": cause_curves(cohort)}
    if cohort.groups is not None:
        curves[f"Cumulative incidence by {cohort.groups.column}"] = cause_curves_by_group(cohort)
    return [
        incidence_section(title, own, times, cohort, pictures=pictures)
        for title, own in curves.items()
        if own
    ]


def understood_section(cohort: Cohort) -> Section:
    """Return what was understood of a table, or a dataset's card."""
    dataset = cohort.dataset
    if dataset.schema is None:
        lines = str(dataset.card).splitlines()
        return Section("The dataset", tuple(line.strip() for line in lines))
    lines = [line.strip() for line in dataset.schema.describe().splitlines()]
    left_out = dataset.card.dropped_columns
    tables = (_left_out_table(left_out),) if left_out else ()
    return Section("What was understood", tuple(lines), tables)


def _left_out_table(left_out: Mapping[str, str]) -> TextTable:
    frame = pd.DataFrame({_WHY: list(left_out.values())}, index=pd.Index(list(left_out)))
    return TextTable("Columns left out", frame, words=(_WHY,))


def _table_sections(cohort: Cohort) -> list[Section]:
    """Return Table 1 and missing values, or why there are none."""
    if cohort.raw is None:
        assert isinstance(cohort.dataset, Dataset)
        train = cohort.dataset.splits.train
        return [
            Section(
                "Table 1",
                (
                    f"There is no Table 1: {cohort.dataset.name} has no table of columns in "
                    f"original units, but {train.features.shape[1]:,} features that are already "
                    "scaled and complete.",
                ),
            )
        ]
    if not len(cohort.raw.features.columns):
        return [
            Section("Table 1", ("There is no Table 1: no column besides the outcome is read.",))
        ]
    tables = [table_one(cohort)]
    if cohort.groups is not None and cohort.raw.features.shape[1] > 1:  # others to compare
        tables.append(table_one_by_group(cohort))
    return [Section("Table 1", tables=tuple(tables)), missing_section(cohort)]


def missing_section(cohort: Cohort) -> Section:
    """Return the columns with missing values, those with most first."""
    assert cohort.raw is not None
    features, n = cohort.raw.features, len(cohort)
    counts = features.isna().sum().sort_values(ascending=False, kind="stable")
    counts = counts[counts > 0]
    complete = int(features.notna().all(axis=1).sum())
    if counts.empty:
        sentence = "No value is missing in the columns of Table 1."
        return Section("Missing values", (sentence,))
    frame = pd.DataFrame(
        {
            "missing": [f"{count:,}" for count in counts],
            "share": [percent(count, n) for count in counts],
        },
        index=pd.Index(list(map(str, counts.index))),
    )
    have = "has" if len(counts) == 1 else "have"
    sentence = (
        f"{len(counts):,} of {features.shape[1]:,} columns of Table 1 {have} missing values; "
        f"{complete:,} of {n:,} {cohort.who} ({percent(complete, n)}) have none."
    )
    return Section(
        "Missing values", (sentence,), (TextTable("Columns with missing values", frame),)
    )


def _survival_section(
    title: str,
    curves: list[NamedCurve],
    cohort: Cohort,
    sentences: tuple[str, ...],
    *,
    pictures: bool,
) -> Section:
    times = round_times(float(cohort.time.max()), cohort.unit)
    tables = (survival_table(curves, times, cohort), at_risk_table(curves, times, cohort))
    if cohort.by_cause:
        sentences = (_ANY_CAUSE.format(causes=", ".join(cohort.by_cause)), *sentences)
    drawn = (_picture(title, curves, times, cohort),) if pictures else ()
    return Section(title, sentences, tables, drawn)


def _picture(
    title: str, curves: list[NamedCurve], times: NDArray[np.float64], cohort: Cohort
) -> Picture:
    from survkit.describe.figures import MOST_INTERVALS, figure_height, survival_figure

    svg = draw_svg(
        partial(survival_figure, curves, times, cohort.unit),
        width=_WIDTH,
        height=figure_height(len(curves)),
        label=f"{title}, Kaplan-Meier",
    )
    intervals = " with 95 % intervals" if len(curves) <= MOST_INTERVALS else ""
    caption = (
        f"{title}: Kaplan-Meier{intervals}. A mark on a curve is a time at which {cohort.who} were "
        "censored and none had the event."
    )
    return Picture(svg, caption, wide=True)  # on a phone it scrolls; smaller, nobody could read it
