"""The test metrics of a record and its calibration, as lines of Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from survkit.models.calibration import Calibration
from survkit.pages.markdown import bullets, markdown_table, markdown_text
from survkit.runs.metric_text import scale_of, summary_metrics, times_note, times_of
from survkit.types import SurvivalData

MEANINGS = (
    "Concordance: how often, of two subjects, the one whose event came first was predicted to have "
    "it first. 50 % is chance, 100 % perfect.",
    "Brier score: the mean squared error of the predicted probabilities, weighted for censoring. 0 "
    "is perfect; 25 % is what a prediction of one half for everybody scores.",
    "Calibration error (ece): the mean distance of predicted probabilities from observed shares.",
    "@25, @50 and @75: after a quarter, half and three quarters of the cuts of the time grid; @t=: "
    "at that time.",
)
"""What the metrics mean, for readers who meet them for the first time."""

CAUSE_MEANINGS = (
    "CAUSE/metric: of the cumulative incidence of one competing cause, the probability of an "
    "event of that cause by a time. Other metrics are of survival without any event.",
)
"""What the metrics of competing causes mean."""


def metric_lines(result: Mapping[str, Any], test: SurvivalData) -> list[str]:
    """Return the main test metrics of a record with their intervals, and what they mean.

    NaN or None is an undefined metric, shown with its reason.
    """
    metrics = [m for m in summary_metrics(result["test"]) if m in result["test"]]
    rows = [(f"`{m}`", _value(result, m), _interval(result, m)) for m in metrics]
    times = times_of(result.get("test_details", {}), metrics)
    note = times_note(times, test.num_subjects, result["time_unit"]) if times else ""
    return [
        f"On the {len(test):,} test rows ({int(test.event.sum()):,} events), which training never "
        f"sees; {result['evaluation']} convention; intervals from a bootstrap of the test "
        "subjects.",
        "",
        *markdown_table(("metric", "value", "95 % interval"), rows),
        *(["", markdown_text(note)] if note else []),
        "",
        *bullets((*MEANINGS, *(CAUSE_MEANINGS if test.cause_names else ()))),
    ]


def _value(result: Mapping[str, Any], metric: str) -> str:
    value = result["test"].get(metric)
    if _is_number(value):
        return _text(metric, value)
    reason = result.get("test_details", {}).get(metric, {}).get("reason", "")
    return f"undefined ({markdown_text(reason)})" if reason else "undefined"


def _interval(result: Mapping[str, Any], metric: str) -> str:
    interval = result["test_interval"].get(metric)
    return " to ".join(_text(metric, end) for end in interval) if interval else ""


def _text(metric: str, value: float) -> str:
    return f"{100 * value:.2f} %" if scale_of(metric) > 1 else f"{value:.2f}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def calibration_lines(result: Mapping[str, Any]) -> list[str]:
    """Return the calibration error beside that of a perfectly calibrated model, in sentences."""
    test = result["test"]
    names = ("ece_equal_mass", "ece_null_mean", "ece_null_p95")
    if not all(_is_number(test.get(name)) for name in names):
        return ["The calibration error is undefined on the test rows."]
    error, mean, limit = (_text(name, test[name]) for name in names)
    if test["ece_equal_mass"] <= test["ece_null_p95"]:
        verdict = "These subjects give no evidence of miscalibration."
    else:
        verdict = "**The predicted probabilities are miscalibrated.**"
    lines = [
        f"The calibration error (`ece_equal_mass`) is {error}. A perfectly calibrated model would "
        f"score {mean} on average with these subjects, and at most {limit} in 95 of 100 samples. "
        f"{verdict}"
    ]
    if _is_number(test.get("d_calibration_p")):
        lines.append(f"D-calibration: p = {test['d_calibration_p']:.3g}.")
    if result.get("calibration"):
        lines.append(Calibration(**result["calibration"]).describe())
    return lines
