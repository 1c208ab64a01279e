"""Calibration of predicted risks at one time: intercept, slope, and the distance of a smooth curve.

Outcomes are pseudo-values, so that censored subjects count, regressed on the complementary log-log
of the predicted risk by generalised estimating equations with that link (van Geloven et al. 2022,
BMJ 377:e069249, supplement).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from survkit.types import FloatArray, IntArray

_KNOTS = (0.1, 0.5, 0.9)
"""Quantiles of the knots of a restricted cubic spline with three (Harrell 2015, table 2.3)."""

_LARGEST_COEFFICIENT = 1e3
"""A coefficient beyond it, on the scale of the complementary log-log, runs to infinity."""


class Interval(NamedTuple):
    """A number with its 95 % interval, all NaN where it is undefined."""

    value: float
    low: float
    high: float


UNDEFINED = Interval(np.nan, np.nan, np.nan)


class Distances(NamedTuple):
    """Mean, median and 90th percentile of |predicted - smoothed observed risk|."""

    ici: float
    e50: float
    e90: float


NO_DISTANCES = Distances(np.nan, np.nan, np.nan)


def complementary_log_log(risk: FloatArray) -> NDArray[np.float64]:
    """Return log(-log(1 - risk)) for risks in (0, 1)."""
    return np.asarray(np.log(-np.log1p(-np.asarray(risk, dtype=np.float64))))


def why_no_regression(risk: FloatArray) -> str | None:
    """Return why risks (n,) have no calibration intercept, None where they have one."""
    certain = int(np.count_nonzero((risk <= 0) | (risk >= 1)))
    if certain:
        are = "predicted risk is" if certain == 1 else "predicted risks are"
        return f"{certain} of {len(risk)} {are} exactly 0 or 1, where log(-log(1 - risk)) is none"
    return None


def why_no_slope(risk: FloatArray) -> str | None:
    """Return why risks (n,) have no calibration slope, None where they have one."""
    if reason := why_no_regression(risk):
        return reason
    if np.ptp(complementary_log_log(risk)) < 1e-9:
        return "all predicted risks are the same"
    return None


def calibration_intercept(
    risk: FloatArray, outcome: FloatArray, subject_id: IntArray | None = None
) -> Interval:
    """Calibration intercept at one time: a of cloglog(observed) = a + cloglog(risk).

    It is 0 for predictions that are right on average, and above 0 where risk is underestimated;
    exp(a) is a ratio of cumulative hazards.

    Parameters
    ----------
    risk : array, shape (n,)
        Predicted probabilities of the event by that time, in (0, 1).
    outcome : array, shape (n,)
        Pseudo-values, or whether the event happened.
    subject_id : array, shape (n,), optional
        The subject of each row: the interval takes rows of one subject together.

    Returns
    -------
    Interval
        From the sandwich variance; NaN where the regression has no finite solution.
    """
    offset = complementary_log_log(risk)
    return _coefficient(np.ones((len(offset), 1)), offset, outcome, subject_id)


def calibration_slope(
    risk: FloatArray, outcome: FloatArray, subject_id: IntArray | None = None
) -> Interval:
    """Calibration slope at one time: b of cloglog(observed) = a + b cloglog(risk).

    It is 1 for calibrated predictions, and below 1 where they are too extreme. Parameters and
    errors are those of `calibration_intercept`.
    """
    score = complementary_log_log(risk)
    columns = np.column_stack([np.ones(len(score)), score])
    return _coefficient(columns, np.zeros(len(score)), outcome, subject_id)


def smoothed_outcome(risk: FloatArray, outcome: FloatArray) -> NDArray[np.float64]:
    """Observed risk as a smooth function of the predicted one, at each subject's own risk.

    The regression of `calibration_slope` with a restricted cubic spline of three knots, at the
    10th, 50th and 90th percentile, in the place of the straight line; a straight line where knots
    coincide, and the mean alone where all risks are the same.

    Parameters
    ----------
    risk, outcome : array, shape (n,)
        As in `calibration_intercept`.

    Returns
    -------
    array, shape (n,), float64
        In [0, 1]; NaN where the regression has no finite solution.

    References
    ----------
    Austin, Harrell & van Klaveren (2020), Statistics in Medicine 39:2714, section 2, with a Cox
    model of the same spline in the place of pseudo-values.
    """
    score = complementary_log_log(risk)
    columns = [np.ones(len(score))]
    if why_no_slope(risk) is None:
        columns += _spline(score)
    matrix = np.column_stack(columns)
    found = _fit(matrix, np.zeros(len(score)), outcome)
    return np.full(len(score), np.nan) if found is None else _mean(matrix @ found)[0]


def distances(risk: FloatArray, smoothed: FloatArray) -> Distances:
    """Integrated calibration index, E50 and E90.

    Parameters
    ----------
    risk, smoothed : array, shape (n,)
        Predicted risks, and `smoothed_outcome` of them.

    References
    ----------
    Austin, Harrell & van Klaveren (2020), Statistics in Medicine 39:2714, section 2.3.
    """
    gap = np.abs(risk - smoothed)
    return Distances(float(gap.mean()), *np.quantile(gap, [0.5, 0.9]).tolist())


def _spline(score: FloatArray) -> list[NDArray[np.float64]]:
    """Return the linear and the cubic column of a restricted cubic spline with three knots."""
    first, middle, last = np.quantile(score, _KNOTS)
    if min(middle - first, last - middle) <= 1e-6 * np.ptp(score):
        return [np.asarray(score)]

    def cubed(knot: float) -> NDArray[np.float64]:
        return np.asarray(np.maximum(score - knot, 0.0) ** 3)

    inner = (last - first) / (last - middle)
    outer = (middle - first) / (last - middle)
    curved = cubed(first) - inner * cubed(middle) + outer * cubed(last)
    return [np.asarray(score), curved / (last - first) ** 2]


def _mean(linear: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the risk of a complementary log-log (n,), and its derivative."""
    with np.errstate(over="ignore"):  # to a risk of 1, and a derivative of 0
        hazard = np.exp(linear)
        return -np.expm1(-hazard), np.exp(linear - hazard)


def _fit(
    columns: FloatArray, offset: FloatArray, outcome: FloatArray
) -> NDArray[np.float64] | None:
    """Return the coefficients that solve the estimating equations, None where they are infinite.

    With working independence and a constant variance they are those of least squares.
    """
    from scipy.optimize import least_squares

    start = np.zeros(columns.shape[1])
    start[1:2] = 1.0

    def residual(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(_mean(columns @ at + offset)[0] - outcome)

    def jacobian(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(columns * _mean(columns @ at + offset)[1][:, None])

    found = least_squares(
        residual,
        start,
        jac=jacobian,
        method="lm",
        xtol=1e-12,
        ftol=1e-12,
        gtol=1e-12,
    )
    if not found.success or np.abs(found.x).max() > _LARGEST_COEFFICIENT:
        return None
    return np.asarray(found.x)


def _coefficient(
    columns: FloatArray, offset: FloatArray, outcome: FloatArray, subject_id: IntArray | None
) -> Interval:
    """Return the last coefficient with its interval."""
    found = _fit(columns, offset, outcome)
    if found is None:
        return UNDEFINED
    mean, derivative = _mean(columns @ found + offset)
    gradient = columns * derivative[:, None]
    bread = gradient.T @ gradient
    if np.linalg.matrix_rank(bread) < len(bread):  # at infinity
        return UNDEFINED
    scores = gradient * (outcome - mean)[:, None]
    if subject_id is not None:
        group = np.unique(subject_id, return_inverse=True)[1]
        scores = np.stack([np.bincount(group, weights=column) for column in scores.T], axis=1)
    inverse = np.linalg.inv(bread)
    error = float(np.sqrt((inverse @ (scores.T @ scores) @ inverse)[-1, -1]))
    width = float(ndtri(0.975)) * error
    value = float(found[-1])
    return Interval(value, value - width, value + width)
