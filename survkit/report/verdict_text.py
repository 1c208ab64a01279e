"""The sentences on how sure it is which model is best, made from the numbers."""

from __future__ import annotations

import math

from survkit.metrics.names import split_cause
from survkit.report.verdict import MetricVerdict, Verdict
from survkit.report.verdict_dependence import Curve, Dependence
from survkit.report.verdict_figure import FAMILY_NAMES
from survkit.runs.metric_text import decimals, scale_of, time_text

NAMES = {"integrated_brier": "integrated Brier score", "concordance": "concordance"}


def value_text(metric: str, value: float, sign: str = "") -> str:
    """Return a value in the unit of the tables, "-" where it is unknown."""
    if math.isnan(value):
        return "-"
    shown = value * scale_of(metric)
    digits = decimals(metric, shown)
    while digits < 6 and shown != 0 and abs(shown) < 10.0**-digits:
        digits += 1  # a difference that is not 0 is not shown as 0
    return f"{shown:{sign}.{digits}f}"


def interval_text(metric: str, low: float, high: float) -> str:
    """Return an interval in brackets after a blank, "" where it is unknown."""
    if math.isnan(low):
        return ""
    return f" ({value_text(metric, low)} to {value_text(metric, high)})"


def difference_sentence(verdict: Verdict, time_unit: str) -> str:
    """Say which model is best, by which metric, and by how much."""
    row = verdict.deciding
    name = NAMES[row.metric]
    until = ""
    if isinstance(verdict.dependence, Dependence):
        until = f" up to {time_text(verdict.dependence.last, time_unit)}"
    if row.ahead == 0:
        return f"{verdict.best} and {verdict.second} have the same {name}{until}."
    known = (
        f"95 % interval {value_text(row.metric, row.low)} to {value_text(row.metric, row.high)}"
        if not math.isnan(row.low)
        else "without an interval, as --bootstrap is 0"
    )
    return (
        f"{verdict.best} is better than {verdict.second} by {value_text(row.metric, row.ahead)} "
        f"percentage points of {name}{until} ({known})."
    )


def settled_sentence(verdict: Verdict) -> str:
    """Say whether that is settled, and how many more test subjects would settle it if not."""
    row, n = verdict.deciding, verdict.subjects
    size = row.size
    if math.isinf(size.needed):
        return "No number of test subjects would find a difference of zero."
    if math.isnan(size.needed):
        return ""
    if row.is_settled:
        few = "" if size.more == 0 else f", {_about(size.more)} more"
        return (
            f"The interval excludes zero, so with the {n:,} test subjects this is settled already "
            f"(a study planned to find a difference as large as this one at 80 % power needs "
            f"{_about(size.needed)}{few})."
        )
    return (
        f"The interval includes zero. If the true difference is as large as the observed one, "
        f"{_about(size.needed)} test subjects would show it with 80 % power, {_about(size.more)} "
        f"more than the {n:,} here. The observed difference is uncertain itself: for the largest "
        f"difference in the interval {_about(size.least)} would do, and if there is no difference, "
        "no number would."
    )


def _about(count: float) -> str:
    """Return a number of subjects, from 10,000 on to three digits."""
    return f"{count:,.0f}" if count < 10_000 else f"{float(f'{count:.3g}'):,.0f}"


def concordance_sentence(verdict: Verdict) -> list[str]:
    """Say whether concordance agrees, where it does not decide."""
    rows = [row for row in verdict.rows[1:] if row.metric == "concordance"]
    return [_agreement(row, verdict) for row in rows]


def _agreement(row: MetricVerdict, verdict: Verdict) -> str:
    if row.ahead == 0:
        return "By concordance the two are level."
    leader = verdict.best if row.ahead > 0 else verdict.second
    ends = (row.low, row.high) if row.ahead > 0 else (-row.high, -row.low)
    same = "too " if row.ahead > 0 else ""
    surely = "" if row.is_settled else ", which may be chance"
    return (
        f"By concordance {same}{leader} is ahead, by {value_text(row.metric, abs(row.ahead))} "
        f"points{interval_text(row.metric, *ends)}{surely}."
    )


def causes_sentence(verdict: Verdict) -> list[str]:
    """Say of what events the verdict is, where there are several causes."""
    causes = [cause for cause, _ in (split_cause(row.metric) for row in verdict.rows) if cause]
    if not causes:
        return []
    return [
        "This is about the first event of any cause, and so is what follows on censoring; the "
        f"table adds the integrated Brier score of {' and '.join(causes)}."
    ]


def from_test_sentence(verdict: Verdict) -> list[str]:
    """Say where censoring is estimated from, where that is not the training rows."""
    if not verdict.basis.is_test:
        return []
    return [
        "The training rows are not on this machine, so censoring is estimated from the test "
        "subjects themselves: the numbers differ a little from those of the records."
    ]


def censoring_sentences(verdict: Verdict, time_unit: str) -> list[str]:
    """Say what dependent censoring would do to the verdict, or why that is not known."""
    dependence = verdict.dependence
    if isinstance(dependence, str):
        return [f"{dependence}."]
    frank, clayton = dependence.curves["frank"], dependence.curves["clayton"]
    return [
        _turning(frank, clayton, verdict),
        _bounds_sentence(verdict, dependence, time_unit),
    ]


def _turning(frank: Curve, clayton: Curve, verdict: Verdict) -> str:
    """Say how strong a dependence turns the verdict round, with either copula."""
    assumes = "All this takes censoring to be independent of the event time, which no data can show"
    turns = {
        FAMILY_NAMES[family]: curve.turns_at(0)
        for family, curve in (("frank", frank), ("clayton", clayton))
    }
    surely = _surely(frank)
    found = [f"{tau:.2f} with {name}" for name, tau in turns.items() if tau is not None]
    if not found:
        return (
            f"{assumes}; {verdict.best} would stay ahead at any Kendall's tau between event and "
            f"censoring time from -0.5 to 0.5 (Frank's copula; Clayton's from 0){surely}."
        )
    stays = [name for name, tau in turns.items() if tau is None]
    other = f"; with {stays[0]} {verdict.best} would stay ahead up to 0.5" if stays else ""
    return (
        f"{assumes}; the verdict would turn round at a Kendall's tau between event and censoring "
        f"time of {' and '.join(found)}{other}{surely}."
    )


def _surely(curve: Curve) -> str:
    """Say between which dependences the interval excludes zero, where it does at 0."""
    between = curve.settled_between(0)
    if between is None:
        return ""
    if between == (curve.taus[0], curve.taus[-1]):
        return ", and the interval excludes zero at every one of these"
    return f", and the interval excludes zero for a tau from {between[0]:.2f} to {between[1]:.2f}"


def _bounds_sentence(verdict: Verdict, dependence: Dependence, time_unit: str) -> str:
    """Say what is left where nothing is assumed of those who are censored."""
    low, high = dependence.bounds[:, 0]
    metric, until = dependence.metrics[0], time_text(dependence.last, time_unit)
    count = dependence.censored
    if count == 0:
        return f"No test subject is censored before {until}, so nothing depends on this."
    who = f"the {count:,} test subjects" if count > 1 else "the 1 test subject"
    least, most = (value_text(metric, abs(end)) for end in sorted((low, high), key=abs))
    if low > 0 or high < 0:
        leader = verdict.best if low > 0 else verdict.second
        return (
            f"Whatever became of {who} censored before {until}, {leader} is ahead in these data, "
            f"by {least} to {most} points."
        )
    return (
        f"If nothing is assumed of {who} censored before {until}, these data leave open which "
        f"model is ahead: {verdict.best} may be so by {value_text(metric, high)} points, or "
        f"{verdict.second} by {value_text(metric, -low)}."
    )
