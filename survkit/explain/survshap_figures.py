"""The figure of a subject's SurvSHAP(t): curves of the largest features, and their sizes."""

from __future__ import annotations

import textwrap
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from survkit.explain.figures import LOWERS, RAISES
from survkit.explain.plots import NAME_WIDTH
from survkit.explain.survshap_explanation import SurvShapExplanation
from survkit.pages.labels import matplotlib_text, shortened_apart
from survkit.pages.palette import GREY, style, time_label
from survkit.types import Float64Array

MOST_LINES = 6
"""Features with a line of their own; the sum of the others is one more."""

MOST_BARS = 12


class SurvShapFigure(NamedTuple):
    """What one figure shows.

    Parameters
    ----------
    title : str
        Who it is.
    explanation : SurvShapExplanation
        The values.
    table : DataFrame
        From `subject_table`.
    time_unit : str
        Unit of the times.
    background_size : int
        Rows of the background.
    """

    title: str
    explanation: SurvShapExplanation
    table: pd.DataFrame
    time_unit: str
    background_size: int

    def draw(self) -> Figure:
        """Draw it on a new figure, 8 inches wide."""
        note = textwrap.wrap(self.sentence(), 115)
        bars = 0.27 * max(min(len(self.table), MOST_BARS), 2) + 0.6
        size = (8.0, 5.6 + bars + 0.17 * len(note))
        figure = plt.figure(figsize=size, layout="constrained")
        upper, middle, lower = figure.subplots(3, 1, height_ratios=[2.0, 3.2, bars])
        figure.suptitle(
            matplotlib_text("\n".join(textwrap.wrap(self.title, 42))), fontweight="bold"
        )
        self._draw_curves(upper)
        self._draw_lines(middle)
        self._draw_bars(lower)
        text = matplotlib_text("\n".join(note))
        figure.supxlabel(text, x=0.02, ha="left", fontsize=8.5, color="0.25", linespacing=1.3)
        return figure

    def sentence(self) -> str:
        """Return what is shown and how exact it is."""
        found = self.explanation
        if found.exact:
            how = "All coalitions of features were computed, so there is no Monte-Carlo error."
        else:
            how = (
                f"The values come from {found.num_coalitions:,} coalitions; their Monte-Carlo "
                f"standard error (shaded) is at most {found.standard_error.max():.2g}."
            )
        return (
            f"At each time, the values of all features add up to the difference between this "
            f"subject's {found.quantity} and the mean of {self.background_size:,} training rows. "
            f"{how} The values describe the model and are not causal effects."
        )

    def _draw_curves(self, axes: Axes) -> None:
        found = self.explanation
        pairs: tuple[tuple[Float64Array, str, dict[str, Any]], ...] = (
            (found.prediction, "this subject", {"color": "0.1", "linewidth": 2.0}),
            (
                found.baseline,
                f"mean of {self.background_size:,} training rows",
                {"color": GREY, "linestyle": "--"},
            ),
        )
        for values, name, line in pairs:
            axes.plot(found.times, values, label=name, **line)
        axes.set(ylabel=found.quantity.replace(" of ", "\nof "), ylim=(0, None))
        self._finish(axes)

    def _draw_lines(self, axes: Axes) -> None:
        found = self.explanation
        place = {name: j for j, name in enumerate(found.feature_names)}
        order = [place[name] for name in self.table.index]
        labels = feature_labels(self.table)
        for number, (j, text) in enumerate(zip(order[:MOST_LINES], labels, strict=False)):
            line = style(number)
            axes.plot(found.times, found.values[j], label=text, linewidth=1.8, **line)
            error = found.standard_error[j]
            if not found.exact and np.isfinite(error).all():
                low, high = found.values[j] - error, found.values[j] + error
                axes.fill_between(
                    found.times,
                    low,
                    high,
                    color=line["color"],
                    alpha=0.15,
                    linewidth=0,
                )
        if others := order[MOST_LINES:]:
            text = f"the other {len(others)}, added up" if len(others) > 1 else labels[MOST_LINES]
            total = found.values[others].sum(axis=0)
            axes.plot(found.times, total, label=text, color=GREY, linestyle=":")
        axes.axhline(0, color="0.3", linewidth=0.8)
        axes.set(ylabel=f"change of\n{found.quantity.replace(' of ', chr(10) + 'of ')}")
        self._finish(axes)
        axes.set_xlabel(time_label(self.time_unit))

    def _finish(self, axes: Axes) -> None:
        axes.set_xlim(0, float(self.explanation.times[-1]))
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8.5)

    def _draw_bars(self, axes: Axes) -> None:
        shown = self.table.head(MOST_BARS)
        rises = self.explanation.quantity != "survival"
        raised = (shown["mean"] > 0).to_numpy() == rises
        colours = [RAISES if each else LOWERS for each in raised]
        axes.barh(range(len(shown)), shown["mean_absolute"], height=0.62, color=colours)
        axes.set_yticks(range(len(shown)), feature_labels(self.table)[: len(shown)], fontsize=8.5)
        axes.set_ylim(len(shown) - 0.4, -0.6)  # the largest at the top
        total = len(self.table)
        few = f"; the {len(shown)} largest of {total} features" if total > len(shown) else ""
        axes.set_xlabel(
            f"mean absolute change over time (orange raises the risk, blue lowers it{few})"
        )
        axes.spines[["top", "right"]].set_visible(False)


def feature_labels(table: pd.DataFrame) -> list[str]:
    """Return "feature = value" for each row of a subject's table, all different."""
    texts = [f"{name} = {value}" for name, value in table["value"].items()]
    return [matplotlib_text(text) for text in shortened_apart(texts, NAME_WIDTH)]
