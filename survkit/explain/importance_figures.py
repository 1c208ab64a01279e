"""The figure of permutation importance: over time, and in total."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from survkit.explain.permutation_importance import PermutationImportance
from survkit.explain.plots import NAME_WIDTH
from survkit.pages.labels import matplotlib_text, shortened_apart
from survkit.pages.palette import COLOURS, style, time_label

MOST_LINES = 6
MOST_BARS = 15


def importance_figure(found: PermutationImportance, time_unit: str) -> Figure:
    """Draw the increase of the Brier score over time, and the changes of the two overall scores.

    Lines and bars are means over the repeats; bands and whiskers are one standard deviation.
    """
    shown = min(len(found.feature_names), MOST_BARS)
    over_time = "integrated_brier" not in found.unshuffled.reasons
    bars = 0.27 * max(shown, 3) + 0.9
    height = bars + (3.6 if over_time else 0)
    figure = plt.figure(figsize=(8.0, height), layout="constrained")
    names = list(found.to_frame().index[:shown])
    if over_time:
        axes = figure.subplot_mosaic("TT;BC", height_ratios=[3.6, bars])
        _draw_lines(axes["T"], found, time_unit)
        label = "increase of the integrated Brier score"
        _draw_bars(axes["B"], found, "integrated_brier", names, label)
    else:
        axes = figure.subplot_mosaic("C")
    _draw_bars(axes["C"], found, "concordance_td", names, "decrease of the concordance")
    axes["C"].tick_params(labelleft=not over_time)
    return figure


def _draw_lines(axes: Axes, found: PermutationImportance, time_unit: str) -> None:
    order = _places(found, list(found.to_frame().index))
    labels = _labels(found, order)
    single = found.brier.shape[1] == 1
    for number, (j, text) in enumerate(zip(order[:MOST_LINES], labels, strict=False)):
        mean, line = found.brier[j].mean(axis=0), style(number)
        axes.plot(found.times, mean, label=text, linewidth=1.8, **line)
        if not single:
            deviation = found.brier[j].std(axis=0, ddof=1)
            low, high = mean - deviation, mean + deviation
            axes.fill_between(found.times, low, high, color=line["color"], alpha=0.15, linewidth=0)
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.set(
        xlabel=time_label(time_unit),
        ylabel="increase of the Brier score",
        xlim=(0, float(found.times[-1])),
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8.5)


def _draw_bars(
    axes: Axes, found: PermutationImportance, score: str, names: list[str], label: str
) -> None:
    order = _places(found, names)
    values = getattr(found, score)[order]
    deviation = values.std(axis=1, ddof=1) if values.shape[1] > 1 else np.zeros(len(order))
    axes.barh(
        range(len(order)),
        values.mean(axis=1),
        height=0.62,
        color=COLOURS[0],
        xerr=deviation,
        ecolor="0.15",
    )
    axes.set_yticks(range(len(order)), _labels(found, order), fontsize=8.5)
    axes.set_ylim(len(order) - 0.4, -0.6)  # the largest at the top
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel(label)
    axes.spines[["top", "right"]].set_visible(False)


def _places(found: PermutationImportance, names: list[str]) -> list[int]:
    place = {name: j for j, name in enumerate(found.feature_names)}
    return [place[name] for name in names]


def _labels(found: PermutationImportance, order: list[int]) -> list[str]:
    names = [found.feature_names[j] for j in order]
    return [matplotlib_text(name) for name in shortened_apart(names, NAME_WIDTH)]
