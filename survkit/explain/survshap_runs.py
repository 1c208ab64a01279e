"""Explains subjects of a trained run by SurvSHAP(t), against a sample of its training rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from survkit.explain.loaded_run import LoadedRun
from survkit.explain.players import Players
from survkit.explain.subjects import Subjects
from survkit.explain.survshap import SurvShapExplainer
from survkit.explain.survshap_explanation import SurvShapExplanation
from survkit.explain.units import Value, values_of
from survkit.types import Float64Array, InputError

DEFAULT_BACKGROUND = 100
"""Training rows that stand for the population, or all where there are fewer."""


class ExplainedOverTime(NamedTuple):
    """What a command shows of h subjects.

    Parameters
    ----------
    subjects : Subjects
        Who they are.
    explanations : list of SurvShapExplanation, length h
        Of survival, or of the cumulative incidence of `cause`.
    tables : list of DataFrame, length h
        Those of `subject_table`.
    background_size : int
        Training rows that they are compared with.
    time_unit : str
        Unit of the times.
    cause : str
        The competing cause that is explained; "" for survival.
    """

    subjects: Subjects
    explanations: list[SurvShapExplanation]
    tables: list[pd.DataFrame]
    background_size: int
    time_unit: str
    cause: str = ""


def explain_over_time(
    run: LoadedRun,
    subjects: Subjects,
    *,
    background: int | None = None,
    max_coalitions: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
) -> ExplainedOverTime:
    """Explain subjects of a run at the cuts of its time grid.

    A column of the table and its missing-indicator are one feature.

    Parameters
    ----------
    run : LoadedRun
        The run.
    subjects : Subjects
        Whom to explain.
    background : int, optional
        Training rows to draw; `DEFAULT_BACKGROUND`, or all where there are fewer.
    max_coalitions, batch_size : int, optional
        As in `SurvShapExplainer`.
    seed : int
        Seed of the background and of the orders.

    Raises
    ------
    InputError
        For more background rows than there are training rows, or as `SurvShapExplainer`.
    """
    train, units = run.dataset.splits.train, run.units
    sample = draw_background(train.features.astype(np.float64), background, seed)
    players = Players.of_units(units)
    explainer = SurvShapExplainer(
        run.model,
        sample,
        groups=_groups(players),
        feature_names=train.feature_names,
        max_coalitions=max_coalitions,
        random_state=seed,
    )
    explanations = explainer.explain(subjects.features.astype(np.float64), batch_size=batch_size)
    if run.cause:
        explanations = [each.of_incidence(run.cause) for each in explanations]
    values = values_of(units, subjects.features.astype(np.float64), subjects.raw)
    shown = main_columns([unit.name for unit in units], players)
    tables = [
        subject_table(explanation, [own[column] for column in shown])
        for explanation, own in zip(explanations, values, strict=True)
    ]
    unit = run.dataset.card.time_unit
    return ExplainedOverTime(subjects, explanations, tables, len(sample), unit, run.cause)


def draw_background(training: Float64Array, size: int | None, seed: int) -> Float64Array:
    """Draw rows of the training rows (n, p) without replacement; None stands for the default.

    Raises
    ------
    InputError
        For a size below 1 or above n.
    """
    n = len(training)
    size = min(DEFAULT_BACKGROUND, n) if size is None else size
    if not 1 <= size <= n:
        raise InputError(
            f"--background is {size}; the run has {n:,} training rows, so it is 1 to {n}"
        )
    rows = np.random.default_rng(seed).choice(n, size, replace=False)
    return training[np.sort(rows)]


def main_columns(names: Iterable[str], players: Players) -> list[int]:
    """Return the column whose value is shown of each player: the one of its name, or its first."""
    place = {name: column for column, name in enumerate(names)}
    first = np.unique(players.of_column, return_index=True)[1].tolist()
    return [place.get(name, first[player]) for player, name in enumerate(players.names)]


def subject_table(explanation: SurvShapExplanation, values: list[Value]) -> pd.DataFrame:
    """Return the features of one subject, the most important one first.

    The columns are `value` (text), `known` (False for a value that is missing or not in training),
    those of `SurvShapExplanation.to_frame`, and `standard_error`, the largest of the feature's
    over time.
    """
    texts = pd.DataFrame(
        {
            "value": [value.text for value in values],
            "known": [value.known for value in values],
            "standard_error": explanation.standard_error.max(axis=1),
        },
        index=pd.Index(explanation.feature_names, name="feature"),
    )
    table = explanation.to_frame()
    found = texts.loc[table.index]
    table.insert(0, "value", found["value"])
    table.insert(1, "known", found["known"])
    table["standard_error"] = found["standard_error"]
    return table


def _groups(players: Players) -> dict[str, list[int | str]]:
    columns: dict[str, list[int | str]] = {
        name: [*np.flatnonzero(players.of_column == player).tolist()]
        for player, name in enumerate(players.names)
    }
    return {name: own for name, own in columns.items() if len(own) > 1}
