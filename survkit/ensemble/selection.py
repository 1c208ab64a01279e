"""Weighs the models of an ensemble on the validation split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.brier import brier_contributions, integration_weights
from survkit.metrics.censoring import Convention
from survkit.metrics.outcomes import MIN_AT_RISK
from survkit.metrics.problem import build_problem
from survkit.types import FloatArray, InputError, SurvivalData, SurvivalPrediction, TimeGrid

SHRINKAGE = (0.0, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
"""Penalties on the squared distance from equal weights, in units of the integrated Brier score."""

FOLDS = 10

LEAST_WEIGHT = 0.01
"""A model that would weigh less is left out."""


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
    shrinkage : float
        The penalty that draws the weights towards equal ones.
    """

    weights: dict[str, float]
    value: float
    alone: dict[str, float]
    shrinkage: float


def select_models(
    predictions: Mapping[str, SurvivalPrediction],
    data: SurvivalData,
    *,
    train: SurvivalData,
    grid: TimeGrid,
    convention: Convention = "standard",
    min_at_risk: int = MIN_AT_RISK,
) -> Selection:
    """Weigh models so that their mean survival curve has the least integrated Brier score.

    The score is a quadratic function of the weights, so its least value over non-negative weights
    with sum 1 is found exactly (stacking). Weights are drawn towards equal ones as far as the
    score in 10-fold cross-validation allows: by the largest penalty whose mean held-out score is
    within one standard error of the best. Folds keep the rows of one `subject_id` together.

    Parameters
    ----------
    predictions : mapping of str to SurvivalPrediction
        By model, for the same n subjects.
    data : SurvivalData
        Their outcomes: validation rows, never test rows.
    train, grid, convention, min_at_risk
        As in `survkit.metrics.evaluate`.

    Raises
    ------
    InputError
        Where the score is undefined on these data.

    References
    ----------
    Breiman (1996), "Stacked regressions", Machine Learning 24:49, for the weights; Breiman et al.
    (1984), Classification and Regression Trees, section 3.4.3, for the rule of one standard error.
    """
    problems = {
        name: build_problem(
            prediction, data, train.time, train.event, grid, convention, min_at_risk=min_at_risk
        )
        for name, prediction in predictions.items()
    }
    problem = next(iter(problems.values()))
    upto = slice(problem.last_cut + 1)
    if problem.last_cut == 0 or not problem.used.any(axis=0).all():
        why = problem.outcomes.why_no_cuts
        raise InputError(
            "integrated_brier is undefined on the validation split"
            f"{f' ({why})' if why else ''}, so no models can be chosen by it; leave out --select"
        )
    squares = _Squares(
        np.stack([each.survival[:, upto] for each in problems.values()]),
        problem.happened,
        problem.at_cuts * integration_weights(problem.cuts[upto]),
    )
    subject = np.arange(len(data)) if data.subject_id is None else data.subject_id
    shrinkage = _shrinkage(squares, subject)
    rows = np.arange(len(data))
    found = squares.minimum(rows, shrinkage)
    found = np.where(found < LEAST_WEIGHT, 0.0, found)
    found /= found.sum()
    alone = [squares.scores(rows, weights).mean() for weights in np.eye(len(found))]
    return Selection(
        {name: float(w) for name, w in zip(predictions, found, strict=True) if w},
        float(squares.scores(rows, found).mean()),
        dict(zip(predictions, map(float, alone), strict=True)),
        shrinkage,
    )


class _Squares(NamedTuple):
    """The integrated Brier score of mixtures of M models.

    `curves` (M, n, k) are the survival of n subjects at k cuts; `happened` (n, k) tells whether
    the event was at or before the cut; `weights` (n, k) are those of the squares in the score.
    """

    curves: FloatArray
    happened: NDArray[np.bool_]
    weights: FloatArray

    def scores(self, rows: NDArray[np.intp], mixture: FloatArray) -> FloatArray:
        """Return what each of the rows adds to the score of models mixed by weights (M,)."""
        survival = np.tensordot(mixture, self.curves[:, rows], 1)
        squares = brier_contributions(survival, self.happened[rows], self.weights[rows])
        return np.asarray(squares.sum(axis=1))

    def minimum(self, rows: NDArray[np.intp], shrinkage: float) -> FloatArray:
        """Return the weights (M,) of the least penalised score of the rows."""
        from scipy.optimize import minimize

        curves, weights = self.curves[:, rows], self.weights[rows] / len(rows)
        models = len(curves)
        # The score is w' A w - 2 b' w, up to a constant. So is the squared distance from equal
        # weights w' w, as the weights sum to 1.
        weighted = curves * weights
        a = np.tensordot(weighted, curves, ((1, 2), (1, 2))) + shrinkage * np.eye(models)
        b = weighted[:, ~self.happened[rows]].sum(axis=1)
        found = minimize(
            lambda w: w @ a @ w - 2 * b @ w,
            np.full(models, 1 / models),
            jac=lambda w: 2 * (a @ w - b),
            bounds=[(0, 1)] * models,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 1000},
        )
        mixture = np.clip(found.x, 0.0, None)  # rounding
        return np.asarray(mixture / mixture.sum())


def _shrinkage(squares: _Squares, subject: NDArray[np.generic]) -> float:
    """Return the largest penalty whose cross-validated score is as good as the best's."""
    from sklearn.model_selection import GroupKFold

    which = np.unique(subject, return_inverse=True)[1]
    if which.max() + 1 < FOLDS:  # too few to say more than that each model counts
        return SHRINKAGE[-1]
    scores = np.zeros((len(SHRINKAGE), len(subject)))
    folds = GroupKFold(FOLDS, shuffle=True, random_state=0)
    for kept, held_out in folds.split(subject, groups=subject):
        for row, shrinkage in zip(scores, SHRINKAGE, strict=True):
            row[held_out] = squares.scores(held_out, squares.minimum(kept, shrinkage))
    by_subject = np.stack([np.bincount(which, row) for row in scores])
    lost = by_subject - by_subject[by_subject.mean(axis=1).argmin()]
    error = lost.std(axis=1, ddof=1) / np.sqrt(lost.shape[1])
    return SHRINKAGE[int(np.flatnonzero(lost.mean(axis=1) <= error).max())]
