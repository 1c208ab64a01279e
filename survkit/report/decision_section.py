"""The part of a page on whether a model's predictions are worth acting on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import pandas as pd

from survkit.metrics.bootstrap import resample_counts
from survkit.metrics.decision_curves import DecisionCurve
from survkit.metrics.model_decisions import decision_curves, threshold_range, why_no_curves
from survkit.metrics.outcomes import LATE_ENTRY, MIN_AT_RISK
from survkit.models.size import check_bootstrap
from survkit.pages.document import Picture, Section
from survkit.pages.svg import draw_svg, height_with_legend
from survkit.report.decision_figures import draw_decision_curves
from survkit.report.decision_texts import (
    ABOUT,
    LIMITATIONS,
    about_estimates,
    curve_sentences,
    net_benefit_table,
)
from survkit.runs.metric_text import time_text
from survkit.system import MemoryNeed, check_memory
from survkit.types import FloatArray, SurvivalData, SurvivalPrediction

TITLE = "Is it worth acting on"


class Decisions(NamedTuple):
    """A part of a page, and all its curves as a table.

    `curves` has a row for each cause, time, model and threshold: cause ("" where causes are not
    told apart), time, model, threshold, treated, true_positives, false_positives, net_benefit, low,
    high, treat_all, interventions_avoided and reason (why the net benefit is missing). All are
    fractions of the subjects. It is empty where there are no curves.
    """

    section: Section
    curves: pd.DataFrame


def decision_section(
    predictions: Mapping[str, SurvivalPrediction],
    test: SurvivalData,
    times: Sequence[float],
    *,
    thresholds: tuple[float, ...] = (),
    resamples: int = 1000,
    seed: int = 0,
    time_unit: str = "",
    min_at_risk: int = MIN_AT_RISK,
) -> Decisions:
    """Return the decision curves of models by some times, for each cause where there are several.

    Parameters
    ----------
    predictions : mapping of str to SurvivalPrediction
        By model, for the same n subjects.
    test : SurvivalData
        Their outcomes; features are not read.
    times : sequence of float
        The times by which the event counts, in the data's unit.
    thresholds : (float, float), optional
        The lowest and the highest threshold; chosen for each time where not given, see
        `shown_thresholds`.
    resamples, seed : int
        Bootstrap resamples of the subjects, and their seed; 0 for no intervals.
    time_unit : str
        For texts.
    min_at_risk : int
        Subjects who must still be at risk at a time.

    Raises
    ------
    InputError
        For a range of thresholds that is none, and where the resamples need too much memory or
        time.
    """
    levels = threshold_range(*thresholds) if thresholds else None
    why_not = {t: why_no_curves(predictions, test, t, min_at_risk=min_at_risk) for t in times}
    usable = [time for time in times if why_not[time] is None]
    if not usable:
        return Decisions(Section(TITLE, (_none(test, why_not, time_unit),)), pd.DataFrame())
    counts = _resamples(test, resamples, seed, len(predictions) * len(usable))
    causes = range(1, len(test.cause_names) + 1) if test.cause_names else [0]
    parts = []
    for cause in causes:
        of_times = [
            decision_curves(
                predictions,
                test,
                at=time,
                thresholds=levels,
                cause=cause,
                counts=counts,
                min_at_risk=min_at_risk,
            )
            for time in usable
        ]
        parts.append(_cause_part(of_times, test, cause, time_unit))
    about = (ABOUT, LIMITATIONS, about_estimates(bool(test.cause_names), resamples))
    left_out = tuple(_left_out(time, why, time_unit) for time, why in why_not.items() if why)
    table = pd.concat([part.curves for part in parts], ignore_index=True)
    sections = [part.section for part in parts]
    if test.cause_names:
        return Decisions(Section(TITLE, (*about, *left_out), parts=tuple(sections)), table)
    own = sections[0]
    paragraphs = (*about, *own.paragraphs, *left_out)
    return Decisions(Section(TITLE, paragraphs, own.tables, own.pictures), table)


def _none(test: SurvivalData, why_not: Mapping[float, str | None], time_unit: str) -> str:
    if test.entry is not None:
        return f"There are no decision curves: {LATE_ENTRY}."
    if not why_not:
        return "There are no decision curves: too few test subjects are at risk at any time."
    return " ".join(_left_out(time, why, time_unit) for time, why in why_not.items() if why)


def _left_out(time: float, why: str, time_unit: str) -> str:
    return f"There are no decision curves by {time_text(time, time_unit)}: {why}."


def _resamples(test: SurvivalData, resamples: int, seed: int, curves: int) -> FloatArray:
    check_bootstrap(resamples, len(test), models=curves)
    check_memory(
        MemoryNeed(
            resamples * (4 * len(test) + 1600 * curves) / 1e9,
            f"decision curves in {resamples:,} bootstrap samples of {len(test):,} test rows",
            "a lower --bootstrap needs less; 1000 is enough for intervals",
        )
    )
    return resample_counts(len(test), resamples=resamples, seed=seed, subject_id=test.subject_id)


def _cause_part(
    of_times: Sequence[Mapping[str, DecisionCurve]],
    test: SurvivalData,
    cause: int,
    time_unit: str,
) -> Decisions:
    """Return the part on one cause, 0 for an event of any."""
    name = test.cause_names[cause - 1] if cause else ""
    event = name or "the event"
    paragraphs, tables, pictures, rows = [], [], [], []
    for curves in of_times:
        first = next(iter(curves.values()))
        by = time_text(first.at, time_unit)
        paragraphs.append(curve_sentences(curves, event=event, time_unit=time_unit))
        caption = f"Net benefit for each 100 subjects at thresholds of the risk of {event} by {by}"
        tables.append(net_benefit_table(curves, caption=caption))
        pictures.append(_picture(curves, f"{event} by {by}, {first.at_risk:,} at risk"))
        rows += [_rows(name, model, curve) for model, curve in curves.items()]
    section = Section(event, tuple(paragraphs), tuple(tables), tuple(pictures))
    return Decisions(section, pd.concat(rows, ignore_index=True))


def _picture(curves: Mapping[str, DecisionCurve], of: str) -> Picture:
    svg = draw_svg(
        partial(draw_decision_curves, curves),
        width=4.8,
        height=height_with_legend(2 + len(curves)),
        label=f"decision curves: {of}",
    )
    return Picture(svg, of)


def _rows(cause: str, model: str, curve: DecisionCurve) -> pd.DataFrame:
    low, high = curve.interval()
    estimate = curve.estimate
    return pd.DataFrame(
        {
            "cause": cause,
            "time": curve.at,
            "model": model,
            "threshold": curve.thresholds,
            "treated": estimate.treated,
            "true_positives": estimate.true_positives,
            "false_positives": estimate.false_positives,
            "net_benefit": estimate.net_benefit,
            "low": low,
            "high": high,
            "treat_all": estimate.treat_all,
            "interventions_avoided": curve.interventions_avoided,
            "reason": [reason or "" for reason in curve.reasons],
        }
    )
