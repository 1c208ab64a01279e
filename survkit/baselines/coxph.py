"""Cox regression with an elastic net penalty."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.baselines.column_problems import column_problems, varying_columns
from survkit.baselines.columns import FeatureColumns, require_events
from survkit.baselines.partial_likelihood import PartialLikelihood
from survkit.baselines.penalised_cox import fit_penalised
from survkit.baselines.proportional_hazards import CumulativeHazard
from survkit.types import (
    FitMonitor,
    FitSummary,
    InputError,
    Knots,
    SurvivalData,
    SurvivalPrediction,
    TimeGrid,
)

PATH_STEPS = 5
"""Weights of the penalty that are solved one after the other, the last the one asked for.

scikit-survival does not solve a longer path to its end where the deviance hardly changes.
"""

PATH_DEPTH = 1e-3
"""Share of the largest weight at which the way to a smaller one, as 0, ends."""
TOLERANCE = 1e-9
"""Largest step at which the optimisation of one weight ends."""

WIDE_PATH_STEPS, WIDE_TOLERANCE = 20, 1e-7
"""The same for at least as many columns as rows.

The optimum is flat there: on 6,283 gene expressions of 92 patients a path of 5 weights diverges, or
takes minutes to the smaller tolerance, and this takes 4 s.
"""


class CoxPH:
    """Proportional hazards regression (Cox 1972) with an elastic net penalty.

    The partial likelihood (Breslow's for ties) uses the raw times of all training rows. The fitted
    survival curves are step functions of those times, and `predict` reads them at any time: at
    the cuts of the grid by default. Beyond the last training event a curve stays where it is.
    scikit-survival's
    `CoxnetSurvivalAnalysis` finds the coefficients by coordinate descent along a path of falling
    penalties (Simon et al. 2011), which needs no matrix of full rank: a constant column gets the
    coefficient 0, and identical columns share one effect. It knows no late entry: with entries
    `fit_penalised` maximises the same penalised likelihood over the risk sets that they leave.
    Where `alpha` is 0 nothing tells such columns apart, and the optimisation may break down.
    Columns without a finite estimate, as a copy of the time, are named in a warning, or in the
    error where the optimisation breaks down. The result does not depend on a seed.

    Parameters
    ----------
    grid : TimeGrid
        The cuts at which survival is predicted by default; its horizon is the last time.
    alpha : float
        Weight of the penalty, at least 0, on coefficients of the features as they are.
    l1_ratio : float
        Share of the L1 norm in the penalty, above 0 and at most 1; the rest is the squared L2.
    """

    name: ClassVar[str] = "coxph"
    alpha_words: ClassVar[str] = "--cox_alpha"
    l1_ratio_words: ClassVar[str] = "--cox_l1_ratio"
    advice: ClassVar[str] = "a larger --cox_alpha may help"

    def __init__(self, *, grid: TimeGrid, alpha: float = 1e-3, l1_ratio: float = 0.5) -> None:
        self.grid = grid
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_summary = FitSummary()

    def fit(
        self, train: SurvivalData, validation: SurvivalData, *, monitor: FitMonitor | None = None
    ) -> Self:
        """Fit the coefficients and the baseline hazard to the training rows.

        Raises
        ------
        InputError
            For training rows without an event, or features for which the optimisation breaks
            down, which it names where it can.
        """
        require_events(train, 1, self.name)
        self.columns = FeatureColumns.of(train, takes_entry=True)
        matrix = self.columns.one_hot(train.features).astype(np.float64)
        self.center = matrix.mean(axis=0)
        varying = varying_columns(matrix)
        self.coefficients = np.zeros(matrix.shape[1])
        self.coefficients[varying] = self._coefficients(matrix, varying, train, monitor)
        log_risk = (matrix - self.center) @ self.coefficients
        time = self.grid.snap(train.time)
        entry = self.grid.snap_entry(train.entry, time)
        self.baseline = CumulativeHazard.breslow(log_risk, train.event, time, entry)
        return self

    def _coefficients(
        self,
        matrix: NDArray[np.float64],
        varying: NDArray[np.int64],
        train: SurvivalData,
        monitor: FitMonitor | None,
    ) -> NDArray[np.float64]:
        """Return the coefficients of the columns that are not constant."""
        if not varying.size:
            if monitor:
                monitor.warn(
                    f"{self.name}: every column is constant; all subjects get the same curve"
                )
            self.fit_summary = FitSummary(
                len(self.coefficients), converged=True, convergence_reason="no column varies"
            )
            return np.empty(0)

        names = self.columns.one_hot_names
        if len(varying) < matrix.shape[1]:
            matrix, names = matrix[:, varying], tuple(names[j] for j in varying)
        of_columns = column_problems(
            matrix, train.event, train.time, names, penalised=self.alpha > 0
        )
        if train.entry is not None and train.entry.any():
            return self._with_entries(matrix, train, monitor)
        try:
            model, caught = self._solve(matrix, train)
        except (ArithmeticError, AssertionError) as error:
            why = [str(error).rstrip(".") or "the optimisation broke down", *of_columns]
            if self.alpha > 0 and len(names) >= len(matrix):
                why.append(f"there are {len(names)} columns for {len(matrix)} training rows")
            raise InputError(
                f"{self.name} cannot be fitted with {self.alpha_words} {self.alpha} ({why[0]})"
                f"{''.join(f'; {problem}' for problem in why[1:])}; {self.advice}"
            ) from None
        remarks, problems = _sorted_warnings(caught)
        if model.alphas_[-1] != self.alpha:
            problems.append(f"the optimisation ended at {self.alpha_words} {model.alphas_[-1]:.3g}")
        for message in (*of_columns, *remarks, *problems):
            if monitor:
                monitor.warn(f"{self.name}: {message}")
        self.fit_summary = FitSummary(
            num_parameters=len(self.coefficients),
            converged=not problems,
            convergence_reason="; ".join(problems)
            or f"the optimisation reached {self.alpha_words} {self.alpha:g}",
        )
        return np.asarray(model.coef_[:, -1], dtype=np.float64)

    def _with_entries(
        self, matrix: NDArray[np.float64], train: SurvivalData, monitor: FitMonitor | None
    ) -> NDArray[np.float64]:
        """Return the coefficients where subjects come under observation late."""
        fit = fit_penalised(
            PartialLikelihood.of(matrix, train.event, train.time, train.entry, breslow=True),
            alpha=self.alpha,
            l1_ratio=self.l1_ratio,
        )
        problem = "" if fit.converged else f"no optimum in {fit.steps} steps; {self.advice}"
        if problem and monitor:
            monitor.warn(f"{self.name}: {problem}")
        self.fit_summary = FitSummary(
            num_parameters=len(self.coefficients),
            converged=fit.converged,
            convergence_reason=problem or f"the optimum was found in {fit.steps} steps",
        )
        return fit.coefficients

    def _solve(
        self, matrix: NDArray[np.float64], train: SurvivalData
    ) -> tuple[Any, list[warnings.WarningMessage]]:
        """Return scikit-survival's fitted model of a path of penalties, and what it warned of."""
        from sksurv.linear_model import CoxnetSurvivalAnalysis
        from sksurv.util import Surv

        outcome = Surv.from_arrays(train.event, train.time)
        wide = self.alpha > 0 and matrix.shape[1] >= len(matrix)
        steps, tolerance = (WIDE_PATH_STEPS, WIDE_TOLERANCE) if wide else (PATH_STEPS, TOLERANCE)

        def fit(**path: Any) -> Any:
            model = CoxnetSurvivalAnalysis(l1_ratio=self.l1_ratio, tol=tolerance, **path)
            return model.fit(matrix, outcome)

        with warnings.catch_warnings(record=True):  # the largest penalty leaves nothing
            warnings.simplefilter("always")
            largest = fit(n_alphas=2, alpha_min_ratio=0.9).alphas_[0]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = fit(alphas=penalty_path(largest, self.alpha, steps=steps))
        if not np.isfinite(model.coef_[:, -1]).all():
            raise ArithmeticError("a coefficient is not finite")
        return model, caught

    @property
    def knots(self) -> Knots:
        """The training event times, at which curves fall, and the horizon."""
        return self.baseline.knots(self.grid)

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict survival for features of shape (n, p), at the grid's cuts or at other times."""
        matrix = self.columns.one_hot(features).astype(np.float64)
        log_risk = (matrix - self.center) @ self.coefficients
        return self.baseline.survival(log_risk, self.grid, times)

    def state(self) -> dict[str, Any]:
        """Return the fitted model as arrays and plain values."""
        return {
            "model": self.name,
            "cuts": self.grid.cuts,
            "floor": self.grid.floor,
            "alpha": self.alpha,
            "l1_ratio": self.l1_ratio,
            "columns": self.columns.state(),
            "center": self.center,
            "coefficients": self.coefficients,
            "baseline": self.baseline.state(),
            "fit_summary": list(self.fit_summary),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a fitted model from what `state` returned."""
        model = cls._of_state(state, TimeGrid(np.asarray(state["cuts"]), state["floor"]))
        model.columns = FeatureColumns.from_state(state["columns"])
        for name in ("center", "coefficients"):
            setattr(model, name, np.asarray(state[name]))
        model.baseline = CumulativeHazard.from_state(state["baseline"], model.grid.cuts)
        # Earlier versions did not save how the fit ended.
        model.fit_summary = FitSummary(*state.get("fit_summary", [len(model.coefficients)]))
        return model

    @classmethod
    def _of_state(cls, state: Mapping[str, Any], grid: TimeGrid) -> Self:
        return cls(grid=grid, alpha=state["alpha"], l1_ratio=state["l1_ratio"])


def _sorted_warnings(caught: list[warnings.WarningMessage]) -> tuple[list[str], list[str]]:
    """Return what the optimisation remarked, and its problems.

    A penalty that leaves no coefficient makes a warning too, but its fit is an optimum.
    """
    from sklearn.exceptions import ConvergenceWarning

    remarks, problems = [], []
    for warning in caught:
        if issubclass(warning.category, (ConvergenceWarning, RuntimeWarning)):
            problems.append(str(warning.message).rstrip("."))
        else:
            remarks.append(str(warning.message))
    return remarks, problems


def penalty_path(largest: float, alpha: float, *, steps: int = PATH_STEPS) -> list[float]:
    """Return falling weights of the penalty that end with `alpha`.

    The optimisation starts from the solution before, and diverges where it starts too far off.

    Parameters
    ----------
    largest : float
        The smallest weight for which every coefficient is 0.
    alpha : float
        The weight asked for, at least 0.
    steps : int
        Number of weights.
    """
    if alpha >= largest:
        return [alpha]
    smallest = max(alpha, PATH_DEPTH * largest)
    return [*np.geomspace(largest, smallest, steps)[:-1].tolist(), alpha]
