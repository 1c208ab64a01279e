"""What a record says of its conformal calibration, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from survkit.runs.metric_text import time_text

METHODS = {"csd": "CSD (Qi, Yu and Greiner 2024)", "cipot": "CiPOT (Qi, Yu and Greiner 2024)"}


def percent(level: float) -> str:
    """Return a level in percent as in a column's name: 90, 97.5."""
    return f"{100 * level:.10g}"


def conformal_sentences(result: Mapping[str, Any]) -> list[str]:
    """Return what was calibrated, the coverage reached, and which bounds say nothing.

    None without a conformal calibration. `result` is a record, with NaN or None.
    """
    record = result.get("conformal")
    if record is None:
        return []
    sentences = [_held_out(record), *_censoring(record), *_unreached(record), *_fallbacks(record)]
    for group in record.get("test", ()):
        sentences.append(_of_group(record, group, result.get("time_unit", "")))
    return sentences


def rests_on(record: Mapping[str, Any]) -> list[str]:
    """Return what the guarantee of a record's bounds is, and what it rests on."""
    if record["dependent_censoring"]:
        return [
            "Nothing is guaranteed: the censoring of these data depends on the event time, which "
            "no weights make up for. Read the coverage by the true event times alone."
        ]
    level = percent(record["level"])
    who = "new subjects"
    if record["by_expert"]:
        who += " of each expert that has enough calibration rows"
    if record["censoring"] == "kaplan_meier":
        censoring = (
            "censoring depends neither on the event time nor on the features, and its distribution "
            "is known; here Kaplan-Meier estimates it"
        )
    else:
        censoring = (
            "censoring depends on the features alone, and its distribution given these is known; "
            "here a Cox regression estimates it"
        )
    return [
        f"Guaranteed at {level} %: of {who}, at least {level} % have their event at their lower "
        "bound or later, on average over calibration rows and new subjects. This holds whatever "
        "the model, provided that new subjects and calibration rows are exchangeable, and that "
        f"{censoring}.",
        "Not guaranteed: the same share among subjects chosen by their features or their bounds, "
        "the share for one given set of calibration rows, or anything where patients or their care "
        "differ from those of the data.",
    ]


def coverage_text(coverage: Mapping[str, Any], words: str = "95 % interval ") -> str:
    """Return an estimate of coverage in percent, with its interval and what that is."""
    if coverage["value"] is None:
        return f"undefined ({coverage['reason']})"
    text = f"{100 * coverage['value']:.1f} %"
    if coverage["interval"]:
        low, high = (100 * end for end in coverage["interval"])
        text += f" ({words}{low:.1f} to {high:.1f} %)"
    return text


def group_name(expert: int | None) -> str:
    """Return the name of a group: an expert's, or that of all subjects."""
    return "all" if expert is None else f"expert {expert}"


def _held_out(record: Mapping[str, Any]) -> str:
    return (
        f"Conformal calibration: curves by {METHODS[record['method']]} and lower bounds at "
        f"{percent(record['level'])} %, on {record['n_calibration']:,} rows "
        f"({record['events']:,} events) held out of the training rows; the model is fitted on the "
        f"other {record['n_fit']:,}."
    )


def _censoring(record: Mapping[str, Any]) -> list[str]:
    if not record["censoring_problem"]:
        return []
    return [
        f"The Cox regression of censoring did not converge: {record['censoring_problem']}; the "
        "weights may be wrong."
    ]


def _unreached(record: Mapping[str, Any]) -> list[str]:
    if record["reached"]:
        return []
    return [
        f"Every lower bound is 0 and says nothing: the level {percent(record['level'])} % needs "
        f"at least {record['subjects_needed']:,} calibration subjects, and there are "
        f"{record['subjects']:,}."
    ]


def _fallbacks(record: Mapping[str, Any]) -> list[str]:
    few = [group for group in record["calibration_groups"] if not group["own"]]
    if not few:
        return []
    named = ", ".join(f"expert {group['expert']} ({group['rows']:,})" for group in few)
    return [
        f"Fewer than {few[0]['needed']} calibration rows: {named}. Their subjects are calibrated "
        "with all rows, and nothing is guaranteed of them on their own."
    ]


def _of_group(record: Mapping[str, Any], group: Mapping[str, Any], unit: str) -> str:
    """Return the coverage and the bounds of a group of test rows, in sentences."""
    who = "test rows" if group["expert"] is None else f"test rows of expert {group['expert']}"
    text = (
        f"Lower bounds of {group['rows']:,} {who}, nominal {percent(record['level'])} %: coverage "
        f"{coverage_text(group['coverage'])} by censoring weights"
    )
    if "true_coverage" in group:
        text += f", {coverage_text(group['true_coverage'])} by the true event times"
    median, mean = (time_text(group[f"{which}_bound"], unit) for which in ("median", "mean"))
    text += f". Median bound {median}, mean {mean}."
    if group["vacuous"]:
        share = group["vacuous"] / group["rows"]
        text += (
            f" {group['vacuous']:,} bounds ({100 * share:.0f} %) are 0: vacuous, they say nothing."
        )
    return text
