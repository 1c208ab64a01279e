"""Probit BART on stochtree's C++ sampler.

The latent variables of Albert and Chib (1993) are drawn here, the trees by stochtree: a warm start
by growing whole trees from the root (He and Hahn 2023, XBART), then Metropolis-Hastings moves
(Chipman, George and McCulloch 2010). The moves leave the posterior as it is; trees that are regrown
later on (`SamplerSettings.regrow`) only approximate it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from stochtree import (
    RNG,
    Dataset,
    Forest,
    ForestContainer,
    ForestModelConfig,
    ForestSampler,
    GlobalModelConfig,
    Residual,
)

from survkit.bart.chains import ChainProblem, SamplerSettings
from survkit.bart.forests import LEAF, ForestBuilder, Node

ORDERED = 1
"""stochtree's code of columns of which every value may be a cut point.

Numeric ones (0) will not do: where values repeat, as a subject's do over its intervals, stochtree
0.4 grows hardly any tree that splits by them, and trees end at a few binary columns.
"""


class Expanded(NamedTuple):
    """The columns that stochtree sees: 0/1 columns stand for the values of a one_hot column.

    Parameters
    ----------
    matrix : array, shape (r, q)
    weights : array, shape (q,)
        Prior weight of splitting by each; the 0/1 columns share that of their column.
    source : list of int, length q
        The column that each comes from.
    level : list of float or None, length q
        The value that a 0/1 column stands for.
    """

    matrix: NDArray[np.float64]
    weights: NDArray[np.float64]
    source: list[int]
    level: list[float | None]


def expand(problem: ChainProblem) -> Expanded:
    """Return the columns of the training rows in the form stochtree takes."""
    blocks: list[NDArray[np.float64]] = []
    weights: list[float] = []
    source: list[int] = []
    level: list[float | None] = []
    columns = problem.matrix().T
    for number, (x, rule) in enumerate(zip(columns, problem.rules, strict=True)):
        known: list[float | None] = [None]
        if rule == "one_hot":
            values = np.unique(x)
            known = (values[1:] if len(values) == 2 else values).tolist()  # of two one says all
        blocks += [x if value is None else (x == value).astype(np.float64) for value in known]
        weights += [problem.split_prior[number] / len(known)] * len(known)
        source += [number] * len(known)
        level += known
    prior = np.array(weights) / sum(weights)
    return Expanded(np.column_stack(blocks), prior, source, level)


def sample_chain(
    problem: ChainProblem, settings: SamplerSettings, seed: int, advance: Callable[[], None]
) -> dict[str, NDArray[Any]]:
    """Sample one chain and return its trees, as `ForestBuilder.finish` does.

    Parameters
    ----------
    problem, settings
        Without weights and subset rules, see `check_supported`.
    seed : int
        Of both random generators.
    advance : callable
        Called after every iteration.
    """
    columns = expand(problem)
    sampler = _Sampler(columns, settings, seed)
    random = np.random.default_rng(seed)
    sign = np.where(problem.rows.status, 1.0, -1.0)
    builder = ForestBuilder()
    total = np.zeros(len(sign))
    for iteration in range(settings.tune + settings.draws):
        for regrown in _plan(iteration, settings, random):
            # z ~ N(mean, 1), above 0 for an event and below it for none (Albert and Chib 1993).
            mean = problem.offset + total
            uniform = 1.0 - random.random(len(sign))  # in (0, 1]
            latent = mean - sign * ndtri(uniform * ndtr(sign * mean))
            total = sampler.sweep(latent - mean, regrown)
        if iteration >= settings.tune:
            for nodes in sampler.trees():
                builder.add_tree(_translate(nodes, columns))
        advance()
    return builder.finish()


def _plan(
    iteration: int, settings: SamplerSettings, random: np.random.Generator
) -> list[NDArray[np.int64] | None]:
    """Return the sweeps of an iteration: the trees it grows anew, or None to move every tree."""
    if iteration < settings.warm_sweeps:
        return [np.arange(settings.trees)]
    moves: list[NDArray[np.int64] | None] = [None] * settings.sweeps
    if not settings.regrow:
        return moves
    return [np.sort(random.choice(settings.trees, settings.regrow, replace=False)), *moves]


class _Sampler:
    """stochtree's sampler of a forest of Gaussian leaves, with residual variance 1."""

    def __init__(self, columns: Expanded, settings: SamplerSettings, seed: int) -> None:
        num_rows = len(columns.matrix)
        self._settings = settings
        self._dataset = Dataset()
        self._dataset.add_covariates(columns.matrix)
        self._residual = Residual(np.zeros(num_rows))
        self._random = RNG(seed)
        self._global = GlobalModelConfig(global_error_variance=1.0)
        self._config = ForestModelConfig(
            num_trees=settings.trees,
            num_features=len(columns.weights),
            num_observations=num_rows,
            feature_types=np.full(len(columns.weights), ORDERED),
            variable_weights=columns.weights,
            alpha=settings.alpha,
            beta=settings.beta,
            leaf_model_scale=leaf_variance(settings.trees),
            min_samples_leaf=1,
            max_depth=-1,
        )
        self._sampler = ForestSampler(self._dataset, self._global, self._config)
        self._forest = Forest(settings.trees, 1, True, False)
        self._sampler.prepare_for_sampler(
            self._dataset, self._residual, self._forest, 0, np.zeros(1)
        )

    def sweep(
        self, residual: NDArray[np.float64], regrown: NDArray[np.int64] | None
    ) -> NDArray[np.float64]:
        """Update trees and return the sum of all trees, shape (r,).

        Parameters
        ----------
        residual : array, shape (r,)
            What the present sum of trees leaves of the outcome.
        regrown : array, optional
            The trees to grow anew; where None, every tree is changed by one move.
        """
        self._config.sweep_update_indices = regrown
        self._residual.update_data(residual)
        self._kept = ForestContainer(self._settings.trees, 1, True, False)
        self._sampler.sample_one_iteration(
            self._kept,
            self._forest,
            self._dataset,
            self._residual,
            self._random,
            self._global,
            self._config,
            True,
            regrown is not None,
        )
        return np.asarray(self._sampler.get_cached_forest_predictions())

    def trees(self) -> list[dict[str, Any]]:
        """Return the trees of the last sweep, as stochtree describes them."""
        forest = json.loads(self._kept.dump_json_string())["forest_0"]
        return [forest[f"tree_{number}"] for number in range(self._settings.trees)]


def leaf_variance(trees: int) -> float:
    """Return the prior variance of a leaf, with which the sum of the trees has deviation 1.5.

    Chipman, George and McCulloch (2010), section 4: for a probit 3 / (k sqrt(trees)), k = 2.
    """
    return 1.5**2 / trees


def _translate(tree: dict[str, Any], columns: Expanded) -> dict[int, Node]:
    """Return the nodes of a tree that stochtree describes, split by the original columns."""
    nodes = {}
    for key, left in enumerate(tree["left"]):
        if tree["node_deleted"][key]:
            continue
        right = tree["right"][key]
        if left < 0:
            nodes[key] = Node(LEAF, tree["leaf_value"][key])
            continue
        split = tree["split_index"][key]
        column, level = columns.source[split], columns.level[split]
        if level is None:
            nodes[key] = Node(column, tree["threshold"][key], left, right)
        else:
            # Left of a 0/1 column's threshold are the rows that do not hold the value.
            nodes[key] = Node(column, level, right, left)
    return nodes
