"""The subgroups of an evaluation: of the run's own test rows, or by the columns of new data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from survkit.datasets.assemble import Dataset
from survkit.datasets.subgroups import EXPERT, expert_grouping, table_grouping
from survkit.external_validation.new_data import NewData
from survkit.metrics import Outcomes
from survkit.metrics.subgroup_parts import Grouping
from survkit.metrics.subgroups import SubgroupScores, score_subgroups
from survkit.runs.subgroups import NO_EXPERTS, score_requested
from survkit.types import InputError, SurvivalPrediction


def check_new_subgroups(new: NewData, specs: Sequence[str]) -> None:
    """Refuse subgroups that new data do not have, before anything is scored.

    Raises
    ------
    InputError
        As `table_grouping`; for data that come from no table.
    """
    for spec in specs:
        _column_grouping(new, spec)


def new_subgroup_scores(
    predictions: Mapping[str, SurvivalPrediction],
    outcomes: Outcomes,
    new: NewData,
    specs: Sequence[str],
    *,
    bootstrap: int,
) -> dict[str, list[SubgroupScores]]:
    """Score each model in the subgroups of new data; nothing where none are asked for.

    Parameters
    ----------
    predictions : mapping of str to SurvivalPrediction
        By model, of the evaluated rows.
    outcomes : Outcomes
        Theirs.
    new : NewData
        The evaluated rows with their columns.
    specs : sequence of str
        Columns with their cuts, or "expert".
    bootstrap : int
        Number of resamples.
    """
    if not specs:
        return {}
    return {
        model: [_score(prediction, outcomes, new, spec, bootstrap) for spec in specs]
        for model, prediction in predictions.items()
    }


def own_subgroup_scores(
    predictions: Mapping[str, SurvivalPrediction],
    outcomes: Outcomes,
    dataset: Dataset,
    specs: Sequence[str],
    *,
    bootstrap: int,
) -> dict[str, list[SubgroupScores]]:
    """Score a run in the subgroups of its own test rows; parameters are as above."""
    if not specs:
        return {}
    return {
        model: score_requested(prediction, outcomes, dataset, specs, bootstrap=bootstrap)
        for model, prediction in predictions.items()
    }


def _score(
    prediction: SurvivalPrediction, outcomes: Outcomes, new: NewData, spec: str, bootstrap: int
) -> SubgroupScores:
    grouping = _column_grouping(new, spec)
    if grouping is None and prediction.expert_weights is not None:
        grouping = expert_grouping(prediction.expert_weights)
    if grouping is None:
        return SubgroupScores(spec, EXPERT, note=NO_EXPERTS)
    return score_subgroups(prediction, outcomes, grouping, bootstrap=bootstrap)


def _column_grouping(new: NewData, spec: str) -> Grouping | None:
    """Return the subgroups by a column; None where those by expert are asked for."""
    columns = new.columns
    if spec == EXPERT and (columns is None or EXPERT not in columns):
        return None
    if columns is None:
        raise InputError(
            f"--subgroups {spec}: {new.name} has no table of columns; only '{EXPERT}' makes "
            "subgroups of it"
        )
    return table_grouping(columns, new.categorical, spec)
