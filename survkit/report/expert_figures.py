"""Figures of the groups that a mixture of experts makes.

A subject belongs to the expert of its largest router weight (`expert_weights`, shape (n, E)). An
expert keeps its number (from 1), its colour and its line style in every figure. Each function
draws on `axes`, or on its own where not given, and returns them; `time_unit` is for labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from survkit.heads.mtlr import class_scores
from survkit.metrics.clustering import chosen_expert, expert_load
from survkit.models.calibrated import without_calibration
from survkit.pages.labels import matplotlib_text
from survkit.pages.palette import (
    COLOURS,
    GREY,
    draw_survival,
    label_survival,
    legend_below,
    new_axes,
    style,
)
from survkit.report.cause_figures import label_incidence
from survkit.report.figures import count_at_risk
from survkit.report.observed_curves import ObservedCurve, incidence_of, survival_of
from survkit.training.neural_model import NeuralSurvivalModel
from survkit.training.objective import curves_from_class_probabilities
from survkit.types import BoolArray, FloatArray, InputError, IntArray, SurvivalData, SurvivalModel

BANDS_UP_TO = 4
"""Most curves that are shown with their intervals: more would hide each other."""

_DARK, _LIGHT = "#111111", "#fefefe"
_LUMINANCE = np.array([0.299, 0.587, 0.114])


def expert_load_bars(expert_weights: FloatArray, *, axes: Axes | None = None) -> Axes:
    """Draw the share of subjects of each expert (bars) and its mean weight (diamonds).

    Parameters
    ----------
    expert_weights : array, shape (n, E)
        The router's weights.
    axes : Axes, optional
        Where to draw; new axes where not given.
    """
    axes = new_axes(axes)
    load, experts = expert_load(expert_weights), expert_weights.shape[1]
    numbers = np.arange(1, experts + 1)
    axes.bar(numbers, load, color=COLOURS[5], width=0.7, label="share of subjects")
    mean = expert_weights.mean(axis=0)
    axes.plot(numbers, mean, "D", color=COLOURS[1], markersize=5, label="mean weight")
    axes.axhline(1 / experts, color=GREY, linewidth=1, linestyle="--", label="even load")
    axes.set(xlabel="expert", ylabel="share", xlim=(0.3, experts + 0.7), ylim=(0, None))
    axes.set_xticks(numbers)
    return legend_below(axes)


def kaplan_meier_by_expert(
    expert_weights: FloatArray, data: SurvivalData, *, time_unit: str = "", axes: Axes | None = None
) -> Axes:
    """Draw the Kaplan-Meier curve of the events of each expert's subjects, and of all subjects.

    Experts without subjects have no curve; up to four curves have their 95 % interval. Below the
    time axis stands how many subjects are still at risk.

    Parameters
    ----------
    expert_weights : array, shape (n, E)
        The router's weights.
    data : SurvivalData
        The outcomes of the n subjects.
    time_unit : str
        For the axis label.
    axes : Axes, optional
        Where to draw; new axes where not given.
    """
    axes = new_axes(axes, 6, 4.8)
    _draw_by_expert(axes, expert_weights, data, data.event, survival_of)
    return count_at_risk(label_survival(axes, time_unit), data.time, data.entry)


def aalen_johansen_by_expert(
    expert_weights: FloatArray,
    data: SurvivalData,
    cause: int,
    *,
    time_unit: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Draw the cumulative incidence of a cause among each expert's subjects, and all subjects.

    Experts without subjects have no curve; up to four curves have their 95 % interval. Below the
    time axis stands how many subjects are still at risk.

    Parameters
    ----------
    expert_weights : array, shape (n, E)
        The router's weights.
    data : SurvivalData
        The outcomes of the n subjects.
    cause : int
        The cause, from 1.
    time_unit : str
        For the axis label.
    axes : Axes, optional
        Where to draw; new axes where not given.
    """
    axes = new_axes(axes, 6, 4.8)
    event = np.asarray(data.cause == cause)
    _draw_by_expert(axes, expert_weights, data, event, partial(incidence_of, cause=cause))
    return label_incidence(axes, data, cause, time_unit)


def _draw_by_expert(
    axes: Axes,
    expert_weights: FloatArray,
    data: SurvivalData,
    event: BoolArray,
    curve_of: Callable[[SurvivalData], ObservedCurve],
) -> None:
    """Draw a curve of all subjects and of each expert's, with their numbers and of events (n,)."""
    curve_of(data).draw(axes, label=f"all (n = {len(data)})", band=False)
    chosen = chosen_expert(expert_weights)
    present = np.unique(chosen)
    for expert in present:
        rows = chosen == expert
        curve_of(data.subset(rows)).draw(
            axes,
            label=f"expert {expert + 1} (n = {rows.sum()}, {int(event[rows].sum())} events)",
            band=len(present) <= BANDS_UP_TO,
            linewidth=1.4,
            **style(int(expert)),
        )


def expert_prototypes(
    model: SurvivalModel,
    *,
    load: FloatArray | None = None,
    time_unit: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Draw the survival curve of each expert's prototype, of a Fixed or Adjustable MoE.

    Those of an Adjustable MoE run on the experts' own clock, before it is warped for a subject.

    Parameters
    ----------
    model : SurvivalModel
        From `survkit.records.load_fitted`; calibration does not change the prototypes.
    load : array, shape (E,), optional
        Share of the subjects of each expert; experts without any are drawn thin and grey.
    time_unit : str
        For the axis label.
    axes : Axes, optional
        Where to draw; new axes where not given.

    Raises
    ------
    InputError
        For a model whose experts have no prototype.
    """
    fitted = without_calibration(model)
    head = fitted.network.head if isinstance(fitted, NeuralSurvivalModel) else None
    prototypes = getattr(head, "prototypes", None)
    if not isinstance(fitted, NeuralSurvivalModel) or prototypes is None:
        raise InputError(
            f"the experts of {getattr(fitted, 'head', 'this model')} have no prototype; those of "
            "fixed_moe and adjustable_moe have"
        )
    axes = new_axes(axes, 6, 4.8)
    with torch.no_grad():
        probabilities = class_scores(prototypes.double(), fitted.num_causes).softmax(-1).numpy()
    unused = np.zeros(len(prototypes), bool) if load is None else np.asarray(load) == 0
    curves = curves_from_class_probabilities(probabilities, fitted.num_causes)
    for expert, curve in enumerate(curves.survival):
        look: dict[str, Any] = {"linewidth": 1.4, "label": f"expert {expert + 1}", **style(expert)}
        if unused[expert]:
            look = {"linewidth": 0.6, "color": GREY}
            if expert == np.argmax(unused):
                look["label"] = f"{unused.sum()} without subjects"
        draw_survival(axes, fitted.grid.cuts, curve, step=False, **look)
    return label_survival(axes, time_unit)


def router_heatmap(
    expert_weights: FloatArray, label: IntArray, *, axes: Axes | None = None
) -> Axes:
    """Draw the mean router weight of each expert (columns) for each known label (rows), in percent.

    Parameters
    ----------
    expert_weights : array, shape (n, E)
        The router's weights.
    label : array, shape (n,), int
        The known group of each subject.
    axes : Axes, optional
        Where to draw; new axes where not given.
    """
    labels, row = np.unique(label, return_inverse=True)
    sums = np.zeros((len(labels), expert_weights.shape[1]))
    np.add.at(sums, row, expert_weights)
    percent = 100 * sums / np.bincount(row)[:, None]
    axes = new_axes(axes, 1.5 + 0.42 * percent.shape[1], 1 + 0.32 * len(labels))
    heatmap(
        axes,
        percent,
        rows=[str(name) for name in labels],
        columns=[str(e + 1) for e in range(percent.shape[1])],
        colours="cividis",
        limits=(0, 100),
    )
    axes.set(xlabel="expert", ylabel="label")
    return axes


def heatmap(
    axes: Axes,
    values: NDArray[np.float64],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    colours: str,
    limits: tuple[float, float],
    digits: int = 0,
) -> None:
    """Draw a table of numbers with coloured cells; a cell of NaN stays empty.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    values : array, shape (r, c)
        The numbers.
    rows, columns : sequence of str
        Names of the r rows (the first on top) and c columns.
    colours : str
        A colour map of matplotlib.
    limits : tuple of float
        The values at its two ends.
    digits : int
        Decimals of the numbers.
    """
    cells = np.ma.masked_invalid(values)
    mesh = axes.pcolormesh(cells, cmap=colours, norm=Normalize(*limits), edgecolors="none")
    brightness = mesh.cmap(Normalize(*limits)(cells))[..., :3] @ _LUMINANCE
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            axes.text(
                j + 0.5,
                i + 0.5,
                f"{round(value, digits) + 0.0:.{digits}f}",  # 0 in place of -0
                ha="center",
                va="center",
                fontsize=7.5,
                color=_DARK if brightness[i, j] > 0.5 else _LIGHT,
            )
    axes.invert_yaxis()
    axes.set_xticks(np.arange(len(columns)) + 0.5, labels=list(map(matplotlib_text, columns)))
    axes.set_yticks(np.arange(len(rows)) + 0.5, labels=list(map(matplotlib_text, rows)))
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
