"""Figures of calibration: observed against predicted probabilities, in groups of the subjects.

Each draws on `axes`, or on its own where not given, and returns them; `time_unit` is for labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from survkit.pages.labels import label as text_of
from survkit.pages.palette import GREY, LEGEND_WIDTH, legend_below, line_styles, new_axes
from survkit.report.observed_curves import ObservedCurve, aalen_johansen_curve, kaplan_meier_curve
from survkit.runs.metric_text import time_text
from survkit.types import BoolArray, FloatArray, IntArray, SurvivalData, SurvivalPrediction

QUANTILE_GROUPS = 10


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
    axes.set_title(_by_time(at, int(np.count_nonzero(time > at)), time_unit))
    lines = {name: _event_points(p, time, event, at) for name, p in predictions.items()}
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
        _by_time(at, count, time_unit): _event_points(prediction, time, event, at)
        for at, count in zip(times, counts, strict=True)
    }
    return draw_calibration(new_axes(axes, 4.2, 5.2), lines, columns=1)


def cause_calibration_over_time(
    prediction: SurvivalPrediction,
    data: SurvivalData,
    cause: int,
    *,
    times: Sequence[float],
    at_risk: Sequence[int],
    time_unit: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Draw observed against predicted cumulative incidence of a cause, a line for each time.

    Subjects are cut into ten groups of equal size by their prediction; the observed incidence is
    the group's Aalen-Johansen estimate, with its 95 % interval. A group whose follow-up ends
    before the time, with subjects still at risk, has no point.

    Parameters
    ----------
    prediction : SurvivalPrediction
        Of n subjects, with cumulative incidences.
    data : SurvivalData
        Their outcomes.
    cause : int
        The cause, from 1.
    times : sequence of float
        The times.
    at_risk : sequence of int
        Subjects still at risk at each of them.
    time_unit : str
        For the legend.
    axes : Axes, optional
        Where to draw; new axes where not given.
    """
    lines = {
        _by_time(at, count, time_unit): _cause_points(prediction, data, cause, at)
        for at, count in zip(times, at_risk, strict=True)
    }
    what = f"cumulative incidence of {data.cause_names[cause - 1]}"
    # A rare cause has its points in a corner of the unit square.
    ends = [np.nanmax(each, initial=0.0) for line in lines.values() for each in line]
    largest = min(1.0, 1.05 * max(ends, default=1.0)) or 1.0
    axes = new_axes(axes, 4.2, 5.2)
    return draw_calibration(axes, lines, columns=1, what=what, largest=largest)


def _by_time(at: float, at_risk: int, time_unit: str) -> str:
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


def points_of(
    prediction: SurvivalPrediction, data: SurvivalData, at: float, *, cause: int, most: int
) -> tuple[NDArray[Any], ...]:
    """Return the points of a line of `draw_calibration`.

    Parameters
    ----------
    prediction : SurvivalPrediction
        Of n subjects.
    data : SurvivalData
        Their outcomes.
    at : float
        The time.
    cause : int
        The cause, from 1; an event of any cause for 0.
    most : int
        Most points, up to `QUANTILE_GROUPS`.
    """
    if cause:
        return _cause_points(prediction, data, cause, at, most)
    return _event_points(prediction, data.time, data.event, at, most)


def _event_points(
    prediction: SurvivalPrediction,
    time: FloatArray,
    event: BoolArray,
    at: float,
    most: int = QUANTILE_GROUPS,
) -> tuple[NDArray[Any], ...]:
    """Return the points of an event of any cause, against Kaplan-Meier."""

    def observed(rows: IntArray) -> ObservedCurve:
        return kaplan_meier_curve(time[rows], event[rows]).complement

    return _points(1 - prediction.at(at)[:, 0], time, event, observed, at, most)


def _cause_points(
    prediction: SurvivalPrediction,
    data: SurvivalData,
    cause: int,
    at: float,
    most: int = QUANTILE_GROUPS,
) -> tuple[NDArray[Any], ...]:
    """Return the points of a cause, against Aalen-Johansen."""
    of_subject = data.cause
    assert of_subject is not None

    def observed(rows: IntArray) -> ObservedCurve:
        return aalen_johansen_curve(data.time[rows], of_subject[rows], cause)

    incidence = 1 - prediction.of_cause(cause).at(at)[:, 0]
    return _points(incidence, data.time, data.event, observed, at, most)


def _points(
    predicted: FloatArray,
    time: FloatArray,
    event: BoolArray,
    observed: Callable[[IntArray], ObservedCurve],
    at: float,
    most: int = QUANTILE_GROUPS,
) -> tuple[NDArray[Any], ...]:
    """Predicted, observed, lower and upper probability of each group, shape (10,) each or fewer.

    The observed ones are NaN where follow-up ends before the time with subjects still at risk.
    """
    order = np.argsort(predicted, kind="stable")
    points = []
    for rows in np.array_split(order, min(QUANTILE_GROUPS, most, len(order))):
        curve, last = observed(rows), time[rows].max()
        # Once the last subjects have had the event, nothing more can happen.
        known = last >= at or event[rows][time[rows] == last].all()
        now = np.searchsorted(curve.times, at, side="right") - 1
        values = [curve.value[now], curve.low[now], curve.high[now]] if known else [np.nan] * 3
        points.append((predicted[rows].mean(), *values))
    return tuple(np.array(points).T)
