"""Cox regression whose elastic net penalty is chosen by cross-validation."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from survkit.baselines.column_problems import varying_columns
from survkit.baselines.columns import FeatureColumns, require_events
from survkit.baselines.coxph import CoxPH
from survkit.types import (
    BoolArray,
    FitMonitor,
    Float64Array,
    FloatArray,
    SurvivalData,
    TimeGrid,
)

SMALLEST_SHARE, SMALLEST_SHARE_WIDE = 1e-4, 1e-2
"""The last weight of the penalty as a share of the first; the second for more columns than rows."""

SMALLEST_L1_RATIO = 1e-3
"""Where the share of the L1 norm is smaller, a path starts as with this one."""


class Coxnet(CoxPH):
    """Cox regression with the elastic net penalty that predicts rows left out best.

    Each of the folds of the training rows is left out once, and a path of falling penalties is
    fitted to the others by scikit-survival's `CoxnetSurvivalAnalysis`. The weight with the highest
    cross-validated partial log-likelihood is then used for all training rows, as in `CoxPH`.

    Parameters
    ----------
    grid : TimeGrid
        The cuts at which survival is predicted by default; its horizon is the last time.
    l1_ratio : float
        Share of the L1 norm in the penalty, above 0 and at most 1; the rest is the squared L2.
    folds : int
        Folds, fewer where there are fewer events.
    alphas : int
        Weights of the penalty, from the smallest that leaves no coefficient down to 1/10,000
        of it (1/100 for more columns than rows), evenly spaced on the log scale.
    seed : int
        Seed of the folds.

    References
    ----------
    Verweij & van Houwelingen (1993), Statistics in Medicine 12:2305; Simon et al. (2011), Journal
    of Statistical Software 39(5).
    """

    name = "coxnet"
    alpha_words = "a cross-validated penalty of"
    l1_ratio_words = "--coxnet_l1_ratio"
    advice = "the training without such columns may help"

    def __init__(
        self,
        *,
        grid: TimeGrid,
        l1_ratio: float = 0.5,
        folds: int = 5,
        alphas: int = 50,
        seed: int = 42,
    ) -> None:
        super().__init__(grid=grid, l1_ratio=l1_ratio)
        self.folds = folds
        self.alphas = alphas
        self.seed = seed

    def fit(
        self, train: SurvivalData, validation: SurvivalData, *, monitor: FitMonitor | None = None
    ) -> Self:
        """Choose the weight of the penalty, then fit to the training rows as `CoxPH.fit`."""
        require_events(train, 1, self.name)
        matrix = FeatureColumns.of(train).one_hot(train.features).astype(np.float64)
        matrix = matrix[:, varying_columns(matrix)]
        if matrix.shape[1]:
            self.alpha = self._chosen(matrix, train, monitor)
        return super().fit(train, validation, monitor=monitor)

    def _chosen(
        self, matrix: Float64Array, train: SurvivalData, monitor: FitMonitor | None
    ) -> float:
        """Return the weight of the penalty with the highest cross-validated likelihood."""
        event, time = train.event, train.time
        wide = matrix.shape[1] >= len(matrix)
        largest = largest_alpha(matrix, event, time, self.l1_ratio)
        smallest = largest * (SMALLEST_SHARE_WIDE if wide else SMALLEST_SHARE)
        alphas = np.geomspace(largest, smallest, self.alphas)
        fold = fold_of_rows(train, self.folds, self.seed)
        total = np.zeros(len(alphas))
        if not fold.any() and monitor:
            monitor.warn(
                "coxnet: too few events for a cross-validation, so that no column has an effect"
            )
        if not fold.any():
            return float(largest)
        for left_out in range(fold.max() + 1):
            kept = fold != left_out
            path = coefficient_path(matrix[kept], event[kept], time[kept], alphas, self.l1_ratio)
            gained = log_likelihood(matrix @ path, event, time)
            gained -= log_likelihood(matrix[kept] @ path, event[kept], time[kept])
            total = total[: len(gained)] + gained[: len(total)]
        best = int(np.argmax(total))
        if best == 0 and monitor:
            monitor.warn(
                "coxnet: no column improves the prediction of the rows left out, so that all "
                "subjects get the same curve"
            )
        return float(alphas[best])

    def _solve(
        self, matrix: Float64Array, train: SurvivalData
    ) -> tuple[Any, list[warnings.WarningMessage]]:
        """Solve as `CoxPH`, without the advice on a penalty that nobody has given."""
        model, caught = super()._solve(matrix, train)
        return model, [w for w in caught if "coefficients are zero" not in str(w.message)]

    def state(self) -> dict[str, Any]:
        """Return the fitted model as arrays and plain values."""
        own = {"folds": self.folds, "alphas": self.alphas, "seed": self.seed}
        return {**super().state(), **own}

    @classmethod
    def _of_state(cls, state: Mapping[str, Any], grid: TimeGrid) -> Self:
        names = ("l1_ratio", "folds", "alphas", "seed")
        model = cls(grid=grid, **{name: state[name] for name in names})
        model.alpha = state["alpha"]
        return model


def fold_of_rows(train: SurvivalData, folds: int, seed: int) -> NDArray[np.int64]:
    """Draw the fold of each row, (n,): whole subjects, stratified by the event.

    Where fewer subjects than folds have an event there are as many folds as such subjects, and
    with one all rows are in fold 0.
    """
    subject = train.subject_id if train.subject_id is not None else np.arange(len(train))
    subject = np.unique(subject, return_inverse=True)[1]
    has_event = np.bincount(subject, train.event) > 0
    folds = min(folds, int(has_event.sum()))
    random = np.random.default_rng(seed)
    order = [random.permutation(np.flatnonzero(part)) for part in (has_event, ~has_event)]
    fold = np.empty(len(has_event), np.int64)
    fold[np.concatenate(order)] = np.arange(len(fold)) % folds
    return fold[subject]


def largest_alpha(
    matrix: Float64Array, event: BoolArray, time: FloatArray, l1_ratio: float
) -> float:
    """Return the smallest weight of the penalty for which every coefficient is 0.

    It is the largest gradient of the mean partial log-likelihood at 0, divided by the share of the
    L1 norm.
    """
    order = np.argsort(-time, kind="stable")  # from the last one back
    at_risk = np.searchsorted(-time[order], -time[event], side="right")
    means = matrix[order].cumsum(axis=0)[at_risk - 1] / at_risk[:, None]
    gradient = (matrix[event] - means).sum(axis=0) / len(matrix)
    return float(max(np.abs(gradient).max(), 1e-10) / max(l1_ratio, SMALLEST_L1_RATIO))


def coefficient_path(
    matrix: Float64Array, event: BoolArray, time: FloatArray, alphas: Float64Array, l1_ratio: float
) -> Float64Array:
    """Return coefficients (q, k) for the first k weights of the penalty that can be solved.

    Constant columns have the coefficient 0. scikit-survival may end a path early, and breaks down
    where a coefficient grows without bound, as for a column that orders the events; then a shorter
    path is solved.
    """
    from sksurv.linear_model import CoxnetSurvivalAnalysis
    from sksurv.util import Surv

    varying = varying_columns(matrix)
    outcome = Surv.from_arrays(event, time)
    count = len(alphas) if varying.size else 0
    while count:
        model = CoxnetSurvivalAnalysis(alphas=alphas[:count], l1_ratio=l1_ratio)
        try:
            with warnings.catch_warnings():  # the largest penalty leaves nothing, and warns
                warnings.simplefilter("ignore")
                model.fit(matrix[:, varying], outcome)
        except (ArithmeticError, AssertionError):
            count //= 2
            continue
        path = np.zeros((matrix.shape[1], model.coef_.shape[1]))
        path[varying] = model.coef_
        return path[:, np.logical_and.accumulate(np.isfinite(path).all(axis=0))]
    return np.zeros((matrix.shape[1], 1))


def log_likelihood(log_risk: Float64Array, event: BoolArray, time: FloatArray) -> Float64Array:
    """Return the partial log-likelihood (Breslow's for ties) of log risks (n, k), shape (k,)."""
    order = np.argsort(-time, kind="stable")
    at_risk = np.logaddexp.accumulate(log_risk[order], axis=0)
    last = np.searchsorted(-time[order], -time[event], side="right") - 1
    return np.asarray((log_risk[event] - at_risk[last]).sum(axis=0))
