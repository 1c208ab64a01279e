"""Cumulative incidences of competing causes by Aalen-Johansen: at round times, and as figures."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from survkit.describe.cohort import Cohort
from survkit.describe.kaplan_meier import Estimate
from survkit.describe.survival_tables import ALL, late_entry_notes, repeated_notes, share_text
from survkit.pages.document import Picture, Section
from survkit.pages.labels import matplotlib_text, shortened_apart
from survkit.pages.palette import legend_below, style, time_label
from survkit.pages.svg import draw_svg
from survkit.pages.text_tables import TextTable
from survkit.report.observed_curves import ObservedCurve, aalen_johansen_curve
from survkit.runs.metric_text import time_text

MOST_INTERVALS = 6
"""Intervals of more curves would cover each other."""

_POINTS = 1000
"""Steps of a drawn curve across: finer ones are less than a pixel."""

_LEGEND_WIDTH = 36


class CauseCurve(NamedTuple):
    """The cumulative incidence of a cause in a group, and the group's events of that cause."""

    cause: str
    group: str
    curve: ObservedCurve
    events: int

    def at(self, time: float) -> Estimate:
        """Return the incidence at a time, NaN after the last subject's time."""
        if time > self.curve.times[-1] * (1 + 1e-9):
            return Estimate(np.nan, np.nan, np.nan)
        step = int(np.searchsorted(self.curve.times, time * (1 + 1e-9), side="right")) - 1
        value, low, high = (
            float(each[step]) for each in (self.curve.value, self.curve.low, self.curve.high)
        )
        return Estimate(value, low, high)


def cause_curves(cohort: Cohort) -> list[CauseCurve]:
    """Return the curve of each cause among all rows; none where the event has one cause."""
    return _curves(cohort, ALL, np.ones(len(cohort), dtype=np.bool_))


def cause_curves_by_group(cohort: Cohort) -> list[CauseCurve]:
    """Return the curve of each cause in each group, the groups of one cause together."""
    if cohort.groups is None:
        return []
    groups = cohort.groups
    of_groups = [_curves(cohort, name, groups.rows(i)) for i, name in enumerate(groups.names)]
    return [curve for of_cause in zip(*of_groups, strict=True) for curve in of_cause]


def _curves(cohort: Cohort, group: str, rows: NDArray[np.bool_]) -> list[CauseCurve]:
    if cohort.cause is None:
        return []
    time, cause = cohort.time[rows], cohort.cause[rows]
    entry = None if cohort.entry is None else cohort.entry[rows]
    return [
        CauseCurve(
            name,
            group,
            aalen_johansen_curve(time, cause, number, entry),
            int(np.count_nonzero(cause == number)),
        )
        for number, name in enumerate(cohort.cause_names, start=1)
    ]


def incidence_section(
    title: str,
    curves: list[CauseCurve],
    times: NDArray[np.float64],
    cohort: Cohort,
    *,
    pictures: bool,
) -> Section:
    """Return the part on the cumulative incidences of some curves, one figure for each cause.

    The curves of all rows share a figure.
    """
    drawn: list[Picture] = []
    if pictures and all(each.group == ALL for each in curves):
        drawn = [_picture(title, [each.cause for each in curves], curves, times, cohort)]
    elif pictures:
        for cause in cohort.cause_names:
            own = [each for each in curves if each.cause == cause]
            names = [each.group for each in own]
            drawn.append(_picture(f"{title}: {cause}", names, own, times, cohort))
    return Section(title, (), (incidence_table(curves, times, cohort),), tuple(drawn))


def incidence_table(
    curves: list[CauseCurve], times: NDArray[np.float64], cohort: Cohort
) -> TextTable:
    """Return each curve's events, and its incidence at round times with intervals."""
    columns = {"events": [f"{each.events:,}" for each in curves]}
    for time in times[1:]:
        head = f"by {time_text(time, cohort.unit)}"
        columns[head] = [share_text(each.at(time)) for each in curves]
    alone = all(each.group == ALL for each in curves)
    names = [each.cause if alone else f"{each.cause}, {each.group}" for each in curves]
    notes = (
        "Aalen-Johansen estimates with 95 % intervals, from Aalen's variance on the scale of "
        "log(-log F). The incidences of all causes and survival add up to 1.",
        *late_entry_notes(cohort),
        *repeated_notes(cohort),
    )
    return TextTable(
        "Cumulative incidence at round times",
        pd.DataFrame(columns, index=pd.Index(names)),
        notes=notes,
    )


def _picture(
    title: str,
    names: list[str],
    curves: list[CauseCurve],
    times: NDArray[np.float64],
    cohort: Cohort,
) -> Picture:
    svg = draw_svg(
        partial(incidence_figure, names, curves, times, cohort.unit),
        width=6.8,
        height=3.6 + 0.1 * (len(curves) + 1),
        label=f"{title}, Aalen-Johansen",
    )
    intervals = " with 95 % intervals" if len(curves) <= MOST_INTERVALS else ""
    return Picture(svg, f"{title}: Aalen-Johansen{intervals}.", wide=True)


def incidence_figure(
    names: list[str],
    curves: list[CauseCurve],
    times: NDArray[np.float64],
    time_unit: str,
    *,
    axes: Axes,
) -> None:
    """Draw cumulative incidences with their intervals.

    Parameters
    ----------
    names : list of str
        What the legend calls each curve.
    curves : list of CauseCurve
        What to draw.
    times : array, shape (k,)
        Times of the ticks.
    time_unit : str
        Unit of the times.
    axes : Axes
        Where to draw.
    """
    labels = map(matplotlib_text, shortened_apart(names, _LEGEND_WIDTH))
    for number, (name, each) in enumerate(zip(labels, curves, strict=True)):
        band = len(curves) <= MOST_INTERVALS
        _thinned(each.curve).draw(axes, label=name, band=band, linewidth=1.6, **style(number))
    longest = max(each.curve.times[-1] for each in curves)
    highest = max(float(each.curve.high[-1]) for each in curves)
    axes.set(
        xlabel=time_label(time_unit),
        ylabel="cumulative incidence",
        xlim=(0, max(longest, times[-1]) or 1.0),
        ylim=(0, min(1.02, max(1.1 * highest, 0.05))),
        xticks=times,
    )
    legend_below(axes)


def _thinned(curve: ObservedCurve) -> ObservedCurve:
    """Return a curve with the last of the steps that are less than a pixel apart."""
    across = np.floor(curve.times / (curve.times[-1] or 1.0) * _POINTS)
    kept = np.flatnonzero(np.diff(across, append=np.inf) > 0)
    kept = np.unique(np.concatenate([[0], kept]))
    return ObservedCurve(*(each[kept] for each in curve))
