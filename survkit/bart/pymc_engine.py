"""Probit BART on pymc-bart's particle Gibbs sampler (Quiroga et al. 2023)."""

from __future__ import annotations

import importlib.metadata
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pymc_bart as pmb
from numpy.typing import NDArray

from survkit.bart.chains import ChainProblem, SamplerSettings
from survkit.bart.columns import Rule
from survkit.bart.forests import LEAF, ForestBuilder, Node
from survkit.types import InputError

if not hasattr(pmb, "ContinuousSplitRule"):
    raise InputError(
        f"pymc-bart {importlib.metadata.version('pymc-bart')} keeps its trees where they cannot be "
        "read; the backend 'pymc' needs pymc-bart below 0.12, the backend 'stochtree' does not"
    )


class ThresholdRule(pmb.ContinuousSplitRule):  # type: ignore[misc]
    """Split at or below a value of the rows in the node, the largest excepted.

    pymc-bart adds noise to repeated whole numbers of columns with its own continuous rule, so that
    the trees would be sampled on other times than they predict; it knows that rule by identity.
    """

    @staticmethod
    def get_split_value(available_splitting_values: NDArray[np.float64]) -> np.float64 | None:
        """Return the value of a row, drawn at random; None where all are the same."""
        values = available_splitting_values
        below = values[values < values.max()] if values.size else values
        # pymc-bart draws from numpy's global generator, and so must its rules.
        return below[int(np.random.random() * len(below))] if below.size else None  # noqa: NPY002


SPLIT_RULES: dict[Rule, Any] = {
    "continuous": ThresholdRule,
    "one_hot": pmb.OneHotSplitRule,
    "subset": pmb.SubsetSplitRule,
}


def sample_chain(
    problem: ChainProblem, settings: SamplerSettings, seed: int, advance: Callable[[], None]
) -> dict[str, NDArray[Any]]:
    """Sample one chain, like that of stochtree; weights are powers of the likelihood.

    pymc-bart draws from numpy's global generator, which is seeded here and restored.
    """
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        with _no_manager():
            model, sum_of_trees = _model(problem, settings)
        with model, _silent():
            step = pmb.PGBART([sum_of_trees])
            if settings.leaf_deviation == "prior":
                hold_leaf_deviation(step, settings.prior_leaf_deviation)
            pm.sample(
                tune=settings.tune,
                draws=settings.draws,
                chains=1,
                cores=1,
                step=[step],
                random_seed=seed,
                progressbar=False,
                compute_convergence_checks=False,
                callback=lambda **_: advance(),
            )
    finally:
        np.random.set_state(before)  # noqa: NPY002
    builder = ForestBuilder()
    for trees in list(sum_of_trees.owner.op.all_trees):
        for tree in np.ravel(trees):
            builder.add_tree({key: _translate(key, n) for key, n in tree.tree_structure.items()})
    return builder.finish()


def hold_leaf_deviation(step: Any, deviation: float) -> None:
    """Give leaves the prior deviation of the other engine, for the whole chain.

    Otherwise pymc-bart starts with twice that deviation and, while tuning, sets it to the mean
    deviation of what the trees sampled so far predict for a row.
    """
    step.leaf_sd[...] = deviation
    step.running_sd = [_Held(own.copy()) for own in step.leaf_sd]


class _Held(NamedTuple):
    """In the place of pymc-bart's running estimate of a deviation."""

    deviation: NDArray[np.float64]

    def update(self, _: object) -> NDArray[np.float64]:
        """Return the deviation for the next leaves, regardless of the last ones."""
        return self.deviation


def _model(problem: ChainProblem, settings: SamplerSettings) -> tuple[pm.Model, Any]:
    rows = problem.rows
    status = rows.status.astype(np.float64)
    weights = np.ones(len(status)) if rows.weights is None else rows.weights
    with pm.Model() as model:
        sum_of_trees = pmb.BART(
            "sum_of_trees",
            X=problem.matrix(),
            Y=status,
            m=settings.trees,
            alpha=settings.alpha,
            beta=settings.beta,
            split_prior=problem.split_prior.copy(),  # pymc-bart counts in it
            split_rules=[SPLIT_RULES[rule] for rule in problem.rules],
        )
        # log Phi(mean) for an event and log Phi(-mean) for none, to the power of the weight.
        signed = (2.0 * status - 1.0) * (problem.offset + sum_of_trees)
        log_likelihood = pm.logcdf(pm.Normal.dist(0.0, 1.0), signed)
        pm.Potential("weighted_log_likelihood", (weights * log_likelihood).sum())
    return model, sum_of_trees


def _translate(key: int, node: Any) -> Node:
    """Return a node of pymc-bart, which numbers the children of node i as 2 i + 1 and 2 i + 2."""
    if node.is_leaf_node():
        return Node(LEAF, float(np.ravel(node.value)[0]))
    value = tuple(node.value.tolist()) if np.ndim(node.value) else float(node.value)
    return Node(node.idx_split_variable, value, 2 * key + 1, 2 * key + 2)


class _Draws(list[Any]):
    """The trees of every draw."""

    def append(self, trees: Any) -> None:
        """Keep the trees as they are now; pymc-bart replaces them in the same array."""
        super().append(trees.copy())


class _NoManager:
    """What pymc-bart asks of a multiprocessing manager."""

    list = _Draws


@contextmanager
def _no_manager() -> Iterator[None]:
    """Keep the draws in this process: pymc-bart has a server for them, which outlives a kill."""
    before = pmb.bart.Manager
    pmb.bart.Manager = _NoManager
    try:
        yield
    finally:
        pmb.bart.Manager = before


@contextmanager
def _silent() -> Iterator[None]:
    """Keep pymc from reporting on the chains, as survkit does, and on a BLAS it does not need."""
    logger = logging.getLogger("pymc")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "PyTensor could not link to a BLAS", UserWarning)
            yield
    finally:
        logger.setLevel(level)
