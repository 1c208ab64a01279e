"""Figures of predictions; each draws on the axes it is given, or its own, and returns them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import cycle, product
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from sksurv.nonparametric import kaplan_meier_estimator

from survkit.types import BoolArray, FloatArray, SurvivalPrediction

# Wong (2011), "Color blindness", Nature Methods 8:441.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINE_STYLES = ("-", "--", ":", "-.")
QUANTILE_GROUPS = 10


def line_styles() -> Iterator[dict[str, Any]]:
    """Yield a colour and a line style for each model: 28 that differ, then from the start."""
    return cycle({"color": c, "linestyle": s} for s, c in product(LINE_STYLES, COLOURS))


def survival_curves(
    predictions: Mapping[str, SurvivalPrediction],
    time: FloatArray,
    event: BoolArray,
    *,
    time_unit: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Draw the mean predicted survival of each model over the Kaplan-Meier curve of the subjects.

    Parameters
    ----------
    predictions : mapping of model name to SurvivalPrediction
        For the same n subjects.
    time, event : array, shape (n,)
        Their outcomes.
    time_unit : str
        For the axis label.
    axes : Axes, optional
        Where to draw; new axes where not given.
    """
    axes = axes or plt.subplots(figsize=(6, 4.2), layout="constrained")[1]
    times, observed, (low, high) = _kaplan_meier(time, event)
    axes.fill_between(times, low, high, step="post", color="0.85", label="Kaplan-Meier, 95 %")
    axes.step(times, observed, where="post", color="0.4", linewidth=1)
    for style, (name, prediction) in zip(line_styles(), predictions.items(), strict=False):
        mean = prediction.survival.mean(axis=0)
        axes.step(prediction.times, mean, where="post", linewidth=1.4, label=name, **style)
    axes.set(
        xlabel=f"time ({time_unit})" if time_unit else "time",
        ylabel="survival",
        ylim=(0, 1.02),
        xlim=(0, None),
    )
    axes.legend(frameon=False)
    return axes


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
    one is 1 minus the group's Kaplan-Meier estimate, with its 95 % interval (log-log).

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
    axes = axes or plt.subplots(figsize=(4.2, 4.2), layout="constrained")[1]
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--", label="perfect")
    for style, (name, prediction) in zip(line_styles(), predictions.items(), strict=False):
        predicted, observed, low, high = _calibration_points(prediction, time, event, at)
        axes.errorbar(
            predicted,
            observed,
            yerr=[np.maximum(observed - low, 0), np.maximum(high - observed, 0)],
            **style,
            marker="o",
            markersize=3.5,
            linewidth=1.2,
            elinewidth=0.7,
            label=name,
        )
    axes.set(
        xlabel="predicted event probability",
        ylabel="observed event probability",
        title=f"by {at:.4g} {time_unit}".rstrip(),
        xlim=(0, 1),
        ylim=(0, 1),
        aspect="equal",
    )
    axes.legend(frameon=False)
    return axes


def _calibration_points(
    prediction: SurvivalPrediction, time: FloatArray, event: BoolArray, at: float
) -> tuple[NDArray[Any], ...]:
    """Predicted, observed, lower and upper probability of each group, shape (10,) each."""
    probability = 1 - prediction.at(at)[:, 0]
    order = np.argsort(probability, kind="stable")
    points = []
    for rows in np.array_split(order, min(QUANTILE_GROUPS, len(order))):
        times, survival, (low, high) = _kaplan_meier(time[rows], event[rows])
        now = np.searchsorted(times, at, side="right") - 1
        points.append((probability[rows].mean(), 1 - survival[now], 1 - high[now], 1 - low[now]))
    return tuple(np.array(points).T)


def _kaplan_meier(
    time: FloatArray, event: BoolArray
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return times (from 0), Kaplan-Meier survival, and its 95 % interval (2, number of times)."""
    times, survival, interval = kaplan_meier_estimator(event, time, conf_type="log-log")
    return (
        np.concatenate([[0.0], times]),
        np.concatenate([[1.0], survival]),
        np.column_stack([[1.0, 1.0], interval]),
    )
