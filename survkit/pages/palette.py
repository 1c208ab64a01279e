"""Colours and line styles that stay apart for colour-blind readers and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, product
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from survkit.datasets.card import UNKNOWN_UNIT
from survkit.pages.labels import label
from survkit.types import FloatArray

# Wong (2011), "Color blindness", Nature Methods 8:441.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINE_STYLES = ("-", "--", ":", "-.")
LEGEND_WIDTH = 60
"""Characters of a name in a legend below a figure."""

LONGEST_UNIT = 45
"""Characters of a unit that fits below an axis."""

GREY = "#85888c"
"""Readable on white and on black."""

_STYLES = [{"color": c, "linestyle": s} for s, c in product(LINE_STYLES, COLOURS)]


def style(number: int) -> dict[str, Any]:
    """Return the colour and line style of the model or expert of a number, counted from 0.

    There are 28 that differ; then they start again.
    """
    return dict(_STYLES[number % len(_STYLES)])


def line_styles() -> Iterator[dict[str, Any]]:
    """Yield a colour and a line style for each model: 28 that differ, then from the start."""
    return map(style, count())


def new_axes(axes: Axes | None, width: float = 5.0, height: float = 3.6) -> Axes:
    """Return the axes given, or those of a new figure of that size in inches."""
    return axes or plt.subplots(figsize=(width, height), layout="constrained")[1]


def draw_survival(
    axes: Axes, times: FloatArray, survival: FloatArray, *, step: bool, **line: Any
) -> None:
    """Draw predicted survival as it is read: linear between its times, or in steps.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    times : array, shape (T,)
        Increasing times; a curve whose first time is later than 0 starts at (0, 1).
    survival : array, shape (T,) or (n, T)
        One curve or several.
    step : bool
        As in `SurvivalPrediction`.
    **line
        Style of the lines.
    """
    curves = np.atleast_2d(survival)
    if times[0] > 0:
        times = np.concatenate([[0.0], times])
        curves = np.column_stack([np.ones(len(curves)), curves])
    if step:
        axes.step(times, curves.T, where="post", **line)
    else:
        axes.plot(times, curves.T, **line)


def draw_incidence(
    axes: Axes, times: FloatArray, incidence: FloatArray, *, step: bool, **line: Any
) -> None:
    """Draw a predicted cumulative incidence (T,) as it is read, from 0 at time 0."""
    if times[0] > 0:
        times, incidence = np.concatenate([[0.0], times]), np.concatenate([[0.0], incidence])
    draw_survival(axes, times, incidence, step=step, **line)


def label_survival(axes: Axes, time_unit: str, columns: int = 2) -> Axes:
    """Label axes of survival over time, put the legend below and return the axes."""
    axes.set(xlabel=time_label(time_unit), ylabel="survival", ylim=(0, 1.02), xlim=(0, None))
    return legend_below(axes, columns)


def time_label(time_unit: str) -> str:
    """Return the label of a time axis: a long unit without the event that time is counted to."""
    if time_unit in ("", UNKNOWN_UNIT):
        return "time"
    unit = time_unit if len(time_unit) <= LONGEST_UNIT else time_unit.partition(",")[0]
    return f"time ({label(unit, 60)})"


def legend_below(axes: Axes, columns: int = 2) -> Axes:
    """Put the legend under the axes, where it hides nothing, and return the axes."""
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.16),
        ncols=columns,
        frameon=False,
        fontsize="small",
        handlelength=2.4,
    )
    return axes
