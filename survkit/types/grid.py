"""The times at which models are defined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.types.arrays import BoolArray, FloatArray
from survkit.types.errors import InputError
from survkit.types.times import DOUBLE_ROUNDING, SINGLE_ROUNDING, is_single


class Knots(NamedTuple):
    """The times that decide a model's curves.

    Parameters
    ----------
    cuts : array, shape (m,), float64
        Times between which its curves are linear; the last is the horizon.
    steps : array, shape (s,), float64
        Exact event times at which its curves fall in a step; none for a model on a time grid.
    """

    cuts: NDArray[np.float64]
    steps: NDArray[np.float64]

    @property
    def times(self) -> NDArray[np.float64]:
        """The times at which a prediction holds the whole curve, whichever way it is read.

        Between two cuts a curve with steps and slopes is linear from a step to the last number
        before the next one.
        """
        if len(self.cuts) == 1:
            return np.union1d(self.steps, self.cuts)
        before = np.nextafter(self.steps[self.steps > 0], 0.0)
        return np.union1d(self.cuts, np.concatenate([before, self.steps]))


@dataclass(frozen=True, eq=False)
class TimeGrid:
    """The times at which a discrete-time model is defined.

    Classes run from 0 to m: class k < m means that the event fell in (cuts[k-1], cuts[k]]
    (class 0: at time 0), and class m that it fell beyond the horizon.

    Parameters
    ----------
    cuts : array, shape (m,), float64
        Increasing times; the first is 0, the last the horizon.
    floor : bool
        Label a time by the cut at or before it, instead of the cut at or after it.

    Raises
    ------
    InputError
        Where the cuts do not start at 0, do not increase, or are fewer than two.
    """

    cuts: NDArray[np.float64]
    floor: bool = False

    def __post_init__(self) -> None:
        cuts = np.asarray(self.cuts, dtype=np.float64)
        object.__setattr__(self, "cuts", cuts)
        if cuts.ndim != 1 or len(cuts) < 2:
            raise InputError(f"a time grid needs at least two cuts, not an array of {cuts.shape}")
        if not np.isfinite(cuts).all() or cuts[0] != 0 or (np.diff(cuts) <= 0).any():
            raise InputError(f"cuts must be finite, start at 0 and increase; got {cuts}")

    @classmethod
    def evenly_spaced(cls, horizon: float, time_bins: int, *, floor: bool = False) -> Self:
        """Return `time_bins` evenly spaced cuts from 0 to the horizon."""
        if time_bins < 2 or not horizon > 0:
            raise InputError(
                f"a time grid needs time_bins >= 2 and a horizon > 0, "
                f"not time_bins {time_bins} and horizon {horizon}"
            )
        return cls(np.linspace(0.0, horizon, time_bins), floor)

    @classmethod
    def event_quantiles(
        cls, time: FloatArray, event: BoolArray, time_bins: int, *, floor: bool = False
    ) -> Self:
        """Return cuts at quantiles of the event times, with 0 first and the largest time last.

        Tied quantiles are merged, so there may be fewer than `time_bins` cuts.
        """
        quantiles = np.quantile(time[event], np.linspace(0, 1, time_bins)[1:-1])
        return cls(np.unique(np.concatenate([[0.0], quantiles, [time.max()]])), floor)

    @property
    def horizon(self) -> float:
        """The last cut."""
        return float(self.cuts[-1])

    @property
    def num_classes(self) -> int:
        """One class a cut, and one beyond the horizon: m + 1."""
        return len(self.cuts) + 1

    @property
    def knots(self) -> Knots:
        """The knots of curves that are known at the cuts alone."""
        return Knots(self.cuts, np.empty(0))

    def snap(self, time: ArrayLike) -> NDArray[np.float64]:
        """Return times (any shape), those that equal a cut in their own precision as that cut.

        Times that all fit in single precision may have been rounded to it, and so may the horizon
        that the cuts divide; whole numbers are exact. Other times are compared to a few units in
        the last place, as the cuts themselves are rounded.
        """
        time = np.asarray(time, dtype=np.float64)
        right = np.clip(np.searchsorted(self.cuts, time), 1, len(self.cuts) - 1)
        before, after = self.cuts[right - 1], self.cuts[right]
        nearest = np.where(time - before < after - time, before, after)
        rounding = np.full(time.shape, DOUBLE_ROUNDING)
        if is_single(time):
            rounding = rounding + SINGLE_ROUNDING * (time != np.round(time))
            rounding = rounding + SINGLE_ROUNDING * (self.horizon != round(self.horizon))
        return np.where(np.abs(time - nearest) <= rounding * nearest, nearest, time)

    def snap_entry(
        self, entry: NDArray[np.float64] | None, time: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """Return entries (n,) rounded as `snap` does, but before the snapped times (n,).

        Each subject is then at risk at its own time, even where both round to one cut. None gives
        None.
        """
        if entry is None:
            return None
        return np.where(entry > 0, np.minimum(self.snap(entry), np.nextafter(time, 0.0)), 0.0)

    def classify(self, time: ArrayLike) -> NDArray[np.int64]:
        """Return the class, 0 to m, of each time (any shape), as `snap` brings it to the cuts."""
        time = self.snap(time)
        if self.floor:
            classes = np.searchsorted(self.cuts, time, side="right") - 1
            return np.where(time > self.horizon, len(self.cuts), classes).astype(np.int64)
        return np.searchsorted(self.cuts, time, side="left").astype(np.int64)

    def classify_entry(self, entry: ArrayLike) -> NDArray[np.int64]:
        """Return the first class, 0 to m, in which a subject is at risk, for its entry (any shape).

        It is the class after that of the entry, 0 for entry 0. In the class of the entry itself a
        subject is observed for a part of the interval only, and is not at risk; neither is a
        censored subject in its last class. So an estimate of a class's hazard compares events with
        those who were observed from the start of its interval. An event in the class of the entry
        is lost to it, which a grid with more cuts avoids.
        """
        entry = np.asarray(entry, dtype=np.float64)
        after = np.minimum(self.classify(entry) + 1, self.num_classes - 1)
        return np.where(entry > 0, after, 0)
