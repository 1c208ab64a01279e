"""Kaplan-Meier curves, the censoring distribution, and inverse-probability-of-censoring weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.types import BoolArray, FloatArray, InputError

Convention = Literal["standard", "published"]

SMALLEST_CENSORING_SURVIVAL = 0.05
"""Standard convention: metrics over time stop at the last cut with at least this G."""

PUBLISHED_FLOOR = 0.01
"""Published convention: G is floored here, and no cut is left out."""


@dataclass(frozen=True, eq=False)
class SurvivalStep:
    """A right-continuous survival step function, 1 before its first time.

    Parameters
    ----------
    times : array, shape (u,), float64
        Increasing times of the steps.
    values : array, shape (u,), float64
        Survival from each time until the next; the last value applies to all later times.
    """

    times: NDArray[np.float64]
    values: NDArray[np.float64]

    def at(self, time: ArrayLike) -> NDArray[np.float64]:
        """P(T > t) for times of any shape."""
        return self._value(time, "right")

    def before(self, time: ArrayLike) -> NDArray[np.float64]:
        """P(T >= t) for times of any shape: the value just before t."""
        return self._value(time, "left")

    def _value(self, time: ArrayLike, side: Literal["left", "right"]) -> NDArray[np.float64]:
        steps = np.searchsorted(self.times, np.asarray(time, dtype=np.float64), side=side)
        return np.asarray(np.concatenate([[1.0], self.values])[steps])


def kaplan_meier(
    time: FloatArray, event: BoolArray, entry: FloatArray | None = None
) -> SurvivalStep:
    """Kaplan-Meier estimate of the survival function of the event time.

    With entries it is the product-limit estimate of left-truncated data. It falls to 0, and stays
    there, where all of the few at risk at an early time have the event.

    Parameters
    ----------
    time, event : array, shape (n,)
        Times of event or censoring, and whether the event was seen.
    entry : array, shape (n,), optional
        From when each subject is observed, as in `SurvivalData`.

    References
    ----------
    Kaplan & Meier (1958), Journal of the American Statistical Association 53:457; Tsai, Jewell &
    Wang (1987), Biometrika 74:883, with entries.
    """
    times, events, at_risk, _ = life_table(time, event, entry)
    return SurvivalStep(times, np.cumprod(1 - events / at_risk, dtype=np.float64))


def censoring_distribution(
    time: FloatArray, event: BoolArray, entry: FloatArray | None = None
) -> SurvivalStep:
    """Kaplan-Meier estimate of G(t) = P(censoring time > t).

    At a tied time events come first: a subject with an event is no longer at risk of being
    censored.

    Parameters
    ----------
    time, event : array, shape (n,)
        Times of event or censoring, and whether the event was seen, of the training rows.
    entry : array, shape (n,), optional
        From when each subject is observed; nobody can be censored before.

    Raises
    ------
    InputError
        For no rows or arrays of different length.

    References
    ----------
    Gerds & Schumacher (2006), Biometrical Journal 48:1029, section 3.
    """
    time, event = np.asarray(time, dtype=np.float64), np.asarray(event, dtype=np.bool_)
    if time.ndim != 1 or time.shape != event.shape or len(time) == 0:
        raise InputError(
            f"train_time and train_event must be two columns of one length, at least 1; "
            f"their shapes are {time.shape} and {event.shape}"
        )
    times, events, at_risk, censorings = life_table(time, event, entry)
    left = at_risk - events
    hazard = np.divide(censorings, left, out=np.zeros(len(times)), where=left > 0)
    return SurvivalStep(times, np.cumprod(1 - hazard, dtype=np.float64))


def life_table(
    time: FloatArray, event: BoolArray, entry: FloatArray | None = None
) -> tuple[NDArray[np.float64], ...]:
    """Return the distinct times, with the events, the subjects at risk and the censorings at each.

    Parameters
    ----------
    time, event : array, shape (n,)
        Times of event or censoring, and whether the event was seen.
    entry : array, shape (n,), optional
        From when each subject is observed.

    Returns
    -------
    tuple of four arrays, shape (u,), float64
        Increasing times, events at each, subjects at risk (who have at least that time, and an
        entry before it), censorings at each.
    """
    times, group, size = np.unique(time, return_inverse=True, return_counts=True)
    events = np.bincount(group, weights=event, minlength=len(times))
    at_risk = np.cumsum(size[::-1])[::-1]
    if entry is not None:
        at_risk = at_risk - not_entered(entry, times)
    columns = (times, events, at_risk, size - events)
    return tuple(np.asarray(column, dtype=np.float64) for column in columns)


def not_entered(entry: FloatArray, times: FloatArray) -> NDArray[np.int64]:
    """Count the subjects who are not observed before each of k times yet, shape (k,).

    An entry (n,) of 0 is that of a subject observed from the start, who is at risk at time 0 too.
    """
    late = np.sort(entry[np.asarray(entry) > 0])
    return np.asarray(len(late) - np.searchsorted(late, times, side="left"))


@dataclass(frozen=True, eq=False)
class CensoringWeights:
    """Inverse-probability-of-censoring weights on a time grid.

    Parameters
    ----------
    last_cut : int
        K: metrics over time use cuts 1..K; 0 where no cut after time 0 can be used.
    at_event : array, shape (n,), float64
        1/G(T-) of each subject with an event at or before cut K; 0 for all others.
    at_cut : array, shape (K + 1,), float64
        1/G(c) of a subject still at risk after cut c.
    event_at_cut : array, shape (K + 1,), float64
        1/G(c-): the weight of an event that happens exactly at cut c.
    """

    last_cut: int
    at_event: NDArray[np.float64]
    at_cut: NDArray[np.float64]
    event_at_cut: NDArray[np.float64]


def censoring_weights(
    time: FloatArray,
    event: BoolArray,
    cuts: FloatArray,
    censoring: SurvivalStep,
    convention: Convention = "standard",
    *,
    usable: BoolArray | None = None,
) -> CensoringWeights:
    """Weights that make up for censoring, by one of two conventions.

    `standard`: an event at T weighs 1/G(T-), a subject at risk after c weighs 1/G(c), and the
    cuts end where G falls below 0.05, so no weight exceeds 20 and none is clipped, or where they
    are not `usable` for another reason. `published` (for comparison with published figures only):
    G(T) in place of G(T-), G floored at 0.01, all cuts.

    Parameters
    ----------
    time, event : array, shape (n,)
        The evaluated subjects.
    cuts : array, shape (m,)
        The time grid.
    censoring : SurvivalStep
        G, from the training rows.
    convention : {"standard", "published"}
        See above.
    usable : array, shape (m,), bool, optional
        The cuts that the standard convention may use, the first ones; all where not given.

    Raises
    ------
    InputError
        For another convention.

    References
    ----------
    Graf et al. (1999), Statistics in Medicine 18:2529; Gerds & Schumacher (2006), Biometrical
    Journal 48:1029.
    """
    if convention == "published":
        floored = SurvivalStep(censoring.times, np.maximum(censoring.values, PUBLISHED_FLOOR))
        last, at_event, at_cut = len(cuts) - 1, floored.at(time), floored.at(cuts)
        event_at_cut = at_cut
    elif convention == "standard":
        weighable = censoring.at(cuts) >= SMALLEST_CENSORING_SURVIVAL
        used = weighable if usable is None else weighable & usable
        last = max(int(np.count_nonzero(used)) - 1, 0)
        at_event = censoring.before(time)
        at_cut, event_at_cut = censoring.at(cuts), censoring.before(cuts)
    else:
        raise InputError(f"convention is '{convention}'; it must be 'standard' or 'published'")
    at_event = _inverse(at_event, event & (time <= cuts[last]))
    at_cut, event_at_cut = (_inverse(g[: last + 1]) for g in (at_cut, event_at_cut))
    return CensoringWeights(last, at_event, at_cut, event_at_cut)


def _inverse(probability: FloatArray, used: BoolArray | None = None) -> NDArray[np.float64]:
    # G can be 0 only where every training row is censored at time 0: no cut is usable then.
    positive = probability > 0 if used is None else used & (probability > 0)
    return np.divide(1.0, probability, out=np.zeros(len(probability)), where=positive)


def weights_at_cuts(
    time: FloatArray, cuts: FloatArray, weights: CensoringWeights
) -> NDArray[np.float64]:
    """Weight of each subject at cuts 0..K, shape (n, K + 1).

    1/G(T-) once the event happened, 1/G(c) while at risk, 0 after censoring.

    Parameters
    ----------
    time : array, shape (n,)
        Times of event or censoring.
    cuts : array, shape (m,)
        The time grid.
    weights : CensoringWeights
        From `censoring_weights` for the same subjects and grid.
    """
    at_risk = time[:, None] > cuts[None, : weights.last_cut + 1]
    return np.where(at_risk, weights.at_cut, weights.at_event[:, None])
