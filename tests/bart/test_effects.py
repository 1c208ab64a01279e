"""Marginal effects: the paper's worked example, and what must hold on a fitted model."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from survkit.bart.effects import (
    MarginalMeans,
    contrast,
    marginal_effects,
    marginal_means,
    partial_dependence,
    variable_inclusion,
)
from survkit.bart.model import Bart
from survkit.bart.person_period import survival_from_hazard
from survkit.bart.simulate import simulate_survival
from survkit.types import InputError, SurvivalData

pytestmark = pytest.mark.slow

TIMES = np.array([2.0, 3.0, 5.0])
HAZARD_1 = np.array([[[0.20, 0.25, 0.18], [0.10, 0.13, 0.12], [0.20, 0.28, 0.23]]])
HAZARD_0 = np.array([[[0.10, 0.15, 0.08], [0.08, 0.11, 0.10], [0.15, 0.23, 0.18]]])


def test_paper_example() -> None:
    """Tiegs et al. (2024) misprint the third subject's survival under x2 = 0.

    Their hazards give 0.85, 0.654, 0.537, from which the means and differences here follow.
    """
    one, zero = (
        MarginalMeans(hazard.mean(axis=1), survival_from_hazard(hazard).mean(axis=1))
        for hazard in (HAZARD_1, HAZARD_0)
    )
    assert_allclose(np.cumprod(1 - HAZARD_0[0, 2]), [0.85, 0.654, 0.537], atol=1e-3)
    assert_allclose(one.hazard[0], [0.17, 0.22, 0.18], atol=5e-3)
    assert_allclose(zero.hazard[0], [0.11, 0.16, 0.12], atol=5e-3)
    assert_allclose(one.survival[0], [0.83, 0.65, 0.54], atol=5e-3)
    assert_allclose(zero.survival[0], [0.890, 0.746, 0.659], atol=5e-4)
    effects = contrast(TIMES, zero, one)
    assert_allclose(effects.difference[0], [-0.057, -0.093, -0.118], atol=5e-4)
    ratio = HAZARD_1[0].mean(axis=0) / HAZARD_0[0].mean(axis=0)
    assert_allclose(effects.risk_ratio[0], ratio)
    up_to = [HAZARD_1[0, :, : j + 1].mean() / HAZARD_0[0, :, : j + 1].mean() for j in range(3)]
    assert_allclose(effects.hazard_ratio[0], up_to)


def test_an_intervention_against_itself(rossi_stochtree: Bart, rossi: SurvivalData) -> None:
    data = rossi.subset(np.arange(40))
    effects = marginal_effects(rossi_stochtree, data, {"fin": 1}, {"fin": 1}, thin=20)
    assert (effects.difference == 0).all()
    assert (effects.risk_ratio == 1).all()
    assert (effects.hazard_ratio == 1).all()


def test_effect_is_that_of_changed_subjects(rossi_stochtree: Bart, rossi: SurvivalData) -> None:
    """Two covariates at once, against predictions for rows changed by hand."""
    data = rossi.subset(np.arange(40))
    young, old = np.array(data.features), np.array(data.features)
    young[:, [1, 6]], old[:, [1, 6]] = (18, 8), (40, 0)
    effects = marginal_effects(
        rossi_stochtree, data, {"age": 18, "prio": 8}, {"age": 40, "prio": 0}, thin=20
    )
    before = rossi_stochtree.posterior(young, thin=20)
    after = rossi_stochtree.posterior(old, thin=20)
    difference = after.survival.mean(axis=1) - before.survival.mean(axis=1)
    assert_allclose(effects.difference, difference, atol=1e-12)
    summary = effects.summary(level=0.9)
    assert_allclose(summary["difference"].low, np.quantile(difference, 0.05, axis=0))
    assert (summary["difference"].mean > 0).all()
    assert (summary["hazard_ratio"].mean < 1).all()


def test_partial_dependence(rossi_stochtree: Bart, rossi: SurvivalData) -> None:
    data = rossi.subset(np.arange(40))
    dependence = partial_dependence(rossi_stochtree, data, "prio", [0, 5, 15], thin=20)
    for value, survival in zip(dependence.values, dependence.survival, strict=True):
        expected = marginal_means(rossi_stochtree, data, {"prio": value}, thin=20).survival
        assert_allclose(survival, expected)
    assert dependence.summary().mean.shape == (3, 13)
    assert dependence.summary().mean[0, -1] > dependence.summary().mean[2, -1]
    with pytest.raises(InputError, match="values is empty"):
        partial_dependence(rossi_stochtree, data, "prio", [])


def test_unknown_covariate(rossi_stochtree: Bart, rossi: SurvivalData) -> None:
    with pytest.raises(InputError, match="no column 'prior'"):
        marginal_effects(rossi_stochtree, rossi, {"prior": 0}, {"prior": 1})


def test_variable_inclusion(rossi_stochtree: Bart, rossi: SurvivalData) -> None:
    inclusion = variable_inclusion(rossi_stochtree)
    assert list(inclusion) == ["time", *rossi.feature_names]
    assert_allclose(sum(summary.mean for summary in inclusion.values()), 1)
    assert all(summary.low <= summary.mean <= summary.high for summary in inclusion.values())


def test_simulated_times_follow_their_survival() -> None:
    features = np.repeat([[0.0], [1.0]], 4000, axis=0)
    simulation = simulate_survival(
        features,
        shape=lambda x: 1 + x[:, 0],
        scale=lambda x: 3 - x[:, 0],
        end_of_study=5,
        mean_censoring_time=6,
    )
    data = simulation.data
    assert data.true_time is not None
    times = np.array([0.5, 1, 2, 4])
    for group in (0, 1):
        rows = features[:, 0] == group
        seen = (data.true_time[rows, None] > times).mean(axis=0)
        assert_allclose(seen, simulation.survival(times)[rows][0], atol=0.03)
    assert (data.time <= 5).all()
    assert (data.time[data.event] == data.true_time[data.event]).all()
    assert 0.1 < 1 - data.event.mean() < 0.6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": lambda x: x[:, 0] - 1}, "scale is -1.0 for subject 0"),
        ({"shape": 0}, "shape is 0.0 for subject 0"),
        ({"end_of_study": 0}, "end_of_study is 0"),
        ({"mean_censoring_time": -1}, "mean_censoring_time is -1"),
    ],
)
def test_simulation_parameters(change: dict, message: str) -> None:
    parameters = {"shape": 1.0, "scale": 1.0, "end_of_study": 5.0, **change}
    with pytest.raises(InputError, match=message):
        simulate_survival(np.zeros((3, 1)), **parameters)
