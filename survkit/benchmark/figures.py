"""Figures of a benchmark: mean ranks with groups of level models, and time against quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from survkit.pages.labels import label
from survkit.pages.palette import COLOURS, GREY, new_axes

NAME_WIDTH = 40


def diagram_height(models: int, groups: int) -> float:
    """Return the height in inches of a critical-difference diagram."""
    return 0.9 + 0.26 * ((models + 1) // 2) + 0.14 * groups


def critical_difference_diagram(
    mean_ranks: pd.Series, groups: Sequence[Sequence[str]], *, axes: Axes | None = None
) -> Axes:
    """Draw mean ranks on a line, the best on the left; a bar joins models that are level.

    Parameters
    ----------
    mean_ranks : Series
        Of each of k models.
    groups : sequence of sequences of str
        The models that each bar joins.
    axes : Axes, optional
        Where to draw; new axes where not given.

    References
    ----------
    Demsar (2006), JMLR 7, figure 1.
    """
    axes = new_axes(axes, 7.0, diagram_height(len(mean_ranks), len(groups)))
    ordered = mean_ranks.sort_values(kind="stable")
    last = max(2, len(ordered))
    top, first_name = 0.0, -0.7 - 0.45 * len(groups)
    axes.hlines(top, 1, last, color=GREY, linewidth=1)
    for rank in range(1, last + 1):
        axes.vlines(rank, top, top + 0.18, color=GREY, linewidth=1)
        axes.text(rank, top + 0.3, str(rank), ha="center", va="bottom", color="black")
    for number, group in enumerate(groups):
        own = ordered[list(group)]
        height = -0.45 * (number + 1)
        axes.hlines(height, own.min() - 0.04, own.max() + 0.04, color=COLOURS[0], linewidth=4)
    half = (len(ordered) + 1) // 2
    for place, (model, rank) in enumerate(ordered.items()):
        on_left = place < half
        depth = place if on_left else len(ordered) - 1 - place
        height = first_name - 0.8 * depth
        end = 0.75 if on_left else last + 0.25
        axes.plot([rank, rank, end], [top, height, height], color="black", linewidth=0.8)
        axes.text(
            end,
            height,
            f" {label(str(model), NAME_WIDTH)} {rank:.2f} ",
            ha="right" if on_left else "left",
            va="center",
        )
    axes.set_xlim(0.75 - 0.45 * (last - 1), last + 0.25 + 0.45 * (last - 1))
    axes.set_ylim(first_name - 0.8 * (half - 1) - 0.4, top + 1.0)
    axes.set_axis_off()
    return axes


def time_against_quality(
    seconds: Mapping[str, float], mean_ranks: pd.Series, *, axes: Axes | None = None
) -> Axes:
    """Draw each model's mean rank over the median seconds of a fit, on a logarithmic axis.

    The best rank is at the top.
    """
    axes = new_axes(axes, 6.0, 3.6)
    for number, (model, rank) in enumerate(mean_ranks.items()):
        x = seconds[str(model)]
        axes.plot(x, rank, "o", color=COLOURS[number % len(COLOURS)])
        axes.annotate(
            label(str(model), NAME_WIDTH),
            (x, float(rank)),
            xytext=(5, 3),
            textcoords="offset points",
            fontsize=9,
        )
    axes.set_xscale("log")
    axes.margins(x=0.25, y=0.12)
    axes.invert_yaxis()
    axes.set_xlabel("seconds of a fit (median)")
    axes.set_ylabel("mean rank")
    if np.ptp(mean_ranks.to_numpy()) < 0.5:
        middle = float(mean_ranks.mean())
        axes.set_ylim(middle + 0.5, middle - 0.5)
    return axes
