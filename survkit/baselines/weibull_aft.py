"""Weibull regression: linear in the log time, and in the log hazard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from survkit.baselines.column_problems import column_problems, varying_columns
from survkit.baselines.columns import FeatureColumns, require_events
from survkit.baselines.log_times import curves, log_shares, smooth_knots, tangent_exp
from survkit.types import (
    BoolArray,
    FitMonitor,
    FitSummary,
    Float64Array,
    Knots,
    SurvivalData,
    SurvivalPrediction,
    TimeGrid,
)

LARGEST_SHAPE = 1e3
TOLERANCE = 1e-5
"""Largest component of the gradient at an optimum."""
SMALLEST_SINGULAR = 1e-7
"""Share of the largest singular value of the columns, below which a direction is rounding."""
MOST_ITERATIONS = 5000


class WeibullAFT:
    r"""Weibull regression by maximum likelihood, with a ridge penalty.

    S(t | x) = exp(-(t / h) ** k exp(a + b . x)), where h is the horizon: the features multiply the
    hazard by exp(b . x), and the time by exp(-b . x / k). In k, a and b the logarithm of the
    likelihood is concave, also with a penalty on b, so that there is one maximum. L-BFGS finds it,
    for more columns than rows too.

    Parameters
    ----------
    grid : TimeGrid
        The cuts at which survival is predicted by default; its horizon is the last time.
    alpha : float
        Weight of the squared L2 norm of b, halved, beside the mean log-likelihood; b are
        coefficients of the features as they are.
    """

    def __init__(self, *, grid: TimeGrid, alpha: float = 0.01) -> None:
        self.grid = grid
        self.alpha = alpha
        self.fit_summary = FitSummary()

    def fit(
        self, train: SurvivalData, validation: SurvivalData, *, monitor: FitMonitor | None = None
    ) -> Self:
        """Fit shape and coefficients to the training rows.

        Raises
        ------
        InputError
            For training rows without an event.
        """
        require_events(train, 1, "weibull_aft")
        self.columns = FeatureColumns.of(train)
        matrix = self.columns.one_hot(train.features).astype(np.float64)
        self.center = matrix.mean(axis=0)
        varying = varying_columns(matrix)
        varied = matrix[:, varying] - self.center[varying]
        found = maximum(varied, log_shares(train.time, self.grid), train.event, self.alpha)
        self.shape, self.intercept = found.shape, found.intercept
        self.coefficients = np.zeros(matrix.shape[1])
        self.coefficients[varying] = found.coefficients
        if monitor and varying.size:
            names = [self.columns.one_hot_names[j] for j in varying]
            penalised = self.alpha > 0
            outcome = (train.event, train.time, names)
            for text in column_problems(matrix[:, varying], *outcome, penalised=penalised):
                monitor.warn(f"weibull_aft: {text}")
        self.fit_summary = FitSummary(
            num_parameters=len(self.coefficients) + 2,
            converged=not found.problem,
            convergence_reason=found.problem or "the gradient of the likelihood is 0",
        )
        if monitor and found.problem:
            monitor.warn(f"weibull_aft: {found.problem}")
        return self

    @property
    def knots(self) -> Knots:
        """The cuts of the grid, and times so close that the curve is linear between them."""
        return smooth_knots(self.grid)

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict survival for features of shape (n, p), at the grid's cuts or at other times."""
        matrix = self.columns.one_hot(features).astype(np.float64) - self.center
        location = -(self.intercept + matrix @ self.coefficients) / self.shape
        return curves(location, 1 / self.shape, "extreme", self.grid, times)

    def state(self) -> dict[str, Any]:
        """Return the fitted model as arrays and plain values."""
        return {
            "model": "weibull_aft",
            "cuts": self.grid.cuts,
            "floor": self.grid.floor,
            "alpha": self.alpha,
            "columns": self.columns.state(),
            "center": self.center,
            "coefficients": self.coefficients,
            "intercept": self.intercept,
            "shape": self.shape,
            "fit_summary": list(self.fit_summary),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a fitted model from what `state` returned."""
        grid = TimeGrid(np.asarray(state["cuts"]), state["floor"])
        model = cls(grid=grid, alpha=state["alpha"])
        model.columns = FeatureColumns.from_state(state["columns"])
        model.center = np.asarray(state["center"])
        model.coefficients = np.asarray(state["coefficients"])
        model.intercept, model.shape = state["intercept"], state["shape"]
        model.fit_summary = FitSummary(*state["fit_summary"])
        return model


class WeibullMaximum(NamedTuple):
    """The fitted distribution, and why it is no maximum ("" where it is one)."""

    shape: float
    intercept: float
    coefficients: Float64Array
    problem: str


def maximum(
    matrix: Float64Array, log_time: Float64Array, event: BoolArray, alpha: float
) -> WeibullMaximum:
    """Maximise the penalised likelihood of log hazards k log t + a + b . x.

    Parameters
    ----------
    matrix : array, shape (n, q)
        Columns that vary, centred.
    log_time, event : array, shape (n,)
        The outcomes.
    alpha : float
        Weight of the penalty.
    """
    rows, rate = len(matrix), event.mean()
    # Only the part of the coefficients in the space of the rows matters, of at most n dimensions.
    left, singular, right = np.linalg.svd(matrix, full_matrices=False)
    kept = singular > SMALLEST_SINGULAR * max(singular.max(initial=0.0), 1e-300)
    left, singular, right = left[:, kept], singular[kept], right[kept]
    # The second derivative by each rotated coefficient is about 1.
    scale = np.sqrt(singular**2 / rows * rate + alpha)
    design = np.column_stack([log_time, np.ones(rows), left * (singular / scale)])
    of_events = design[event].sum(axis=0) / rows
    penalty = np.concatenate([[0, 0], alpha / scale**2])

    def loss(parameters: Float64Array) -> tuple[float, Float64Array]:
        cumulative, slope = tangent_exp(design @ parameters)
        value = cumulative.mean() - parameters @ of_events - rate * np.log(parameters[0])
        gradient = design.T @ slope / rows - of_events
        gradient[0] -= rate / parameters[0]
        value += penalty @ parameters**2 / 2
        return float(value), gradient + penalty * parameters

    start = np.zeros(design.shape[1])
    start[:2] = 1.0, np.log(rate / np.exp(log_time).mean())
    bounds = [(1e-3, LARGEST_SHAPE), *[(None, None)] * (len(start) - 1)]
    options = {"maxiter": MOST_ITERATIONS, "maxfun": 2 * MOST_ITERATIONS, "ftol": 0.0, "gtol": 1e-9}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    shape, intercept, *_ = found.x
    slope = np.abs(loss(found.x)[1]).max()
    problem = ""
    if shape >= LARGEST_SHAPE:
        problem = (
            f"the shape is at its bound, {LARGEST_SHAPE:g}, as the event times are fitted exactly; "
            "with many columns a larger --weibull_alpha may help"
        )
    elif slope > TOLERANCE:
        problem = f"the gradient of the likelihood is {slope:.1g} where the optimisation ended"
    coefficients = (found.x[2:] / scale) @ right
    return WeibullMaximum(float(shape), float(intercept), coefficients, problem)
