"""How well a prediction does in each subgroup of the subjects, and how the subgroups differ.

A subgroup's metrics are those of `survkit.metrics.evaluate` on its rows alone: with the time grid,
the censoring distribution and the conventions of all subjects, and the at-risk rule applied within
the subgroup.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from survkit.metrics.bootstrap import resample_chunks
from survkit.metrics.censoring import kaplan_meier
from survkit.metrics.evaluate import Evaluation
from survkit.metrics.log_rank import log_rank_test
from survkit.metrics.names import of_cause, split_cause
from survkit.metrics.outcomes import MIN_AT_RISK, Outcomes
from survkit.metrics.subgroup_parts import Grouping, Part, add_null, make_pairs, make_part, resample
from survkit.metrics.subgroup_tests import Comparison, compare
from survkit.types import InputError, SurvivalPrediction

SUBGROUP_METRICS = (
    "concordance",
    "auc@50",
    "brier@50",
    "integrated_brier",
    "ece_equal_mass",
    "observed_expected@50",
    "calibration_in_the_large",
)
"""The metrics of a subgroup; with competing causes, also those of each cause."""

DEPEND_ON_RISK = ("brier", "integrated_brier")
"""First words of the metrics that also depend on how frequent events are in a subgroup."""

_CHUNK_ELEMENTS = 10_000_000
"""Most counts (resamples x subjects) handled at once: bounds the memory."""


@dataclass(frozen=True, eq=False)
class Subgroup:
    """One subgroup: whom it has, and its metrics.

    Parameters
    ----------
    name : str
        Its name.
    rows, subjects, events : int
        Rows, subjects (fewer where a subject has several rows), and events of any cause.
    events_of_cause : tuple of int
        Events of each competing cause; empty where there is one cause.
    follow_up : float
        Median follow-up, by the reverse Kaplan-Meier estimate; NaN where it is not reached.
    evaluation : Evaluation
        Its metrics.
    """

    name: str
    rows: int
    subjects: int
    events: int
    events_of_cause: tuple[int, ...]
    follow_up: float
    evaluation: Evaluation


@dataclass(frozen=True, eq=False)
class SubgroupScores:
    """The subgroups of one column, and their differences.

    Parameters
    ----------
    spec, column : str
        What was asked for, and the column that makes the subgroups.
    metrics : tuple of str
        The metrics, those of competing causes after those of all.
    subgroups : tuple of Subgroup
        Every subgroup of the grouping, also those without rows.
    comparisons : tuple of Comparison
        Every subgroup with rows by every metric. Where there are two subgroups, those of the
        second are those of the first the other way round, and count once in Holm's method.
    censoring_p : float
        p value of the log-rank test that censoring is the same in all subgroups.
    note : str
        Why the column makes no subgroups here; "" where it does.
    grouping : Grouping or None
        The subgroups of the rows, which a record does not hold.
    """

    spec: str
    column: str
    metrics: tuple[str, ...] = ()
    subgroups: tuple[Subgroup, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    censoring_p: float = np.nan
    note: str = ""
    grouping: Grouping | None = None


def subgroup_metrics(prediction: SurvivalPrediction, outcomes: Outcomes) -> tuple[str, ...]:
    """Return the metrics of subgroups, and those of each cause where causes are predicted."""
    names = outcomes.data.cause_names if prediction.num_causes > 1 else ()
    causes = [of_cause(cause, metric) for cause in names for metric in SUBGROUP_METRICS]
    return (*SUBGROUP_METRICS, *causes)


def score_subgroups(
    prediction: SurvivalPrediction,
    outcomes: Outcomes,
    grouping: Grouping,
    *,
    bootstrap: int = 1000,
    seed: int = 0,
    null_draws: int = 200,
) -> SubgroupScores:
    """Score each subgroup of one partition, and compare each with all other subjects.

    Subjects are resampled from all rows together (all rows of one subject at once), so that the
    interval of a difference also holds where a subject has rows in several subgroups. The
    censoring distribution, the calibration bins and the last cut are held fixed, as in `evaluate`.

    A subgroup with fewer than `min_at_risk` subjects has no metrics, with that reason.

    Parameters
    ----------
    prediction : SurvivalPrediction
        Of n rows.
    outcomes : Outcomes
        Theirs. A `min_at_risk` of 0, of outcomes in which it decides nothing, counts as
        `MIN_AT_RISK`: within a subgroup it does decide.
    grouping : Grouping
        The subgroups of the rows.
    bootstrap, seed : int
        Number of resamples, and their seed; 0 for neither intervals nor p values.
    null_draws : int
        As in `evaluate`.

    Raises
    ------
    InputError
        For arguments that do not fit each other.

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6:65; Efron & Tibshirani (1993), An
    Introduction to the Bootstrap, chapters 6 and 13.
    """
    n = len(outcomes.data)
    if len(grouping.codes) != n:
        raise InputError(f"grouping has {len(grouping.codes)} rows, but data has {n}")
    metrics = subgroup_metrics(prediction, outcomes)
    outcomes = replace(outcomes, min_at_risk=outcomes.min_at_risk or MIN_AT_RISK)
    own = [
        make_part(prediction, outcomes, np.flatnonzero(grouping.codes == place), metrics)
        for place in range(len(grouping.names))
    ]
    for part in own:
        add_null(part, prediction, metrics, null_draws, seed)
    pairs = make_pairs(prediction, outcomes, grouping, own, metrics)
    compared = (part for pair in pairs.values() for part in (pair.rest, *pair.over_cuts))
    parts = [part for part in {id(p): p for p in (*own, *compared)}.values() if not part.reason]
    for counts in resample_chunks(
        n,
        resamples=bootstrap,
        seed=seed,
        subject_id=outcomes.data.subject_id,
        at_once=max(1, _CHUNK_ELEMENTS // n),
    ):
        for part in parts:
            resample(part, counts)
    for part in parts:
        part.record_intervals()
    return SubgroupScores(
        grouping.spec,
        grouping.column,
        metrics,
        tuple(map(_subgroup, grouping.names, own)),
        compare(grouping, pairs, metrics, seed=seed),
        _censoring_p(outcomes, grouping),
        grouping=grouping,
    )


def worst_comparison(scores: SubgroupScores) -> Comparison | None:
    """Return the difference by which some subgroup is most surely worse off than the others.

    Brier scores do not count here: they also depend on how frequent events are in a subgroup, which
    says nothing against the prediction.

    Returns
    -------
    Comparison or None
        The one of least p value among those of which the subgroup is worse; None where no such
        difference was tested.
    """
    worse = [
        each
        for each in scores.comparisons
        if each.worse
        and not each.reason
        and not split_cause(each.metric)[1].startswith(DEPEND_ON_RISK)
    ]
    return min(worse, key=lambda each: each.p, default=None)


def _subgroup(name: str, part: Part) -> Subgroup:
    if part.outcomes is None:
        return Subgroup(name, 0, 0, 0, (), np.nan, part.evaluation)
    data = part.outcomes.data
    curve = kaplan_meier(data.time, ~data.event, data.entry)
    reached = curve.times[curve.values <= 0.5]
    causes = range(1, len(data.cause_names) + 1)
    return Subgroup(
        name,
        len(data),
        data.num_subjects,
        int(data.event.sum()),
        tuple(int(part.outcomes.event_of(cause).sum()) for cause in causes),
        float(reached[0]) if len(reached) else np.nan,
        part.evaluation,
    )


def _censoring_p(outcomes: Outcomes, grouping: Grouping) -> float:
    data = outcomes.data
    test = log_rank_test(data.time, ~data.event, grouping.codes, data.entry)
    return np.nan if test is None else test.p
