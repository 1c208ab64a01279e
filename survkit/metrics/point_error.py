"""Errors of a predicted time: the median's, against pseudo-observations, and the optimal time's."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.bootstrap import ratio
from survkit.metrics.censoring import SurvivalStep, kaplan_meier
from survkit.types import BoolArray, FloatArray, InputError

PointError = Literal["absolute", "relative", "squared", "log"]


def point_error(
    predicted: FloatArray, time: FloatArray, kind: PointError = "absolute"
) -> NDArray[np.float64]:
    """Error of predicted times p against times t; arrays broadcast.

    Parameters
    ----------
    predicted : array
        Predicted times, above 0 for `relative` and `log`.
    time : array
        True times, above 0 for `log`.
    kind : {"absolute", "relative", "squared", "log"}
        |p - t|, min(|p - t| / p, 1), (p - t)^2 or |log p - log t|.

    Raises
    ------
    InputError
        For another kind.

    References
    ----------
    Yu, Greiner, Lin & Baracos (2011), NeurIPS, section 4.
    """
    if kind == "absolute":
        return np.asarray(np.abs(predicted - time))
    if kind == "relative":
        return np.asarray(np.minimum(np.abs(predicted - time) / predicted, 1.0))
    if kind == "squared":
        return np.asarray((predicted - time) ** 2)
    if kind == "log":
        return np.asarray(np.abs(np.log(predicted) - np.log(time)))
    raise InputError(
        f"point_error is '{kind}'; it must be 'absolute', 'relative', 'squared' or 'log'"
    )


def optimal_times(
    class_probabilities: FloatArray, cuts: FloatArray, kind: PointError = "absolute"
) -> NDArray[np.float64]:
    """Predict the time, among the cuts after 0, of least expected error under the own curve.

    A class's probability sits at its cut, that of the class beyond the horizon at the horizon.
    For `log` the class at time 0 costs the same (infinity) for every prediction, so the comparison
    leaves it out. Of equally good times the earliest is taken.

    Parameters
    ----------
    class_probabilities : array, shape (n, m + 1)
        Probability of each class of the grid.
    cuts : array, shape (m,)
        The grid's cuts, the first 0.
    kind : {"absolute", "relative", "squared", "log"}
        See `point_error`.

    Returns
    -------
    array, shape (n,), float64

    References
    ----------
    Yu, Greiner, Lin & Baracos (2011), NeurIPS, section 4.
    """
    first = 1 if kind == "log" else 0
    class_times = np.append(cuts, cuts[-1])[first:]
    cost = point_error(cuts[None, 1:], class_times[:, None], kind)
    return np.asarray(cuts[1:][np.argmin(class_probabilities[:, first:] @ cost, axis=1)])


class PseudoObservations(NamedTuple):
    """Event times or substitutes for them, and the confidence in each, both of shape (n,)."""

    target: NDArray[np.float64]
    weight: NDArray[np.float64]


def pseudo_observations(
    time: FloatArray, event: BoolArray, train_time: FloatArray, train_event: BoolArray
) -> PseudoObservations:
    """Replace unseen event times by pseudo-observations, with confidence weights.

    A subject censored at c gets (N + 1) theta' - N theta: theta the mean survival time of the N
    training rows, theta' that with the subject added. The mean is the area under the Kaplan-Meier
    curve joined linearly between its event times and continued by a line to 0.

    Parameters
    ----------
    time, event : array, shape (n,)
        The evaluated subjects.
    train_time, train_event : array, shape (N,)
        The training rows, at least one with an event after time 0.

    Returns
    -------
    target : array, shape (n,), float64
        The event time, or the pseudo-observation.
    weight : array, shape (n,), float64
        1 for events, 1 - S(c) of the training rows' Kaplan-Meier for a subject censored at c.

    References
    ----------
    Qi et al. (2023), ICML, PMLR 202:28244, section 3.6, as in SurvivalEVAL.
    """
    n_train = len(train_time)
    curve = kaplan_meier(train_time, train_event)
    censored = np.flatnonzero(~event)
    target, weight = time.astype(np.float64), np.ones(len(time))
    weight[censored] = 1.0 - curve.at(time[censored])
    added, alone = _mean_with_and_without(curve, train_time, train_event, time[censored])
    target[censored] = (n_train + 1) * added - n_train * alone
    return PseudoObservations(target, weight)


def _mean_with_and_without(
    curve: SurvivalStep, train_time: FloatArray, train_event: BoolArray, censored: FloatArray
) -> tuple[NDArray[np.float64], float]:
    """Mean survival time with one subject added, censored at each given time, and without."""
    at_risk = len(train_time) - np.searchsorted(np.sort(train_time), curve.times, side="left")
    events = np.bincount(
        np.searchsorted(curve.times, train_time), weights=train_event, minlength=len(curve.times)
    )
    # The curve's corners are the event times and the last time of all.
    corner = events > 0
    corner[-1] = True
    times, events, at_risk = curve.times[corner], events[corner], at_risk[corner]
    without = np.cumprod(np.append(1.0, 1.0 - events / at_risk))
    with_added = np.cumprod(np.append(1.0, 1.0 - events / (at_risk + 1)))
    widths = np.diff(np.append(0.0, times))
    area_without = _cumulative_area(widths, without)
    area_with = _cumulative_area(widths, with_added)
    # Up to the censoring the added subject is at risk; from there on hazards are as without it.
    passed = np.searchsorted(times, censored, side="right")
    scale = np.where(without[passed] > 0, ratio(with_added[passed], without[passed]), 1.0)
    bridge = _bridge(widths, with_added, without, scale, passed)
    after = scale * (area_without[-1] - area_without[np.minimum(passed + 1, len(times))])
    end = np.where(passed == len(times), with_added[-1], scale * without[-1])
    last = np.maximum(times[-1], censored)
    mean = area_with[passed] + bridge + after + (last - times[-1]) * end + _tail(last, end)
    alone = area_without[-1] + _tail(times[-1:], without[-1:])[0]
    return np.asarray(mean), float(alone)


def _cumulative_area(widths: FloatArray, values: FloatArray) -> NDArray[np.float64]:
    return np.append(0.0, np.cumsum(widths * (values[:-1] + values[1:]) / 2))


def _bridge(
    widths: FloatArray,
    with_added: FloatArray,
    without: FloatArray,
    scale: FloatArray,
    passed: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Area between the last corner before the censoring and the first after it."""
    inside = passed < len(widths)
    following = np.minimum(passed + 1, len(widths))
    height = (with_added[passed] + scale * without[following]) / 2
    return np.where(inside, widths[np.minimum(passed, len(widths) - 1)] * height, 0.0)


def _tail(last: FloatArray, value: FloatArray) -> NDArray[np.float64]:
    """Area under the line through (0, 1) and (last, value), from `last` to where it meets 0."""
    fall = 1.0 - value
    zero = np.divide(last, fall, out=np.full(len(value), np.nan), where=fall > 0)
    return np.where(value > 0, (zero - last) * value / 2, 0.0)
