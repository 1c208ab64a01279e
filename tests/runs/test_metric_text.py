from __future__ import annotations

from typing import Any

import pytest

from survkit.runs.metric_text import (
    MetricTime,
    at_evaluation_times,
    result_summary,
    short_unit,
    summary_metrics,
    time_text,
    times_note,
    times_of,
)

DETAILS: dict[str, dict[str, Any]] = {
    "loss": {"n_used": 911},
    "brier@50": {"time": 1014.2, "at_risk": 327},
    "brier@75": {"time": 1521.0, "at_risk": 3, "reason": "3 are at risk, fewer than 10"},
    "brier@t=30": {"time": 30.0, "at_risk": 800},
}
RESULT: dict[str, Any] = {
    "test": {"loss": 2.5, "brier@50": 0.171, "brier@75": None, "brier@t=30": 0.1},
    "test_interval": {"loss": [2.25, 2.75], "brier@50": [0.159, 0.184]},
    "test_details": DETAILS,
    "time_unit": "days since study entry",
}


@pytest.mark.parametrize(
    ("time_unit", "short"),
    [
        ("days since study entry", "days"),
        ("days, to recurrence or death", "days"),
        ("hours since hour 6 of the record", "hours"),
        ("weeks since release from prison, to the first arrest", "weeks"),
        ("arbitrary units", "arbitrary units"),
        ("time units", "time units"),
        ("months", "months"),
        ("the unit of column 'd.time'", ""),
        ("", ""),
    ],
)
def test_a_short_unit_does_not_say_what_it_is_counted_from(time_unit: str, short: str) -> None:
    assert short_unit(time_unit) == short


def test_times_are_written_with_their_unit() -> None:
    assert time_text(1014.2, "days since study entry") == "1,014 days"
    assert time_text(18.4210, "months") == "18.42 months"
    assert time_text(18.4210, "the unit of column 'x'") == "18.42"
    assert time_text(123456.0, "") == "123,456"


def test_a_note_tells_the_times_of_metrics_and_who_is_at_risk() -> None:
    times = times_of(DETAILS, ["loss", "brier@50", "brier@t=30"])
    assert times == [MetricTime("50", 1014.2, 327), MetricTime("t=30", 30.0, 800)]
    assert times_note(times, 911, "days since study entry") == (
        "@50: 1,014 days, 327 of 911 test subjects still at risk; @t=30: 30 days, 800 at risk."
    )
    assert times_note(times[1:], None, "") == "@t=30: 30, 800 test subjects still at risk."


def test_metrics_at_evaluation_times_come_by_time() -> None:
    names = [
        "loss",
        "brier@25",
        *(f"{m}@t={t}" for t in (90, 7.5) for m in ("auc", "brier", "ece")),
    ]
    own = ("brier@t=7.5", "auc@t=7.5", "brier@t=90", "auc@t=90")
    assert at_evaluation_times(names) == own
    assert summary_metrics(names)[-4:] == own
    assert at_evaluation_times(["loss"]) == ()


def test_a_summary_says_the_time_and_the_number_at_risk() -> None:
    lines = result_summary(RESULT).splitlines()
    found = {line.split()[0]: " ".join(line.split()[1:]) for line in lines}
    assert found["loss"] == "2.50 2.25 to 2.75"
    assert found["brier@50"] == "17.10 % 15.90 to 18.40 at 1,014 days, 327 at risk"
    assert found["brier@75"] == "- at 1,521 days: 3 are at risk, fewer than 10"
    assert found["brier@t=30"] == "10.00 % at 30 days, 800 at risk"


def test_a_record_without_times_has_none_in_its_summary() -> None:
    earlier = {**RESULT, "test_details": {}}
    assert "at risk" not in result_summary(earlier)
    assert "brier@75 -" in " ".join(result_summary(earlier).split())


@pytest.mark.parametrize(
    ("time", "unit", "text"),
    [
        (1, "months", "1 month"),
        (1.0, "days since study entry", "1 day"),
        (2, "months", "2 months"),
        (0, "years", "0 years"),
        (1, "cycles", "1 cycles"),
        (1.5, "years", "1.5 years"),
    ],
)
def test_one_unit_of_time_is_singular(time: float, unit: str, text: str) -> None:
    assert time_text(time, unit) == text
