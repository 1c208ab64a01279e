"""Decision curves of several models for the same subjects, and the thresholds to show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.metrics.bootstrap import once_each
from survkit.metrics.curve_calibration import aalen_johansen_at
from survkit.metrics.decision_curves import DecisionCurve, NetBenefit, net_benefit
from survkit.metrics.outcomes import LATE_ENTRY, MIN_AT_RISK
from survkit.types import FloatArray, InputError, SurvivalData, SurvivalPrediction, TimeGrid

STEPS = (0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001)
"""Distances between thresholds; the first one that gives enough of them is taken."""

FEWEST_THRESHOLDS = 20
HIGHEST_THRESHOLD = 0.99


def why_no_curves(
    predictions: Mapping[str, SurvivalPrediction],
    data: SurvivalData,
    at: float,
    *,
    min_at_risk: int = MIN_AT_RISK,
) -> str | None:
    """Return why there are no decision curves at a time, None where there are.

    Parameters
    ----------
    predictions : mapping of str to SurvivalPrediction
        By model, for the same subjects.
    data : SurvivalData
        Their outcomes.
    at : float
        The time by which the event counts.
    min_at_risk : int
        Subjects who must still be at risk then.
    """
    if data.entry is not None:
        return LATE_ENTRY
    for model, prediction in predictions.items():
        if at > prediction.times[-1]:
            return f"the prediction of {model} ends at time {prediction.times[-1]:g}"
    at_risk = int(_at_cut(data, at).at_risk(at)[0])
    if at_risk < min_at_risk:
        are = "is" if at_risk == 1 else "are"
        return (
            f"{at_risk} of {data.num_subjects} subjects {are} still at risk, fewer than "
            f"{min_at_risk}"
        )
    return None


def decision_curves(
    predictions: Mapping[str, SurvivalPrediction],
    data: SurvivalData,
    *,
    at: float,
    thresholds: ArrayLike | None = None,
    cause: int = 0,
    counts: FloatArray | None = None,
    min_at_risk: int = MIN_AT_RISK,
) -> dict[str, DecisionCurve]:
    """Compute the decision curve of each model at one time, in the same resamples.

    Parameters
    ----------
    predictions : mapping of str to SurvivalPrediction
        By model, for the same n subjects.
    data : SurvivalData
        Their outcomes.
    at : float
        The time by which the event counts.
    thresholds : array, shape (k,), optional
        Increasing, in [0, 1]; those of `shown_thresholds` where not given.
    cause : int
        0 for an event of any cause, else the competing cause whose event counts, from 1.
    counts : array, shape (b, n), optional
        Resamples, from `resample_counts`; no intervals where not given.
    min_at_risk : int
        Subjects who must still be at risk at the time.

    Returns
    -------
    dict of str to DecisionCurve
        By model.

    Raises
    ------
    InputError
        For the reason of `why_no_curves`, or as `net_benefit`.
    """
    if reason := why_no_curves(predictions, data, at, min_at_risk=min_at_risk):
        raise InputError(f"there are no decision curves at time {at:g}: {reason}")
    data = _at_cut(data, at)
    time, at_risk = data.time, int(data.at_risk(at)[0])
    event, competing = data.event, np.zeros(len(data), np.bool_)
    if cause and data.cause is not None:
        event, competing = data.cause == cause, data.event & (data.cause != cause)
    risks = {model: predicted_risk(each, at, cause) for model, each in predictions.items()}
    of_interest = np.where(event, 1, np.where(competing, 2, 0))
    observed = float(aalen_johansen_at(np.array([at]), time, of_interest, 2)[0, 0, 0])
    if thresholds is None:
        thresholds = shown_thresholds(risks.values(), observed)
    levels = np.asarray(thresholds, np.float64)
    counts = np.zeros((0, len(data)), np.float32) if counts is None else counts

    def computed(risk: FloatArray, counts: FloatArray) -> NetBenefit:
        return net_benefit(
            risk, time, event, at=at, thresholds=levels, competing=competing, counts=counts
        )

    curves = {}
    for model, risk in risks.items():
        estimate = NetBenefit(*(values[0] for values in computed(risk, once_each(len(risk)))))
        resampled = computed(risk, counts)
        reasons = _reasons(risk, levels, estimate, at)
        curves[model] = DecisionCurve(
            at,
            levels,
            estimate,
            resampled.net_benefit,
            resampled.treat_all,
            reasons,
            observed,
            at_risk,
        )
    return curves


def _at_cut(data: SurvivalData, at: float) -> SurvivalData:
    """Return outcomes with the times that equal `at` up to rounding as that time."""
    return replace(data, time=TimeGrid(np.array([0.0, at])).snap(data.time))


def predicted_risk(
    prediction: SurvivalPrediction, at: float, cause: int = 0
) -> NDArray[np.float64]:
    """Return the predicted risk of an event by a time, shape (n,).

    `cause` is as in `decision_curves`.
    """
    if cause and prediction.cumulative_incidence is not None:
        risk = prediction.cumulative_incidence_at([at])[:, cause - 1, 0]
    else:
        risk = 1.0 - prediction.at([at])[:, 0]
    return np.clip(risk, 0.0, 1.0)  # what rounding leaves outside


def _reasons(
    risk: FloatArray, thresholds: FloatArray, estimate: NetBenefit, at: float
) -> tuple[str | None, ...]:
    reasons: list[str | None] = []
    for threshold, value in zip(thresholds, estimate.net_benefit, strict=True):
        if not np.isnan(value):
            reasons.append(None)
        elif threshold == 1:
            reasons.append("at a threshold of 1 a false positive has no finite weight")
        else:
            treated = int(np.count_nonzero(risk >= threshold))
            reasons.append(f"none of the {treated} treated is followed to time {at:g}")
    return tuple(reasons)


def shown_thresholds(
    risks: Iterable[FloatArray], observed: float, *, treated: int = MIN_AT_RISK
) -> NDArray[np.float64]:
    """Return the thresholds at which some model has anybody to treat, or treating all is of use.

    They end where no model puts as many as `treated` subjects at or above them, but not before the
    observed risk, at which the net benefit of treating everybody falls to 0.

    Parameters
    ----------
    risks : iterable of array, shape (n,)
        Each model's predicted risks.
    observed : float
        The observed risk of all subjects.
    treated : int
        Fewest subjects.

    Returns
    -------
    array, shape (k,), float64
        Whole multiples of a step, 0.99 at most.
    """
    highest = [np.sort(risk)[-min(treated, len(risk))] for risk in risks]
    return threshold_range(0.0, min(max([observed, *highest]), HIGHEST_THRESHOLD))


def threshold_range(low: float, high: float) -> NDArray[np.float64]:
    """Return the multiples of a step from `low` to `high`, shape (k,); 0 is left out.

    The step is 0.01, or less where the range would have fewer than 20 of it.

    Raises
    ------
    InputError
        Unless 0 <= low < high < 1.
    """
    if not 0 <= low < high < 1:
        raise InputError(
            f"the thresholds run from {low:g} to {high:g}; they must run from one of at least 0 to "
            "a higher one below 1"
        )
    step = next((s for s in STEPS if (high - low) / s >= FEWEST_THRESHOLDS), STEPS[-1])
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    places = np.arange(max(first, 1), last + 1)
    return np.round(places * step, 4) if len(places) else np.array([high])
