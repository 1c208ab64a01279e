"""Fits many local Cox models: draws neighbours, asks the model, reduces, solves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.explain.hazards import HazardReader
from survkit.explain.least_squares import NormalEquations, r_squared, solve
from survkit.explain.models import Predict
from survkit.explain.neighbours import Neighbourhood, effective_number
from survkit.explain.norms import objective_value, solve_norm
from survkit.explain.objective import (
    NormSolution,
    TimeAxis,
    build_terms,
    sum_over_time,
    weight_scale,
)
from survkit.types import Float64Array

BATCH_VALUES = 2**22
"""Predicted hazards held at once, at least those of one explanation."""


class Task(NamedTuple):
    """One explanation to make: the subject's row (p,) and a seed of its own."""

    row: Float64Array
    seed: np.random.SeedSequence


class Neighbours(NamedTuple):
    """Neighbours (N, p) of a row (p,) and their weights (N,)."""

    row: Float64Array
    features: Float64Array
    weights: Float64Array


class LocalFits(NamedTuple):
    """T local models.

    Parameters
    ----------
    coefficients : array, shape (T, d)
        NaN where the solver failed.
    r_squared, residual, effective_neighbours : array, shape (T,)
        As in `survkit.explain.explanation`.
    rank : array, shape (T,)
        Coefficients that the neighbours determine.
    solvers, statuses : tuple of str, length T
        What solved each, and what it says.
    last : Neighbours
        Those of the last task.
    """

    coefficients: Float64Array
    r_squared: Float64Array
    residual: Float64Array
    effective_neighbours: Float64Array
    rank: NDArray[np.int64]
    solvers: tuple[str, ...]
    statuses: tuple[str, ...]
    last: Neighbours


class _Reduced(NamedTuple):
    """What is kept of an explanation once its predictions are used."""

    equations: NormalEquations
    effective_neighbours: float
    other_norm: NormSolution | None
    excess: float


@dataclass
class ModelCalls:
    """Calls a model in batches, and keeps the time that they take."""

    predict: Predict
    reader: HazardReader
    batch_size: int | None = None
    seconds: float = field(default=0.0, init=False)
    count: int = field(default=0, init=False)

    def hazards(self, features: Float64Array) -> Float64Array:
        """Return cumulative hazards (n, m) for features (n, p)."""
        step = self.batch_size or len(features)
        parts = []
        for start in range(0, len(features), step):
            batch = features[start : start + step]
            began = time.perf_counter()
            curves = self.predict(batch)
            self.seconds += time.perf_counter() - began
            self.count += 1
            parts.append(self.reader.read(curves, len(batch)))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


@dataclass(frozen=True, eq=False)
class LocalModels:
    """How local models are fitted.

    Parameters
    ----------
    neighbourhood : Neighbourhood
        Draws the neighbours.
    lengths : array, shape (m,)
        The intervals dt.
    baseline : array, shape (m,), or None
        The baseline cumulative hazard; None takes the model's own at the subject, and counts
        features from the subject.
    norm : float
        1 <= q <= infinity.
    log_floor : float
        As in `survkit.explain.objective.weigh`.
    verbose : bool
        Whether cvxpy's solvers show their messages.
    """

    neighbourhood: Neighbourhood
    lengths: Float64Array
    baseline: Float64Array | None
    norm: float
    log_floor: float
    verbose: bool = False

    def fit(
        self,
        tasks: Sequence[Task],
        num_samples: int,
        calls: ModelCalls,
        *,
        num_workers: int = 1,
        advance: Callable[[int], object] = lambda done: None,
    ) -> LocalFits:
        """Fit a local model for each task, calling `advance` with the number just done.

        The model is called from this thread alone; `num_workers` threads reduce its predictions.
        """
        reduced: list[_Reduced] = []
        with ExitStack() as stack:
            apply: Callable[..., Iterator[_Reduced]] = map
            if num_workers > 1:
                apply = stack.enter_context(ThreadPoolExecutor(num_workers)).map
            size = max(1, BATCH_VALUES // (num_samples * len(self.lengths)))
            for start in range(0, len(tasks), size):
                group = [self._draw(task, num_samples) for task in tasks[start : start + size]]
                reduced += apply(self._reduce, group, self._predict(group, calls))
                advance(len(group))
        return self._finish(reduced, group[-1])

    def _draw(self, task: Task, num_samples: int) -> Neighbours:
        random = np.random.default_rng(task.seed)
        return Neighbours(task.row, *self.neighbourhood.draw(task.row, num_samples, random))

    def _predict(self, group: Sequence[Neighbours], calls: ModelCalls) -> list[Float64Array]:
        """Return the hazards of each task's neighbours, and after them of its row if needed."""
        parts = []
        for neighbours in group:
            parts.append(neighbours.features)
            if self.baseline is None:
                parts.append(neighbours.row[None])
        return np.split(calls.hazards(np.concatenate(parts)), len(group))

    def _reduce(self, neighbours: Neighbours, hazards: Float64Array) -> _Reduced:
        design = self.neighbourhood.design(neighbours.features)
        baseline = self.baseline
        if baseline is None:
            hazards, baseline = hazards[:-1], hazards[-1]
            design -= self.neighbourhood.design(neighbours.row[None])
        design = design[:, self.neighbourhood.varies]
        axis = TimeAxis.build(baseline, self.lengths)
        scale = weight_scale(hazards, self.log_floor)
        sums = sum_over_time(hazards, axis, scale=scale, log_floor=self.log_floor)
        equations = NormalEquations.build(design, neighbours.weights, sums)
        effective = effective_number(neighbours.weights)
        if self.norm == 2:
            return _Reduced(equations, effective, None, 0.0)
        terms = build_terms(hazards, axis, design, neighbours.weights, log_floor=self.log_floor)
        start = solve(NormalEquations.stack([equations])).coefficients[0]
        solution = solve_norm(terms, self.norm, start, verbose=self.verbose)
        excess = np.nan
        if solution.coefficients is not None:
            at_start = objective_value(terms, self.norm, start)
            found = objective_value(terms, self.norm, solution.coefficients)
            excess = (found - at_start) / at_start if at_start > 0 else 0.0
        return _Reduced(equations, effective, solution, excess)

    def _finish(self, reduced: Sequence[_Reduced], last: Neighbours) -> LocalFits:
        equations = NormalEquations.stack([each.equations for each in reduced])
        solution = solve(equations)
        found, residual = solution.coefficients, solution.residual
        solvers, statuses = ["normal equations"] * len(reduced), ["optimal"] * len(reduced)
        for t, each in enumerate(reduced):
            if each.other_norm is not None:
                coefficients, solvers[t], statuses[t] = each.other_norm
                found[t] = np.nan if coefficients is None else coefficients
                residual[t] = each.excess
        varies = self.neighbourhood.varies
        # What is constant in the training rows keeps the coefficient 0.
        full = np.where(np.isnan(found[:, :1]), np.nan, np.zeros((len(found), len(varies))))
        full[:, varies] = found
        return LocalFits(
            full,
            r_squared(equations, found),
            residual,
            np.array([each.effective_neighbours for each in reduced]),
            solution.rank,
            tuple(solvers),
            tuple(statuses),
            last,
        )
