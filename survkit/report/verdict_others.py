"""For whom and at which thresholds the better of two models is better, in a sentence each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from survkit.metrics.bootstrap import resample_counts
from survkit.metrics.model_decisions import decision_curves, why_no_curves
from survkit.metrics.subgroups import Subgroup, SubgroupScores
from survkit.report.decision_texts import RUN, ranges_text
from survkit.report.material import Material
from survkit.report.verdict import Verdict
from survkit.report.verdict_text import value_text
from survkit.runs.metric_text import time_text
from survkit.runs.subgroup_text import subgroup_text

MOST_NAMED = 3
"""Subgroups that the sentence names, those with the largest leads of the second model."""

_SCORE = "integrated_brier"


def for_whom(verdict: Verdict, scored: Mapping[str, Sequence[SubgroupScores]]) -> list[str]:
    """Say in which subgroups either of the two best models is ahead, where there are subgroups.

    Parameters
    ----------
    verdict : Verdict
        The two models.
    scored : mapping of str to sequence of SubgroupScores
        By model. Subgroups that differ between the two, such as those by each model's own experts,
        do not count.
    """
    ours: dict[str, float] = {}
    theirs: dict[str, float] = {}
    pairs = zip(scored.get(verdict.best, ()), scored.get(verdict.second, ()), strict=True)
    for own, other in pairs:
        if own.grouping is None or other.grouping is None:
            continue
        if not np.array_equal(own.grouping.codes, other.grouping.codes):
            continue
        for one, two in zip(own.subgroups, other.subgroups, strict=True):
            name = subgroup_text(own.column, one.name)
            ours[name], theirs[name] = _score(one), _score(two)
    sentence = for_whom_sentence(verdict.best, verdict.second, ours, theirs)
    return [sentence] if sentence else []


def _score(subgroup: Subgroup) -> float:
    value = subgroup.evaluation.values.get(_SCORE, math.nan)
    return value if isinstance(value, float) else math.nan


def for_whom_sentence(
    best: str,
    second: str,
    best_scores: Mapping[str, float],
    second_scores: Mapping[str, float],
) -> str:
    """Say in which subgroups the best model is ahead, and in which the second.

    Parameters
    ----------
    best, second : str
        The models.
    best_scores, second_scores : mapping of str to float
        Their integrated Brier scores in each subgroup, by its name; NaN where it has none.

    Returns
    -------
    str
        "" where no subgroup has both scores.
    """
    ahead = {name: second_scores[name] - own for name, own in best_scores.items()}
    known = {name: lead for name, lead in ahead.items() if not math.isnan(lead)}
    if not known:
        return ""
    behind = sorted((lead, name) for name, lead in known.items() if lead < 0)
    count = f"the {len(known)} subgroups" if len(known) > 1 else "the 1 subgroup"
    if not behind:
        return f"For whom: {best} is ahead in all of {count} that have a score."
    named = [f"{name} (by {value_text(_SCORE, -lead)})" for lead, name in behind[:MOST_NAMED]]
    more = f" and {len(behind) - MOST_NAMED} more" if len(behind) > MOST_NAMED else ""
    return (
        f"For whom: of {count} that have a score {second} is ahead in {', '.join(named)}{more}; "
        "a single subgroup is small, and says less than all of them."
    )


def at_thresholds(verdict: Verdict, material: Material, times: Sequence[float]) -> list[str]:
    """Say at which risk thresholds acting on one of the two best models surely beats the other.

    It is about the middle one of the times by which the event counts, and about the event of any
    cause; it says nothing where there are no decision curves.

    Parameters
    ----------
    verdict : Verdict
        The two models.
    material : Material
        Their group.
    times : sequence of float
        Those of the decision curves.
    """
    pair = {name: material.predictions[name] for name in (verdict.best, verdict.second)}
    least = material.least_at_risk
    usable = [
        time
        for time in sorted(times)
        if why_no_curves(pair, material.test, time, min_at_risk=least) is None
    ]
    if not usable or not material.resamples:
        return []
    at, test = usable[len(usable) // 2], material.test
    counts = resample_counts(
        len(test), resamples=material.resamples, seed=0, subject_id=test.subject_id
    )
    curves = decision_curves(pair, test, at=at, counts=counts, min_at_risk=least)
    first, second = curves[verdict.best], curves[verdict.second]
    ours = first.useful_thresholds([second], surely=True, fewest=RUN)
    theirs = second.useful_thresholds([first], surely=True, fewest=RUN)
    by = time_text(at, material.time_unit)
    return [thresholds_sentence(verdict.best, verdict.second, by, ours, theirs)]


def thresholds_sentence(
    best: str,
    second: str,
    by: str,
    best_ranges: Sequence[tuple[float, float]],
    second_ranges: Sequence[tuple[float, float]],
) -> str:
    """Say at which risk thresholds acting on one of the two models surely beats the other.

    Parameters
    ----------
    best, second : str
        The models.
    by : str
        The time of the risk, with its unit.
    best_ranges, second_ranges : sequence of (float, float)
        The first and the last threshold of each range at which either model surely has a higher
        net benefit than the other, and than treating everybody and nobody.
    """
    leads = [
        f"{model} at {ranges_text(ranges)}"
        for model, ranges in ((best, best_ranges), (second, second_ranges))
        if ranges
    ]
    if not leads:
        return (
            f"For decisions by a threshold of the risk by {by}, neither of the two surely has the "
            "higher net benefit anywhere, so which one is used does not matter there for all that "
            "these data show."
        )
    return (
        f"For decisions by a threshold of the risk by {by} it matters: the net benefit is surely "
        f"highest with {', and with '.join(leads)}."
    )
