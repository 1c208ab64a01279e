"""What the figure and the screen say of one explained subject."""

from __future__ import annotations

import numpy as np
import pandas as pd

from survkit.datasets.card import UNKNOWN_UNIT
from survkit.pages.labels import shortened
from survkit.types import SurvivalPrediction

POOR_FIT = 0.5
"""R^2 of a local model below which its ratios are said to be unreliable."""

WIDTH = 26
"""Columns of a name or value."""

_NO_EFFECT = 1e-15
"""Smaller coefficients are rounding errors of 0."""

_PERIODS = ("minutes", "hours", "days", "weeks", "months", "years")


def shown_features(table: pd.DataFrame) -> pd.DataFrame:
    """Return the features that change this subject's hazard against the reference."""
    return table[table["contribution"].abs() > 1e-9]


def nothing_shown(table: pd.DataFrame) -> str:
    """Return why no feature is shown: no effect, reference values, or hazards of 0 or too large.

    Empty where features are shown.
    """
    if not shown_features(table).empty:
        return ""
    coefficients = table["coefficient"].abs()
    if coefficients.isna().all():
        return "The predicted hazard is 0 or too large here to tell what the features change."
    if (coefficients < _NO_EFFECT).all():
        return "No feature changes the predicted hazard here."
    return "The features that matter here have their reference values: nothing to compare."


def doubt_text(r_squared: float) -> str:
    """Return that ratios of a poor local fit are unreliable; empty for a good one."""
    if r_squared >= POOR_FIT:
        return ""
    what = "not measurable" if np.isnan(r_squared) else "poor"
    return f"{what}: do not rely on these ratios"


def capped_text(share: float) -> str:
    """Return how many of the predicted hazards are capped, and what follows; empty for none."""
    if share == 0:
        return ""
    percent = f"{share:.0%}".replace("%", " %") if share >= 0.01 else "Less than 1 %"
    return f"{percent} of the hazards predicted nearby are above the largest that counts"


def feature_text(row: pd.Series) -> str:
    """Return a feature with the subject's value, as "age = 71"."""
    return f"{shortened(row['column'], WIDTH)} = {shortened(row['value'], WIDTH)}"


def unknown_text(table: pd.DataFrame) -> str:
    """Return which of a subject's values are missing or not in training; empty for none."""
    unknown = table[~table["known"]].drop_duplicates("column")
    return "; ".join(feature_text(row) for _, row in unknown.iterrows())


def median_text(prediction: SurvivalPrediction, time_unit: str) -> str:
    """Return the median of a single curve with its unit, or that it is not reached."""
    median = float(prediction.quantile(0.5)[0])
    if np.isfinite(median):
        return time_text(median, time_unit)
    return f"not reached by {time_text(float(prediction.times[-1]), time_unit)}"


def curve_text(prediction: SurvivalPrediction, time_unit: str, cause: str = "") -> str:
    """Return what a single curve comes to: its median, or a cause's incidence at its end."""
    if not cause:
        return f"median survival {median_text(prediction, time_unit)}"
    end = time_text(float(prediction.times[-1]), time_unit)
    return f"cumulative incidence of {cause} {1 - prediction.survival[0, -1]:.1%} by {end}"


def time_text(time: float, unit: str) -> str:
    """Return a time with three digits that count and its unit, as 1,230 days or 1 month."""
    number = f"{float(f'{time:.3g}'):,.10g}"
    if unit in ("", UNKNOWN_UNIT):
        return number
    first, space, rest = unit.partition(" ")
    if number == "1" and first in _PERIODS:
        unit = f"{first[:-1]}{space}{rest}"
    return f"{number} {unit}"


def cohort_text(size: int) -> str:
    """Return what the cohort's curve is."""
    return "the only test row" if size == 1 else f"mean of the {size:,} test rows"


def ratio_text(row: pd.Series) -> str:
    """Return a hazard ratio with its interval, if it has one."""
    ratio, low, high = (_number(row[name]) for name in ("hazard_ratio", "low", "high"))
    return ratio if np.isnan(row["low"]) else f"{ratio} ({low} to {high})"


def _number(value: float) -> str:
    if 0.1 <= value < 100:
        return f"{value:.2f}"
    return f"{value:,.0f}" if 100 <= value < 1e6 else f"{value:.2g}"
