"""Fits many local Cox models: draws neighbours, asks the model, reduces, solves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.explain.hazards import HazardReader
from survkit.explain.least_squares import NormalEquations, r_squared, solve
from survkit.explain.model_calls import BATCH_VALUES, ModelCalls
from survkit.explain.neighbours import Neighbourhood, effective_number
from survkit.explain.norms import objective_value, solve_norm
from survkit.explain.objective import (
    NoLocalModelError,
    NormSolution,
    TimeAxis,
    build_terms,
    sum_over_time,
    weight_scale,
)
from survkit.system import available_cores
from survkit.types import Float64Array

Task = tuple[Float64Array, np.random.SeedSequence]
"""One explanation to make: the subject's row (p,) and a seed of its own."""


class Neighbours(NamedTuple):
    """Neighbours (N, p) of a row (p,) and their weights (N,)."""

    row: Float64Array
    features: Float64Array
    weights: Float64Array


class LocalFits(NamedTuple):
    """T local models, with arrays of shape (T,) as in `survkit.explain.explanation`."""

    coefficients: Float64Array  # (T, d); NaN where none were found
    r_squared: Float64Array
    residual: Float64Array
    effective_neighbours: Float64Array
    rank: NDArray[np.int64]  # how many coefficients the neighbours determine
    share_capped: Float64Array
    solvers: tuple[str, ...]
    statuses: tuple[str, ...]
    last: Neighbours  # of the last task


class _Reduced(NamedTuple):
    """What is kept of an explanation once its predictions are used."""

    equations: NormalEquations
    effective_neighbours: float
    other_norm: NormSolution | None
    excess: float
    share_capped: float


@dataclass(frozen=True, eq=False)
class LocalModels:
    """How local models are fitted.

    Without a baseline cumulative hazard (m,) they take the model's own at the subject, and count
    features from the subject.
    """

    neighbourhood: Neighbourhood
    lengths: Float64Array  # the intervals dt (m,)
    baseline: Float64Array | None
    norm: float  # 1 <= q <= infinity
    log_floor: float  # as in `weigh`
    verbose: bool  # whether cvxpy's solvers show their messages

    def fit(
        self,
        tasks: Sequence[Task],
        num_samples: int,
        calls: ModelCalls[HazardReader],
        *,
        num_workers: int = 1,
        advance: Callable[[int], object] = lambda done: None,
    ) -> LocalFits:
        """Fit a local model for each task, calling `advance` with the number just done.

        The model is called from this thread alone; `num_workers` threads, or one for each core
        where that is fewer, reduce its predictions.
        """
        reduced: list[_Reduced] = []
        with ExitStack() as stack:
            apply: Callable[..., Iterator[_Reduced]] = map
            if (threads := min(num_workers, available_cores())) > 1:
                apply = stack.enter_context(ThreadPoolExecutor(threads)).map
            draw = self.neighbourhood.draw
            size = max(1, BATCH_VALUES // (num_samples * len(self.lengths)))
            for start in range(0, len(tasks), size):
                group = [
                    Neighbours(row, *draw(row, num_samples, np.random.default_rng(seed)))
                    for row, seed in tasks[start : start + size]
                ]
                hazards = self._predict(group, calls)
                reduced += apply(self._reduce, group, hazards, repeat(calls.reader.largest))
                advance(len(group))
        return self._finish(reduced, group[-1])

    def _predict(
        self, group: Sequence[Neighbours], calls: ModelCalls[HazardReader]
    ) -> list[Float64Array]:
        """Return the hazards of each task's neighbours, and after them of its row if needed."""
        parts = []
        for neighbours in group:
            parts.append(neighbours.features)
            if self.baseline is None:
                parts.append(neighbours.row[None])
        return np.split(calls.read(np.concatenate(parts)), len(group))

    def _reduce(self, neighbours: Neighbours, hazards: Float64Array, largest: float) -> _Reduced:
        effective = effective_number(neighbours.weights)
        # Rounding of the logarithm may leave a capped hazard just below the largest.
        capped = float((hazards >= largest * (1 - 1e-12)).mean())
        try:
            equations, other_norm, excess = self._weigh(neighbours, hazards)
        except NoLocalModelError as error:
            equations = NormalEquations.empty(int(self.neighbourhood.varies.sum()))
            other_norm, excess = NormSolution(None, "none", str(error)), np.nan
        return _Reduced(equations, effective, other_norm, excess, capped)

    def _weigh(
        self, neighbours: Neighbours, hazards: Float64Array
    ) -> tuple[NormalEquations, NormSolution | None, float]:
        """Return what solves one task: in another norm than 2 also its solution and excess."""
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
        if self.norm == 2:
            return equations, None, 0.0
        terms = build_terms(hazards, axis, design, neighbours.weights, log_floor=self.log_floor)
        start = solve(NormalEquations.stack([equations])).coefficients[0]
        solution = solve_norm(terms, self.norm, start, verbose=self.verbose)
        excess = np.nan
        if solution.coefficients is not None:
            at_start = objective_value(terms, self.norm, start)
            found = objective_value(terms, self.norm, solution.coefficients)
            excess = (found - at_start) / at_start if at_start > 0 else 0.0
        return equations, solution, excess

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
            np.array([each.share_capped for each in reduced]),
            tuple(solvers),
            tuple(statuses),
            last,
        )
