"""Metrics as people read them: fractions in the records become percentages here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

SUMMARY = (
    "loss",
    "concordance",
    "concordance_ipcw",
    "concordance_td",
    "brier@25",
    "brier@50",
    "brier@75",
    "integrated_brier",
    "ece",
    "ece_equal_mass",
)

SHARES = ("concordance", "brier", "integrated_brier", "auc", "accuracy", "ece", "purity")
"""First words of the metrics that are fractions, shown in percent; all others are as they are."""


def format_mean(metric: str, mean: float, deviation: float) -> str:
    """Return a mean and its standard deviation over seeds, which may be unknown, as text."""
    if math.isnan(mean):
        return "-"
    digits = decimals(metric, mean)
    text = f"{mean:.{digits}f}"
    return text if math.isnan(deviation) else f"{text} ± {deviation:.{digits}f}"


def decimals(metric: str, value: float) -> int:
    """Return the decimals of a value in a table: 2 for shares, else 3, or 1 from 100 upwards."""
    if scale_of(metric) > 1:
        return 2
    return 3 if abs(value) < 100 else 1


def scale_of(metric: str) -> float:
    """Return by what a table multiplies a metric: 100 for shares, 1 for all others."""
    return 100.0 if metric.startswith(SHARES) else 1.0


def result_summary(result: dict[str, Any], metrics: Sequence[str] = SUMMARY) -> str:
    """Return the main test metrics of one record as text, with their 95 % intervals."""
    lines = [f"{'test metric':<18}{'value':>8}   95 % interval"]
    for metric in metrics:
        value, scale = result["test"].get(metric), scale_of(metric)
        unit = " %" if scale > 1 else ""
        if value is None:
            reason = result["test_details"].get(metric, {}).get("reason", "")
            lines.append(f"{metric:<18}{'-':>8}   {reason}")
            continue
        interval = result["test_interval"].get(metric)
        bounds = f"{interval[0] * scale:.2f} to {interval[1] * scale:.2f}" if interval else ""
        lines.append(f"{metric:<18}{value * scale:>8.2f}{unit or '  '} {bounds}")
    return "\n".join(lines)
