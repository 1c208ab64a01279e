"""What the engines sample, on problems small enough to know the answer."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import psutil
import pymc as pm
import pymc_bart as pmb
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_ndtr
from scipy.stats import invgamma, kstest

from survkit.bart.chains import ChainProblem, SamplerSettings
from survkit.bart.model import Bart
from survkit.bart.person_period import training_rows
from survkit.bart.pymc_engine import hold_leaf_deviation
from survkit.bart.stochtree_engine import _Sampler, expand, working_residual
from survkit.types import InputError, SurvivalData

pytestmark = pytest.mark.slow

QUICK = {"trees": 10, "tune": 60, "draws": 60, "chains": 1}


def two_groups(n: int = 400, seed: int = 0) -> SurvivalData:
    """Hazards of 0.1 and 0.4 in each of three intervals; the second column is noise."""
    random = np.random.default_rng(seed)
    group = random.integers(0, 2, n)
    time = random.geometric(np.where(group == 1, 0.4, 0.1))
    features = np.column_stack([group, random.normal(size=n)]).astype(np.float32)
    names = ("group", "noise")
    return SurvivalData(features, time <= 3, np.minimum(time, 3).astype(float), names)


def settings(backend: str, **changes: int | str) -> SamplerSettings:
    return SamplerSettings(**{"backend": backend, **QUICK, **changes})


@pytest.mark.parametrize(
    ("backend", "rule"),
    [("stochtree", "continuous"), ("stochtree", "one_hot"), ("pymc", "one_hot")],
)
@pytest.mark.parametrize("deviation", ["prior", "learned"])
def test_hazards_of_two_groups(backend: str, rule: str, deviation: str) -> None:
    data = two_groups()
    one = settings(backend, leaf_deviation=deviation)
    model = Bart(settings=one, split_rules={"group": rule}, cores=1).fit(data)
    hazard = model.posterior(data).hazard.mean(axis=0)
    for group, truth in ((0, 0.1), (1, 0.4)):
        assert_allclose(hazard[data.features[:, 0] == group].mean(axis=0), truth, atol=0.1)


def test_regrown_trees_find_the_same_hazards() -> None:
    data = two_groups()
    model = Bart(settings=settings("stochtree", regrow=3), cores=1).fit(data)
    hazard = model.posterior(data).hazard.mean(axis=0)
    for group, truth in ((0, 0.1), (1, 0.4)):
        assert_allclose(hazard[data.features[:, 0] == group].mean(axis=0), truth, atol=0.1)


def test_working_residual_has_the_derivatives_of_the_likelihood() -> None:
    mean = np.linspace(-5, 5, 21)
    step = 1e-4
    for sign in (-1.0, 1.0):
        residual, variance = working_residual(np.full(21, sign), mean)
        below, at, above = (log_ndtr(sign * (mean + shift)) for shift in (-step, 0, step))
        assert_allclose(residual / variance, (above - below) / (2 * step), rtol=1e-5)
        assert_allclose(1 / variance, (2 * at - above - below) / step**2, rtol=1e-3, atol=1e-7)
    residual, variance = working_residual(np.array([1.0, -1.0, 1.0]), np.array([-60.0, -60, 60]))
    assert np.isfinite(residual).all()
    assert (variance > 0).all()
    assert_allclose(residual[0], 60, rtol=1e-3)


def test_whole_trees_are_grown_on_columns_whose_values_repeat() -> None:
    """A subject has a row for each interval, so every value of its features stands repeatedly."""
    random = np.random.default_rng(0)
    x, noise = random.normal(size=(2, 3000)).round(1)
    time = random.geometric(np.where(x > 0.3, 0.4, 0.05))
    features = np.column_stack([x, noise > 0])
    data = SurvivalData(features, time <= 4, np.minimum(time, 4).astype(float), ("x", "noise"))
    once = settings("stochtree", tune=2, draws=1, sweeps=1)  # grown once, moved twice
    hazard = Bart(settings=once, cores=1).fit(data).posterior(data).hazard.mean(axis=(0, 2))
    assert hazard[x > 0.3].mean() > hazard[x <= 0.3].mean() + 0.25


@pytest.mark.parametrize("backend", ["stochtree", "pymc"])
def test_a_seed_gives_the_same_draws(backend: str) -> None:
    data = two_groups(60)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    hazards = [
        Bart(settings=settings(backend, seed=seed, tune=5, draws=5), cores=1)
        .fit(data)
        .posterior(data)
        .hazard
        for seed in (1, 1, 2)
    ]
    assert_array_equal(hazards[0], hazards[1])
    assert not np.array_equal(hazards[0], hazards[2])
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_pymc_keeps_the_prior_deviation_of_its_leaves() -> None:
    random = np.random.default_rng(0)
    features, happened = random.normal(size=(200, 2)), random.integers(0, 2, 200).astype(float)
    with pm.Model():
        trees = pmb.BART("trees", X=features, Y=happened, m=5)
        pm.Bernoulli("happened", p=pm.math.invprobit(trees), observed=happened)
        step = pmb.PGBART([trees])
        hold_leaf_deviation(step, 0.67)
        sampling = {"chains": 1, "cores": 1, "step": [step], "progressbar": False}
        pm.sample(tune=20, draws=2, compute_convergence_checks=False, **sampling)
    assert_allclose(step.leaf_sd, 0.67)


def test_stochtree_draws_the_leaf_variance_from_its_conditional_distribution() -> None:
    """Inverse gamma with shape 3/2 and scale 1.5^2 / 10 trees; normal leaves are conjugate."""
    data = two_groups()
    rows = training_rows(data.time, data.event)
    problem = ChainProblem(
        rows, data.features.astype(float), ("continuous",) * 3, np.full(3, 1 / 3), -1.0
    )
    sampler = _Sampler(expand(problem), settings("stochtree", leaf_deviation="learned"), 1)
    sampler.sweep(np.where(rows.status, 2.0, -0.5))
    leaves = np.array(
        [
            value
            for tree in sampler.trees()
            for value, left, gone in zip(
                tree["leaf_value"], tree["left"], tree["node_deleted"], strict=True
            )
            if left < 0 and not gone
        ]
    )
    drawn = [sampler.learn_leaf_variance() for _ in range(2000)]
    conditional = invgamma((3 + len(leaves)) / 2, scale=0.225 + (leaves**2).sum() / 2)
    assert kstest(drawn, conditional.cdf).pvalue > 0.001


@pytest.mark.parametrize("backend", ["stochtree", "pymc"])
def test_leaves_spread_as_little_as_the_data_say(backend: str) -> None:
    """All subjects are alike, so learned leaves are closer to 0 than those of the prior."""
    random = np.random.default_rng(0)
    time = random.geometric(0.2, 300)
    noise = random.normal(size=(300, 1))
    data = SurvivalData(noise, time <= 3, np.minimum(time, 3).astype(float), ("noise",))
    widths = {}
    for deviation in ("prior", "learned"):
        one = settings(backend, leaf_deviation=deviation, trees=50)
        hazard = Bart(settings=one, cores=1).fit(data).posterior(data).hazard
        assert_allclose(hazard.mean(), 0.2, atol=0.05)
        widths[deviation] = hazard.std(axis=0).mean()
    assert widths["learned"] < widths["prior"]


def test_an_unknown_leaf_deviation_is_refused() -> None:
    with pytest.raises(InputError, match="leaf_deviation is 'free'; it must be prior or learned"):
        settings("stochtree", leaf_deviation="free")


def test_subset_rule_of_pymc() -> None:
    random = np.random.default_rng(0)
    kind = random.integers(0, 6, 400)
    time = random.geometric(np.where(np.isin(kind, (1, 4)), 0.5, 0.1))
    data = SurvivalData(
        kind[:, None].astype(np.float32), time <= 3, np.minimum(time, 3).astype(float), ("kind",)
    )
    model = Bart(settings=settings("pymc"), split_rules={"kind": "subset"}, cores=1).fit(data)
    hazard = model.posterior(np.arange(6.0)[:, None]).hazard.mean(axis=(0, 2))
    assert len(model.fitted.forests.set_values) > 0
    assert hazard[[1, 4]].min() > hazard[[0, 2, 3, 5]].max() + 0.15


def test_subjects_without_weight_teach_nothing() -> None:
    """The second group, of other hazards, is there but counts for nothing."""
    data = two_groups()
    group = data.features[:, 0] == 1
    hidden = SurvivalData(np.zeros((400, 1)), data.event, data.time, ("constant",))
    model = Bart(settings=settings("pymc"), cores=1).fit(hidden, weights=group.astype(float))
    assert_allclose(model.posterior(hidden).hazard.mean(axis=(0, 1)), 0.4, atol=0.1)


def test_a_chain_without_memory_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("survkit.bart.stochtree_engine.sample_chain", fail)
    with pytest.raises(InputError, match="a stochtree chain ran out of memory: fewer chains"):
        Bart(settings=settings("stochtree"), cores=1).fit(two_groups())


def test_a_chain_that_dies_is_reported() -> None:
    """A worker process is killed from outside, as the kernel does when memory runs out."""
    data = two_groups()
    long = settings("stochtree", chains=2, draws=1_000_000)

    def kill_a_worker() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for child in psutil.Process().children(recursive=True):
                if child.cpu_times().user > 3 and "chain_process" in " ".join(child.cmdline()):
                    os.kill(child.pid, signal.SIGKILL)
                    return
            time.sleep(0.1)

    killer = threading.Thread(target=kill_a_worker)
    killer.start()
    with pytest.raises(InputError, match=r"process of a stochtree chain died \(.*SIGKILL"):
        Bart(settings=long, cores=2).fit(data)
    killer.join()
