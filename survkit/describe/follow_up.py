"""Follow-up: how long subjects were observed, and how often the event came."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gdtrix

from survkit.datasets.card import UNKNOWN_UNIT
from survkit.datasets.outcome import DAYS
from survkit.describe.cohort import Cohort
from survkit.describe.kaplan_meier import Estimate, reverse_kaplan_meier
from survkit.describe.numbers import DASH, percent, significant
from survkit.pages.text_tables import TextTable
from survkit.runs.metric_text import short_unit, time_text
from survkit.types import BoolArray

NOT_REACHED = "not reached"
VALUE = "value"
PERSON_YEARS = "person-years"


class Rate(NamedTuple):
    """Events in a person-time, and their rate with its exact 95 % interval.

    `person_time` is in `unit`; `per_100` counts events in 100 of it.
    """

    events: int
    person_time: float
    unit: str
    per_100: Estimate


def event_rate(time: NDArray[np.float64], event: BoolArray, time_unit: str) -> Rate:
    """Return the rate of events, in person-years where the unit of the times can be converted.

    The interval is that of a Poisson count (Garwood 1936, Biometrika 28:437), infinite where there
    is no person-time.

    Parameters
    ----------
    time, event : array, shape (n,)
        Times of event or censoring, and whether the event was seen.
    time_unit : str
        Unit of the times.
    """
    unit = short_unit(time_unit) or UNKNOWN_UNIT
    total = float(time.sum())
    if unit in DAYS:
        total, unit = total * DAYS[unit] / DAYS["years"], PERSON_YEARS
    events = int(event.sum())
    low, high = poisson_interval(events)
    scale = 100 / total if total else np.inf
    return Rate(events, total, unit, Estimate(events * scale, low * scale, high * scale))


def poisson_interval(count: int) -> tuple[float, float]:
    """Return the exact 95 % interval of the mean of a Poisson count."""
    low = float(gdtrix(1.0, count, 0.025)) if count else 0.0
    return low, float(gdtrix(1.0, count + 1, 0.975))


def follow_up_table(cohort: Cohort) -> TextTable:
    """Return follow-up, events and person-time, one fact a line."""
    time, event, unit = cohort.time, cohort.event, cohort.unit
    rate = event_rate(cohort.duration, event, unit)
    n = len(cohort)
    facts = {
        cohort.who: f"{n:,}",
        "events": f"{rate.events:,} ({percent(rate.events, n)})",
        **{
            f"events {name}": f"{rows.sum():,} ({percent(int(rows.sum()), n)})"
            for name, rows in cohort.by_cause.items()
        },
        "censored": f"{n - rate.events:,} ({percent(n - rate.events, n)})",
        "median follow-up [quartiles]": _median_follow_up(cohort.duration, event, unit),
        "shortest and longest time": " and ".join(
            time_text(each, unit) for each in (time.min(), time.max())
        ),
        "observed in total": f"{significant(rate.person_time, 4)} {rate.unit}",
        f"events per 100 {rate.unit}": _rate_text(rate),
        **_late(cohort),
        "events at tied times": _ties(time, event),
        "times of 0": _zeros(time, event),
    }
    if cohort.repeated:
        facts = {"subjects": f"{cohort.num_subjects:,}", **facts}
    frame = pd.DataFrame({VALUE: list(facts.values())}, index=pd.Index(list(facts)))
    return TextTable("Times and events", frame, notes=_notes(cohort, rate), words=(VALUE,))


def _late(cohort: Cohort) -> dict[str, str]:
    if cohort.entry is None:
        return {}
    late = int(np.count_nonzero(cohort.entry > 0))
    return {"under observation after time 0": f"{late:,} ({percent(late, len(cohort))})"}


def _median_follow_up(time: NDArray[np.float64], event: BoolArray, unit: str) -> str:
    curve = reverse_kaplan_meier(time, event)
    low, median, high = (curve.time_at(level).value for level in (0.75, 0.5, 0.25))
    if not np.isfinite(low):
        return NOT_REACHED
    text = f"{reached(median, '')} [{reached(low, '')} to {reached(high, '')}]"
    return f"{text} {short_unit(unit)}".rstrip()


def reached(time: float, unit: str) -> str:
    """Return a time with its unit, or that it was not reached."""
    return time_text(time, unit) if np.isfinite(time) else NOT_REACHED


def _rate_text(rate: Rate) -> str:
    if rate.person_time == 0:
        return f"{DASH} (nobody was observed for any time)"
    value, low, high = (significant(each) for each in rate.per_100)
    return f"{value} (95 % interval {low} to {high})"


def _ties(time: NDArray[np.float64], event: BoolArray) -> str:
    counts = np.unique(time[event], return_counts=True)[1]
    tied = int(counts[counts > 1].sum())
    places = int((counts > 1).sum())
    at = f", at {places:,} time{'s' * (places > 1)}" if tied else ""
    return f"{tied:,} of {int(event.sum()):,}{at}"


def _zeros(time: NDArray[np.float64], event: BoolArray) -> str:
    zero = time == 0
    return f"{int(zero.sum()):,}" + (
        f", of which {int((zero & event).sum()):,} are events" if zero.any() else ""
    )


def _notes(cohort: Cohort, rate: Rate) -> tuple[str, ...]:
    notes = [
        "Median follow-up is that of the reverse Kaplan-Meier curve: how long subjects would have "
        "been followed had nobody had the event (Schemper and Smith 1996)."
    ]
    if cohort.repeated:
        notes.append(
            "Times and events are those of rows, and a subject has several. Rows of the same "
            "subject are taken as independent, so the interval of the rate is too narrow."
        )
    if rate.unit == PERSON_YEARS and short_unit(cohort.unit) != "years":
        notes.append(f"A year has 365.25 days; the times are in {short_unit(cohort.unit)}.")
    if (cohort.time == 0).any():
        notes.append(
            "Subjects with a time of 0 add nothing to the time observed: check whether they were "
            "under observation at all."
        )
    return tuple(notes)
