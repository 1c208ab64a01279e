"""What decision curves say, in sentences and in a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from survkit.metrics.decision_curves import DecisionCurve, Limits, threshold_ranges
from survkit.pages.text_tables import TextTable
from survkit.runs.metric_text import time_text
from survkit.types import FloatArray

SHOWN = (0.1, 0.2, 0.3, 0.5)
"""Thresholds of the table."""

RUN = 5
"""Neighbouring thresholds that must agree before a model is called surely better than others.

Of many thresholds some differ by chance.
"""

MOST_RANGES = 3
"""Ranges of thresholds that a text names."""

ABOUT = (
    "A decision curve asks what would follow from acting on a model: everybody whose predicted "
    "risk of the event by a time is at or above a threshold is treated. The threshold says how "
    "many unnecessary treatments are accepted for a necessary one: nine at 10 %, four at 20 %, one "
    "at 50 %. Net benefit is the share of the subjects who are treated and would have the event, "
    "minus the share who are treated and would not, at that rate of exchange. A net benefit of x "
    "for each 100 subjects is worth as much as treating x of them who would all have the event, "
    "and nobody else. A model is worth acting on at a threshold where its curve is above those of "
    "treating everybody and of treating nobody, which is 0."
)

LIMITATIONS = (
    "Only thresholds at which somebody would reasonably decide matter; the others show nothing. "
    "Net benefit takes predicted risks at their word: a model that ranks subjects well but is "
    "miscalibrated treats too many or too few of them, and loses."
)


def about_estimates(competing: bool, resamples: int) -> str:
    """Return the sentence on how the curves are estimated."""
    by = "Aalen-Johansen's estimate" if competing else "1 minus the Kaplan-Meier estimate"
    bands = (
        "Intervals are those of a bootstrap of the test subjects, one threshold at a time, not "
        "adjusted for the number of thresholds; they hold the fitted models fixed. Figures shade "
        "those of the two models that gain most."
        if resamples
        else "There are no intervals: --bootstrap is 0."
    )
    return (
        f"The risk among those who would be treated is {by}. Predictions of several seeds "
        f"are averaged. {bands}"
    )


def curve_sentences(curves: Mapping[str, DecisionCurve], *, event: str, time_unit: str) -> str:
    """Return which models are worth acting on at one time, where, and what that means.

    Parameters
    ----------
    curves : mapping of str to DecisionCurve
        By model, at one time.
    event : str
        What the risk is of, as "the event".
    time_unit : str
        The unit of time.
    """
    first = next(iter(curves.values()))
    said = [
        f"By {time_text(first.at, time_unit)}, with {first.at_risk:,} still at risk, the observed "
        f"risk of {event} is {100 * first.observed:.0f} %.",
        _nearest_example(curves),
    ]
    if len(curves) > 1 and len(first.resampled):
        said.append(_surely_best(curves))
    return " ".join(filter(None, said))


def _surely_best(curves: Mapping[str, DecisionCurve]) -> str:
    """Return where a model surely beats all others, treating everybody and treating nobody."""
    said = []
    for model, curve in curves.items():
        others = [other for name, other in curves.items() if name != model]
        if ranges := curve.useful_thresholds(others, surely=True, fewest=RUN):
            said.append(f"{model} at {ranges_text(ranges)}")
    if not said:
        return (
            f"Nowhere is a model surely better than all the others at {RUN} neighbouring "
            "thresholds or more."
        )
    return f"Surely better than all the others, by the intervals: {'; '.join(said)}."


def _nearest_example(curves: Mapping[str, DecisionCurve]) -> str:
    """Return what the net benefit of the best model means at the threshold nearest the risk."""
    first = next(iter(curves.values()))
    places = shown_places(first.thresholds)
    place = min(places, key=lambda each: abs(first.thresholds[each] - first.observed))
    known = {m: c for m, c in curves.items() if not np.isnan(c.net_benefit[place])}
    if not known:
        return ""
    model, best = max(known.items(), key=lambda item: float(item[1].net_benefit[place]))
    value = 100 * best.net_benefit[place]
    threshold = _percent(first.thresholds[place])
    avoided = 100 * best.interventions_avoided[place]
    if value <= 0:
        return f"At {threshold} no model has a net benefit above that of treating nobody."
    text = (
        f"At {threshold} {model} has a net benefit of {value:.1f} for each 100 subjects, as much "
        f"as {value:.1f} true positives without a false one"
    )
    if avoided > 0:
        return (
            f"{text}. Compared with treating everybody, that is worth {avoided:.1f} fewer "
            "treatments in every 100 subjects, with no further event missed."
        )
    return f"{text}, which is no more than that of treating everybody."


def net_benefit_table(curves: Mapping[str, DecisionCurve], *, caption: str) -> TextTable:
    """Return the net benefit at a few thresholds, and at which ones each model is of use.

    Net benefit is for each 100 subjects, with its 95 % interval.

    Parameters
    ----------
    curves : mapping of str to DecisionCurve
        By model, at one time.
    caption : str
        Above the table.
    """
    first = next(iter(curves.values()))
    has_intervals = len(first.resampled) > 0
    places = shown_places(first.thresholds)
    heads = [_percent(first.thresholds[place]) for place in places]
    of_use = "surely of use at" if has_intervals else "of use at"
    rows, bold, notes = {}, [], []
    for model, curve in curves.items():
        limits, useful = curve.interval(), curve.is_useful(surely=has_intervals)
        numbers = [_cell(curve.net_benefit, limits, place) for place in places]
        rows[model] = [*numbers, ranges_text(threshold_ranges(curve.thresholds, useful))]
        bold.append([*(has_intervals and bool(useful[place]) for place in places), False])
        notes += _undefined(model, curve, places)
    all_limits = first.interval_of_all()
    numbers = [_cell(first.estimate.treat_all, all_limits, place) for place in places]
    rows["treat everybody"] = [*numbers, ""]
    bold.append([False] * (len(places) + 1))
    text = pd.DataFrame.from_dict(rows, orient="index", columns=[*heads, of_use])
    text = text.rename_axis("model")
    note = "Of use: better than treating everybody and better than treating nobody."
    if has_intervals:
        note += " Surely, and bold: the 95 % intervals of both differences exclude zero."
    table_bold = pd.DataFrame(bold, text.index, text.columns)
    return TextTable(caption, text, table_bold, (note, *notes), words=(of_use,))


def _undefined(model: str, curve: DecisionCurve, places: Sequence[int]) -> list[str]:
    return [
        f"{model} at {_percent(curve.thresholds[place])}: {reason}."
        for place in places
        if (reason := curve.reasons[place])
    ]


def _cell(values: FloatArray, limits: Limits, place: int) -> str:
    value, low, high = (100 * each[place] for each in (values, *limits))
    if np.isnan(value):
        return "-"
    return f"{value:.1f}" + ("" if np.isnan(low) else f" ({low:.1f} to {high:.1f})")


def shown_places(thresholds: FloatArray) -> list[int]:
    """Return the places of the thresholds of `SHOWN`, or of four others that divide their range."""
    known = [np.flatnonzero(np.isclose(thresholds, each)) for each in SHOWN]
    places = [int(found[0]) for found in known if len(found)]
    if len(places) >= 2:
        return places
    return sorted({round(part * (len(thresholds) - 1)) for part in (0.2, 0.4, 0.6, 0.8)})


def ranges_text(ranges: Sequence[tuple[float, float]]) -> str:
    """Return ranges of thresholds in words, the widest of many: "12 to 40 % and 45 %"."""
    if not ranges:
        return "nowhere"
    widest = sorted(ranges, key=lambda each: each[0] - each[1])[:MOST_RANGES]
    texts = [
        _percent(low) if low == high else f"{100 * low:.3g} to {_percent(high)}"
        for low, high in sorted(widest)
    ]
    if len(ranges) > MOST_RANGES:
        texts.append("elsewhere")
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _percent(threshold: float) -> str:
    return f"{100 * threshold:.3g} %"
