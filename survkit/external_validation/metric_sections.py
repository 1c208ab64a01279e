"""The parts of an evaluation's page on metrics and on calibration."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd

from survkit.describe.numbers import DASH
from survkit.external_validation.evaluated import AS_TRAINED, Evaluated
from survkit.external_validation.fixed_times import CalibrationAt
from survkit.metrics.fixed_time_calibration import Interval
from survkit.metrics.outcomes import LATE_ENTRY
from survkit.pages.document import Picture, Section
from survkit.pages.svg import draw_svg
from survkit.pages.text_tables import TextTable
from survkit.report.calibration_figures import (
    calibration_curves,
    calibration_over_time,
    cause_calibration_over_time,
)
from survkit.report.summary_tables import SHARES_NOTE
from survkit.runs.metric_text import (
    decimals,
    scale_of,
    short_unit,
    summary_metrics,
    time_text,
)

_AT = "at"
_OF_OWN = (
    "These are the run's own test rows, weighted for censoring by the censoring of its training "
    "rows, as in its record."
)
_OF_NEW = (
    "Weights for censoring come from the Kaplan-Meier curve of censoring of the evaluated "
    "{who} themselves, not from that of the training rows: who is lost, and when, differs from "
    "study to study."
)
_ALL_CAUSES = "any cause"


def performance_section(evaluated: Evaluated) -> Section:
    """Return the part on all metrics: the main ones, and all of them to unfold."""
    first = evaluated.scores[AS_TRAINED].evaluation
    main = [name for name in summary_metrics(first.values) if name in first.values]
    numbers = [name for name, value in first.values.items() if not isinstance(value, list)]
    every = Section("All metrics", tables=(_metrics_table("All metrics", evaluated, numbers),))
    weights = _OF_OWN if evaluated.is_own else _OF_NEW.format(who=evaluated.who)
    paragraphs = [weights, *([evaluated.agreement] if evaluated.agreement else [])]
    return Section(
        "How well it predicts",
        tuple(paragraphs),
        (_metrics_table("Main metrics", evaluated, main),),
        parts=(every,),
    )


def _metrics_table(caption: str, evaluated: Evaluated, names: Sequence[str]) -> TextTable:
    """Return values with intervals, a column for each model, and times with subjects at risk."""
    details = evaluated.scores[AS_TRAINED].evaluation.details
    columns = {
        model: [
            _value_text(name, scores.evaluation.values[name], scores.evaluation.intervals.get(name))
            for name in names
        ]
        for model, scores in evaluated.scores.items()
    }
    columns[_AT] = [_when(details[name], evaluated.unit) for name in names]
    frame = pd.DataFrame(columns, index=pd.Index(list(names), name="metric"))
    intervals = any(scores.evaluation.intervals for scores in evaluated.scores.values())
    notes = (
        *(
            ["95 % intervals: bootstrap of the evaluated subjects, for the fitted model."]
            * intervals
        ),
        SHARES_NOTE,
        *_reasons(_missing(evaluated, names)),
    )
    return TextTable(caption, frame, notes=notes, words=(_AT,))


def _value_text(name: str, value: Any, interval: tuple[float, float] | None) -> str:
    if math.isnan(value):
        return DASH
    scale, digits = scale_of(name), decimals(name, value)
    text = f"{value * scale:.{digits}f}"
    if interval is None:
        return text
    low, high = (f"{end * scale:.{digits}f}" for end in interval)
    return f"{text} ({low} to {high})"


def _when(details: Mapping[str, Any], unit: str) -> str:
    if "at_risk" not in details:
        return ""
    return f"{time_text(details['time'], unit)}, {details['at_risk']:,} at risk"


def _missing(evaluated: Evaluated, names: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Yield each metric with the reason why it is missing; of a model alone, with its name."""
    first = evaluated.scores[AS_TRAINED].evaluation.details
    for model, scores in evaluated.scores.items():
        for name in names:
            reason = scores.evaluation.details[name].get("reason")
            if model == AS_TRAINED:
                yield name, reason
            elif reason != first[name].get("reason"):
                yield f"{name} ({model})", reason


def _reasons(of: Iterable[tuple[str, str | None]]) -> list[str]:
    """Return a sentence for all metrics that are missing for one reason."""
    names: dict[str, list[str]] = {}
    for name, reason in of:
        if reason:
            names.setdefault(reason, []).append(name)
    return [
        f"{', '.join(own)} {'is' if len(own) == 1 else 'are'} missing: {reason}."
        for reason, own in names.items()
    ]


def calibration_section(evaluated: Evaluated) -> Section:
    """Return the part on calibration at fixed times: a table for each model, and curves."""
    found = evaluated.scores[AS_TRAINED].calibration
    if evaluated.outcomes.is_late:
        sentence = f"There is no calibration at fixed times: {LATE_ENTRY}."
        return Section("Is it calibrated", (sentence,))
    tables = tuple(
        _calibration_table(model, scores.calibration, evaluated)
        for model, scores in evaluated.scores.items()
    )
    usable = [each for each in found if not each.cause and not math.isnan(each.expected)]
    return Section(
        "Is it calibrated", _about_calibration(bool(usable)), tables, tuple(_pictures(evaluated))
    )


def _about_calibration(has_curves: bool) -> tuple[str, ...]:
    numbers = (
        "Observed is the risk by Kaplan-Meier (of a cause, by Aalen-Johansen), expected the mean "
        "predicted risk. Intercept (0 is right) and slope (1 is right; below it, predictions are "
        "too extreme) are of a regression of pseudo-values on log(-log(1 - predicted risk)) (van "
        "Geloven et al. 2022); ICI, E50 and E90 are mean, median and 90th percentile of the "
        "distance of a smooth curve of such a regression from the predictions (Austin et al. 2020)."
    )
    if not has_curves:
        return (numbers,)
    return (
        numbers,
        "Curves: subjects in tenths of their predicted risk, with 95 % intervals of the observed "
        "one; a tenth whose follow-up ends before has no point. Points below the line: risk is "
        "overestimated.",
    )


def _calibration_table(
    model: str, found: Sequence[CalibrationAt], evaluated: Evaluated
) -> TextTable:
    causes = any(each.cause for each in found)
    columns: dict[str, list[str]] = {
        **({"event": [each.cause or _ALL_CAUSES for each in found]} if causes else {}),
        "at risk": [f"{each.at_risk:,}" for each in found],
        "observed (95 %)": [_interval_text(each.observed, 100, 1) for each in found],
        "expected": [_number_text(each.expected, 100, 1) for each in found],
        "observed/expected (95 %)": [_interval_text(each.ratio) for each in found],
        "intercept (95 %)": [_interval_text(each.intercept) for each in found],
        "slope (95 %)": [_interval_text(each.slope) for each in found],
    }
    for name in ("ici", "e50", "e90"):
        columns[name.upper()] = [
            _number_text(getattr(each.distances, name), 100, 1) for each in found
        ]
    index = [f"@{each.suffix}: {time_text(each.time, evaluated.unit)}" for each in found]
    frame = pd.DataFrame(columns, index=pd.Index(index, name="time"))
    several = len(evaluated.scores) > 1
    caption = f"Calibration at fixed times{f', {model}' if several else ''}"
    notes = (
        "Observed, expected, ICI, E50 and E90 are in percent. The last three are above 0 in a "
        "sample of a calibrated model too.",
        *_reasons(_of_numbers(found)),
    )
    return TextTable(caption, frame, notes=notes, words=("event",) * causes)


def _of_numbers(found: Sequence[CalibrationAt]) -> list[tuple[str, str]]:
    """Return what is missing at which time, and why; a time without any number once."""
    missing = []
    for each in found:
        of = f" of {each.cause}" if each.cause else ""
        if "observed" in each.reasons:
            missing.append((f"@{each.suffix}{of}", each.reasons["observed"]))
            continue
        missing += [(f"{name}@{each.suffix}{of}", why) for name, why in each.reasons.items()]
    return missing


def _number_text(value: float, scale: float = 1, digits: int = 2) -> str:
    return DASH if math.isnan(value) else f"{value * scale:.{digits}f}"


def _interval_text(interval: Interval, scale: float = 1, digits: int = 2) -> str:
    value, low, high = (_number_text(each, scale, digits) for each in interval)
    return value if low == DASH or high == DASH else f"{value} ({low} to {high})"


def _pictures(evaluated: Evaluated) -> list[Picture]:
    """Return the curves of each model, and with a recalibration both at each time."""
    usable = [
        each for each in evaluated.scores[AS_TRAINED].calibration if not math.isnan(each.expected)
    ]
    any_cause = [each for each in usable if not each.cause]
    if not any_cause:
        return []
    data, unit = evaluated.new.data, short_unit(evaluated.unit)
    if len(evaluated.scores) > 1:
        predictions = {model: scores.prediction for model, scores in evaluated.scores.items()}
        return [
            Picture(
                draw_svg(
                    partial(
                        calibration_curves,
                        predictions,
                        data.time,
                        data.event,
                        at=each.time,
                        time_unit=unit,
                    ),
                    width=3.75,
                    height=4.4,
                    label=f"calibration at {each.time:g}",
                ),
                f"{' and '.join(predictions)}, at {time_text(each.time, evaluated.unit)}",
            )
            for each in any_cause
        ]
    prediction = evaluated.scores[AS_TRAINED].prediction
    pictures = [
        Picture(
            draw_svg(
                partial(
                    calibration_over_time,
                    prediction,
                    data.time,
                    data.event,
                    times=[each.time for each in any_cause],
                    at_risk=[each.at_risk for each in any_cause],
                    time_unit=unit,
                ),
                width=3.75,
                height=4.15 + 0.2 * len(any_cause),
                label="calibration",
            ),
            _ALL_CAUSES if data.cause_names else "observed against predicted risk",
        )
    ]
    return [*pictures, *_cause_pictures(evaluated, usable)]


def _cause_pictures(evaluated: Evaluated, usable: Sequence[CalibrationAt]) -> list[Picture]:
    data, pictures = evaluated.new.data, []
    for number, name in enumerate(data.cause_names, 1):
        own = [each for each in usable if each.cause == name]
        if not own:
            continue
        draw = partial(
            cause_calibration_over_time,
            evaluated.scores[AS_TRAINED].prediction,
            data,
            number,
            times=[each.time for each in own],
            at_risk=[each.at_risk for each in own],
            time_unit=short_unit(evaluated.unit),
        )
        height = 4.15 + 0.2 * len(own)
        pictures.append(
            Picture(draw_svg(draw, width=3.75, height=height, label=f"calibration of {name}"), name)
        )
    return pictures
