"""Events that were observed over events that a prediction expects, of all subjects together.

Both metrics use no censoring weights. `observed_expected@50` compares the risk by one time;
`calibration_in_the_large` compares the events of every subject's own follow-up, which needs
censoring to be independent of the event given the features only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.bootstrap import once_each, ratio
from survkit.metrics.curve_calibration import aalen_johansen_at
from survkit.metrics.metric_group import (
    Metric,
    MetricGroup,
    groups_of_cause,
    undefined_group,
    where_anyone_survives,
)
from survkit.metrics.outcomes import LATE_ENTRY, TimePoint
from survkit.metrics.problem import Problem
from survkit.types import BoolArray, FloatArray, IntArray

OBSERVED_EXPECTED, IN_THE_LARGE = "observed_expected", "calibration_in_the_large"


def observed_expected(
    predicted: FloatArray,
    time: FloatArray,
    cause: IntArray,
    number: int,
    at: float,
    counts: FloatArray | None = None,
) -> NDArray[np.float64]:
    """Observed over expected risk of an event by one time, in every resample.

    Observed is the Aalen-Johansen estimate (with one cause, 1 minus Kaplan-Meier), expected the
    mean prediction.

    Parameters
    ----------
    predicted : array, shape (n,)
        Predicted probability of an event of the cause by the time.
    time, cause : array, shape (n,)
        The outcomes; 0 is no cause but censoring.
    number : int
        The cause, from 1.
    at : float
        The time.
    counts : array, shape (b, n), optional
        How often each subject is drawn; once each where not given (b = 1).

    Returns
    -------
    array, shape (b,), float64
        1 is perfect, more than 1 an underestimate of the risk; NaN where nothing is expected.

    References
    ----------
    McLernon et al. (2023), Annals of Internal Medicine 176:105, mean calibration at a time.
    """
    counts = once_each(len(time)) if counts is None else counts
    num_causes = max(number, int(cause.max(initial=1)))
    curves = aalen_johansen_at(np.array([at]), time, cause, num_causes, counts)
    total = counts @ predicted.astype(counts.dtype, copy=False)
    return ratio(curves[:, number - 1, 0], ratio(total, counts.sum(axis=1)))


def expected_events(
    survival: FloatArray,
    cuts: FloatArray,
    time: FloatArray,
    incidence: FloatArray | None = None,
) -> NDArray[np.float64]:
    """Events that a prediction expects of each subject up to its own time, shape (n,).

    It is the predicted cumulative hazard at the subject's time, -log S; of a cause, its
    cause-specific cumulative hazard. Between two cuts all curves are linear, so that each cause has
    the same share of the hazard throughout.

    Parameters
    ----------
    survival : array, shape (n, m)
        Predicted survival without any event at the cuts.
    cuts : array, shape (m,)
        Increasing times, the first 0.
    time : array, shape (n,)
        Times from 0 to the last cut.
    incidence : array, shape (n, m), optional
        Predicted cumulative incidence of the cause at the cuts; events of any cause where not
        given.

    Returns
    -------
    array, shape (n,), float64
        Infinite where the predicted survival is 0.
    """
    before = np.column_stack([np.ones(len(survival)), survival])  # before time 0 there is no event
    fall = -np.diff(before, axis=1)
    with np.errstate(divide="ignore"):
        log_before = np.log(np.clip(before, 0.0, None))
    share = np.ones_like(fall)
    if incidence is not None:
        share = ratio(np.diff(incidence, axis=1, prepend=0.0), fall)
        share[np.isnan(share)] = 0.0
    # The interval of each time, the first one that of time 0.
    interval = np.searchsorted(cuts, time, side="left")[:, None]
    start = np.concatenate([[0.0], cuts])[interval]
    width = cuts[interval] - start
    passed = ratio(time[:, None] - start, width)
    passed[width == 0] = 1.0
    at_start = np.take_along_axis(before, interval, axis=1)
    now = at_start - passed * np.take_along_axis(fall, interval, axis=1)
    whole = np.arange(fall.shape[1]) < interval
    with np.errstate(divide="ignore", invalid="ignore"):
        hazard = log_before[:, :-1] - log_before[:, 1:]
        earlier = np.where(whole & (share > 0), share * hazard, 0.0).sum(axis=1)
        last = np.log(at_start[:, 0]) - np.log(np.clip(now[:, 0], 0.0, None))
        own = np.take_along_axis(share, interval, axis=1)[:, 0]
        return np.asarray(earlier + np.where(own > 0, own * last, 0.0))


def calibration_in_the_large(
    event: BoolArray, expected: FloatArray, counts: FloatArray | None = None
) -> NDArray[np.float64]:
    """Log of observed over expected events, in every resample.

    It is the intercept of a Poisson regression of the events on the log of the expected ones.

    Parameters
    ----------
    event : array, shape (n,), bool
        Whether each subject's event was seen by the time to which the expected ones count.
    expected : array, shape (n,)
        From `expected_events`.
    counts : array, shape (b, n), optional
        How often each subject is drawn; once each where not given (b = 1).

    Returns
    -------
    array, shape (b,), float64
        0 is perfect, above 0 an underestimate of the risk; NaN without observed or expected events.

    References
    ----------
    Crowson, Atkinson & Therneau (2016), Statistical Methods in Medical Research 25:1692, section 3.
    """
    counts = once_each(len(event)) if counts is None else counts
    observed, total = (counts @ each.astype(counts.dtype) for each in (event, expected))
    share = np.asarray(ratio(observed, total), dtype=np.float64)
    return np.log(share, out=np.full(len(share), np.nan), where=share > 0)


def observed_expected_groups(problem: Problem, suffix: str = "50") -> list[MetricGroup]:
    """Return both metrics of an event of any cause, and those of each cause.

    `suffix` names the time of `observed_expected`, as in `Outcomes.points`.
    """
    point = next(each for each in problem.points if each.suffix == suffix)
    groups = [_at_a_time(problem, point), _in_the_large(problem, problem)]
    for own in problem.causes:
        of_cause = [_at_a_time(own, point), _in_the_large(problem, own)]
        groups += groups_of_cause(own.cause_name, of_cause)
    return groups


def _at_a_time(problem: Problem, point: TimePoint) -> MetricGroup:
    name = f"{OBSERVED_EXPECTED}@{point.suffix}"
    reason = problem.why_undefined(point)
    if reason is not None:
        return undefined_group({name: reason}, point)
    cause = problem.outcomes.data.cause if problem.cause else problem.event.astype(np.int64)
    assert cause is not None
    predicted, number = 1.0 - problem.survival_at(point), max(problem.cause, 1)
    time, survivors = problem.time, problem.outcomes.survivors_at(point)
    nothing = f"no event is expected by time {point.time:g}"
    return MetricGroup(
        [Metric(name, len(time), if_undefined=nothing, point=point)],
        where_anyone_survives(
            lambda counts: observed_expected(predicted, time, cause, number, point.time, counts)[
                :, None
            ],
            [survivors],
        ),
    )


def _in_the_large(problem: Problem, own: Problem) -> MetricGroup:
    """Return the metric of `own`, whose survival without any event is that of `problem`."""
    outcomes = problem.outcomes
    if problem.last_cut == 0:
        why = LATE_ENTRY if outcomes.is_late else str(outcomes.why_no_cuts)
        return undefined_group({IN_THE_LARGE: why})
    cuts = problem.cuts[: problem.last_cut + 1]
    end = float(cuts[-1])
    expected = expected_events(
        problem.survival[:, : len(cuts)],
        cuts,
        np.minimum(own.time, end),
        1.0 - own.survival[:, : len(cuts)] if own.cause else None,
    )
    infinite = int(np.count_nonzero(~np.isfinite(expected)))
    if infinite:
        why = (
            f"survival is predicted to be 0 before the end of the follow-up of {infinite} subjects"
        )
        return undefined_group({IN_THE_LARGE: why})
    event = own.event & (own.time <= end)
    nothing = f"no event is observed, or none expected, up to time {end:g}"
    return MetricGroup(
        [Metric(IN_THE_LARGE, len(event), if_undefined=nothing)],
        lambda counts: calibration_in_the_large(event, expected, counts)[:, None],
    )
