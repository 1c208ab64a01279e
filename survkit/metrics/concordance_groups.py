"""The concordance of one prediction, for an event of any cause or of one cause."""

from __future__ import annotations

from functools import partial

import numpy as np

from survkit.metrics import concordance
from survkit.metrics.late_entry import pairs_at_risk
from survkit.metrics.metric_group import Metric, MetricGroup, undefined_group
from survkit.metrics.outcomes import LATE_ENTRY
from survkit.metrics.problem import Problem

_NO_PAIRS = "no comparable pairs: no subject was followed for longer than another's event"

_NO_PAIRS_AT_RISK = "no comparable pairs: at no event was another subject at risk who stayed so"

_NO_PAIRS_OF_CAUSE = "no comparable pairs: no event of this cause, or nobody without it by then"


def concordance_groups(problem: Problem) -> list[MetricGroup]:
    """Return the concordance of a risk, plain and weighted, and that of curves.

    The risk is minus the predicted median time; that of a cause, which may have no median, is its
    predicted cumulative incidence at cut K. Where subjects come under observation late, pairs are
    those of subjects who are both at risk at the time of the event. An event of another cause
    leaves nobody at risk, so there is none of a cause.
    """
    if problem.outcomes.is_late:
        return _of_late(problem)
    if problem.cause:
        return _of_cause(problem)
    return [_risk_concordance(problem), _curve_concordance(problem)]


def _risk_concordance(problem: Problem) -> MetricGroup:
    time, event = problem.time, problem.event
    before_tau = event & (time < problem.cuts[problem.last_cut])
    uno = np.where(before_tau, problem.outcomes.weights.at_event**2, 0.0)
    weights = np.column_stack([np.ones(len(time)), uno])
    risk, pairs = -problem.median, problem.outcomes.pairs
    used, largest = pairs.subjects(before_tau), float(uno.max(initial=1.0))
    no_pairs = problem.outcomes.why_no_cuts or "no comparable pairs before the last usable cut"
    ipcw = Metric("concordance_ipcw", used, largest, no_pairs)
    return MetricGroup(
        [Metric("concordance", pairs.subjects(), if_undefined=_NO_PAIRS), ipcw],
        lambda counts: concordance.concordance(risk, time, event, weights, counts),
    )


def _curve_concordance(problem: Problem) -> MetricGroup:
    prediction, time, event = problem.curve, problem.time, problem.event
    used = problem.outcomes.pairs.subjects()
    return MetricGroup(
        [Metric("concordance_td", used, if_undefined=_NO_PAIRS)],
        lambda counts: concordance.concordance_td(
            prediction.survival, prediction.times, time, event, counts
        )[:, None],
    )


def _of_late(problem: Problem) -> list[MetricGroup]:
    names = ["concordance", "concordance_ipcw", "concordance_td"]
    entry = problem.outcomes.entry
    if problem.cause or entry is None:
        return [undefined_group(dict.fromkeys(names, LATE_ENTRY))]
    pairs = pairs_at_risk(problem.time, problem.event, entry)
    curve, risk = problem.curve, -problem.median
    at = np.minimum(np.searchsorted(curve.times, problem.time), len(curve.times) - 1)
    of_curves = -curve.survival[:, at[pairs.anchors]].T
    wins = [
        pairs.wins(np.broadcast_to(risk, of_curves.shape), risk[pairs.anchors]),
        pairs.wins(of_curves, of_curves[np.arange(len(pairs.anchors)), pairs.anchors]),
    ]
    metrics = [Metric(name, pairs.subjects, if_undefined=_NO_PAIRS_AT_RISK) for name in names[::2]]
    return [
        MetricGroup(metrics, partial(pairs.concordance, wins)),
        undefined_group({"concordance_ipcw": LATE_ENTRY}),
    ]


def _of_cause(problem: Problem) -> list[MetricGroup]:
    time, event, outcomes = problem.time, problem.event, problem.outcomes
    competing = outcomes.data.event & ~event
    for_ever = concordance.never_after(time, competing)
    pairs = concordance.comparable_pairs(for_ever, event)
    curve = problem.curve
    of_curves = MetricGroup(
        [Metric("concordance_td", pairs.subjects(), if_undefined=_NO_PAIRS_OF_CAUSE)],
        lambda counts: concordance.concordance_td(
            curve.survival, curve.times, for_ever, event, counts
        )[:, None],
    )
    if outcomes.why_no_cuts is not None:
        names = ("concordance", "concordance_ipcw")
        return [undefined_group(dict.fromkeys(names, outcomes.why_no_cuts)), of_curves]
    before_tau = time < problem.cuts[problem.last_cut]
    weight = np.where(before_tau, outcomes.weights.at_event, 0.0)
    weights = np.column_stack([np.ones(len(time)), weight])
    risk = 1.0 - problem.survival[:, problem.last_cut]
    largest = float((weight**2).max(where=event, initial=1.0))
    no_pairs = "no comparable pairs before the last usable cut"
    of_risk = MetricGroup(
        [
            Metric("concordance", pairs.subjects(), if_undefined=_NO_PAIRS_OF_CAUSE),
            Metric("concordance_ipcw", pairs.subjects(event & before_tau), largest, no_pairs),
        ],
        lambda counts: concordance.concordance_of_cause(
            risk, time, event, competing, weights, counts
        ),
    )
    return [of_risk, of_curves]
