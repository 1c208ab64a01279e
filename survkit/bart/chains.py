"""What the chains of a sampler are given, and the engines that sample them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.bart.columns import Rule
from survkit.bart.person_period import TrainingRows
from survkit.types import InputError

Backend = Literal["stochtree", "pymc"]
LeafDeviation = Literal["prior", "learned"]
WARM_SWEEPS = 10
"""Most iterations of stochtree that grow whole trees from the root; they count as tuning."""


@dataclass(frozen=True)
class SamplerSettings:
    """How the posterior is sampled.

    Parameters
    ----------
    backend : {"stochtree", "pymc"}
        The engine: stochtree's Metropolis-Hastings in C++, or pymc-bart's particle Gibbs.
    trees : int
        Trees in the sum.
    alpha, beta : float
        A node at depth d is split with prior probability alpha * (1 + d) ** -beta.
    tune, draws : int
        Iterations of a chain that are thrown away, and that are kept.
    sweeps : int
        Times that stochtree moves every tree in one iteration; pymc-bart has its own measure,
        one update of a tenth of the trees.
    regrow : int
        Trees that stochtree also grows anew from the root in every iteration. On many rows
        single moves hardly change a tree, and chains stay apart for thousands of sweeps; regrown
        trees bring them together, but their draws only approximate the posterior.
    chains : int
        Independent chains.
    seed : int
        Chain c starts from a seed of its own, derived from this one.
    leaf_deviation : {"prior", "learned"}
        Whether the standard deviation of the leaves stays at its prior value or is learned from
        the data, by stochtree in every iteration and by pymc-bart while tuning.
    """

    backend: Backend = "stochtree"
    trees: int = 50
    alpha: float = 0.95
    beta: float = 2.0
    tune: int = 200
    sweeps: int = 10
    regrow: int = 0
    draws: int = 200
    chains: int = 4
    seed: int = 42
    leaf_deviation: LeafDeviation = "prior"

    def __post_init__(self) -> None:
        if self.backend not in ENGINES:
            raise InputError(f"backend is '{self.backend}'; it must be {' or '.join(ENGINES)}")
        least = {"trees": 1, "draws": 1, "sweeps": 1, "chains": 1, "tune": 0, "beta": 0}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least {value}")
        if not 0 <= self.regrow <= self.trees:
            raise InputError(f"regrow is {self.regrow}; it must be 0 to {self.trees}, the trees")
        if self.leaf_deviation not in ("prior", "learned"):
            raise InputError(
                f"leaf_deviation is '{self.leaf_deviation}'; it must be prior or learned"
            )
        if not 0 < self.alpha < 1:
            raise InputError(f"alpha is {self.alpha}; it must lie between 0 and 1")

    @property
    def warm_sweeps(self) -> int:
        """Iterations of stochtree that grow whole trees: at most half of the tuning."""
        return min(WARM_SWEEPS, self.tune // 2)

    @property
    def prior_leaf_deviation(self) -> float:
        """Prior standard deviation of a leaf, with which the sum of the trees has 1.5.

        Chipman, George and McCulloch (2010), section 4: for a probit 3 / (k sqrt(trees)), k = 2.
        """
        return 1.5 / math.sqrt(self.trees)


ENGINES: dict[Backend, str] = {
    "stochtree": "survkit.bart.stochtree_engine",
    "pymc": "survkit.bart.pymc_engine",
}
"""Module of each engine, which offers `sample_chain`."""


class ChainProblem(NamedTuple):
    """What every chain is given: features (n, p), the rows made of them, and how both are split.

    `rules` and `split_prior` (the weight of a split by each) have length 1 + p, time first; the
    hazard is Phi(offset + the sum of the trees).
    """

    rows: TrainingRows
    features: NDArray[np.float64]
    rules: tuple[Rule, ...]
    split_prior: NDArray[np.float64]
    offset: float

    def matrix(self) -> NDArray[np.float64]:
        """Return time and features of every row, shape (r, 1 + p)."""
        return np.column_stack([self.rows.time, self.features[self.rows.subject]])


def check_supported(problem: ChainProblem, settings: SamplerSettings) -> None:
    """Raise an InputError for weights or subset rules with stochtree, regrown trees with pymc."""
    if settings.backend != "stochtree":
        if settings.regrow:
            raise InputError(f"regrow is {settings.regrow}; only stochtree can regrow trees")
        return
    if problem.rows.weights is not None:
        raise InputError(
            "weights need the backend 'pymc': stochtree's weights scale a variance, they do not "
            "raise the likelihood to a power"
        )
    if "subset" in problem.rules:
        raise InputError(
            "the split rule 'subset' needs the backend 'pymc'; stochtree splits continuous and "
            "one_hot columns"
        )


def sample_chain(
    problem: ChainProblem, settings: SamplerSettings, seed: int, advance: Callable[[], None]
) -> dict[str, NDArray[Any]]:
    """Sample one chain with the engine of the settings; see `ForestBuilder.finish`.

    `advance` is called after every iteration.
    """
    engine = import_module(ENGINES[settings.backend])
    return engine.sample_chain(problem, settings, seed, advance)  # type: ignore[no-any-return]
