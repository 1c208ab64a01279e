"""Probit BART on stochtree's C++ sampler.

The trees are sampled by stochtree: by Metropolis-Hastings moves (Chipman, George and McCulloch
2010), given latent variables (Albert and Chib 1993) that are drawn here; and by growing whole trees
from the root (He and Hahn 2023, XBART), to start from and, with `SamplerSettings.regrow`, in every
iteration. The moves leave the posterior as it is; trees that are grown only approximate it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr, ndtri
from stochtree import (
    RNG,
    Dataset,
    Forest,
    ForestContainer,
    ForestModelConfig,
    ForestSampler,
    GlobalModelConfig,
    LeafVarianceModel,
    Residual,
)

from survkit.bart.chains import ChainProblem, SamplerSettings
from survkit.bart.forests import LEAF, ForestBuilder, Node

ORDERED = 1
"""stochtree's code of columns of which every value may be a cut point.

Numeric ones (0) will not do: where values repeat, as a subject's do over its intervals, stochtree
0.4 grows hardly any tree that splits by them, and trees end at a few binary columns.
"""

GROWN_TOGETHER = 5
"""Trees grown between two linearisations of the likelihood: few, so that it stays close."""

COLUMNS_OF_A_NODE = 20
"""Columns drawn for every node of a tree that is grown, among which its split is chosen."""

LEAF_DEGREES = 3.0
"""Degrees of freedom of the prior of a learned leaf variance: few, so that it says little."""

HALF_LOG_2_PI = 0.5 * np.log(2 * np.pi)
LEAST_INFORMATION = 1e-10
"""Of a row whose probability is all but 0 or 1, so that its variance stays finite."""


class Expanded(NamedTuple):
    """The columns that stochtree sees, matrix (r, q): 0/1 for the values of a one_hot column.

    `source` is the column that each of the q comes from, `level` the value that a 0/1 column
    indicates, and `weights` the prior weight of a split, shared among the 0/1 columns of one.
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
    """Sample one chain, calling `advance` after every iteration; see `ForestBuilder.finish`."""
    columns = expand(problem)
    sampler = _Sampler(columns, settings, seed)
    random = np.random.default_rng(seed)
    sign = np.where(problem.rows.status, 1.0, -1.0)
    builder = ForestBuilder()
    total = np.zeros(len(sign))
    for iteration in range(settings.tune + settings.draws):
        grown = settings.trees if iteration < settings.warm_sweeps else settings.regrow
        chosen = random.choice(settings.trees, grown, replace=False)
        for start in range(0, grown, GROWN_TOGETHER):
            residual, variance = working_residual(sign, problem.offset + total)
            together = np.sort(chosen[start : start + GROWN_TOGETHER])
            total = sampler.sweep(residual, grown=together, variance=variance)
        for _ in range(settings.sweeps):
            total = sampler.sweep(latent_residual(sign, problem.offset + total, random))
            if settings.leaf_deviation == "learned":
                sampler.learn_leaf_variance()
        if iteration >= settings.tune:
            for nodes in sampler.trees():
                builder.add_tree(_translate(nodes, columns))
        advance()
    return builder.finish()


def latent_residual(
    sign: NDArray[np.float64], mean: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.float64]:
    """Draw z - mean, where z ~ N(mean, 1) has the sign given (Albert and Chib 1993).

    Both have shape (r,): the sign is 1 for an event and -1 for none, the mean the probit of its
    probability.
    """
    uniform = 1.0 - random.random(len(sign))  # in (0, 1]
    draws: NDArray[np.float64] = -sign * ndtri(uniform * ndtr(sign * mean))
    return draws


def working_residual(
    sign: NDArray[np.float64], mean: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return residual and variance of the Gaussian log-likelihood that touches the probit one.

    Both have the same first and second derivative by the mean of each row, so a tree grown anew
    sees the data, and not the latent variables, which remember the tree it replaces. Arguments are
    those of `latent_residual`.
    """
    margin = sign * mean
    ratio = np.exp(-0.5 * margin**2 - HALF_LOG_2_PI - log_ndtr(margin))
    information = np.maximum(ratio * (ratio + margin), LEAST_INFORMATION)
    return sign * ratio / information, 1.0 / information


class _Sampler:
    """stochtree's sampler of a forest of Gaussian leaves."""

    def __init__(self, columns: Expanded, settings: SamplerSettings, seed: int) -> None:
        num_rows, num_columns = columns.matrix.shape
        self._settings = settings
        self._plain, self._weighted = Dataset(), Dataset()  # without weights moves are faster
        for dataset in (self._plain, self._weighted):
            dataset.add_covariates(columns.matrix)
        self._weighted.add_variance_weights(np.ones(num_rows))
        self._residual = Residual(np.zeros(num_rows))
        self._random = RNG(seed)
        self._leaf_variance = LeafVarianceModel()
        self._global = GlobalModelConfig(global_error_variance=1.0)
        self._config = ForestModelConfig(
            num_trees=settings.trees,
            num_features=num_columns,
            num_observations=num_rows,
            feature_types=np.full(num_columns, ORDERED),
            variable_weights=columns.weights,
            alpha=settings.alpha,
            beta=settings.beta,
            leaf_model_scale=settings.prior_leaf_deviation**2,
            min_samples_leaf=1,
            max_depth=-1,
            num_features_subsample=min(COLUMNS_OF_A_NODE, num_columns),
        )
        self._sampler = ForestSampler(self._plain, self._global, self._config)
        self._forest = Forest(settings.trees, 1, True, False)
        self._sampler.prepare_for_sampler(self._plain, self._residual, self._forest, 0, np.zeros(1))

    def sweep(
        self,
        residual: NDArray[np.float64],
        *,
        grown: NDArray[np.int64] | None = None,
        variance: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Update trees and return the sum of all trees, shape (r,).

        One Metropolis-Hastings move changes every tree, or the `grown` ones are grown anew from the
        root. `residual` (r,) is what the present sum leaves of the outcome; variance 1 by default.
        """
        dataset = self._plain
        if variance is not None:
            dataset = self._weighted
            dataset.update_variance_weights(variance)
        self._config.sweep_update_indices = grown
        self._residual.update_data(residual)
        self._kept = ForestContainer(self._settings.trees, 1, True, False)
        self._sampler.sample_one_iteration(
            self._kept,
            self._forest,
            dataset,
            self._residual,
            self._random,
            self._global,
            self._config,
            True,
            grown is not None,
        )
        return np.asarray(self._sampler.get_cached_forest_predictions())

    def learn_leaf_variance(self) -> float:
        """Draw and return the variance of the leaves for the next sweep, given the present trees.

        Its prior is inverse gamma with shape 3/2 and the fixed variance of the other setting as its
        scale: half the draws lie below 0.85 times that variance. stochtree halves both numbers.
        """
        fixed = self._settings.prior_leaf_deviation**2
        variance: float = self._leaf_variance.sample_one_iteration(
            self._forest, self._random, LEAF_DEGREES, 2 * fixed
        )
        self._config.update_leaf_model_scale(variance)
        return variance

    def trees(self) -> list[dict[str, Any]]:
        """Return the trees of the last sweep, as stochtree describes them."""
        forest = json.loads(self._kept.dump_json_string())["forest_0"]
        return [forest[f"tree_{number}"] for number in range(self._settings.trees)]


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
