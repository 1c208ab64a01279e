"""XGBoost's two objectives for survival: the partial likelihood, and censored log times."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.baselines.columns import FeatureColumns, require_events
from survkit.baselines.log_times import curves, log_shares, marginal_fit, smooth_knots
from survkit.baselines.proportional_hazards import CumulativeHazard
from survkit.system import MemoryNeed
from survkit.types import (
    FitMonitor,
    FitSummary,
    Float64Array,
    InputError,
    Knots,
    SurvivalData,
    SurvivalPrediction,
    TimeGrid,
)

TREE = ("learning_rate", "max_depth", "min_child_weight", "subsample", "colsample_bytree")
PARAMETERS = (*TREE, "reg_lambda", "n_estimators", "early_stopping_rounds", "seed")


class _XGBModel(ABC):
    """Boosted trees of one output for each subject, and early stopping on the validation rows.

    The trees are grown by one thread, as sums of several threads depend on their number.

    Parameters
    ----------
    grid : TimeGrid
        The cuts at which survival is predicted by default; its horizon is the last time.
    n_estimators : int
        Number of trees at most.
    early_stopping_rounds : int
        Trees without a better likelihood of the validation rows before it stops; the trees up to
        the best one are kept. With 0, or no event among these rows, all trees are.
    learning_rate, max_depth, min_child_weight, subsample, colsample_bytree, reg_lambda
        As in xgboost.
    seed : int
        Seed of the rows and columns drawn.

    References
    ----------
    Chen & Guestrin (2016), KDD; Barnwal, Cho & Hocking (2022), Journal of Computational and
    Graphical Statistics 31:1292 (`XGBAft`).
    """

    name: ClassVar[str]

    def __init__(
        self,
        *,
        grid: TimeGrid,
        n_estimators: int = 1000,
        early_stopping_rounds: int = 20,
        learning_rate: float = 0.1,
        max_depth: int = 3,
        min_child_weight: float = 1.0,
        subsample: float = 1.0,
        colsample_bytree: float = 1.0,
        reg_lambda: float = 1.0,
        seed: int = 42,
    ) -> None:
        self.grid = grid
        self.n_estimators = n_estimators
        self.early_stopping_rounds = early_stopping_rounds
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.min_child_weight = min_child_weight
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.reg_lambda = reg_lambda
        self.seed = seed
        self.fit_summary = FitSummary()

    @abstractmethod
    def _objective(self, train: SurvivalData) -> dict[str, Any]:
        """Return xgboost's parameters of the objective and its metric."""

    @abstractmethod
    def _matrix(self, data: SurvivalData) -> Any:
        """Return rows with their outcomes as the objective reads them."""

    def fit(
        self, train: SurvivalData, validation: SurvivalData, *, monitor: FitMonitor | None = None
    ) -> Self:
        """Grow the trees.

        Raises
        ------
        InputError
            For training rows without an event, or trees whose predictions are not finite.
        """
        import xgboost

        require_events(train, 1, self.name)
        self.columns = FeatureColumns.of(train)
        parameters = {
            **{name: getattr(self, name) for name in (*TREE, "reg_lambda", "seed")},
            **self._objective(train),
            "tree_method": "hist",
            "nthread": 1,
            "verbosity": 0,
        }
        stops = self._stops_early(validation, monitor)
        booster = xgboost.train(
            parameters,
            self._matrix(train),
            self.n_estimators,
            evals=[(self._matrix(validation), "validation")] if stops else (),
            early_stopping_rounds=self.early_stopping_rounds if stops else None,
            verbose_eval=False,
        )
        self.booster = booster[: booster.best_iteration + 1] if stops else booster
        if not np.isfinite(self._output(train.features)).all():
            raise InputError(
                f"{self.name}: the trees' predictions are not finite; a smaller "
                f"--xgb_learning_rate than {self.learning_rate} may help"
            )
        return self

    def _stops_early(self, validation: SurvivalData, monitor: FitMonitor | None) -> bool:
        if self.early_stopping_rounds == 0:
            return False
        if not validation.event.any() and monitor:
            monitor.warn(
                f"{self.name}: there is no event among the validation rows, so that all "
                f"{self.n_estimators} trees were grown"
            )
        return bool(validation.event.any())

    def _rows(self, features: NDArray[np.float32], **outcome: Any) -> Any:
        """Return xgboost's matrix of features (n, p)."""
        import xgboost

        return xgboost.DMatrix(self.columns.one_hot(features), nthread=1, **outcome)

    def _output(self, features: NDArray[np.float32]) -> Float64Array:
        """Return the sums of the trees' leaves, (n,)."""
        margin = self.booster.predict(self._rows(features), output_margin=True)
        return np.asarray(margin, np.float64)

    def state(self) -> dict[str, Any]:
        """Return the fitted model as arrays and plain values; the trees as xgboost's own bytes."""
        return {
            "model": self.name,
            "cuts": self.grid.cuts,
            "floor": self.grid.floor,
            **{name: getattr(self, name) for name in PARAMETERS},
            "columns": self.columns.state(),
            "booster": np.frombuffer(bytes(self.booster.save_raw("ubj")), np.uint8),
        }

    def _restore(self, state: Mapping[str, Any]) -> Self:
        import xgboost

        self.columns = FeatureColumns.from_state(state["columns"])
        content = np.asarray(state["booster"], np.uint8).tobytes()
        self.booster = xgboost.Booster({"nthread": 1}, model_file=bytearray(content))
        return self


class XGBCox(_XGBModel):
    """Boosted trees of the log hazard ratio, with Breslow's baseline hazard.

    xgboost reads the order of the times alone, so it gets their ranks: ties stay ties, and a
    censoring at time 0 stays one.
    """

    name = "xgb_cox"

    def _objective(self, train: SurvivalData) -> dict[str, Any]:
        return {"objective": "survival:cox", "eval_metric": "cox-nloglik", "base_score": 1.0}

    def _matrix(self, data: SurvivalData) -> Any:
        rank = 1.0 + np.unique(data.time, return_inverse=True)[1]
        return self._rows(data.features, label=np.where(data.event, rank, -rank))

    def fit(
        self, train: SurvivalData, validation: SurvivalData, *, monitor: FitMonitor | None = None
    ) -> Self:
        """Grow the trees, and estimate the baseline hazard.

        Raises
        ------
        InputError
            For training rows without an event, or trees whose predictions are not finite.
        """
        super().fit(train, validation, monitor=monitor)
        time = self.grid.snap(train.time)
        self.baseline = CumulativeHazard.breslow(self._output(train.features), train.event, time)
        return self

    @property
    def knots(self) -> Knots:
        """The training event times, at which curves fall, and the horizon."""
        return self.baseline.knots(self.grid)

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict survival for features of shape (n, p), at the grid's cuts or at other times."""
        return self.baseline.survival(self._output(features), self.grid, times)

    def state(self) -> dict[str, Any]:
        """Return the fitted model as arrays and plain values; the trees as xgboost's own bytes."""
        return {**super().state(), "baseline": self.baseline.state()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a fitted model from what `state` returned."""
        grid = TimeGrid(np.asarray(state["cuts"]), state["floor"])
        model = cls(grid=grid, **{name: state[name] for name in PARAMETERS})._restore(state)
        model.baseline = CumulativeHazard.from_state(state["baseline"], grid.cuts)
        return model


class XGBAft(_XGBModel):
    """Boosted trees of the location of the log time, with errors of one distribution and scale.

    The scale of the errors is no parameter of the trees. Where it is not given, it is that of the
    training rows' log times without features, an upper bound of what is left with them.

    Parameters
    ----------
    aft_distribution : {"normal", "logistic", "extreme"}
        Distribution of the errors: log-normal, log-logistic or Weibull times.
    aft_scale : float, optional
        Their scale.
    **parameters
        Those of `XGBCox`.
    """

    name = "xgb_aft"

    def __init__(
        self,
        *,
        aft_distribution: Literal["normal", "logistic", "extreme"] = "normal",
        aft_scale: float | None = None,
        **parameters: Any,
    ) -> None:
        super().__init__(**parameters)
        self.aft_distribution = aft_distribution
        self.aft_scale = aft_scale

    def _objective(self, train: SurvivalData) -> dict[str, Any]:
        log_time = log_shares(train.time, self.grid)
        location, scale = marginal_fit(log_time, train.event, self.aft_distribution)
        self.scale = scale if self.aft_scale is None else self.aft_scale
        return {
            "objective": "survival:aft",
            "eval_metric": "aft-nloglik",
            "aft_loss_distribution": self.aft_distribution,
            "aft_loss_distribution_scale": self.scale,
            "base_score": float(np.exp(location)),
        }

    def _matrix(self, data: SurvivalData) -> Any:
        low = np.exp(log_shares(data.time, self.grid))
        high = np.where(data.event, low, np.inf)
        return self._rows(data.features, label_lower_bound=low, label_upper_bound=high)

    @property
    def knots(self) -> Knots:
        """The cuts of the grid, and times so close that the curve is linear between them."""
        return smooth_knots(self.grid)

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict survival for features of shape (n, p), at the grid's cuts or at other times."""
        location = self._output(features)
        return curves(location, self.scale, self.aft_distribution, self.grid, times)

    def state(self) -> dict[str, Any]:
        """Return the fitted model as arrays and plain values; the trees as xgboost's own bytes."""
        own = {name: getattr(self, name) for name in ("aft_distribution", "aft_scale", "scale")}
        return {**super().state(), **own}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a fitted model from what `state` returned."""
        names = (*PARAMETERS, "aft_distribution", "aft_scale")
        grid = TimeGrid(np.asarray(state["cuts"]), state["floor"])
        model = cls(grid=grid, **{name: state[name] for name in names})._restore(state)
        model.scale = state["scale"]
        return model


def memory_need(parameters: Mapping[str, Any], train: SurvivalData, grid: TimeGrid) -> MemoryNeed:
    """Estimate what xgboost needs: the columns with their bins, and the trees.

    Parameters
    ----------
    parameters : mapping
        Values for `n_estimators` and `max_depth`.
    train : SurvivalData
        The training rows.
    grid : TimeGrid
        Not used.
    """
    rows, trees = len(train), parameters["n_estimators"]
    columns = train.features.shape[1] + sum(c.cardinality - 1 for c in train.categorical)
    nodes = 2.0 * min(rows, 2.0 ** parameters["max_depth"])
    cells = rows * columns * (4 + 4 + 2) + columns * 256 * 16 * nodes
    return MemoryNeed(
        (cells + trees * nodes * 60) / 1e9,
        f"{trees} trees on {rows:,} rows and {columns:,} columns",
        "a smaller --xgb_max_depth or fewer --xgb_n_estimators need less",
    )
