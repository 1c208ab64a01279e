"""Figures of explanations: red raises the hazard, blue lowers it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from survkit.pages.labels import matplotlib_text, shortened_apart
from survkit.types import Float64Array, InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GREY = "0.55"
NAME_WIDTH = 36
"""Columns of a coefficient's name: half the width of the figure."""

LABEL = "coefficient (log hazard ratio)"
SCALED_LABEL = "coefficient x value"


def bar_chart(
    coefficients: Float64Array,
    names: Sequence[str],
    *,
    with_colour: bool = True,
    absolute_vals: bool = False,
    label: str = LABEL,
    figsize: tuple[float, float] | None = None,
    figure_path: str | Path | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw coefficients (d,) as bars, the largest at the top.

    Parameters
    ----------
    coefficients : array, shape (d,)
        Log hazard ratios.
    names : sequence of str, length d
        Their names.
    with_colour : bool
        Red for what raises the hazard and blue for what lowers it, or grey for all.
    absolute_vals : bool
        Draw sizes without signs.
    label : str
        What is drawn.
    figsize : tuple of float, optional
        Width and height in inches; by default the height grows with the number of bars.
    figure_path : path, optional
        Where to save the figure as PNG.
    axes : Axes, optional
        Where to draw; new axes where not given.
    """
    drawn = np.abs(coefficients) if absolute_vals else coefficients
    order = np.argsort(-drawn, kind="stable")
    axes = axes or _new_axes(len(order), figsize)
    colours = _colours(coefficients[order], with_colour)
    axes.barh(_labels(names, order), drawn[order], color=colours)
    return _finish(axes, label, absolute_vals, len(order), figure_path)


def boxen_plot(
    samples: Float64Array,
    names: Sequence[str],
    *,
    with_colour: bool = True,
    absolute_vals: bool = False,
    label: str = LABEL,
    figsize: tuple[float, float] | None = None,
    figure_path: str | Path | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw the distribution of each coefficient over samples (n, d), by its median.

    The other parameters are those of `bar_chart`; colour shows the sign of the median.
    """
    import pandas as pd
    import seaborn

    drawn = np.abs(samples) if absolute_vals else samples
    order = np.argsort(-np.median(drawn, axis=0), kind="stable")
    axes = axes or _new_axes(len(order), figsize)
    labels = _labels(names, order)
    long = {"feature": np.tile(labels, len(drawn)), "coefficient": drawn[:, order].ravel()}
    colours = _colours(np.median(samples, axis=0)[order], with_colour)
    seaborn.boxenplot(
        pd.DataFrame(long),
        x="coefficient",
        y="feature",
        hue="feature",
        order=labels,
        hue_order=labels,
        palette=dict(zip(labels, colours, strict=True)),
        legend=False,
        linewidth=0.5,
        flier_kws={"s": 4, "color": "0.3"},
        ax=axes,
    )
    axes.set_ylabel("")
    return _finish(axes, label, absolute_vals, len(order), figure_path)


def _labels(names: Sequence[str], order: NDArray[np.integer[Any]]) -> list[str]:
    """Return names in order, short enough to leave room for the figure, no two the same."""
    short = shortened_apart(names, NAME_WIDTH)
    return [matplotlib_text(short[j]) for j in order]


def _new_axes(bars: int, figsize: tuple[float, float] | None) -> Axes:
    import matplotlib.pyplot as plt

    size = figsize or (7.0, 1.2 + 0.26 * max(bars, 5))
    axes: Axes = plt.subplots(figsize=size, layout="constrained")[1]
    return axes


def _colours(values: Float64Array, with_colour: bool) -> list[Any]:
    """Return a colour for each of the falling values, darkest where they are largest."""
    if not with_colour:
        return [GREY] * len(values)
    from matplotlib import colormaps

    red, blue = colormaps["Reds"], colormaps["Blues"]
    largest = float(np.abs(values).max(initial=0.0)) or 1.0
    return [
        (red if value >= 0 else blue)(0.35 + 0.55 * abs(float(value)) / largest) for value in values
    ]


def _finish(
    axes: Axes, label: str, absolute_vals: bool, bars: int, figure_path: str | Path | None
) -> Axes:
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.set_xlabel(f"|{label}|" if absolute_vals else label)
    axes.set_ylim(bars - 0.4, -0.6)  # the first at the top
    axes.tick_params(axis="y", labelsize=8 if bars > 25 else 10)
    axes.grid(axis="x", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    if figure_path is not None:
        if not Path(figure_path).parent.is_dir():
            raise InputError(f"figure_path is {figure_path}; its folder does not exist")
        axes.get_figure().savefig(figure_path, dpi=150, format="png")  # type: ignore[union-attr]
    return axes
