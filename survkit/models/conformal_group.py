"""The conformal calibration of one group of rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from survkit.curves import times_of_levels
from survkit.metrics.censoring import kaplan_meier
from survkit.metrics.conformal_bounds import BoundCalibration, CensoringCurves, calibrate_bounds
from survkit.metrics.conformal_curves import (
    LEVELS,
    completed_times,
    ipot_percentiles,
    mapped_by_percentiles,
    quantile_shifts,
    shifted_curves,
)
from survkit.types import BoolArray, FloatArray, InputError, SurvivalData, SurvivalPrediction

CurveMethod = Literal["csd", "cipot"]

FEWEST_ROWS = 50
"""Rows of a group with fewer say too little of it: it is calibrated with all rows."""


class ConformalGroup(NamedTuple):
    """What the calibration rows of a group say.

    Parameters
    ----------
    percentiles : array, shape (99,) or (0,), float64
        CiPOT: percentiles of the predicted survival at the own event time.
    shifts : array, shape (99,) or (0,), float64
        CSD: by how much each predicted quantile is too late.
    bounds : BoundCalibration
        For lower bounds.
    rows, events : int
        Calibration rows, and events among them.
    """

    percentiles: NDArray[np.float64]
    shifts: NDArray[np.float64]
    bounds: BoundCalibration
    rows: int
    events: int

    def state(self) -> dict[str, Any]:
        """Return it as arrays and plain values."""
        return {**self._asdict(), "bounds": self.bounds._asdict()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild what `state` returned."""
        bounds = state["bounds"]
        return cls(
            np.asarray(state["percentiles"]),
            np.asarray(state["shifts"]),
            BoundCalibration(
                np.asarray(bounds["scores"]), np.asarray(bounds["weight_below"]), bounds["subjects"]
            ),
            state["rows"],
            state["events"],
        )


def curve_quantiles(prediction: SurvivalPrediction) -> NDArray[np.float64]:
    """Return the times of all `LEVELS` of event probability, shape (n, 99).

    A curve that ends before one is continued along the straight line through (0, 1) and its last
    point; one that never falls has infinite quantiles.
    """
    times, survival = prediction.times, prediction.survival
    reached = times_of_levels(times, survival, 1 - LEVELS, step=prediction.step)
    fall = 1.0 - survival[:, -1:]
    beyond = np.divide(LEVELS * times[-1], fall, out=np.full_like(reached, np.inf), where=fall > 0)
    return np.where(np.isinf(reached), beyond, reached)


def calibrate_group(
    rows: SurvivalData,
    chosen: BoolArray,
    fitted_on: SurvivalData,
    *,
    survival: FloatArray,
    quantiles: FloatArray,
    censoring: CensoringCurves,
    horizon: float,
) -> ConformalGroup:
    """Calibrate on some of the calibration rows.

    Parameters
    ----------
    rows : SurvivalData
        All calibration rows, n of them.
    chosen : array, shape (n,), bool
        Those of the group.
    fitted_on : SurvivalData
        The rows that the model was fitted on.
    survival : array, shape (n,)
        Predicted survival of each row at its own time.
    quantiles : array, shape (n, 99) or (n, 0)
        Predicted quantiles, for CSD; without columns for CiPOT.
    censoring : CensoringCurves
        Of all calibration rows.
    horizon : float
        The last predicted time: of a later event it is only known that it came after it.
    """
    time, event = rows.time[chosen], rows.event[chosen]
    subject_id = None if rows.subject_id is None else rows.subject_id[chosen]
    bounds = calibrate_bounds(
        survival[chosen],
        time,
        event,
        CensoringCurves(censoring.times, censoring.values[chosen]),
        horizon=horizon,
        subject_id=subject_id,
    )
    percentiles = shifts = np.empty(0)
    if quantiles.shape[1]:
        population = kaplan_meier(fitted_on.time, fitted_on.event)
        completed = completed_times(time, event, population)
        shifts = quantile_shifts(quantiles[chosen], completed)
    else:
        percentiles = ipot_percentiles(survival[chosen], event & (time <= horizon))
    return ConformalGroup(percentiles, shifts, bounds, len(time), int(event.sum()))


def calibrated_curves(
    group: ConformalGroup, prediction: SurvivalPrediction, quantiles: FloatArray | None
) -> NDArray[np.float64]:
    """Return the survival of a prediction as the group's calibration has it, shape (n, t).

    `quantiles` (n, 99) are those of the predicted curves, for CSD.
    """
    if quantiles is not None:
        return shifted_curves(quantiles, group.shifts, prediction.times)
    # Rounding may let a curve rise or leave [0, 1].
    survival = np.minimum.accumulate(np.clip(prediction.survival, 0.0, 1.0), axis=1)
    return mapped_by_percentiles(survival, group.percentiles)


def fewest_rows(level: float) -> int:
    """Return the calibration rows that a group needs to be calibrated on its own."""
    return max(FEWEST_ROWS, math.ceil(2 / (1 - level) - 1e-9))


def refuse_unsuited(data: SurvivalData) -> None:
    """Refuse data for which the conformal methods are not defined.

    Raises
    ------
    InputError
        For several causes, or subjects who come under observation late.
    """
    if data.num_causes > 1:
        raise InputError(
            f"--conformal is for one cause, and the data have {data.num_causes} competing ones: a "
            "calibrated survival curve says nothing of how its falls are shared among them; "
            "--cause_of_interest NAME analyses one cause with the others censored"
        )
    if data.entry is not None:
        raise InputError(
            "--conformal does not correct for subjects who come under observation late "
            "(--entry_column): they have survived until then, so they are not exchangeable with "
            "new subjects; leave it out"
        )
