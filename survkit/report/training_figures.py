"""Figures of how models were trained; each draws on `axes`, or its own, and returns them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from survkit.pages.labels import label as text_of
from survkit.pages.palette import COLOURS, LEGEND_WIDTH, legend_below, line_styles, new_axes
from survkit.runs.metric_text import scale_of
from survkit.runs.record_files import read_history as read_epochs
from survkit.types import InputError


def read_history(run: str | Path) -> pd.DataFrame:
    """Return the history of a run, a row an epoch; no rows for a model without epochs.

    Returns
    -------
    DataFrame
        Columns as the model logged them: epoch, train_loss, validation_loss, ...

    Raises
    ------
    InputError
        Where the file is damaged (its last line may be half written) or cannot be read.
    """
    return pd.DataFrame(read_epochs(Path(run)) or [])


def learning_curves(
    histories: Mapping[str, pd.DataFrame],
    *,
    best_epochs: Mapping[str, int] | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw the training loss (thin, dotted) and the validation loss (solid) over the epochs.

    Parameters
    ----------
    histories : mapping of name to DataFrame
        From `read_history`, of runs of one model, say, named by their seeds.
    best_epochs : mapping of name to int, optional
        The epoch whose weights were kept; marked by a dot.
    axes : Axes, optional
        Where to draw; new axes where not given.

    Raises
    ------
    InputError
        For a history without losses.
    """
    axes = new_axes(axes)
    for number, (name, history) in enumerate(histories.items()):
        for column in ("epoch", "train_loss", "validation_loss"):
            if column not in history:
                raise InputError(
                    f"the history of {name} has no column '{column}'; only networks record one"
                )
        colour = COLOURS[number % len(COLOURS)]
        epoch, validation = history["epoch"], history["validation_loss"]
        axes.plot(epoch, history["train_loss"], color=colour, linewidth=1, linestyle=":")
        axes.plot(epoch, validation, color=colour, linewidth=1.4, label=text_of(name, LEGEND_WIDTH))
        best = (best_epochs or {}).get(name)
        if best is not None:
            kept = validation[epoch == best]
            axes.plot([best] * len(kept), kept, color=colour, marker="o", markersize=5)
    axes.set(xlabel="epoch", ylabel="loss", xlim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return legend_below(axes, columns=3)


def loss_against_experts(
    runs: pd.DataFrame, metric: str = "loss", *, axes: Axes | None = None
) -> Axes:
    """Draw a test metric against the number of experts: each run, and the mean over seeds.

    Parameters
    ----------
    runs : DataFrame
        From `load_runs`, of mixtures with several numbers of experts, alike in everything else.
    metric : str
        A test metric.
    axes : Axes, optional
        Where to draw; new axes where not given.

    Raises
    ------
    InputError
        Where no run has a number of experts or the metric.
    """
    column, scale = f"test_{metric}", scale_of(metric)
    if column not in runs or "config_mixture_components" not in runs:
        raise InputError(f"the runs have no {metric} or no number of experts")
    axes = new_axes(axes)
    experts = runs["config_mixture_components"].astype(float)
    values = runs[column].astype(float) * scale
    groups = runs.groupby("model", sort=False)
    for style, (model, group) in zip(line_styles(), groups, strict=False):
        own, number = values[group.index], experts[group.index]
        axes.plot(number, own, "o", markersize=4, alpha=0.5, color=style["color"], mew=0)
        means = own.groupby(number).mean()
        axes.plot(
            means.index, means, **style, linewidth=1.4, label=text_of(str(model), LEGEND_WIDTH)
        )
    ticks = sorted(experts.unique())
    axes.set_xscale("log")
    axes.set_xticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set(xlabel="number of experts", ylabel=f"test {metric}{' (%)' if scale > 1 else ''}")
    return legend_below(axes)
