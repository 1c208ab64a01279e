"""Models with calibrated curves and lower bounds on survival times, from held-out rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.curves import own_values
from survkit.metrics.clustering import chosen_expert
from survkit.metrics.conformal_bounds import CensoringCurves, lower_bounds
from survkit.models.censoring import (
    CensoringMethod,
    CensoringModel,
    fit_censoring,
    rebuild_censoring,
)
from survkit.models.conformal_group import (
    ConformalGroup,
    CurveMethod,
    calibrate_group,
    calibrated_curves,
    curve_quantiles,
    fewest_rows,
    refuse_unsuited,
)
from survkit.models.states import rebuild_registered
from survkit.types import (
    FitMonitor,
    InputError,
    IntArray,
    Knots,
    SurvivalData,
    SurvivalModel,
    SurvivalPrediction,
)

CONFORMAL = "conformal"
"""The kind of model that the state of a conformal model names."""

POOLED = -1
"""The number of the group of all rows."""

ROWS_AT_ONCE = 1000


class ConformalModel:
    """A fitted model whose curves and bounds are calibrated on rows that it has not seen.

    Parameters
    ----------
    inner : SurvivalModel
        The model, of the registry and for one cause.
    method : {"csd", "cipot"}
        How curves are calibrated.
    level : float
        The level of `lower_bound` where no other is asked for.
    by_expert : bool
        Whether the subjects of each expert are calibrated among themselves.
    censoring : CensoringModel, optional
        From an earlier calibration.
    groups : mapping of int to ConformalGroup, optional
        From an earlier calibration, by expert; that of all rows is `POOLED`.
    """

    def __init__(
        self,
        inner: SurvivalModel,
        *,
        method: CurveMethod,
        level: float = 0.9,
        by_expert: bool = False,
        censoring: CensoringModel | None = None,
        groups: Mapping[int, ConformalGroup] | None = None,
    ) -> None:
        self.inner = inner
        self.grid = inner.grid
        self.method = method
        self.level = level
        self.by_expert = by_expert
        self.censoring = censoring
        self.groups = dict(groups or {})
        self.fit_summary = inner.fit_summary

    @property
    def knots(self) -> Knots:
        """Those of the model."""
        return self.inner.knots

    def fit(
        self, train: SurvivalData, validation: SurvivalData, *, monitor: FitMonitor | None = None
    ) -> Self:
        """Refuse: which rows are for calibration is decided before the model is fitted.

        Raises
        ------
        InputError
            Always; fit the model inside, then call `calibrate`.
        """
        raise InputError("a conformal model is not fitted; fit its model, then calibrate it")

    def calibrate(
        self,
        rows: SurvivalData,
        fitted_on: SurvivalData,
        *,
        censoring: CensoringMethod = "kaplan_meier",
    ) -> Self:
        """Calibrate curves and bounds.

        Parameters
        ----------
        rows : SurvivalData
            Calibration rows, which neither fitted the model nor chose its epoch.
        fitted_on : SurvivalData
            The rows that the model was fitted on: censoring is estimated from them.
        censoring : {"kaplan_meier", "coxph"}
            As in `fit_censoring`.

        Raises
        ------
        InputError
            For several causes, entries, or groups by expert of a model without experts.
        """
        refuse_unsuited(rows)
        self.fit_summary = self.inner.fit_summary
        self.censoring = fit_censoring(censoring, fitted_on, self.grid)
        whole = self._whole(rows.features)
        experts = _experts(whole) if self.by_expert else np.full(len(rows), POOLED)
        chosen = {POOLED: np.ones(len(rows), dtype=np.bool_)}
        for expert in np.unique(experts):
            if (experts == expert).sum() >= fewest_rows(self.level):
                chosen[int(expert)] = experts == expert
        own = own_values(whole.times, whole.survival, rows.time, step=whole.step)
        curves = self.censoring.curves(rows.features)
        quantiles = curve_quantiles(whole) if self.method == "csd" else np.empty((len(rows), 0))
        self.groups = {
            group: calibrate_group(
                rows,
                of_group,
                fitted_on,
                survival=own,
                quantiles=quantiles,
                censoring=curves,
                horizon=float(whole.times[-1]),
            )
            for group, of_group in chosen.items()
        }
        return self

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict as the model does, then calibrate.

        The values at the knots are calibrated; between the cuts of a grid a calibrated curve is
        linear again.
        """
        if times is None:
            return self._calibrated(self.inner.predict(features), features)
        return self._calibrated(self._whole(features), features).read(times)

    def _calibrated(
        self, prediction: SurvivalPrediction, features: NDArray[np.float32]
    ) -> SurvivalPrediction:
        needs_quantiles = self.method == "csd"
        quantiles = curve_quantiles(self._whole(features)) if needs_quantiles else None
        survival = np.empty_like(prediction.survival)
        for group, rows in self._rows_by_group(self._groups(prediction)):
            survival[rows] = calibrated_curves(
                self.groups[group],
                prediction.subset(rows),
                None if quantiles is None else quantiles[rows],
            )
        return replace(prediction, survival=survival)

    def lower_bound(
        self, features: NDArray[np.float32], level: float | None = None
    ) -> NDArray[np.float64]:
        """Bound survival times from below, shape (n,), for features of shape (n, p).

        A new subject's event comes at the bound or later with at least the probability `level`, on
        average over calibration rows and new subjects that are exchangeable; see
        `survkit.metrics.conformal_bounds.lower_bounds` for what else it rests on. A bound of 0
        says nothing.

        Parameters
        ----------
        level : float, optional
            In (0, 1); that of the model by default.

        Raises
        ------
        InputError
            For another level.
        """
        level = self.level if level is None else level
        if not 0 < level < 1:
            raise InputError(f"level is {level}; it is a probability above 0 and below 1")
        bound = np.zeros(len(features))
        for start in range(0, len(features), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            bound[part] = self._lower_bound(features[part], level)
        return bound

    def _lower_bound(self, features: NDArray[np.float32], level: float) -> NDArray[np.float64]:
        whole, bound = self._whole(features), np.zeros(len(features))
        for group, rows in self._rows_by_group(self._groups(whole)):
            bound[rows] = lower_bounds(
                self.groups[group].bounds,
                level,
                whole.times,
                whole.survival[rows],
                self._censoring(features[rows]),
                step=whole.step,
            )
        return bound

    def censoring_before(
        self, features: NDArray[np.float32], *times: NDArray[np.float64]
    ) -> list[NDArray[np.float64]]:
        """Return G(t-) of each row at each of some times of its own, shape (n,) each."""
        found = [np.empty(len(features)) for _ in times]
        for start in range(0, len(features), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            curves = self._censoring(features[part])
            for values, time in zip(found, times, strict=True):
                values[part] = curves.before(time[part])
        return found

    def _censoring(self, features: NDArray[np.float32]) -> CensoringCurves:
        assert self.censoring is not None, "it is not calibrated"
        return self.censoring.curves(features)

    def group_of(self, features: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the expert of each row (n, p), shape (n,); `POOLED` without groups."""
        if not self.by_expert:
            return np.full(len(features), POOLED)
        return _experts(self.inner.predict(features))

    def _groups(self, prediction: SurvivalPrediction) -> IntArray:
        if not self.by_expert:
            return np.full(len(prediction), POOLED)
        experts = _experts(prediction)
        return np.where(np.isin(experts, list(self.groups)), experts, POOLED)

    @staticmethod
    def _rows_by_group(groups: IntArray) -> Iterator[tuple[int, NDArray[np.int64]]]:
        for group in np.unique(groups):
            yield int(group), np.flatnonzero(groups == group)

    def _whole(self, features: NDArray[np.float32]) -> SurvivalPrediction:
        return self.inner.predict(features, self.knots.times)

    def state(self) -> dict[str, Any]:
        """Return the fitted model and its calibration as arrays and plain values."""
        assert self.censoring is not None, "it is not calibrated"
        return {
            "model": CONFORMAL,
            "inner": self.inner.state(),
            "method": self.method,
            "level": self.level,
            "by_expert": self.by_expert,
            "censoring": self.censoring.state(),
            "groups": {str(number): group.state() for number, group in self.groups.items()},
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a conformal model from what `state` returned."""
        groups = {int(n): ConformalGroup.from_state(of) for n, of in state["groups"].items()}
        return cls(
            rebuild_registered(state["inner"]),
            method=state["method"],
            level=state["level"],
            by_expert=state["by_expert"],
            censoring=rebuild_censoring(state["censoring"]),
            groups=groups,
        )


def _experts(prediction: SurvivalPrediction) -> NDArray[np.int64]:
    if prediction.expert_weights is None:
        raise InputError("groups are those of a mixture's experts, and this model has none")
    return chosen_expert(prediction.expert_weights)
