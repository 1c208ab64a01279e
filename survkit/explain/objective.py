"""Expression (9) of the SurvLIME paper for one subject, reduced to one term per neighbour.

    sum_k w_k sum_i u_ki^2 (ln H_i(e_k) - ln H0(t_i) - beta . e_k)^2 dt_i,    u = H / ln H

Over the times of one neighbour it is a square in the single number beta . e_k, so the solution and
its fit depend on three sums per neighbour.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from survkit.types import Float64Array, InputError

LOG_FLOOR = 1e-3
"""|ln H| is taken as at least this in H / ln H, which is infinite where H = 1."""

LAST_INTERVAL = 1e-6
"""The paper's gamma: how long the last time counts."""

_SMALLEST_HAZARD = 1e-300
"""Stands for 0: its weight underflows to 0, the limit of H / ln H * (ln H - c)."""

_BLOCK_VALUES = 2**15
"""Values treated at once, few enough to stay in the processor's cache."""


class NoLocalModelError(InputError):
    """No Cox model can be fitted around a subject; others may have one."""


class TimeAxis(NamedTuple):
    """The times of the objective: log baseline hazard (m,) and length of each interval (m,)."""

    log_baseline: Float64Array
    lengths: Float64Array

    @classmethod
    def build(cls, baseline: Float64Array, lengths: Float64Array) -> TimeAxis:
        """Take intervals (m,) and a baseline hazard (m,); where that is 0, no interval counts.

        There the log hazard ratio of the local model is infinite for any coefficients.
        """
        positive = baseline > 0
        log_baseline = np.log(np.where(positive, baseline, 1.0))
        return cls(log_baseline, np.where(positive, lengths, 0.0))


class Terms(NamedTuple):
    """The objective of one subject, entry by entry."""

    design: Float64Array  # (N, d), what the local model sees of each neighbour
    weights: Float64Array  # (N,), w_k
    slopes: Float64Array  # (N, m), u_ki / scale
    targets: Float64Array  # (N, m), ln H_i(e_k) - ln H0(t_i)
    lengths: Float64Array  # (m,), dt_i
    scale: float  # what u is divided by, so that no power of it overflows


class NormSolution(NamedTuple):
    """Coefficients (d,), None where every solver failed, and the solver's name and status."""

    coefficients: Float64Array | None
    solver: str
    status: str


class Sums(NamedTuple):
    """Sums over the times of each neighbour, shape (N,): of u^2 dt, u^2 dt y and u^2 dt y^2."""

    mass: Float64Array
    linear: Float64Array
    quadratic: Float64Array


def interval_lengths(times: Float64Array, longest: float | None = None) -> Float64Array:
    """Return dt (m,) of increasing times (m,): to the next time, `LAST_INTERVAL` for the last.

    Intervals above `longest` are set to it.
    """
    lengths = np.append(np.diff(times), LAST_INTERVAL)
    return lengths if longest is None else np.minimum(lengths, longest)


def weigh(
    hazards: Float64Array, log_baseline: Float64Array, *, scale: float, log_floor: float = LOG_FLOOR
) -> tuple[Float64Array, Float64Array]:
    """Return |u| / scale and the targets y = ln H - ln H0, shape (N, m) each, for hazards (N, m).

    u = H / max(|ln H|, log_floor). A hazard of 0 gets the weight 0.
    """
    hazards = np.maximum(hazards, _SMALLEST_HAZARD)
    log_hazards = np.log(hazards)
    size = np.abs(log_hazards)
    np.maximum(size, log_floor, out=size)
    size *= scale
    np.divide(hazards, size, out=size)
    log_hazards -= log_baseline
    return size, log_hazards


def weight_scale(hazards: Float64Array, log_floor: float) -> float:
    """Return a bound on the weights u of hazards (N, m), so that u / bound is at most about 1.

    Raises
    ------
    NoLocalModelError
        Where all hazards are 0.
    """
    largest = float(hazards.max())
    if largest <= _SMALLEST_HAZARD:
        raise NoLocalModelError(
            "the model predicts a cumulative hazard of 0 (survival of 1) for every neighbour at "
            "every time, so there is nothing to explain"
        )
    at_one = np.exp(log_floor) / log_floor if largest >= np.exp(-log_floor) else 0.0
    return max(largest / max(abs(float(np.log(largest))), log_floor), at_one)


def build_terms(
    hazards: Float64Array,
    axis: TimeAxis,
    design: Float64Array,
    weights: Float64Array,
    *,
    log_floor: float = LOG_FLOOR,
) -> Terms:
    """Return all entries of the objective, for norms that cannot be summed over time first."""
    counted = axis.lengths > 0
    hazards = hazards[:, counted]
    scale = weight_scale(hazards, log_floor)
    slopes, targets = weigh(hazards, axis.log_baseline[counted], scale=scale, log_floor=log_floor)
    return Terms(design, weights, slopes, targets, axis.lengths[counted], scale)


def sum_over_time(
    hazards: Float64Array, axis: TimeAxis, *, scale: float, log_floor: float = LOG_FLOOR
) -> Sums:
    """Return the sums of each neighbour for hazards (N, m), in blocks that fit the cache."""
    n, m = hazards.shape
    sums = Sums(*(np.empty(n) for _ in Sums._fields))
    step = max(1, _BLOCK_VALUES // m)
    for start in range(0, n, step):
        rows = slice(start, start + step)
        entries, targets = weigh(hazards[rows], axis.log_baseline, scale=scale, log_floor=log_floor)
        entries *= entries
        np.matmul(entries, axis.lengths, out=sums.mass[rows])
        entries *= targets
        np.matmul(entries, axis.lengths, out=sums.linear[rows])
        entries *= targets
        np.matmul(entries, axis.lengths, out=sums.quadratic[rows])
    return sums
