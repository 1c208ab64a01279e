"""A figure for each explained subject: predicted survival, and what raises or lowers the hazard."""

from __future__ import annotations

import textwrap
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from survkit.explain.texts import (
    WIDTH,
    capped_text,
    cohort_text,
    curve_text,
    doubt_text,
    feature_text,
    nothing_shown,
    ratio_text,
    shown_features,
    unknown_text,
)
from survkit.pages.labels import matplotlib_text, shortened
from survkit.pages.palette import (
    COLOURS,
    GREY,
    draw_incidence,
    draw_survival,
    legend_below,
    time_label,
)
from survkit.types import Float64Array, SurvivalPrediction

RAISES, LOWERS = COLOURS[1], COLOURS[0]
MOST_BARS = 12
LARGEST_BAR = 1e4
"""Hazard ratios are drawn up to this, and down to its inverse; their text is exact."""

_ABOVE = (10, 100, 2, 1000, 5, 1.5, 3, 10_000, 20, 50, 1.25, 1.1)
_BELOW = (0.1, 0.01, 0.5, 0.001, 0.2, 0.67, 0.33, 0.0001, 0.05, 0.02, 0.8, 0.9)
"""Hazard ratios that may have a tick, the first ones first where there is no room for all."""


class SubjectFigure(NamedTuple):
    """What one figure shows.

    Parameters
    ----------
    title : str
        Who it is.
    table : DataFrame
        From `contribution_table`.
    curve, cohort : SurvivalPrediction
        Predictions of the subject and the mean of the test rows, one curve each.
    cohort_size : int
        The number of test rows.
    time_unit : str
        Unit of the times.
    r_squared : float
        Fit of the local model; NaN where the hazard does not vary.
    repetitions : int
        Sets of neighbours.
    share_capped : float
        Share of the predicted hazards near the subject that are capped.
    cause : str
        The competing cause that the curves are of, 1 minus its cumulative incidence; "" for
        survival.
    """

    title: str
    table: pd.DataFrame
    curve: SurvivalPrediction
    cohort: SurvivalPrediction
    cohort_size: int
    time_unit: str
    r_squared: float
    repetitions: int
    share_capped: float = 0.0
    cause: str = ""

    def draw(self) -> Figure:
        """Draw it on a new figure, 8 inches wide."""
        shown = shown_features(self.table).head(MOST_BARS)
        note = textwrap.wrap(self.sentence(), 120)
        bars = 0.34 * max(len(shown), 2) + 0.7
        size = (8.0, 4.0 + bars + 0.17 * len(note))
        figure = plt.figure(figsize=size, layout="constrained")
        upper, lower = figure.subplots(2, 1, height_ratios=[3.4, bars])
        title = "\n".join(textwrap.wrap(self.title, 42))
        figure.suptitle(matplotlib_text(title), fontweight="bold")
        self._draw_curves(upper)
        _draw_bars(lower, self.table)
        text = matplotlib_text("\n".join(note))
        figure.supxlabel(text, x=0.02, ha="left", fontsize=8.5, color="0.25", linespacing=1.3)
        return figure

    def sentence(self) -> str:
        """Return what the bars mean and how far to trust them."""
        unknown = unknown_text(self.table)
        gaps = f" Missing, or not in the training data: {unknown}." if unknown else ""
        capped = capped_text(self.share_capped)
        if nothing_shown(self.table):
            return f"Hazard ratios compare values with the reference.{_sentence(capped)}{gaps}"
        doubt = doubt_text(self.r_squared)
        if capped:
            capped += ", so the ratios are nearer to 1 than the model's own"
        interval = (
            f" Intervals: 95 %, of the mean over {self.repetitions} sets of random neighbours; the "
            "model's own uncertainty is not in them."
            if self.repetitions > 1
            else ""
        )
        return (
            f"Each bar compares the hazard{self._of_what()} at this value with the hazard at the "
            "reference, a typical value of the training rows. The ratios come from a Cox model "
            f"fitted to the predictions for similar values, a local approximation{self._fit()}."
            f"{_sentence(f'The fit is {doubt}' if doubt else '')}{_sentence(capped)} They describe "
            f"the model and are not causal effects.{interval}{gaps}"
        )

    def _of_what(self) -> str:
        if not self.cause:
            return ""
        return f" of {self.cause}, which drives its cumulative incidence (the subdistribution's),"

    def _fit(self) -> str:
        known = not np.isnan(self.r_squared)
        return f" (R\u00b2 {self.r_squared:.2f}; 1 is exact)" if known else ""

    def _draw_curves(self, axes: Axes) -> None:
        pairs = (
            (
                self.curve,
                "this subject" if self.title.startswith("test subject") else "this patient",
            ),
            (self.cohort, cohort_text(self.cohort_size)),
        )
        lines: tuple[dict[str, Any], ...] = (
            {"color": LOWERS, "linewidth": 2.2},
            {"color": GREY, "linestyle": "--"},
        )
        for (prediction, name), line in zip(pairs, lines, strict=True):
            label = f"{name}: {curve_text(prediction, self.time_unit, self.cause)}"
            draw = draw_incidence if self.cause else draw_survival
            values = 1 - prediction.survival[0] if self.cause else prediction.survival
            draw(axes, prediction.times, values, step=prediction.step, label=label, **line)
        if not self.cause:
            axes.axhline(0.5, color="0.8", linewidth=0.8, zorder=0)
        what = f"cumulative\nincidence of {self.cause}" if self.cause else "survival"
        axes.set(
            xlabel=time_label(self.time_unit),
            ylabel=f"predicted {what}",
            ylim=(0, None if self.cause else 1.02),
            xlim=(0, float(self.curve.times[-1])),
        )
        axes.spines[["top", "right"]].set_visible(False)
        legend_below(axes, 1)


def _sentence(text: str) -> str:
    return f" {text}." if text else ""


def _draw_bars(axes: Axes, table: pd.DataFrame) -> None:
    shown, total = shown_features(table).head(MOST_BARS), len(shown_features(table))
    axes.spines[["top", "right", "left"]].set_visible(False)
    if shown.empty:
        axes.axis("off")
        axes.text(0.5, 0.5, nothing_shown(table), ha="center")
        return
    drawn = np.clip(shown["hazard_ratio"].to_numpy(), 1 / LARGEST_BAR, LARGEST_BAR)
    places = np.arange(len(shown))
    axes.set_xscale("log")
    colours = [RAISES if ratio >= 1 else LOWERS for ratio in drawn]
    axes.barh(places, drawn - 1, left=1.0, height=0.62, color=colours)
    ends = np.clip(shown[["low", "high"]].to_numpy(), 1 / LARGEST_BAR, LARGEST_BAR)
    axes.hlines(places, ends[:, 0], ends[:, 1], color="0.15", linewidth=1.2)
    axes.axvline(1.0, color="0.2", linewidth=0.8)
    _label_bars(axes, shown)
    _scale_bars(axes, np.concatenate([drawn, ends[np.isfinite(ends)]]))
    few = f"; the {len(shown)} largest of {total} features" if total > len(shown) else ""
    axes.set_xlabel(f"\u2190 lowers the hazard     hazard ratio{few}     raises the hazard \u2192")


def _label_bars(axes: Axes, shown: pd.DataFrame) -> None:
    rows = [row for _, row in shown.iterrows()]
    texts = [
        f"{feature_text(row)}\ncompared with {shortened(row['reference'], WIDTH)}" for row in rows
    ]
    labels = [matplotlib_text(text) for text in texts]
    axes.set_yticks(range(len(rows)), labels, fontsize=8.5)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)  # the largest at the top
    right = axes.get_yaxis_transform()
    for place, row in enumerate(rows):
        axes.text(1.01, place, ratio_text(row), transform=right, va="center", fontsize=8.5)


def _scale_bars(axes: Axes, ends: Float64Array) -> None:
    """Set limits on both sides of 1 and few round ticks, alike in both directions."""
    lowest, highest = min(1.0, float(ends.min())), max(1.0, float(ends.max()))
    room = 1.02 * (highest / lowest) ** 0.05
    lowest, highest = lowest / room, highest * room
    axes.set_xlim(lowest, highest)
    axes.xaxis.set_major_locator(FixedLocator(_ticks(lowest, highest)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    axes.grid(axis="x", color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)


def _ticks(lowest: float, highest: float) -> list[float]:
    """Return round hazard ratios, 1 among them, whose labels do not touch on a log axis."""
    apart = (highest / lowest) ** 0.11
    ticks = [1.0]
    for pair in zip(_ABOVE, _BELOW, strict=True):
        for tick in pair:
            if lowest <= tick <= highest and all(
                max(tick / other, other / tick) >= apart for other in ticks
            ):
                ticks.append(tick)
    return sorted(ticks)
