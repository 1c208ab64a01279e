"""Figures of competing causes: predicted cumulative incidences, over what is observed and stacked.

Each draws on `axes`, or on its own where not given, and returns them; `time_unit` is for labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

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
from survkit.report.figures import count_at_risk
from survkit.report.observed_curves import incidence_of
from survkit.types import SurvivalData, SurvivalPrediction


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
    incidence_of(data, cause).draw(axes, label="Aalen-Johansen, 95 %")
    for look, (name, prediction) in zip(line_styles(), predictions.items(), strict=False):
        line = {"linewidth": 1.4, "label": text_of(name, LEGEND_WIDTH), **look}
        of_cause = prediction.of_cause(cause)
        mean = 1 - of_cause.survival.mean(axis=0)
        if data.entry is not None:
            mean = expected_curves(prediction, data.time, data.entry)[1][cause - 1]
        draw_incidence(axes, prediction.times, mean, step=prediction.step, **line)
    return label_incidence(axes, data, cause, time_unit)


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


def label_incidence(axes: Axes, data: SurvivalData, cause: int, time_unit: str) -> Axes:
    """Label axes of the cumulative incidence of a cause, with the number at risk; return them."""
    ylabel = f"cumulative incidence of {data.cause_names[cause - 1]}"
    axes.set(xlabel=time_label(time_unit), ylabel=ylabel, ylim=(0, None), xlim=(0, None))
    return count_at_risk(legend_below(axes), data.time, data.entry)
