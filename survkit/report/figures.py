"""Figures of predictions.

Each draws on `axes`, or on its own where not given, and returns them; `time_unit` is for labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

import numpy as np
from matplotlib.axes import Axes

from survkit.metrics.brier import brier_contributions
from survkit.metrics.censoring import Convention, kaplan_meier
from survkit.metrics.late_entry import expected_curves
from survkit.metrics.outcomes import MIN_AT_RISK, Outcomes
from survkit.metrics.problem import problem_of
from survkit.pages.labels import label as text_of
from survkit.pages.palette import (
    GREY,
    LEGEND_WIDTH,
    draw_survival,
    label_survival,
    legend_below,
    line_styles,
    new_axes,
    time_label,
)
from survkit.report.observed_curves import kaplan_meier_curve
from survkit.types import BoolArray, FloatArray, SurvivalData, SurvivalPrediction, TimeGrid


def survival_curves(
    predictions: Mapping[str, SurvivalPrediction],
    time: FloatArray,
    event: BoolArray,
    *,
    entry: FloatArray | None = None,
    time_unit: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Draw the mean predicted survival of each model over the Kaplan-Meier curve of the subjects.

    Below the time axis stands how many subjects are still at risk. Where subjects come under
    observation late, a model's curve is that of `expected_curves`.

    Parameters
    ----------
    predictions : mapping of model name to SurvivalPrediction
        For the same n subjects.
    time, event : array, shape (n,)
        Their outcomes.
    entry : array, shape (n,), optional
        From when each is observed.
    time_unit : str
        For the axis label.
    axes : Axes, optional
        Where to draw; new axes where not given.
    """
    axes = new_axes(axes, 6, 4.6)
    kaplan_meier_curve(time, event, entry).draw(axes, label="Kaplan-Meier, 95 %")
    for style, (name, prediction) in zip(line_styles(), predictions.items(), strict=False):
        mean = prediction.survival.mean(axis=0)
        if entry is not None:
            mean, _ = expected_curves(prediction, time, entry)
        line = {"linewidth": 1.4, "label": text_of(name, LEGEND_WIDTH), **style}
        draw_survival(axes, prediction.times, mean, step=prediction.step, **line)
    return count_at_risk(label_survival(axes, time_unit), time, entry)


def brier_over_time(
    predictions: Mapping[str, SurvivalPrediction],
    data: SurvivalData,
    *,
    train: SurvivalData,
    grid: TimeGrid,
    convention: Convention = "standard",
    min_at_risk: int = MIN_AT_RISK,
    time_unit: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Draw the Brier score of each model at every usable cut, weighted for censoring.

    The grey line is the score of a prediction that knows no feature: the training rows'
    Kaplan-Meier curve for every subject. Below the time axis stands how many subjects are still at
    risk.

    Parameters
    ----------
    predictions : mapping of model name to SurvivalPrediction
        For the same n subjects.
    data : SurvivalData
        Their outcomes.
    train : SurvivalData
        The training rows, whose outcomes give the censoring distribution.
    grid, convention, min_at_risk
        As in `survkit.metrics.evaluate`; they decide which cuts are usable.
    time_unit : str
        For the axis label.
    axes : Axes, optional
        Where to draw; new axes where not given.
    """
    axes = new_axes(axes, 6, 4.6)
    same_for_all = np.tile(kaplan_meier(train.time, train.event).at(grid.cuts), (len(data), 1))
    without = SurvivalPrediction(grid.cuts, same_for_all)
    named = [("Kaplan-Meier, no features", without), *predictions.items()]
    outcomes = Outcomes(data, train.time, train.event, grid, convention, min_at_risk)
    styles = chain([{"color": GREY}], line_styles())
    for style, (name, prediction) in zip(styles, named, strict=False):
        problem = problem_of(prediction, outcomes)
        cuts = slice(0, problem.last_cut + 1)
        score = brier_contributions(problem.survival[:, cuts], problem.happened, problem.at_cuts)
        line = {"linewidth": 1.4, "label": text_of(name, LEGEND_WIDTH), **style}
        axes.plot(grid.cuts[cuts], score.mean(axis=0), **line)
    axes.set(xlabel=time_label(time_unit), ylabel="Brier score", ylim=(0, None), xlim=(0, None))
    return count_at_risk(legend_below(axes), data.time)


def count_at_risk(axes: Axes, time: FloatArray, entry: FloatArray | None = None) -> Axes:
    """Write below the marks of the time axis how many subjects are at risk, and return the axes.

    Parameters
    ----------
    axes : Axes
        With a finished time axis and a legend below it, which moves down.
    time : array, shape (n,)
        When each subject had the event or was censored; it is at risk before that.
    entry : array, shape (n,), optional
        From when each subject is observed, and at risk.
    """
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    start = np.zeros(len(time)) if entry is None else entry
    counts = [int(np.count_nonzero((time > tick) & (start <= max(tick, 0)))) for tick in ticks]
    labels = [f"{tick:g}\n{count:,}" for tick, count in zip(ticks, counts, strict=True)]
    axes.set_xticks(ticks, labels=labels)
    axes.set_xlim(low, high)
    axes.set_xlabel(f"{axes.get_xlabel()}, with the number at risk")
    if legend := axes.get_legend():
        legend.set_bbox_to_anchor((0.5, -0.22))
    return axes
