"""The figure of survival: Kaplan-Meier curves with numbers at risk below the axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from survkit.describe.kaplan_meier import Curve
from survkit.describe.survival_tables import NamedCurve
from survkit.pages.labels import matplotlib_text, shortened_apart
from survkit.pages.palette import draw_survival, style, time_label

MOST_INTERVALS = 6
"""Intervals of more curves would cover each other."""

_POINTS = 1000
"""Steps of a drawn curve across and down: finer ones are less than a pixel."""

_LEGEND_WIDTH = 36
_LONGEST_NAME = 18
"""Characters of a group's name in the legend, and before its numbers at risk."""

_ROW = 13
"""Points between the rows of numbers at risk."""

_FIRST_ROW = -46
"""Points from the axis to their heading, below the ticks and the label of the time."""


def figure_height(num_curves: int) -> float:
    """Return the height in inches of a figure of some curves."""
    return 3.7 + 0.18 * (num_curves + 1)


def survival_figure(
    curves: list[NamedCurve], times: NDArray[np.float64], time_unit: str, *, axes: Axes
) -> None:
    """Draw curves with their intervals, marks where subjects are censored, and numbers at risk.

    Parameters
    ----------
    curves : list of NamedCurve
        The groups.
    times : array, shape (k,)
        Times of the ticks, where the numbers at risk are counted.
    time_unit : str
        Unit of the times.
    axes : Axes
        Where to draw.
    """
    alone = len(curves) == 1
    names = _labels(curves, _LEGEND_WIDTH)
    for number, (name, (_, curve, _, _)) in enumerate(zip(names, curves, strict=True)):
        line = style(number)
        points = _drawn(curve)
        times_drawn, survival = curve.times[points], curve.survival[points]
        draw_survival(axes, times_drawn, survival, step=True, label=name, lw=1.6, **line)
        if len(curves) <= MOST_INTERVALS:
            _draw_interval(axes, curve, points, line["color"])
        _draw_censored(axes, curve, line["color"])
    longest = max(each.curve.times[-1] for each in curves)
    axes.set(
        xlabel=time_label(time_unit),
        ylabel="survival",
        ylim=(0, 1.02),
        xlim=(0, max(longest, times[-1]) or 1.0),
        xticks=times,
    )
    if not alone:
        columns = 2 if len(curves) > 6 and max(map(len, names)) < _LEGEND_WIDTH / 2 else 1
        axes.legend(frameon=False, fontsize="small", loc="best", ncols=columns)
    _write_at_risk(axes, curves, times, names=not alone)


def _labels(curves: list[NamedCurve], width: int) -> list[str]:
    return list(map(matplotlib_text, shortened_apart([each.name for each in curves], width)))


def _drawn(curve: Curve) -> NDArray[np.int64]:
    """Return which points of a curve to draw: those that differ by what an eye can see.

    A curve of many thousand subjects would make a page of many megabytes.
    """
    across = np.floor(curve.times / (curve.times[-1] or 1.0) * _POINTS)
    down = np.floor(curve.survival * _POINTS)
    new = (np.diff(across, prepend=-1) > 0) | (np.diff(down, prepend=-1) != 0)
    new[-1] = True
    return np.flatnonzero(new)


def _draw_interval(axes: Axes, curve: Curve, points: NDArray[np.int64], colour: str) -> None:
    times = np.concatenate([[0.0], curve.times[points]])
    low, high = (np.concatenate([[1.0], each[points]]) for each in (curve.low, curve.high))
    axes.fill_between(times, low, high, step="post", color=colour, alpha=0.15, lw=0)


def _draw_censored(axes: Axes, curve: Curve, colour: str) -> None:
    """Mark the times at which the number at risk falls without an event."""
    before = np.concatenate([[1.0], curve.survival[:-1]])
    times, survival = (each[curve.survival == before] for each in (curve.times, curve.survival))
    # Marks that would cover each other are drawn once.
    cells = np.floor(times / (curve.times[-1] or 1.0) * _POINTS / 2)
    own = np.unique(cells, return_index=True)[1]
    axes.plot(
        times[own],
        survival[own],
        linestyle="",
        marker="|",
        markersize=4,
        markeredgewidth=0.7,
        color=colour,
    )


def _write_at_risk(
    axes: Axes, curves: list[NamedCurve], times: NDArray[np.float64], *, names: bool
) -> None:
    """Write a row of numbers for each curve, each number below its tick."""

    def write(text: str, time: float, down: int, *, left: int = 0, **look: Any) -> None:
        axes.annotate(
            text,
            (time, 0),
            (left, down),
            xycoords=axes.get_xaxis_transform(),
            textcoords="offset points",
            va="center",
            fontsize=9,
            **look,
        )

    write("numbers at risk", 0, _FIRST_ROW, ha="left")
    labels = _labels(curves, _LONGEST_NAME)
    for row, (name, (_, curve, _, _)) in enumerate(zip(labels, curves, strict=True), start=1):
        down = _FIRST_ROW - _ROW * row
        if names:
            write(name, 0, down, left=-18, ha="right", color=style(row - 1)["color"])
        for time, number in zip(times, curve.at_risk(times), strict=True):
            write(f"{int(number):,}", time, down, ha="center")
