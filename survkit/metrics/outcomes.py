"""Outcomes of subjects on a time grid, with the weights that make up for censoring."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.censoring import (
    SMALLEST_CENSORING_SURVIVAL,
    CensoringWeights,
    Convention,
    SurvivalStep,
    censoring_distribution,
    censoring_weights,
    weights_at_cuts,
)
from survkit.metrics.concordance import ComparablePairs, comparable_pairs
from survkit.metrics.names import split_cause, stands_over_cuts
from survkit.metrics.point_error import PseudoObservations, pseudo_observations
from survkit.types import (
    BoolArray,
    FloatArray,
    InputError,
    SurvivalData,
    TimeGrid,
)

PERCENTAGES = (25, 50, 75)
"""Metrics at one time use the cuts at these percentages of the grid's length."""

MIN_AT_RISK = 10
"""Subjects who must still be at risk at the time of a metric, unless another number is given."""


LATE_ENTRY = (
    "subjects come under observation late (--entry_column), and this metric takes everybody to be "
    "observed from time 0"
)
"""Why most metrics are undefined for left-truncated data."""

KNOWN_OF_LATE = (
    *("loss", "concordance", "concordance_td"),
    *("router_entropy", "dead_experts", "purity", "ari", "nmi"),
)
"""The metrics that have a value for them all the same."""


class TimePoint(NamedTuple):
    """A time at which metrics stand.

    Parameters
    ----------
    suffix : str
        What follows the @ in their names: the percentage of the grid, or "t=" and the time.
    time : float
        The time, in the data's unit.
    at_risk : int
        Evaluated subjects whose time is later (of several rows, the latest).
    reason : str or None
        Why there are no metrics at this time; None where there are.
    cut : int or None
        The cut that it is, None for a time of `evaluation_times`.
    """

    suffix: str
    time: float
    at_risk: int
    reason: str | None
    cut: int | None


def evaluation_suffix(time: float) -> str:
    """Return what follows the @ in the names of metrics at a time of `evaluation_times`."""
    return f"t={time:.15g}"


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Outcomes of n subjects on a time grid, and the training outcomes that weigh them.

    Events of every cause count alike in what weighs and limits the metrics: none is censored.

    Everything that depends on these alone is computed on first use and kept. Scoring the same
    split again, as every epoch does, then costs only what depends on the prediction.

    Parameters
    ----------
    data : SurvivalData
        The outcomes.
    train_time, train_event : array, shape (n_train,)
        Outcomes of the training rows: they alone estimate censoring and pseudo-observations.
    grid : TimeGrid
        The time grid of the metrics over time.
    convention : {"standard", "published"}
        See `censoring_weights`.
    min_at_risk : int
        Subjects who must still be at risk at the time of a metric, and at the last cut K of
        metrics over several cuts. Where nobody is left, the prediction that everybody has had the
        event would be perfect. Not used by the published convention.
    evaluation_times : tuple of float
        Further times of metrics, in the data's unit.
    last_time : float
        Metrics over several cuts use none after it, so that those of different subjects can end
        at one time. Not used by the published convention.

    Raises
    ------
    InputError
        When first used: for training outcomes of wrong shape, an unknown convention, a
        `min_at_risk` that is no whole number of at least 0, or an evaluation time not above 0.
    """

    data: SurvivalData
    train_time: FloatArray
    train_event: BoolArray
    grid: TimeGrid
    convention: Convention = "standard"
    min_at_risk: int = MIN_AT_RISK
    evaluation_times: tuple[float, ...] = ()
    last_time: float = np.inf

    @property
    def is_late(self) -> bool:
        """Whether subjects come under observation late, so that most metrics are undefined."""
        return self.data.entry is not None

    @cached_property
    def _times(self) -> TimeGrid:
        """All times at which metrics stand, the cuts among them."""
        if not (isinstance(self.min_at_risk, int | np.integer) and self.min_at_risk >= 0):
            raise InputError(
                f"min_at_risk is {self.min_at_risk!r}; it must be a whole number of at least 0"
            )
        for time in self.evaluation_times:
            if not (np.isfinite(time) and time > 0):
                raise InputError(f"evaluation_times has {time}; each is a time above 0")
        return TimeGrid(np.union1d(self.grid.cuts, self.evaluation_times))

    @cached_property
    def time(self) -> NDArray[np.float64]:
        """Times of event or censoring, shape (n,); see `TimeGrid.snap`."""
        return self._times.snap(self.data.time)

    @cached_property
    def entry(self) -> NDArray[np.float64] | None:
        """From when subjects are observed, shape (n,); None where nobody is late."""
        return self._times.snap_entry(self.data.entry, self.time)

    @cached_property
    def _snapped(self) -> SurvivalData:
        return replace(self.data, time=self.time, entry=self.entry)

    @cached_property
    def censoring(self) -> SurvivalStep:
        """G, from the training rows."""
        train_time = np.asarray(self.train_time, dtype=np.float64)
        return censoring_distribution(self._times.snap(train_time), self.train_event)

    @cached_property
    def weights(self) -> CensoringWeights:
        """Weights under the chosen convention; none beyond time 0 where subjects enter late."""
        return self._weights(self.grid.cuts, self.last_time)

    def _weights(self, cuts: FloatArray, last_time: float = np.inf) -> CensoringWeights:
        if self.is_late:
            nowhere = np.zeros(len(cuts), dtype=np.bool_)
            known = self.time, self.data.event, cuts, self.censoring
            return censoring_weights(*known, usable=nowhere)
        return censoring_weights(
            self.time,
            self.data.event,
            cuts,
            self.censoring,
            self.convention,
            usable=(self._snapped.at_risk(cuts) >= self.min_at_risk) & (cuts <= last_time),
        )

    @cached_property
    def at_cuts(self) -> NDArray[np.float64]:
        """Weight of each subject at cuts 0..K, shape (n, K + 1)."""
        return weights_at_cuts(self.time, self.grid.cuts, self.weights)

    @cached_property
    def happened(self) -> BoolArray:
        """Whether the event was at or before cuts 0..K, shape (n, K + 1)."""
        return self.happened_by(self.grid.cuts[: self.weights.last_cut + 1])

    def happened_by(self, times: FloatArray, cause: int = 0) -> BoolArray:
        """Whether the event was seen at or before each of k times, shape (n, k).

        `cause` is as in `event_of`.
        """
        return self.event_of(cause)[:, None] & (self.time[:, None] <= times)

    def event_of(self, cause: int) -> BoolArray:
        """Whether an event of a cause, 1 to C, was seen, shape (n,); of any cause for 0."""
        if cause == 0 or self.data.cause is None:
            return self.data.event
        return np.asarray(self.data.cause == cause)

    @cached_property
    def survivors(self) -> BoolArray | None:
        """Whether each subject is still at risk at cut K; None where that decides nothing.

        A metric over the cuts has no value in a resample that draws none of them.
        """
        return self._survivors(self.grid.cuts[self.weights.last_cut])

    def _survivors(self, time: float) -> BoolArray | None:
        needed = self.convention == "standard" and self.min_at_risk > 0
        return self.time > time if needed else None

    @cached_property
    def points(self) -> list[TimePoint]:
        """The times of metrics that stand at one time, those that cannot be used too."""
        cuts = {f"{p}": p * len(self.grid.cuts) // 100 for p in PERCENTAGES}
        at_cuts = [
            self._point(suffix, float(self.grid.cuts[cut]), cut) for suffix, cut in cuts.items()
        ]
        own = sorted(set(map(float, self.evaluation_times)))
        return at_cuts + [self._point(evaluation_suffix(time), time, None) for time in own]

    def _point(self, suffix: str, time: float, cut: int | None) -> TimePoint:
        at_risk = int(self._snapped.at_risk(time)[0])
        point = TimePoint(suffix, time, at_risk, self.why_unusable(time), cut)
        if point.reason is None and not self.weights_at(point).any():
            return point._replace(reason="every subject is censored by then")
        return point

    def why_unusable(self, time: float) -> str | None:
        """Return why no metric can stand at a time, None where one can."""
        if self.is_late:
            return LATE_ENTRY
        if self.convention == "published":
            return None
        at_risk = int(self._snapped.at_risk(time)[0])
        if at_risk < self.min_at_risk:
            are = "is" if at_risk == 1 else "are"
            return (
                f"{at_risk} of {self.data.num_subjects} subjects {are} still at risk, fewer than "
                f"min_at_risk {self.min_at_risk}"
            )
        uncensored = float(self.censoring.at(time))
        if uncensored < SMALLEST_CENSORING_SURVIVAL:
            return (
                f"the censoring survival is {uncensored:.3g}, below {SMALLEST_CENSORING_SURVIVAL}"
            )
        return None

    def why_undefined(self, metric: str) -> str | None:
        """Return why no prediction can have a value of a metric over time; None where one can."""
        cause, plain = split_cause(metric)
        name, _, suffix = plain.partition("@")
        if self.is_late and metric not in KNOWN_OF_LATE:
            return LATE_ENTRY
        if cause and cause not in self.data.cause_names:
            known = ", ".join(self.data.cause_names) or "not told apart in these data"
            return f"there is no cause '{cause}'; causes are {known}"
        if suffix:
            for point in self.points:
                if point.suffix == suffix:
                    return self.why_no_truth(point) if name == "brier_true" else point.reason
            return None
        return self.why_no_cuts if stands_over_cuts(metric) else None

    def why_no_truth(self, point: TimePoint) -> str | None:
        """Return why no metric against true event times can stand at a time, None where one can."""
        true_time = self.data.true_time
        if self.is_late:
            return LATE_ENTRY
        if true_time is None or self.convention == "published":
            return None
        later = int(np.count_nonzero(true_time > point.time))
        if later >= self.min_at_risk:
            return None
        are = "true event time is" if later == 1 else "true event times are"
        return (
            f"{later} of {len(true_time)} {are} later than {point.time:g}, fewer than "
            f"min_at_risk {self.min_at_risk}"
        )

    def leaves_out_times(self, min_at_risk: int) -> bool:
        """Whether that many subjects at risk leave out a time that could be used otherwise."""
        if self.convention == "published" or self.is_late:
            return False
        without, own = (replace(self, min_at_risk=least) for least in (0, min_at_risk))
        return (
            any(map(own.why_no_truth, own.points))
            or without.weights.last_cut != own.weights.last_cut
            or any(
                (with_it.reason is None) != (without_it.reason is None)
                for with_it, without_it in zip(own.points, without.points, strict=True)
            )
        )

    @cached_property
    def why_no_cuts(self) -> str | None:
        """Why no cut after time 0 can be used, None where one can."""
        if self.weights.last_cut > 0:
            return None
        if self.is_late:
            return LATE_ENTRY
        first = float(self.grid.cuts[1])
        return f"at the first cut (time {first:g}): {self.why_unusable(first)}"

    def weights_at(self, point: TimePoint) -> NDArray[np.float64]:
        """Weight of each subject at a usable time, shape (n,)."""
        if point.cut is not None and point.cut <= self.weights.last_cut:
            return self.at_cuts[:, point.cut]
        cuts = np.array([point.time])
        return weights_at_cuts(self.time, cuts, self._weights(cuts))[:, 0]

    def survivors_at(self, point: TimePoint) -> BoolArray | None:
        """Whether each subject is still at risk at a time, as `survivors` does for cut K."""
        return self._survivors(point.time)

    @cached_property
    def event_class(self) -> NDArray[np.int64]:
        """Class of each subject's time on the grid, shape (n,)."""
        return self.grid.classify(self.time)

    @cached_property
    def first_class(self) -> NDArray[np.int64] | None:
        """First class in which each subject is at risk, shape (n,); None where nobody is late."""
        return None if self.data.entry is None else self.grid.classify_entry(self.data.entry)

    @cached_property
    def used(self) -> BoolArray:
        """Whether each subject carries weight at cuts 0..K, shape (n, K + 1)."""
        return self.at_cuts > 0

    @cached_property
    def pairs(self) -> ComparablePairs:
        """All comparable pairs."""
        return comparable_pairs(self.data.time, self.data.event)

    @cached_property
    def pseudo(self) -> PseudoObservations | None:
        """See `pseudo_observations`; None where no training row has an event after time 0."""
        event = np.asarray(self.train_event, dtype=np.bool_)
        time = np.asarray(self.train_time)
        if not (event & (time > 0)).any():
            return None
        return pseudo_observations(self.data.time, self.data.event, time, event)

    def weighed_from(self, first_cut: int) -> tuple[int, float]:
        """Count the subjects with weight at some cut from this one to K; and the largest weight."""
        if first_cut not in self._weighed:
            subjects = int(np.count_nonzero(self.used[:, first_cut:].any(axis=1)))
            self._weighed[first_cut] = subjects, float(self.at_cuts[:, first_cut:].max())
        return self._weighed[first_cut]

    @cached_property
    def _weighed(self) -> dict[int, tuple[int, float]]:
        return {}


def decisive_min_at_risk(outcomes: Iterable[Outcomes]) -> int:
    """Return the `min_at_risk` of outcomes, 0 where it decides nothing.

    It does not where neither it nor the default leaves out a time of any of them, so that the
    metrics are what they are without such a rule.
    """
    several = list(outcomes)
    given = several[0].min_at_risk
    least = max(given, MIN_AT_RISK)
    return given if any(each.leaves_out_times(least) for each in several) else 0
