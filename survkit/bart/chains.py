"""Runs the chains of a sampler, several at a time in processes of their own, under one bar."""

from __future__ import annotations

import math
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.bart.columns import Rule
from survkit.bart.forests import Forests
from survkit.bart.person_period import TrainingRows
from survkit.types import InputError

Backend = Literal["stochtree", "pymc"]
LeafDeviation = Literal["prior", "learned"]
WARM_SWEEPS = 10
"""Most iterations of stochtree that grow whole trees from the root; they count as tuning."""

POLL_SECONDS = 0.2


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


def run_chains(problem: ChainProblem, settings: SamplerSettings, *, jobs: int) -> Forests:
    """Sample all chains, `jobs` at a time; an InputError where one dies or memory runs out."""
    from joblib import Parallel, delayed  # type: ignore[import-untyped]
    from joblib.externals.loky.process_executor import (  # type: ignore[import-untyped]
        TerminatedWorkerError,
    )

    # 31 bits: stochtree takes no more.
    seeds = np.random.SeedSequence(settings.seed).generate_state(settings.chains) >> 1
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "iterations"
        np.zeros(settings.chains, dtype=np.int64).tofile(counts)
        tasks = (
            delayed(_sample_chain)(problem, settings, int(seed), counts, chain)
            for chain, seed in enumerate(seeds)
        )
        with _progress(counts, settings):
            try:
                chains = Parallel(n_jobs=jobs)(tasks)
            except (TerminatedWorkerError, MemoryError) as error:
                raise InputError(_why_died(error, settings.backend)) from None
    return Forests.join(
        chains, rules=problem.rules, num_trees=settings.trees, offset=problem.offset
    )


def _why_died(error: Exception, backend: Backend) -> str:
    less = "fewer chains at a time (cores), fewer rows or a larger time scale need less"
    if isinstance(error, MemoryError):
        return f"a {backend} chain ran out of memory: {less}"
    _, _, codes = str(error).partition("exit codes of the workers are ")
    return (
        f"the process of a {backend} chain died ({codes.strip() or 'no exit code'}); it may have "
        f"run out of memory: {less}"
    )


def _sample_chain(
    problem: ChainProblem, settings: SamplerSettings, seed: int, counts: Path, chain: int
) -> dict[str, NDArray[Any]]:
    iterations = np.memmap(counts, dtype=np.int64, mode="r+")

    def advance() -> None:
        iterations[chain] += 1

    engine = import_module(ENGINES[settings.backend])
    return engine.sample_chain(problem, settings, seed, advance)  # type: ignore[no-any-return]


@contextmanager
def _progress(counts: Path, settings: SamplerSettings) -> Iterator[None]:
    """Show a bar of all chains' iterations on a terminal, until the block ends."""
    from tqdm import tqdm

    total = settings.chains * (settings.tune + settings.draws)
    bar = tqdm(total=total, desc="sampling", unit="iteration", disable=None, leave=False)
    done = threading.Event()

    def watch() -> None:
        while not done.wait(POLL_SECONDS):
            bar.update(int(np.fromfile(counts, dtype=np.int64).sum()) - bar.n)

    watcher = threading.Thread(target=watch, daemon=True)
    if not bar.disable:
        watcher.start()
    try:
        yield
    finally:
        done.set()
        if watcher.is_alive():
            watcher.join()
        bar.close()
