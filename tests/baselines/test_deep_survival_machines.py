from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lifelines import WeibullFitter
from scipy.stats import lognorm, weibull_min

from survkit.baselines.deep_survival_machines import (
    DeepSurvivalMachines,
    MachinesOutput,
    SurvivalMachinesHead,
    machines_training_loss,
    mixture_loss,
)
from survkit.baselines.deep_weibull import LARGEST_LOG_SHAPE
from survkit.baselines.survival_distributions import DISTRIBUTIONS
from survkit.configs.train import TrainConfig
from survkit.training.checkpoint import load_checkpoint, save_checkpoint
from survkit.training.neural_model import fit_together
from survkit.types import InputError, SurvivalData, TimeGrid
from tests.training.training_fixtures import RecordingMonitor, halves

GRID = TimeGrid.evenly_spaced(3.0, 12)
SEEDS = (42, 43, 44)
every_family = pytest.mark.parametrize("family", DISTRIBUTIONS)


def build(seed: int = 42, grid: TimeGrid = GRID, **changes: Any) -> DeepSurvivalMachines:
    small = {"hidden_dim": 8, "epochs": 4, "batch_size": 16, "lr": 0.01, "dsm_components": 3}
    parameters = asdict(TrainConfig(**small | changes))
    return DeepSurvivalMachines(
        "deep_survival_machines", grid=grid, parameters=parameters, seed=seed
    )


def outputs(seed: int = 1) -> tuple[MachinesOutput, torch.Tensor, torch.Tensor]:
    """Two networks' mixtures of 3 distributions for 30 subjects, log times and events."""
    random = torch.Generator().manual_seed(seed)
    weights, location, spread = torch.randn(3, 2, 30, 3, generator=random, dtype=torch.float64)
    departure = torch.tensor([0.3, 0.7], dtype=torch.float64)
    output = MachinesOutput(weights.log_softmax(-1), location, spread, departure)
    time = torch.rand(2, 30, generator=random, dtype=torch.float64) + 0.01
    return output, time.log(), torch.rand(2, 30, generator=random) < 0.6


def scipy_log_likelihoods(
    family: str, output: MachinesOutput, log_time: torch.Tensor, event: torch.Tensor
) -> np.ndarray:
    """Logarithm of each distribution's density or survival, (2, 30, 3), by scipy."""
    shape, scale = np.exp(output.spread.numpy()), np.exp(output.location.numpy())
    distribution = (weibull_min if family == "weibull" else lognorm)(shape, scale=scale)
    time = np.exp(log_time.numpy())[..., None]
    return np.where(event.numpy()[..., None], distribution.logpdf(time), distribution.logsf(time))


@every_family
def test_the_loss_is_the_likelihood_of_scipys_mixture(family: str) -> None:
    output, log_time, event = outputs()
    joint = output.log_weights.numpy() + scipy_log_likelihoods(family, output, log_time, event)
    expected = -np.log(np.exp(joint).sum(-1)).mean(-1)
    found = mixture_loss(output, log_time, event, distribution=DISTRIBUTIONS[family])
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@every_family
@pytest.mark.parametrize("discount", [0.0, 0.5, 1.0])
def test_training_minimises_the_lower_bound_discount_and_prior(
    family: str, discount: float
) -> None:
    output, log_time, event = outputs(2)
    weights = output.log_weights.exp().numpy()
    log_likelihoods = scipy_log_likelihoods(family, output, log_time, event)
    factor = np.where(event.numpy(), 1.0, discount)
    of_each = {
        "elbo": (weights * log_likelihoods).sum(-1),
        "likelihood": np.log((weights * np.exp(log_likelihoods)).sum(-1)),
    }
    for name, value in of_each.items():
        parameters = {"dsm_loss": name, "dsm_discount": discount, "dsm_prior": 0.2}
        found = machines_training_loss(
            output, log_time, event, parameters, distribution=DISTRIBUTIONS[family]
        )
        expected = -(factor * value).mean(-1) + 0.2 * np.array([0.3, 0.7])
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert (of_each["elbo"] <= of_each["likelihood"] + 1e-12).all()


@every_family
@pytest.mark.parametrize("seen", [True, False])
def test_batches_of_one_kind_have_finite_losses_and_gradients(family: str, seen: bool) -> None:
    random = torch.Generator().manual_seed(0)
    values = torch.randn(3, 2, 30, 3, generator=random)
    values[1, 0, :5] = -20.0
    values[1, 0, 5:9] = 20.0
    values[2, 0, :9] = LARGEST_LOG_SHAPE * torch.tensor([-1.0, 0.0, 1.0])
    values[0, 1, :9, 0] = 1e4  # weights of exactly 0
    values.requires_grad_()
    output = MachinesOutput(values[0].log_softmax(-1), values[1], values[2], torch.zeros(2))
    log_time = torch.linspace(1e-4, 1, 30).log().expand(2, 30)
    event = torch.full((2, 30), seen)
    for loss in ("elbo", "likelihood"):
        parameters = {"dsm_loss": loss, "dsm_discount": 0.5, "dsm_prior": 0.1}
        total = machines_training_loss(
            output, log_time, event, parameters, distribution=DISTRIBUTIONS[family]
        )
        assert torch.isfinite(total).all()
        (gradient,) = torch.autograd.grad(total.sum(), values, retain_graph=True)
        assert torch.isfinite(gradient).all()


def test_a_head_starts_from_a_distribution_in_equal_parts() -> None:
    head = SurvivalMachinesHead(5, 3, DISTRIBUTIONS["weibull"])
    head.start_from(-0.7, 1.2)
    for layer in (head.location, head.spread):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    output = head(torch.randn(4, 5))
    np.testing.assert_allclose(output.log_weights.exp().detach(), 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(output.location.detach(), -0.7, rtol=1e-6)
    np.testing.assert_allclose(output.spread.detach(), 1.2, rtol=1e-6)
    assert output.departure.item() == 0
    with torch.no_grad():
        head.shared[0] += 2.0
    assert head(torch.randn(4, 5)).departure.item() == pytest.approx(3 * 4.0)


def test_one_weibull_without_covariates_is_the_fit_of_lifelines(small_data: SurvivalData) -> None:
    features = np.zeros((len(small_data), 1), np.float32)
    # Times far below the horizon count as later ones, here and not in lifelines.
    data = SurvivalData(features, small_data.event, np.maximum(small_data.time, 0.01))
    expected = WeibullFitter().fit(data.time, data.event)
    full_batch = {"batch_size": 1000, "num_hidden_layers": 0, "epochs": 500, "lr": 0.02}
    full_batch["early_stopping_patience"] = 500
    model = build(dsm_components=1, **full_batch).fit(data, data)
    weights, location, spread = model.components_of(data.features)
    np.testing.assert_array_equal(weights, 1.0)
    np.testing.assert_allclose(np.exp(location), expected.lambda_, rtol=1e-3)
    np.testing.assert_allclose(np.exp(spread), expected.rho_, rtol=1e-3)
    at = GRID.cuts[1:]
    found = model.predict(data.features[:1]).survival[0, 1:]
    np.testing.assert_allclose(found, expected.survival_function_at_times(at), atol=1e-3)


@every_family
def test_curves_are_mixtures_of_scipy_at_any_time(family: str, small_data: SurvivalData) -> None:
    model = build(dsm_distribution=family).fit(*halves(small_data))
    weights, location, spread = model.components_of(small_data.features)
    of_scipy = weibull_min if family == "weibull" else lognorm
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-12)
    for times in (None, [0.0, 1e-9, 0.123, 2.9], [1.0]):
        found = model.predict(small_data.features, times)
        shape, scale = np.exp(spread)[..., None], np.exp(location)[..., None]
        expected = (weights[..., None] * of_scipy(shape, scale=scale).sf(found.times)).sum(1)
        np.testing.assert_allclose(found.survival, expected, atol=1e-12)
        np.testing.assert_array_equal(found.expert_weights, weights)
        assert not found.step
    with pytest.raises(InputError, match=r"up to time 3\.0, asked for 3\.5"):
        model.predict(small_data.features, [3.5])
    whole = model.predict(small_data.features, model.knots.times)
    between = np.linspace(0, GRID.horizon, 301)
    exact = model.predict(small_data.features, between).survival
    np.testing.assert_allclose(whole.at(between), exact, atol=3e-3)


@every_family
def test_days_and_years_give_the_same_curve(family: str, small_data: SurvivalData) -> None:
    survival = []
    for unit in (1.0, 365.25):
        data = replace(small_data, time=small_data.time * unit)
        model = build(grid=TimeGrid(GRID.cuts * unit), epochs=10, dsm_distribution=family)
        survival.append(model.fit(*halves(data)).predict(data.features).survival)
    np.testing.assert_allclose(*survival, atol=1e-3)


def two_groups(n: int, seed: int) -> SurvivalData:
    """Times of two Weibull distributions, early and late, that a feature tells apart noisily."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(n, 2)).astype(np.float32)
    late = random.random(n) < 1 / (1 + np.exp(-3 * features[:, 0]))
    time = np.where(late, 3 * random.weibull(6, n), 0.5 * random.weibull(1, n))
    censoring = random.uniform(0, 6, n)
    return SurvivalData(features, time <= censoring, np.minimum(time, censoring))


@pytest.mark.slow
def test_a_planted_mixture_is_found_by_its_likelihood() -> None:
    train = two_groups(2000, 0)
    validation = two_groups(500, 1)
    grid = TimeGrid.evenly_spaced(float(train.time.max()), 50)
    changes = {"epochs": 80, "hidden_dim": 16, "num_hidden_layers": 1, "batch_size": 128}
    losses = {}
    for components, loss in ((1, "likelihood"), (2, "elbo"), (2, "likelihood")):
        model = build(grid=grid, dsm_components=components, dsm_loss=loss, **changes)
        monitor = RecordingMonitor()
        model.fit(train, validation, monitor=monitor)
        losses[components, loss] = min(e["validation_loss"] for e in monitor.history)
    assert losses[2, "likelihood"] < losses[1, "likelihood"] - 0.1
    assert losses[2, "likelihood"] <= losses[2, "elbo"]
    weights, location, spread = model.components_of(validation.features)
    later = np.argmax(location.mean(0))
    truth = 1 / (1 + np.exp(-3 * validation.features[:, 0]))
    assert np.corrcoef(weights[:, later], truth)[0, 1] > 0.95
    assert np.median(np.exp(location[:, later])) == pytest.approx(3, rel=0.1)
    assert np.median(np.exp(spread[:, later])) == pytest.approx(6, rel=0.3)


def test_a_strong_prior_keeps_what_subjects_share_at_the_start(small_data: SurvivalData) -> None:
    departures = []
    for prior in (0.0, 100.0):
        model = build(dsm_prior=prior, epochs=20).fit(*halves(small_data))
        head = model.network.head
        departures.append(float((head.shared - head.prior).detach().square().sum()))
    assert departures[1] < departures[0] / 10


def test_the_history_has_the_likelihood_and_what_is_minimised(small_data: SurvivalData) -> None:
    monitor = RecordingMonitor()
    model = build(epochs=20).fit(*halves(small_data), monitor=monitor)
    for epoch in monitor.history:  # the lower bound is below, so its negative is above
        assert epoch["train_objective"] >= epoch["train_loss"] - 1e-6
    losses = [epoch["validation_loss"] for epoch in monitor.history]
    assert min(losses) == losses[(model.fit_summary.best_epoch or 0) - 1] < losses[0]


@every_family
def test_a_rebuilt_model_predicts_the_same_bits(
    family: str, small_data: SurvivalData, tmp_path: Path
) -> None:
    model = build(dropout=0.2, dsm_distribution=family).fit(*halves(small_data))
    save_checkpoint(tmp_path / "model.pt", model.state())
    rebuilt = DeepSurvivalMachines.from_state(load_checkpoint(tmp_path / "model.pt"))
    times = [0.0, 0.77, 3.0]
    expected, found = (m.predict(small_data.features, times) for m in (model, rebuilt))
    np.testing.assert_array_equal(found.survival, expected.survival)
    np.testing.assert_array_equal(found.expert_weights, expected.expert_weights)
    assert rebuilt.fit_summary == model.fit_summary


@pytest.mark.parametrize("stop_after", [1, 3])
def test_an_interrupted_fit_continues_as_if_it_had_not_stopped(
    stop_after: int, small_data: SurvivalData
) -> None:
    parts = halves(small_data)
    whole, broken = RecordingMonitor(), RecordingMonitor(stop_after)
    uninterrupted = build(dropout=0.3).fit(*parts, monitor=whole)
    with pytest.raises(KeyboardInterrupt):
        build(dropout=0.3).fit(*parts, monitor=broken)
    broken.stop_after = None
    resumed = build(dropout=0.3).fit(*parts, monitor=broken)
    assert broken.history == whole.history
    np.testing.assert_array_equal(
        resumed.predict(small_data.features).survival,
        uninterrupted.predict(small_data.features).survival,
    )


@every_family
def test_networks_of_a_stack_end_as_they_would_alone(family: str, small_data: SurvivalData) -> None:
    changes = {"dropout": 0.3, "dsm_distribution": family, "dsm_prior": 0.1}
    models = [build(seed, **changes) for seed in SEEDS]
    monitors = [RecordingMonitor() for _ in SEEDS]
    assert fit_together(models, *halves(small_data), monitors=monitors) == [None] * 3
    for model in models:
        alone = build(model.seed, **changes).fit(*halves(small_data))
        assert model.fit_summary == alone.fit_summary
        np.testing.assert_allclose(
            model.predict(small_data.features).survival,
            alone.predict(small_data.features).survival,
            atol=1e-3,
        )


@every_family
def test_rows_that_are_all_censored_can_be_fitted(family: str, small_data: SurvivalData) -> None:
    censored = replace(small_data, event=np.zeros(len(small_data), bool))
    model = build(dsm_distribution=family).fit(*halves(censored))
    assert np.isfinite(model.predict(small_data.features).survival).all()


def test_a_loss_that_is_never_finite_is_an_input_error(small_data: SurvivalData) -> None:
    monitor = RecordingMonitor()
    with pytest.raises(InputError, match="not finite in the first epoch; a smaller --lr"):
        build(lr=1e30, optimizer="SGD").fit(*halves(small_data), monitor=monitor)
    assert monitor.history == []
