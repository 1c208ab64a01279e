from __future__ import annotations

import numpy as np
import pytest
from arviz_stats.base import array_stats
from numpy.testing import assert_allclose

from survkit.bart.convergence import check_convergence

TIMES = np.array([1.0, 2.0, 3.0])


def draws(shift: float, chains: int = 4) -> np.ndarray:
    random = np.random.default_rng(0)
    by_chain = random.normal(size=(chains, 200, 20, 3))
    by_chain[0, :, :, 1] += shift
    return by_chain.reshape(-1, 20, 3)


def test_chains_that_agree() -> None:
    convergence = check_convergence(draws(0), TIMES, chains=4)
    assert convergence.converged
    assert convergence.warning() is None
    assert convergence.values()["rhat_ok@50"] == 1
    assert 500 < convergence.values()["ess_median"] < 1100


def test_a_chain_apart_is_seen_at_its_time() -> None:
    convergence = check_convergence(draws(3), TIMES, chains=4)
    assert not convergence.converged
    assert convergence.share.tolist() == [1, 0, 1]
    message = convergence.warning()
    assert message is not None
    assert message.startswith("not converged: R-hat of survival is at most 1.1 for 100% at 1")


def test_figures_are_those_of_each_prediction() -> None:
    survival = draws(1)
    convergence = check_convergence(survival, TIMES, chains=4)
    one = survival[:, 7, 1].reshape(4, 200)
    assert_allclose(convergence.rhat[7, 1], array_stats.rhat(one, chain_axis=0, draw_axis=1))
    assert_allclose(convergence.ess[7, 1], array_stats.ess(one, chain_axis=0, draw_axis=1))


@pytest.mark.slow
@pytest.mark.parametrize("length", [200, 201])
def test_one_chain_is_compared_with_itself(length: int) -> None:
    random = np.random.default_rng(0)
    steady = random.normal(size=(length, 20, 3))
    drifting = steady + np.linspace(0, 5, length)[:, None, None]
    assert check_convergence(steady, TIMES, chains=1).converged
    assert not check_convergence(drifting, TIMES, chains=1).converged


def test_chains_that_never_move_have_not_converged() -> None:
    assert not check_convergence(np.full((800, 5, 3), 0.5), TIMES, chains=4).converged


def test_too_few_draws_tell_nothing() -> None:
    convergence = check_convergence(np.ones((6, 20, 3)), TIMES, chains=2)
    assert not convergence.converged
    assert np.isnan(convergence.rhat).all()
