"""Figures of competing causes: cumulative incidences, and how far predicted ones are calibrated.

Each draws on `axes`, or on its own where not given, and returns them; `time_unit` is for labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from survkit.baselines.aalen_johansen import IncidenceCurves
from survkit.metrics.clustering import chosen_expert
from survkit.metrics.late_entry import expected_curves
from survkit.pages.labels import label as text_of
from survkit.pages.palette import (
    GREY,
    LEGEND_WIDTH,
    draw_incidence,
    legend_below,
    line_styles,
    new_axes,
    style,
    time_label,
)
from survkit.report.figures import QUANTILE_GROUPS, by_time, count_at_risk, draw_calibration
from survkit.types import FloatArray, IntArray, SurvivalData, SurvivalPrediction

BANDS_UP_TO = 4
"""Most curves in one figure that have their intervals."""


class Incidence(NamedTuple):
    """The Aalen-Johansen estimate of one cause: values (T,) at times (T,), and 95 % limits."""

    times: NDArray[np.float64]
    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def aalen_johansen(
    time: FloatArray, cause: IntArray, number: int, entry: FloatArray | None = None
) -> Incidence:
    """Estimate the cumulative incidence of a cause, from time 0 to the last time.

    Parameters
    ----------
    time, cause : array, shape (n,)
        Outcomes of subjects; 0 is for the censored ones.
    number : int
        The cause, from 1.
    entry : array, shape (n,), optional
        From when each subject is observed.
    """
    curves = IncidenceCurves.estimate(time, cause, max(int(cause.max()), number), entry)
    times = np.unique(np.concatenate([[0.0], curves.times, [time.max()]]))
    of_cause = np.stack([curves.incidence[number - 1], *(e[number - 1] for e in curves.interval())])
    step = np.searchsorted(curves.times, times, side="right")
    return Incidence(times, *np.column_stack([np.zeros(3), of_cause])[:, step])


def incidence_curves(
    predictions: Mapping[str, SurvivalPrediction],
    data: SurvivalData,
    cause: int,
    *,
    time_unit: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Draw each model's mean predicted cumulative incidence of a cause over Aalen-Johansen.

    Below the time axis stands how many subjects are still at risk. Where subjects come under
    observation late, a model's curve is that of `expected_curves`.

    Parameters
    ----------
    predictions : mapping of model name to SurvivalPrediction
        For the same n subjects, with cumulative incidences.
    data : SurvivalData
        Their outcomes.
    cause : int
        The cause, from 1.
    time_unit : str
        For the axis label.
    axes : Axes, optional
        Where to draw; new axes where not given.
    """
    axes = new_axes(axes, 6, 4.6)
    label = "Aalen-Johansen, 95 %"
    draw_aalen_johansen(axes, data.time, _causes(data), cause, data.entry, label=label)
    for look, (name, prediction) in zip(line_styles(), predictions.items(), strict=False):
        line = {"linewidth": 1.4, "label": text_of(name, LEGEND_WIDTH), **look}
        of_cause = prediction.of_cause(cause)
        mean = 1 - of_cause.survival.mean(axis=0)
        if data.entry is not None:
            mean = expected_curves(prediction, data.time, data.entry)[1][cause - 1]
        draw_incidence(axes, prediction.times, mean, step=prediction.step, **line)
    return _labelled(axes, data, cause, time_unit)


def stacked_incidences(
    prediction: SurvivalPrediction,
    cause_names: Sequence[str],
    *,
    time_unit: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Draw the mean cumulative incidences of all causes on top of each other.

    What is left above them is survival without any event, so that at each time the shares of all
    that can have happened add up to 1.

    Parameters
    ----------
    prediction : SurvivalPrediction
        Of n subjects, with cumulative incidences.
    cause_names : sequence of str, length C
        The names of the causes, in the order of their numbers.
    time_unit : str
        For the axis label.
    axes : Axes, optional
        Where to draw; new axes where not given.
    """
    axes = new_axes(axes, 6, 4.2)
    incidence = prediction.cumulative_incidence
    assert incidence is not None
    times, below = prediction.times, np.zeros(len(prediction.times))
    if times[0] > 0:
        times, below = np.concatenate([[0.0], times]), np.append(below, 0.0)
    steps: dict[str, Any] = {"step": "post"} if prediction.step else {}
    for number, name in enumerate(cause_names):
        mean = incidence[:, number].mean(axis=0)
        above = below + np.concatenate([np.zeros(len(times) - len(mean)), mean])
        colour = style(number)["color"]
        axes.fill_between(times, below, above, label=name, color=colour, alpha=0.7, lw=0, **steps)
        below = above
    axes.fill_between(
        times, below, 1.0, label="no event yet", color=GREY, alpha=0.2, linewidth=0, **steps
    )
    axes.set(xlabel=time_label(time_unit), ylabel="probability", ylim=(0, 1), xlim=(0, times[-1]))
    return legend_below(axes, len(cause_names) + 1)


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
        by_time(at, count, time_unit): _calibration_points(prediction, data, cause, at)
        for at, count in zip(times, at_risk, strict=True)
    }
    what = f"cumulative incidence of {data.cause_names[cause - 1]}"
    # A rare cause has its points in a corner of the unit square.
    ends = [np.nanmax(each, initial=0.0) for line in lines.values() for each in line]
    largest = min(1.0, 1.05 * max(ends, default=1.0)) or 1.0
    axes = new_axes(axes, 4.2, 5.2)
    return draw_calibration(axes, lines, columns=1, what=what, largest=largest)


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
    of_subject = _causes(data)
    everybody = f"all (n = {len(data)})"
    line: dict[str, Any] = {"label": everybody, "band": False}
    draw_aalen_johansen(axes, data.time, of_subject, cause, data.entry, **line)
    chosen = chosen_expert(expert_weights)
    present = np.unique(chosen)
    for expert in present:
        rows = chosen == expert
        events = int((of_subject[rows] == cause).sum())
        draw_aalen_johansen(
            axes,
            data.time[rows],
            of_subject[rows],
            cause,
            None if data.entry is None else data.entry[rows],
            label=f"expert {expert + 1} (n = {rows.sum()}, {events} events)",
            band=len(present) <= BANDS_UP_TO,
            linewidth=1.4,
            **style(int(expert)),
        )
    return _labelled(axes, data, cause, time_unit)


def draw_aalen_johansen(
    axes: Axes,
    time: FloatArray,
    cause: IntArray,
    number: int,
    entry: FloatArray | None = None,
    *,
    label: str,
    band: bool = True,
    **line: Any,
) -> None:
    """Draw the Aalen-Johansen curve of a cause, with its 95 % interval where wanted.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    time, cause, number, entry
        As in `aalen_johansen`.
    label : str
        For the legend.
    band : bool
        Whether to shade the interval.
    **line
        Style of the line; grey where not given.
    """
    look = {"color": GREY, "linewidth": 1.2, **line}
    curve = aalen_johansen(time, cause, number, entry)
    axes.step(curve.times, curve.value, where="post", label=label, **look)
    if band:
        colour = look["color"]
        shade: dict[str, Any] = {"step": "post", "color": colour, "alpha": 0.2, "linewidth": 0}
        axes.fill_between(curve.times, curve.low, curve.high, **shade)


def _causes(data: SurvivalData) -> NDArray[np.int64]:
    assert data.cause is not None
    return data.cause


def _labelled(axes: Axes, data: SurvivalData, cause: int, time_unit: str) -> Axes:
    ylabel = f"cumulative incidence of {data.cause_names[cause - 1]}"
    axes.set(xlabel=time_label(time_unit), ylabel=ylabel, ylim=(0, None), xlim=(0, None))
    return count_at_risk(legend_below(axes), data.time, data.entry)


def _calibration_points(
    prediction: SurvivalPrediction, data: SurvivalData, cause: int, at: float
) -> tuple[NDArray[Any], ...]:
    """Predicted, observed, lower and upper incidence of each group, shape (10,) each."""
    incidence = 1 - prediction.of_cause(cause).at(at)[:, 0]
    order, of_subject = np.argsort(incidence, kind="stable"), _causes(data)
    points = []
    for rows in np.array_split(order, min(QUANTILE_GROUPS, len(order))):
        curve = aalen_johansen(data.time[rows], of_subject[rows], cause)
        now = np.searchsorted(curve.times, at, side="right") - 1
        # Once all have had an event, nothing more can happen.
        over = not (of_subject[rows][data.time[rows] == data.time[rows].max()] == 0).any()
        known = curve.times[-1] >= at or over
        observed = [curve.value[now], curve.low[now], curve.high[now]] if known else [np.nan] * 3
        points.append((incidence[rows].mean(), *observed))
    return tuple(np.array(points).T)
