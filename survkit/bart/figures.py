"""Figures of a fitted BART model; each draws on the axes it is given, or its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from survkit.bart.effects import PartialDependence
from survkit.bart.posterior import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _axes(axes: Axes | None) -> Axes:
    import matplotlib.pyplot as plt

    return axes or plt.subplots(figsize=(6.0, 4.2), layout="constrained")[1]


def survival_bands(
    times: NDArray[np.float64],
    curves: Mapping[str, Summary],
    *,
    time_unit: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Draw survival curves as steps with their credible intervals.

    Parameters
    ----------
    times : array, shape (k,)
    curves : mapping of label to Summary
        Posterior mean and interval of survival, shape (k,) each.
    time_unit : str
        For the axis label.
    axes : Axes, optional
        Where to draw; new axes where not given.
    """
    axes = _axes(axes)
    from_zero = np.concatenate([[0.0], times])
    for label, summary in curves.items():
        mean, low, high = (np.concatenate([[1.0], values]) for values in summary)
        (line,) = axes.step(from_zero, mean, where="post", label=label)
        axes.fill_between(
            from_zero, low, high, step="post", color=line.get_color(), alpha=0.2, linewidth=0
        )
    axes.set(xlabel=_time_label(time_unit), ylabel="survival", xlim=(0, None))
    axes.legend(frameon=False)
    return axes


def effect_over_time(
    times: NDArray[np.float64],
    summary: Summary,
    *,
    name: str,
    no_effect: float,
    time_unit: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Draw a marginal effect at each time with its credible interval.

    Parameters
    ----------
    times : array, shape (k,)
    summary : Summary
        Posterior mean and interval, shape (k,) each.
    name : str
        Name of the effect, for the axis label.
    no_effect : float
        Where a line marks no effect: 0 for a difference, 1 for a ratio.
    time_unit, axes
        As in `survival_bands`.
    """
    axes = _axes(axes)
    axes.axhline(no_effect, color="0.6", linewidth=1, linestyle="--")
    errors = [summary.mean - summary.low, summary.high - summary.mean]
    axes.errorbar(times, summary.mean, yerr=errors, fmt="o", markersize=4, elinewidth=1)
    axes.set(xlabel=_time_label(time_unit), ylabel=name)
    return axes


def dependence_curve(
    dependence: PartialDependence, *, at: float, level: float = 0.95, axes: Axes | None = None
) -> Axes:
    """Draw mean survival at one time against a covariate, with its credible interval.

    Parameters
    ----------
    dependence : PartialDependence
    at : float
        The time; survival is read at the last fitted time up to it.
    level : float
        Probability of the interval.
    axes : Axes, optional
        As in `survival_bands`.
    """
    axes = _axes(axes)
    column = max(int(np.searchsorted(dependence.times, at, side="right")) - 1, 0)
    summary = dependence.summary(level)
    mean, low, high = (values[:, column] for values in summary)
    (line,) = axes.plot(dependence.values, mean, marker="o", markersize=3.5)
    axes.fill_between(dependence.values, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set(xlabel=dependence.column, ylabel=f"mean survival at {dependence.times[column]:g}")
    return axes


def inclusion_bars(inclusion: Mapping[str, Summary], *, axes: Axes | None = None) -> Axes:
    """Draw the share of splits of each column with its interval, the largest on top.

    `inclusion` comes from `variable_inclusion`; `axes` is as in `survival_bands`.
    """
    axes = _axes(axes)
    names = sorted(inclusion, key=lambda name: float(inclusion[name].mean))
    means, low, high = np.array([inclusion[name] for name in names], dtype=np.float64).T
    errors = [np.maximum(means - low, 0), np.maximum(high - means, 0)]
    axes.errorbar(means, np.arange(len(names)), xerr=errors, fmt="o", markersize=4, elinewidth=1)
    axes.axvline(1 / len(names), color="0.6", linewidth=1, linestyle="--")
    axes.set_yticks(np.arange(len(names)), names)
    axes.set(xlabel="share of splits", xlim=(0, None))
    return axes


def _time_label(unit: str) -> str:
    return f"time ({unit})" if unit else "time"
