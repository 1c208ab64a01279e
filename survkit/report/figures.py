"""Figures of predictions.

Each draws on `axes`, or on its own where not given, and returns them; `time_unit` is for labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from sksurv.nonparametric import kaplan_meier_estimator

from survkit.baselines.aalen_johansen import IncidenceCurves
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
from survkit.runs.metric_text import time_text
from survkit.types import BoolArray, FloatArray, SurvivalData, SurvivalPrediction, TimeGrid

QUANTILE_GROUPS = 10


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
    draw_kaplan_meier(axes, time, event, entry, label="Kaplan-Meier, 95 %")
    for style, (name, prediction) in zip(line_styles(), predictions.items(), strict=False):
        mean = prediction.survival.mean(axis=0)
        if entry is not None:
            mean, _ = expected_curves(prediction, time, entry)
        line = {"linewidth": 1.4, "label": text_of(name, LEGEND_WIDTH), **style}
        draw_survival(axes, prediction.times, mean, step=prediction.step, **line)
    return count_at_risk(label_survival(axes, time_unit), time, entry)


def calibration_curves(
    predictions: Mapping[str, SurvivalPrediction],
    time: FloatArray,
    event: BoolArray,
    *,
    at: float,
    time_unit: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Draw observed against predicted event probability at one time, in tenths of the subjects.

    Subjects are cut into ten groups of equal size by their predicted probability; the observed
    one is 1 minus the group's Kaplan-Meier estimate, with its 95 % interval (log-log). A group
    whose follow-up ends before the time, with subjects still at risk, has no point.

    Parameters
    ----------
    predictions : mapping of model name to SurvivalPrediction
        For the same n subjects.
    time, event : array, shape (n,)
        Their outcomes.
    at : float
        The time.
    time_unit : str
        For the title.
    axes : Axes, optional
        Where to draw; new axes where not given.
    """
    axes = new_axes(axes, 4.2, 4.8)
    axes.set_title(by_time(at, int(np.count_nonzero(time > at)), time_unit))
    lines = {name: _calibration_points(p, time, event, at) for name, p in predictions.items()}
    return draw_calibration(axes, lines)


def calibration_over_time(
    prediction: SurvivalPrediction,
    time: FloatArray,
    event: BoolArray,
    *,
    times: Sequence[float],
    at_risk: Sequence[int] | None = None,
    time_unit: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Draw observed against predicted event probability of one model, a line for each time.

    Parameters
    ----------
    prediction : SurvivalPrediction
        For n subjects.
    time, event : array, shape (n,)
        Their outcomes.
    times : sequence of float
        The times.
    at_risk : sequence of int, optional
        Subjects still at risk at each of them; the rows whose time is later where not given.
    time_unit : str
        For the legend.
    axes : Axes, optional
        Where to draw; new axes where not given.
    """
    counts = at_risk or [int(np.count_nonzero(time > at)) for at in times]
    lines = {
        by_time(at, count, time_unit): _calibration_points(prediction, time, event, at)
        for at, count in zip(times, counts, strict=True)
    }
    return draw_calibration(new_axes(axes, 4.2, 5.2), lines, columns=1)


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


def draw_kaplan_meier(
    axes: Axes,
    time: FloatArray,
    event: BoolArray,
    entry: FloatArray | None = None,
    *,
    label: str,
    band: bool = True,
    **line: Any,
) -> None:
    """Draw a Kaplan-Meier curve of events, with its 95 % interval (log-log) where wanted.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    time, event : array, shape (n,)
        The outcomes; event is True where the event was seen.
    entry : array, shape (n,), optional
        From when each subject is observed.
    label : str
        For the legend.
    band : bool
        Whether to shade the interval.
    **line
        Style of the line; grey where not given.
    """
    style = {"color": GREY, "linewidth": 1.2, **line}
    times, survival, (low, high) = _kaplan_meier(time, event, entry)
    axes.step(times, survival, where="post", label=label, **style)
    if band:
        colour = style["color"]
        axes.fill_between(times, low, high, step="post", color=colour, alpha=0.2, linewidth=0)


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


def by_time(at: float, at_risk: int, time_unit: str) -> str:
    """Return a time with its unit and the number of subjects who are still at risk then."""
    return f"by {time_text(at, time_unit)}, {at_risk:,} at risk"


def draw_calibration(
    axes: Axes,
    lines: Mapping[str, tuple[NDArray[Any], ...]],
    columns: int = 2,
    what: str = "event probability",
    largest: float = 1.0,
) -> Axes:
    """Draw lines of predicted, observed, lower and upper probabilities, shape (g,) each.

    The axes end at `largest`.
    """
    axes.plot([0, largest], [0, largest], color=GREY, linewidth=1, linestyle="--", label="perfect")
    for style, (name, (predicted, observed, low, high)) in zip(
        line_styles(), lines.items(), strict=False
    ):
        axes.errorbar(
            predicted,
            observed,
            yerr=[np.maximum(observed - low, 0), np.maximum(high - observed, 0)],
            **style,
            marker="o",
            markersize=3.5,
            linewidth=1.2,
            elinewidth=0.7,
            label=text_of(name, LEGEND_WIDTH),
        )
    axes.set(
        xlabel=f"predicted {what}",
        ylabel=f"observed {what}",
        xlim=(-0.01 * largest, 1.01 * largest),
        ylim=(-0.01 * largest, 1.01 * largest),
        aspect="equal",
    )
    return legend_below(axes, columns)


def _calibration_points(
    prediction: SurvivalPrediction, time: FloatArray, event: BoolArray, at: float
) -> tuple[NDArray[Any], ...]:
    """Predicted, observed, lower and upper probability of each group, shape (10,) each.

    The observed ones are NaN where follow-up ends before the time with subjects still at risk.
    """
    probability = 1 - prediction.at(at)[:, 0]
    order = np.argsort(probability, kind="stable")
    points = []
    for rows in np.array_split(order, min(QUANTILE_GROUPS, len(order))):
        times, survival, (low, high) = _kaplan_meier(time[rows], event[rows])
        now = np.searchsorted(times, at, side="right") - 1
        known = times[-1] >= at or survival[-1] == 0
        observed = np.array([survival[now], high[now], low[now]]) if known else np.full(3, np.nan)
        points.append((probability[rows].mean(), *(1 - observed)))
    return tuple(np.array(points).T)


def _kaplan_meier(
    time: FloatArray, event: BoolArray, entry: FloatArray | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return times (from 0), Kaplan-Meier survival, and its 95 % interval (2, number of times)."""
    if entry is not None:  # for one cause Aalen-Johansen is 1 minus Kaplan-Meier
        curves = IncidenceCurves.estimate(time, np.asarray(event, np.int64), 1, entry)
        shown = np.unique(np.concatenate([[0.0], curves.times, [np.max(time)]]))
        survival = 1.0 - _at(curves.times, curves.incidence[0], shown)
        bounds = [1.0 - _at(curves.times, each[0], shown) for each in curves.interval()]
        return shown, survival, np.stack(bounds[::-1])
    times, survival, interval = kaplan_meier_estimator(event, time, conf_type="log-log")
    return (
        np.concatenate([[0.0], times]),
        np.concatenate([[1.0], survival]),
        np.column_stack([[1.0, 1.0], interval]),
    )


def _at(times: FloatArray, values: FloatArray, shown: FloatArray) -> NDArray[np.float64]:
    """Return a step function's values, 0 before its first time, at other times."""
    return np.concatenate([[0.0], values])[np.searchsorted(times, shown, side="right")]
