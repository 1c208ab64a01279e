"""The figure of what dependent censoring would do to the difference of two models."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from survkit.pages.labels import label
from survkit.pages.palette import COLOURS, GREY, legend_below, new_axes
from survkit.report.verdict_dependence import Dependence
from survkit.runs.metric_text import scale_of

FAMILY_NAMES = {"frank": "Frank's copula", "clayton": "Clayton's copula"}
_STYLES = {"frank": "-", "clayton": "--"}


def difference_over_dependence(
    dependence: Dependence, best: str, *, score: int = 0, axes: Axes | None = None
) -> Axes:
    """Draw by how much the best model is ahead over assumed dependences of event and censoring.

    The grey band has all that may be true of these subjects if nothing is assumed of those who are
    censored.

    Parameters
    ----------
    dependence : Dependence
        Of the two best models.
    best : str
        The name of the best.
    score : int
        Which of its scores.
    axes : Axes, optional
        Where to draw; new axes where not given.
    """
    axes = new_axes(axes, 5.4, 4.2)
    scale = scale_of(dependence.metrics[score])
    low, high = scale * dependence.bounds[:, score]
    axes.axhspan(low, high, color=GREY, alpha=0.18, linewidth=0, label="nothing assumed")
    axes.axhline(0, color=GREY, linewidth=1)
    for (family, curve), colour in zip(dependence.curves.items(), COLOURS, strict=False):
        line: dict[str, Any] = {"color": colour, "linestyle": _STYLES[family]}
        ahead, below, above = (
            scale * each[:, score] for each in (curve.ahead, curve.low, curve.high)
        )
        axes.plot(curve.taus, ahead, label=FAMILY_NAMES[family], **line)
        if family == "frank" and not np.isnan(below).all():
            band: dict[str, Any] = {"color": colour, "alpha": 0.2, "linewidth": 0}
            axes.fill_between(curve.taus, below, above, label="95 %, Frank", **band)
    taus = np.concatenate([curve.taus for curve in dependence.curves.values()])
    axes.set(
        xlabel="Kendall's tau between event and censoring time (assumed)",
        ylabel=f"{label(best, 24)} ahead by (points)",
        xlim=(taus.min(), taus.max()),
    )
    return legend_below(axes)
