"""Calibration of a prediction at the times of metrics at one time, of each cause."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.fixed_time_calibration import (
    NO_DISTANCES,
    UNDEFINED,
    Distances,
    Interval,
    calibration_intercept,
    calibration_slope,
    distances,
    smoothed_outcome,
    why_no_regression,
    why_no_slope,
)
from survkit.metrics.outcomes import Outcomes, TimePoint
from survkit.metrics.problem import Problem, problem_of
from survkit.metrics.pseudo_values import pseudo_values
from survkit.report.observed_curves import aalen_johansen_curve, kaplan_meier_curve
from survkit.types import SurvivalPrediction

_NO_SOLUTION = "the regression of the observed on the predicted risk has no finite solution"


@dataclass(frozen=True)
class CalibrationAt:
    """Calibration at one time.

    Parameters
    ----------
    cause : str
        The competing cause; "" for an event of any cause.
    suffix : str
        What follows the @ in the names of metrics at this time.
    time : float
        The time, in the data's unit.
    at_risk : int
        Evaluated subjects whose time is later.
    expected : float
        Mean predicted risk.
    observed : Interval
        Risk by Kaplan-Meier or Aalen-Johansen, with its log-log interval.
    ratio : Interval
        Observed over expected; the interval is that of the observed risk.
    intercept, slope : Interval
        See `calibration_intercept` and `calibration_slope`.
    distances : Distances
        Integrated calibration index, E50 and E90.
    reasons : dict
        Name of a number above -> why it is NaN.
    """

    cause: str
    suffix: str
    time: float
    at_risk: int
    expected: float = np.nan
    observed: Interval = UNDEFINED
    ratio: Interval = UNDEFINED
    intercept: Interval = UNDEFINED
    slope: Interval = UNDEFINED
    distances: Distances = NO_DISTANCES
    reasons: dict[str, str] = field(default_factory=dict)


NUMBERS = ("expected", "observed", "ratio", "intercept", "slope", "distances")
"""The numbers of a `CalibrationAt`."""


def calibration_at_points(
    prediction: SurvivalPrediction, outcomes: Outcomes
) -> list[CalibrationAt]:
    """Return the calibration at each time of the metrics that stand at one.

    Parameters
    ----------
    prediction : SurvivalPrediction
        Of the evaluated subjects.
    outcomes : Outcomes
        Theirs. The rule on subjects at risk is that of the metrics.
    """
    problem = problem_of(prediction, outcomes)
    return [
        _calibration(own, point) for own in (problem, *problem.causes) for point in outcomes.points
    ]


def _calibration(problem: Problem, point: TimePoint) -> CalibrationAt:
    found = CalibrationAt(problem.cause_name, point.suffix, point.time, point.at_risk)
    if reason := problem.why_undefined(point):
        return replace(found, reasons=dict.fromkeys(NUMBERS, reason))
    risk = 1.0 - problem.survival_at(point)
    observed, expected = _observed(problem, point.time), float(risk.mean())
    found = replace(found, expected=expected, observed=observed)
    reasons: dict[str, str] = {}
    if expected > 0:
        found = replace(found, ratio=Interval(*(each / expected for each in observed)))
    else:
        reasons["ratio"] = "every predicted risk is 0"
    if observed.value == 0:
        reasons |= dict.fromkeys(NUMBERS[3:], "no event by then")
        return replace(found, reasons=reasons)
    return _regressed(replace(found, reasons=reasons), problem, point, risk)


def _regressed(
    found: CalibrationAt, problem: Problem, point: TimePoint, risk: NDArray[np.float64]
) -> CalibrationAt:
    """Add what a regression on pseudo-values tells."""
    reasons = dict(found.reasons)
    if reason := why_no_regression(risk):
        return replace(found, reasons={**reasons, **dict.fromkeys(NUMBERS[3:], reason)})
    data = problem.outcomes.data
    cause = data.event.astype(np.int64) if data.cause is None else data.cause
    outcome = pseudo_values(problem.time, cause, point.time, problem.cause or None)
    intercept = calibration_intercept(risk, outcome, data.subject_id)
    slope = UNDEFINED
    if reason := why_no_slope(risk):
        reasons["slope"] = reason
    else:
        slope = calibration_slope(risk, outcome, data.subject_id)
    gaps = distances(risk, smoothed_outcome(risk, outcome))
    for name, value in (
        ("intercept", intercept.value),
        ("slope", slope.value),
        ("distances", gaps.ici),
    ):
        if np.isnan(value):
            reasons.setdefault(name, _NO_SOLUTION)
    return replace(found, intercept=intercept, slope=slope, distances=gaps, reasons=reasons)


def _observed(problem: Problem, at: float) -> Interval:
    """Return the risk by a time from the outcomes alone."""
    data = problem.outcomes.data
    if problem.cause:
        assert data.cause is not None
        curve = aalen_johansen_curve(problem.time, data.cause, problem.cause)
    else:
        curve = kaplan_meier_curve(problem.time, data.event).complement
    step = np.searchsorted(curve.times, at, side="right") - 1
    return Interval(float(curve.value[step]), float(curve.low[step]), float(curve.high[step]))
