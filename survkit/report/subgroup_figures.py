"""Figures of subgroups: calibration of each, and how each differs from all others.

Each draws on `axes`, or on its own where not given, and returns them; `time_unit` is for labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from survkit.metrics.subgroup_parts import Grouping
from survkit.metrics.subgroup_tests import LEVEL, Comparison
from survkit.metrics.subgroups import SubgroupScores
from survkit.pages.labels import label as text_of
from survkit.pages.labels import shortened_apart
from survkit.pages.palette import COLOURS, GREY, new_axes
from survkit.report.calibration_figures import draw_calibration, points_of
from survkit.runs.metric_text import scale_of, time_text
from survkit.runs.subgroup_text import compared_subgroups, is_factor, metric_name
from survkit.types import SurvivalData, SurvivalPrediction

MOST_LINES = 8
"""Subgroups that one figure of calibration shows, the largest."""

SUBJECTS_OF_A_POINT = 30
"""Subjects behind a point of a calibration curve, up to ten points."""

LONGEST_NAME = 28
"""Characters of a subgroup's name beside a figure."""


def shown_subgroups(grouping: Grouping, data: SurvivalData, at: float, least: int) -> list[int]:
    """Return the places of the subgroups that a figure of calibration shows, in their order.

    They are the largest of those with at least so many subjects at risk at the time.
    """
    enough = [
        place
        for place in grouping.present
        if data.subset(grouping.codes == place).at_risk(at)[0] >= least
    ]
    size = np.bincount(grouping.codes, minlength=len(grouping.names))
    return sorted(sorted(enough, key=lambda place: -size[place])[:MOST_LINES])


def calibration_by_subgroup(
    prediction: SurvivalPrediction,
    data: SurvivalData,
    grouping: Grouping,
    places: Sequence[int],
    *,
    at: float,
    cause: int = 0,
    time_unit: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Draw observed against predicted event probability at one time, a line for each subgroup.

    Parameters
    ----------
    prediction : SurvivalPrediction
        For n rows.
    data : SurvivalData
        Their outcomes.
    grouping : Grouping
        The subgroups.
    places : sequence of int
        Those that are shown, from `shown_subgroups`.
    at : float
        The time.
    cause : int
        The cause, from 1, whose cumulative incidence is drawn; an event of any cause for 0.
    time_unit : str
        For the title.
    axes : Axes, optional
        Where to draw; new axes where not given.
    """
    lines = {}
    names = shortened_apart([grouping.names[place] for place in places], LONGEST_NAME)
    for place, name in zip(places, names, strict=True):
        rows = np.flatnonzero(grouping.codes == place)
        own = prediction.subset(rows), data.subset(rows)
        points = max(1, len(rows) // SUBJECTS_OF_A_POINT)
        lines[f"{name} ({len(rows):,})"] = points_of(*own, at, cause=cause, most=points)
    axes = new_axes(axes, 4.2, 4.8)
    axes.set_title(f"by {time_text(at, time_unit)}")
    what = f"cumulative incidence of {data.cause_names[cause - 1]}" if cause else ""
    ends = [np.nanmax(each, initial=0.0) for line in lines.values() for each in line]
    largest = min(1.0, 1.05 * max(ends, default=1.0)) or 1.0
    return draw_calibration(axes, lines, what=what or "event probability", largest=largest)


def subgroup_forest(
    scores: SubgroupScores, metrics: Sequence[str], *, axes: Axes | None = None
) -> Axes:
    """Draw each subgroup's difference to all others with its interval, a panel for each metric.

    Of two subgroups the first is drawn, as the second's differences are the same the other way
    round. A filled point is significant after Holm's method; a difference without a p value is
    grey.

    Parameters
    ----------
    scores : SubgroupScores
        The subgroups of a column.
    metrics : sequence of str
        Those that have a panel.
    axes : Axes, optional
        Where to draw: they are divided into the panels; new axes where not given.
    """
    axes = new_axes(axes, 2.0 + 1.5 * len(metrics), 1.2)
    figure = axes.figure
    assert isinstance(figure, Figure)
    names = compared_subgroups(scores)
    spec = axes.get_subplotspec()
    assert spec is not None
    axes.remove()
    grid = spec.subgridspec(1, len(metrics))
    panels = [figure.add_subplot(grid[0, place]) for place in range(len(metrics))]
    for panel, metric in zip(panels, metrics, strict=True):
        known = {each.subgroup: each for each in scores.comparisons if each.metric == metric}
        for height, name in enumerate(names):
            _draw_difference(panel, known[name], height)
        _label_panel(panel, metric, len(names))
    shown = shortened_apart(names, LONGEST_NAME)
    panels[0].set_yticks(range(len(names)), [text_of(name, LONGEST_NAME) for name in shown])
    for panel in panels[1:]:
        panel.set_yticks(range(len(names)), [""] * len(names))
    return panels[0]


def _draw_difference(panel: Axes, comparison: Comparison, height: int) -> None:
    if math.isnan(comparison.difference):
        return
    scale = scale_of(comparison.metric)
    ends = [each * scale for each in (comparison.low, comparison.high)]
    colour = GREY if comparison.reason else COLOURS[0]
    if not math.isnan(ends[0]):
        panel.plot(ends, [height, height], color=colour, linewidth=1.4)
    is_sure = comparison.adjusted < LEVEL
    panel.plot(
        [comparison.difference * scale],
        [height],
        marker="o",
        markersize=5,
        color=colour,
        markerfacecolor=colour if is_sure else "none",
    )


def _label_panel(panel: Axes, metric: str, subgroups: int) -> None:
    panel.axvline(0, color=GREY, linewidth=1, linestyle="--")
    panel.set_ylim(subgroups - 0.5, -0.5)
    panel.locator_params(axis="x", nbins=4)
    unit = " (log)" if is_factor(metric) else ""
    panel.set_title(_broken(f"{metric_name(metric)}{unit}"), fontsize="small")
    panel.tick_params(axis="x", labelsize="small")
    panel.tick_params(axis="y", length=0)


def _broken(title: str) -> str:
    """Return a title on lines that fit above a narrow panel."""
    import textwrap

    return "\n".join(textwrap.wrap(text_of(title, 60), 16))
