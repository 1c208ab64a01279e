"""The figure of decision curves.

It is drawn on `axes`, or on its own where not given, and returned.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from survkit.metrics.decision_curves import DecisionCurve
from survkit.pages.labels import label as text_of
from survkit.pages.palette import GREY, LEGEND_WIDTH, legend_below, line_styles, new_axes
from survkit.types import FloatArray

BANDS = 2
"""Models whose 95 % bands are drawn; more of them hide each other."""

_ROOM = 0.12
"""How far the axes go below 0, of their height above it."""


def draw_decision_curves(
    curves: Mapping[str, DecisionCurve], *, title: str = "", axes: Axes | None = None
) -> Axes:
    """Draw the net benefit of each model over the thresholds, beside treating all and nobody.

    The two models that gain most over treating everybody and treating nobody, summed over the
    thresholds at which they gain, have a band: their pointwise 95 % interval.
    Net benefit is for each 100 subjects.

    Parameters
    ----------
    curves : mapping of model name to DecisionCurve
        At the same thresholds and time, at least one.
    title : str
        Above the axes.
    axes : Axes, optional
        Where to draw; new axes where not given.
    """
    axes = new_axes(axes, 6, 4.4)
    first = next(iter(curves.values()))
    thresholds, treat_all = first.thresholds, 100 * first.estimate.treat_all
    lines = [100 * curve.net_benefit for curve in curves.values()]
    top = 1.08 * max(np.nanmax([*lines, treat_all], initial=0.0), 0.1)
    bottom = -_ROOM * top
    axes.axhline(0, color=GREY, linewidth=1, label="treat nobody")
    shown = np.where(treat_all >= 2 * bottom, treat_all, np.nan)
    axes.plot(thresholds, shown, color=GREY, linewidth=1.2, linestyle="--", label="treat everybody")
    banded = _highest(curves)
    for look, (model, curve), line in zip(line_styles(), curves.items(), lines, strict=False):
        name = text_of(model, LEGEND_WIDTH)
        axes.plot(thresholds, line, linewidth=1.4, label=name, **look)
        if model in banded:
            low, high = (_within(100 * limit, bottom, top) for limit in curve.interval())
            axes.fill_between(thresholds, low, high, color=look["color"], alpha=0.15, linewidth=0)
    axes.set(
        title=title,
        xlabel="threshold of the predicted risk",
        ylabel="net benefit for each 100 subjects",
        xlim=(0, thresholds[-1]),
        ylim=(bottom, top),
    )
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    return legend_below(axes)


def _highest(curves: Mapping[str, DecisionCurve]) -> list[str]:
    """Return the models whose curves are most above treating everybody and treating nobody."""
    gains = {}
    for model, curve in curves.items():
        gain = curve.net_benefit - np.maximum(curve.estimate.treat_all, 0.0)
        gains[model] = float(np.nansum(np.maximum(gain, 0.0)))
    return sorted(gains, key=lambda model: -gains[model])[:BANDS]


def _within(limit: FloatArray, bottom: float, top: float) -> FloatArray:
    """Return limits of a band no further outside the axes than can be seen."""
    return np.clip(limit, 2 * bottom, 2 * top)
