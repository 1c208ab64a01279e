"""The subgroups that a run is asked for: scored from its test predictions, kept in its record."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from survkit.datasets.assemble import Dataset
from survkit.datasets.subgroups import EXPERT, column_grouping, expert_grouping, is_expert
from survkit.metrics import Evaluation, Outcomes
from survkit.metrics.subgroup_parts import Grouping
from survkit.metrics.subgroup_tests import Comparison
from survkit.metrics.subgroups import Subgroup, SubgroupScores, score_subgroups
from survkit.types import FloatArray, SurvivalPrediction

SUBGROUPS = "subgroups"
"""The key of a result, and the flag."""

NO_EXPERTS = "the model is no mixture of experts"

_NUMBERS = ("own", "rest", "difference", "low", "high", "p", "adjusted")


def check_subgroups(dataset: Dataset, specs: Sequence[str]) -> None:
    """Refuse subgroups that the test rows of a dataset do not have, before anything is trained.

    Raises
    ------
    InputError
        As `column_grouping`.
    """
    for spec in specs:
        if not is_expert(dataset, spec):
            column_grouping(dataset, spec)


def score_requested(
    prediction: SurvivalPrediction,
    outcomes: Outcomes,
    dataset: Dataset,
    specs: Sequence[str],
    *,
    bootstrap: int = 1000,
    expert_weights: FloatArray | None = None,
) -> list[SubgroupScores]:
    """Score the subgroups that are asked for, in their order.

    Parameters
    ----------
    prediction : SurvivalPrediction
        Of the test rows of the dataset.
    outcomes : Outcomes
        Theirs.
    dataset : Dataset
        The data, with the raw columns.
    specs : sequence of str
        Columns with their cuts, as in `column_grouping`, or "expert".
    bootstrap : int
        Number of resamples.
    expert_weights : array, shape (n, E), optional
        The router's weights; those of the prediction where not given.

    Returns
    -------
    list of SubgroupScores
        With a note, and nothing else, for experts of a model that has none.

    Raises
    ------
    InputError
        As `column_grouping`.
    """
    weights = prediction.expert_weights if expert_weights is None else expert_weights
    scores = []
    for spec in specs:
        grouping = _grouping(dataset, spec, weights)
        if grouping is None:
            scores.append(SubgroupScores(spec, EXPERT, note=NO_EXPERTS))
        else:
            scores.append(score_subgroups(prediction, outcomes, grouping, bootstrap=bootstrap))
    return scores


def _grouping(dataset: Dataset, spec: str, expert_weights: FloatArray | None) -> Grouping | None:
    if not is_expert(dataset, spec):
        return column_grouping(dataset, spec)
    return None if expert_weights is None else expert_grouping(expert_weights)


def subgroups_record(scores: Sequence[SubgroupScores]) -> list[dict[str, Any]]:
    """Return scores as plain values, for a `result.json`; `recorded_subgroups` reads them."""
    return [
        {
            "spec": own.spec,
            "column": own.column,
            "note": own.note,
            "metrics": list(own.metrics),
            "censoring_p": own.censoring_p,
            "subgroups": [_subgroup(each) for each in own.subgroups],
            "comparisons": [each._asdict() for each in own.comparisons],
        }
        for own in scores
    ]


def _subgroup(subgroup: Subgroup) -> dict[str, Any]:
    evaluation = subgroup.evaluation
    return {
        "name": subgroup.name,
        "rows": subgroup.rows,
        "subjects": subgroup.subjects,
        "events": subgroup.events,
        "events_of_cause": list(subgroup.events_of_cause),
        "follow_up": subgroup.follow_up,
        "values": evaluation.values,
        "intervals": {name: list(ends) for name, ends in evaluation.intervals.items()},
        "details": evaluation.details,
    }


def recorded_subgroups(result: Mapping[str, Any]) -> list[SubgroupScores]:
    """Return the scores that a record holds, NaN where it has None; none of earlier versions."""
    return [
        SubgroupScores(
            own["spec"],
            own["column"],
            tuple(own["metrics"]),
            tuple(_recorded_subgroup(each) for each in own["subgroups"]),
            tuple(_recorded_comparison(each) for each in own["comparisons"]),
            _number(own["censoring_p"]),
            own["note"],
        )
        for own in result.get(SUBGROUPS, ())
    ]


def _recorded_subgroup(own: Mapping[str, Any]) -> Subgroup:
    return Subgroup(
        own["name"],
        own["rows"],
        own["subjects"],
        own["events"],
        tuple(own["events_of_cause"]),
        _number(own["follow_up"]),
        Evaluation(
            {name: _number(value) for name, value in own["values"].items()},
            {name: (ends[0], ends[1]) for name, ends in own["intervals"].items()},
            dict(own["details"]),
        ),
    )


def _recorded_comparison(own: Mapping[str, Any]) -> Comparison:
    return Comparison(**{**own, **{name: _number(own[name]) for name in _NUMBERS}})


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
