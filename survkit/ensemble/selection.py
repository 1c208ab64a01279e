"""Chooses the models of an ensemble on the validation split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from survkit.metrics.brier import brier_contributions, integration_weights
from survkit.metrics.censoring import Convention
from survkit.metrics.problem import build_problem
from survkit.types import FloatArray, InputError, SurvivalData, SurvivalPrediction, TimeGrid

MAX_PICKS = 20
"""Weights are multiples of at least one over this."""


class Selection(NamedTuple):
    """Models chosen for an ensemble.

    Parameters
    ----------
    weights : dict of str to float
        Weight of each chosen model; they sum to 1.
    value : float
        The ensemble's integrated Brier score.
    alone : dict of str to float
        The integrated Brier score of each model that could be chosen.
    """

    weights: dict[str, float]
    value: float
    alone: dict[str, float]


def select_models(
    predictions: Mapping[str, SurvivalPrediction],
    data: SurvivalData,
    *,
    train: SurvivalData,
    grid: TimeGrid,
    convention: Convention = "standard",
) -> Selection:
    """Choose models by greedy forward selection with replacement on the integrated Brier score.

    Starting from none, the model that lowers the score of the mean survival curve most is added,
    and may be added again, until none lowers it, or after `MAX_PICKS` picks.

    Parameters
    ----------
    predictions : mapping of str to SurvivalPrediction
        By model, for the same n subjects.
    data : SurvivalData
        Their outcomes: validation rows, never test rows.
    train, grid, convention
        As in `survkit.metrics.evaluate`.

    Raises
    ------
    InputError
        Where the score is undefined on these data.

    References
    ----------
    Caruana, Niculescu-Mizil, Crew & Ksikes (2004), ICML, section 2.
    """
    problems = {
        name: build_problem(prediction, data, train.time, train.event, grid, convention)
        for name, prediction in predictions.items()
    }
    problem = next(iter(problems.values()))
    upto = slice(problem.last_cut + 1)
    if problem.last_cut == 0 or not problem.used.any(axis=0).all():
        raise InputError(
            "integrated_brier is undefined on the validation split, so no models can be chosen by "
            "it; leave out --select"
        )
    time_weights = integration_weights(problem.cuts[upto])

    def score(survival: FloatArray) -> float:
        each = brier_contributions(survival[:, upto], problem.happened, problem.at_cuts)
        return float(each.mean(axis=0) @ time_weights)

    curves = {name: each.survival for name, each in problems.items()}
    alone = {name: score(curve) for name, curve in curves.items()}
    picks: list[str] = []
    total, value = np.zeros_like(problem.survival), np.inf
    while len(picks) < MAX_PICKS:
        values = {n: score((total + curve) / (len(picks) + 1)) for n, curve in curves.items()}
        best = min(values, key=values.__getitem__)
        if values[best] >= value:
            break
        picks.append(best)
        total, value = total + curves[best], values[best]
    weights = {name: picks.count(name) / len(picks) for name in dict.fromkeys(picks)}
    return Selection(weights, value, alone)
