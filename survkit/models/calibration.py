"""Post-hoc calibration: one monotone map of all predicted probabilities, fitted on held-out rows.

The map is logit S' = intercept + slope logit S, Platt's scaling of survival at every time at once.
It keeps curves monotone between 1 and 0 and the order of subjects at each time; the identity is
intercept 0, slope 1.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, logit

from survkit.metrics.problem import survival_at_cuts
from survkit.types import (
    FloatArray,
    InputError,
    IntArray,
    SurvivalData,
    SurvivalPrediction,
    TimeGrid,
)

FOLDS = 10

MIN_EVENTS = 20
"""Fewer events than ten a parameter fit noise: the model is left as it is."""


class Calibration(NamedTuple):
    """A map of predicted survival, and why it is used or not.

    Parameters
    ----------
    applied : bool
        Whether predictions are mapped; if not, they stay as they are.
    intercept, slope : float
        The map that was fitted, whether it is applied or not; 0 and 1 where none could be.
    gain : float or None
        Held-out log-likelihood that it gained over the identity in cross-validation, a subject.
    gain_error : float or None
        Standard error of that gain.
    n_used : int
        Rows that it was fitted on.
    n_impossible : int
        Rows whose outcome has probability 0 under every such map, which say nothing about it.
    """

    applied: bool
    intercept: float = 0.0
    slope: float = 1.0
    gain: float | None = None
    gain_error: float | None = None
    n_used: int = 0
    n_impossible: int = 0

    def apply(self, prediction: SurvivalPrediction) -> SurvivalPrediction:
        """Return the calibrated prediction; expert weights stay.

        With several causes, survival of any event is mapped, and what it falls by between two times
        is shared as before: the map moves no cause against another.
        """
        if not self.applied:
            return prediction
        # Rounding may let a curve rise or leave [0, 1], which a map could magnify.
        survival = np.minimum.accumulate(np.clip(prediction.survival, 0.0, 1.0), axis=1)
        mapped = expit(self.intercept + self.slope * logit(survival))
        if prediction.cumulative_incidence is None:
            return replace(prediction, survival=mapped)
        incidence = _shared_as(prediction.cumulative_incidence, mapped)
        return replace(prediction, survival=mapped, cumulative_incidence=incidence)

    def describe(self) -> str:
        """Return what was decided and why, in sentences."""
        if self.gain is None:
            return (
                "Post-hoc calibration: left as it is, since the validation split has too few "
                f"outcomes to fit a map on ({MIN_EVENTS} events of {FOLDS} subjects are needed)."
            )
        fitted = f"logit S' = {self.intercept:.3f} + {self.slope:.3f} logit S"
        gain = f"{self.gain:.4f} (standard error {self.gain_error:.4f}) a subject"
        decision = f"{'' if self.applied else 'left as it is, not '}mapped by {fitted}"
        sentences = [
            f"Post-hoc calibration on the validation split: {decision}, which gains {gain} of "
            f"log-likelihood in {FOLDS}-fold cross-validation."
        ]
        if self.n_impossible:
            sentences.append(
                f"{self.n_impossible} validation rows, to whose outcome the model gives "
                "probability 0, did not enter the fit."
            )
        if self.applied:
            sentences.append("The validation metrics are therefore not those of unseen data.")
        return " ".join(sentences)


def _shared_as(incidence: FloatArray, survival: FloatArray) -> NDArray[np.float64]:
    """Return incidences (n, C, T) that share each fall of other survival curves (n, T) as these.

    A fall where no incidence rises, as rounding may leave it, is shared as all falls together.
    """
    rises = np.maximum(np.diff(incidence, axis=2, prepend=0.0), 0.0)
    overall = rises.sum(axis=2, keepdims=True) + np.finfo(np.float64).tiny
    rises = np.where(rises.sum(axis=1, keepdims=True) > 0, rises, overall)
    share = rises / rises.sum(axis=1, keepdims=True)
    falls = -np.diff(survival, axis=1, prepend=1.0)
    return np.asarray(np.cumsum(share * falls[:, None], axis=2))


class _Outcomes(NamedTuple):
    """Logit of predicted survival just before (n,) and after (n,) each subject's outcome."""

    before: NDArray[np.float64]
    after: NDArray[np.float64]

    def rows(self, chosen: IntArray | NDArray[np.bool_]) -> _Outcomes:
        return _Outcomes(self.before[chosen], self.after[chosen])


def fit_calibration(
    prediction: SurvivalPrediction, data: SurvivalData, grid: TimeGrid
) -> Calibration:
    """Fit the map by maximum likelihood; apply it where cross-validation shows that it helps.

    The likelihood is that of the classes of the time grid under censoring. The map is applied
    where its mean held-out log-likelihood exceeds that of the identity by more than the standard
    error of the difference, so that a calibrated model stays as it is. Folds keep the rows of one
    `subject_id` together.

    Parameters
    ----------
    prediction : SurvivalPrediction
        Predicted curves of n subjects that the model was not trained on.
    data : SurvivalData
        Their outcomes.
    grid : TimeGrid
        The cuts that make the classes.

    Raises
    ------
    InputError
        For a prediction that ends before the grid's horizon.

    References
    ----------
    Platt (1999), Advances in Large Margin Classifiers, 61, for the map; van Houwelingen (2000),
    Statistics in Medicine 19:3401, for recalibrating survival curves by maximum likelihood;
    Breiman et al. (1984), Classification and Regression Trees, section 3.4.3, for the rule of one
    standard error.
    """
    from sklearn.model_selection import GroupKFold  # not needed to train

    outcomes, possible = _possible_outcomes(prediction, data, grid)
    subject = np.arange(len(data)) if data.subject_id is None else data.subject_id
    subject, n_impossible = subject[possible], int((~possible).sum())
    n_used = len(subject)
    enough_subjects = len(np.unique(subject)) >= FOLDS
    if data.event[possible].sum() < MIN_EVENTS or not enough_subjects:
        return Calibration(False, n_used=n_used, n_impossible=n_impossible)
    gains = np.zeros(n_used)
    folds = GroupKFold(FOLDS, shuffle=True, random_state=0)
    for kept, held_out in folds.split(outcomes.before, groups=subject):
        gains[held_out] = _log_gain(*_fit(outcomes.rows(kept)), outcomes.rows(held_out))
    by_subject = np.bincount(np.unique(subject, return_inverse=True)[1], gains)
    gain = float(by_subject.mean())
    error = float(by_subject.std(ddof=1) / math.sqrt(len(by_subject)))
    intercept, slope = _fit(outcomes)
    return Calibration(gain > error, intercept, slope, gain, error, n_used, n_impossible)


def fit_recalibration(
    prediction: SurvivalPrediction, data: SurvivalData, grid: TimeGrid, *, with_slope: bool
) -> Calibration:
    """Fit the map to subjects of another population, to be applied in any case.

    Parameters
    ----------
    prediction, data, grid
        As in `fit_calibration`.
    with_slope : bool
        Whether the slope is fitted too; it is 1 otherwise, and the intercept alone is fitted.

    Raises
    ------
    InputError
        For fewer than `MIN_EVENTS` events, subjects who come under observation late, or a
        prediction that ends before the grid's horizon.

    References
    ----------
    van Houwelingen (2000), Statistics in Medicine 19:3401; Steyerberg et al. (2004), Statistics in
    Medicine 23:2567, for updating the intercept alone or with the slope.
    """
    if data.entry is not None:
        raise InputError(
            "subjects come under observation late, which the likelihood of a recalibration does "
            "not allow for"
        )
    outcomes, possible = _possible_outcomes(prediction, data, grid)
    events, n_impossible = int(data.event[possible].sum()), int((~possible).sum())
    if events < MIN_EVENTS:
        without = (
            f", without {n_impossible} rows of predicted probability 0" if n_impossible else ""
        )
        raise InputError(
            f"a recalibration is fitted on at least {MIN_EVENTS} events, and its part of the rows "
            f"has {events}{without}"
        )
    intercept, slope = _fit(outcomes) if with_slope else (_fit_intercept(outcomes), 1.0)
    return Calibration(
        True, intercept, slope, n_used=int(possible.sum()), n_impossible=n_impossible
    )


def _possible_outcomes(
    prediction: SurvivalPrediction, data: SurvivalData, grid: TimeGrid
) -> tuple[_Outcomes, NDArray[np.bool_]]:
    """Return the outcomes that some map gives a probability, and which rows they are of."""
    rows, classes = np.arange(len(data)), grid.classify(data.time)
    survival = np.clip(survival_at_cuts(prediction, grid), 0.0, 1.0)  # rounding
    padded = np.column_stack([np.ones(len(data)), survival, np.zeros(len(data))])
    before = padded[rows, classes]
    after = np.where(data.event, padded[rows, classes + 1], 0.0)
    possible = (before > 0) & (after < 1)
    return _Outcomes(logit(before), logit(np.minimum(after, before))).rows(possible), possible


def _fit(outcomes: _Outcomes) -> tuple[float, float]:
    """Return intercept and slope of the greatest likelihood.

    The log-likelihood is concave in both, so a search without derivatives finds its maximum; the
    slope is kept positive by its logarithm.
    """
    from scipy.optimize import minimize

    found = minimize(
        lambda point: -_log_gain(point[0], math.exp(point[1]), outcomes).mean(),
        np.zeros(2),
        method="Nelder-Mead",
        options={"xatol": 1e-7, "fatol": 1e-11, "maxiter": 2000},
    )
    return float(found.x[0]), math.exp(found.x[1])


def _fit_intercept(outcomes: _Outcomes) -> float:
    """Return the intercept of the greatest likelihood with slope 1."""
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda intercept: -_log_gain(intercept, 1.0, outcomes).mean(), bracket=(-0.5, 0.5)
    )
    return float(found.x)


def _log_gain(intercept: float, slope: float, outcomes: _Outcomes) -> NDArray[np.float64]:
    """Return the log-likelihood of each outcome under the map less that without it, shape (n,).

    With x and y the logits before and after it, an outcome has the probability
    sigmoid(x) - sigmoid(y) = sigmoid(x) sigmoid(-y) (1 - exp(y - x)).
    """
    before, after = outcomes
    width = before - after
    # An event between equal values has no probability, but the map's gain there has a limit.
    positive = np.where(width > 0, width, 1.0)
    change = np.where(
        width > 0,
        np.log(-np.expm1(-slope * positive)) - np.log(-np.expm1(-positive)),
        math.log(slope),
    )
    mapped = _log_tails(intercept + slope * before, intercept + slope * after)
    return np.asarray(mapped - _log_tails(before, after) + change)


def _log_tails(before: FloatArray, after: FloatArray) -> NDArray[np.float64]:
    return np.asarray(log_expit(before) + log_expit(-after))
