"""Figures of subjects whose group is known.

Each draws on `axes`, or on its own where not given, and returns them; `time_unit` is for labels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from survkit.metrics.clustering import chosen_expert
from survkit.pages.palette import GREY, draw_survival, label_survival, new_axes, style
from survkit.report.observed_curves import kaplan_meier_curve, survival_of
from survkit.types import InputError, IntArray, SurvivalData, SurvivalPrediction


def survival_by_label(data: SurvivalData, *, time_unit: str = "", axes: Axes | None = None) -> Axes:
    """Draw the survival of the subjects of each known label.

    That of their true event times where the data have these, else its Kaplan-Meier estimate.

    Parameters
    ----------
    data : SurvivalData
        The outcomes of n subjects with labels.
    time_unit : str
        For the axis label.
    axes : Axes, optional
        Where to draw; new axes where not given.

    Raises
    ------
    InputError
        Where the subjects have no labels.
    """
    axes = new_axes(axes, 6, 4.8)
    labels = _labels(data)
    for number, label in enumerate(np.unique(labels)):
        _draw_survival(axes, data, np.flatnonzero(labels == label), label=label, **style(number))
    return label_survival(axes, time_unit, columns=5)


def subject_curves(
    prediction: SurvivalPrediction,
    data: SurvivalData,
    label: int,
    *,
    subjects: int = 20,
    time_unit: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Draw predicted survival curves of single subjects of one label, coloured by their expert.

    The wide grey curve is the survival of all subjects of the label, as in `survival_by_label`; in
    brackets is the share of these that belong to the expert.

    Parameters
    ----------
    prediction : SurvivalPrediction
        Of a mixture, for n subjects.
    data : SurvivalData
        Their outcomes and labels.
    label : int
        The label.
    subjects : int
        How many subjects to draw: the first of that label.
    time_unit : str
        For the axis label.
    axes : Axes, optional
        Where to draw; new axes where not given.

    Raises
    ------
    InputError
        Where the subjects have no labels, none has this one, or the model is no mixture.
    """
    own = np.flatnonzero(_labels(data) == label)
    if len(own) == 0:
        raise InputError(f"no subject has the label {label}")
    if prediction.expert_weights is None:
        raise InputError("the model is no mixture; its subjects belong to no expert")
    axes = new_axes(axes)
    chosen = chosen_expert(prediction.expert_weights)
    drawn = own[:subjects]
    for expert in np.unique(chosen[drawn]):
        curves = prediction.survival[drawn[chosen[drawn] == expert]]
        look = style(int(expert))
        draw_survival(axes, prediction.times, curves, step=prediction.step, linewidth=0.7, **look)
        percent = 100 * (chosen[own] == expert).mean()
        share = "<1 %" if percent < 1 else f"{percent:.0f} %"
        axes.plot([], [], label=f"expert {expert + 1} ({share})", **look)
    name = "Kaplan-Meier" if data.true_time is None else "truth"
    _draw_survival(axes, data, own, label=name, color=GREY, linewidth=5, alpha=0.5, zorder=1)
    return label_survival(axes, time_unit)


def _labels(data: SurvivalData) -> IntArray:
    if data.label is None:
        raise InputError("the subjects have no labels; those of mnist and digits have")
    return data.label


def _draw_survival(axes: Axes, data: SurvivalData, rows: IntArray, **line: Any) -> None:
    own = data.subset(rows)
    if own.true_time is None:
        survival_of(own).draw(axes, band=False, **line)
    else:
        truth = kaplan_meier_curve(own.true_time, np.ones(len(own), bool))
        truth.draw(axes, band=False, **line)
