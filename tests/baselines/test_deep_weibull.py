from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import CensoredData, weibull_min
from torch import Tensor

from survkit.baselines.deep_weibull import (
    EARLIEST,
    LARGEST_LOG_SHAPE,
    STEEPEST,
    DeepWeibull,
    WeibullHead,
    log_time_labels,
    marginal_weibull,
    weibull_loss,
)
from survkit.configs.train import TrainConfig
from survkit.training.checkpoint import load_checkpoint, save_checkpoint
from survkit.training.neural_model import fit_together
from survkit.types import InputError, SurvivalData, TimeGrid
from tests.training.training_fixtures import RecordingMonitor, halves

GRID = TimeGrid.evenly_spaced(3.0, 12)
SEEDS = (42, 43, 44)


def build(seed: int = 42, grid: TimeGrid = GRID, **changes: Any) -> DeepWeibull:
    small = {"hidden_dim": 8, "epochs": 4, "batch_size": 16, "lr": 0.01}
    parameters = asdict(TrainConfig(**small | changes))
    return DeepWeibull("deep_weibull", grid=grid, parameters=parameters, seed=seed)


def torchsurv_loss(output: Tensor, time: Tensor, event: Tensor) -> Tensor:
    with warnings.catch_warnings():
        # torchsurv calls the deprecated torch.jit.script when it is imported.
        warnings.simplefilter("ignore", FutureWarning)
        from torchsurv.loss.weibull import neg_log_likelihood_weibull
    return neg_log_likelihood_weibull(output, event, time)


def outcomes(seed: int = 1, subjects: int = 40) -> tuple[Tensor, Tensor, Tensor]:
    """Three networks' outputs (3, B, 2), times and events, in double precision."""
    random = torch.Generator().manual_seed(seed)
    output = torch.randn(3, subjects, 2, generator=random, dtype=torch.float64)
    time = torch.rand(3, subjects, generator=random, dtype=torch.float64) + 0.01
    return output, time, torch.rand(3, subjects, generator=random) < 0.6


def test_the_loss_and_its_gradient_are_those_of_torchsurv() -> None:
    output, time, event = outcomes()
    output.requires_grad_()
    found = weibull_loss(output, time.log(), event)
    expected = torch.stack([torchsurv_loss(*row) for row in zip(output, time, event, strict=True)])
    # torchsurv computes in single precision.
    torch.testing.assert_close(found, expected.double(), rtol=1e-5, atol=1e-5)
    (gradient,) = torch.autograd.grad(found.sum(), output)
    (expected_gradient,) = torch.autograd.grad(expected.sum(), output)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-5, atol=1e-5)


def test_the_loss_is_the_likelihood_of_scipy() -> None:
    output, time, event = outcomes(2)
    scale, shape = output.exp().unbind(-1)
    distribution = weibull_min(shape.numpy(), scale=scale.numpy())
    cost = -np.where(event, distribution.logpdf(time.numpy()), distribution.logsf(time.numpy()))
    found = weibull_loss(output, time.log(), event)
    np.testing.assert_allclose(found.numpy(), cost.mean(-1), rtol=1e-10)


def test_the_loss_has_a_gradient_where_torchsurv_has_none() -> None:
    """A subject who lives a hundred times the predicted scale with a shape of 10."""
    arguments = torch.tensor([100.0]), torch.tensor([True])
    gradients = []
    for loss in (torchsurv_loss, lambda out, time, event: weibull_loss(out, time.log(), event)):
        output = torch.tensor([[0.0, np.log(10.0)]], dtype=torch.float32, requires_grad=True)
        value = loss(output, *arguments)
        assert torch.isfinite(value)
        gradients.append(torch.autograd.grad(value, output)[0][0])
    assert gradients[0][0] > 0  # torchsurv's pushes the scale down, to even worse
    assert gradients[1][0] < -1e6
    assert torch.isfinite(gradients[1]).all()


def test_the_loss_continues_by_its_tangent() -> None:
    log_time = torch.tensor([STEEPEST - 1e-3, STEEPEST + 1e-3], dtype=torch.float64)
    log_time.requires_grad_()
    output, event = torch.zeros(2, 2, dtype=torch.float64), torch.tensor([False, False])
    loss = weibull_loss(output.unsqueeze(1), log_time.unsqueeze(1), event.unsqueeze(1))
    (slope,) = torch.autograd.grad(loss.sum(), log_time)
    torch.testing.assert_close(loss[0], loss[1], rtol=3e-3, atol=0.0)
    torch.testing.assert_close(slope[0], slope[1], rtol=2e-3, atol=0.0)


@pytest.mark.parametrize("seen", [True, False])
def test_batches_of_one_kind_have_finite_losses_and_gradients(seen: bool) -> None:
    output = torch.randn(2, 30, 2, requires_grad=True)
    with torch.no_grad():
        output[0, :5] = torch.tensor([-20.0, LARGEST_LOG_SHAPE])
        output[0, 5:9] = torch.tensor([20.0, -LARGEST_LOG_SHAPE])
    times = torch.linspace(EARLIEST, 1, 30).log().expand(2, 30)
    loss = weibull_loss(output, times, torch.full((2, 30), seen))
    assert torch.isfinite(loss).all()
    (gradient,) = torch.autograd.grad(loss.sum(), output)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("censored", [0.0, 0.4])
def test_the_start_is_the_maximum_likelihood_fit_of_scipy(censored: float) -> None:
    random = np.random.default_rng(0)
    time = 0.3 * random.weibull(1.7, 500)
    event = random.random(500) >= censored
    log_scale, log_shape = marginal_weibull(np.log(time), event)
    data = CensoredData.right_censored(time, ~event)
    shape, _, scale = weibull_min.fit(data, floc=0)
    assert np.exp(log_shape) == pytest.approx(shape, rel=1e-3)
    assert np.exp(log_scale) == pytest.approx(scale, rel=1e-3)


def test_the_start_where_there_is_no_maximum() -> None:
    assert marginal_weibull(np.zeros(4), np.zeros(4, bool)) == (0.0, 0.0)
    log_scale, log_shape = marginal_weibull(np.array([-1.0, -0.5, 0.0]), np.array([0, 0, 1], bool))
    assert log_shape == pytest.approx(4)
    assert log_scale == pytest.approx(0, abs=0.01)


def test_a_head_starts_from_a_distribution() -> None:
    head = WeibullHead(3)
    head.start_from(-0.7, 1.2)
    np.testing.assert_allclose(head(torch.zeros(1, 3)).detach(), [[-0.7, 1.2]], rtol=1e-6)
    far = head(torch.full((1, 3), 1e6)).detach()
    assert far[0, 1].abs() <= LARGEST_LOG_SHAPE


def test_labels_are_shares_of_the_horizon() -> None:
    time = np.array([0.0, 1.5, 3.0, 6.0])
    data = SurvivalData(np.zeros((4, 1)), np.array([1, 0, 1, 0]), time)
    label, event = log_time_labels(data, GRID)
    np.testing.assert_allclose(label, np.log([EARLIEST, 0.5, 1, 2]), rtol=1e-6)
    assert label.dtype == np.float32
    assert event.tolist() == [True, False, True, False]


def test_curves_are_those_of_scipy_at_any_time(small_data: SurvivalData) -> None:
    model = build().fit(*halves(small_data))
    scale, shape = model.parameters_of(small_data.features)
    for times in (None, [0.0, 1e-9, 0.123, 2.9], [1.0]):
        found = model.predict(small_data.features, times)
        distribution = weibull_min(shape[:, None], scale=scale[:, None])
        np.testing.assert_allclose(found.survival, distribution.sf(found.times), atol=1e-12)
        assert not found.step
    with pytest.raises(InputError, match=r"up to time 3\.0, asked for 3\.5"):
        model.predict(small_data.features, [3.5])


def test_between_knots_the_curve_is_linear(small_data: SurvivalData) -> None:
    model = build(epochs=40).fit(*halves(small_data))
    whole = model.predict(small_data.features, model.knots.times)
    assert set(GRID.cuts) <= set(whole.times)
    assert whole.times[-1] == GRID.horizon
    between = np.linspace(0, GRID.horizon, 3001)
    exact = model.predict(small_data.features, between).survival
    np.testing.assert_allclose(whole.at(between), exact, atol=2e-3)


def simulated(n: int, seed: int) -> tuple[SurvivalData, np.ndarray, np.ndarray]:
    """Weibull times in days whose scale and shape depend on a feature each, with censoring."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(n, 2)).astype(np.float32)
    scale = 400 * np.exp(0.8 * features[:, 0])
    shape = 1.5 * np.exp(0.3 * features[:, 1])
    time = scale * random.weibull(shape)
    censoring = random.exponential(1500, n)
    data = SurvivalData(features, time <= censoring, np.minimum(time, censoring))
    return data, scale, shape


@pytest.mark.slow
@pytest.mark.parametrize("layers", [0, 1])
def test_the_parameters_of_simulated_times_are_recovered(layers: int) -> None:
    train, _, _ = simulated(3000, 0)
    validation, scale, shape = simulated(500, 1)
    grid = TimeGrid.evenly_spaced(float(train.time.max()), 50)
    changes = {"epochs": 60, "hidden_dim": 16, "lr": 5e-3, "batch_size": 128}
    model = build(grid=grid, num_hidden_layers=layers, **changes).fit(train, validation)
    found_scale, found_shape = model.parameters_of(validation.features)
    inside = (np.abs(validation.features) < 2).all(axis=1)
    for found, truth in ((found_scale, scale), (found_shape, shape)):
        assert np.median(np.abs(np.log(found / truth))[inside]) < 0.1
        assert np.corrcoef(np.log(found), np.log(truth))[0, 1] > 0.97


def test_days_and_years_give_the_same_curve(small_data: SurvivalData) -> None:
    survival = []
    for unit in (1.0, 365.25):
        data = replace(small_data, time=small_data.time * unit)
        model = build(grid=TimeGrid(GRID.cuts * unit), epochs=10).fit(*halves(data))
        survival.append(model.predict(data.features).survival)
    np.testing.assert_allclose(*survival, atol=1e-4)


def test_it_learns_who_is_at_risk(small_data: SurvivalData) -> None:
    monitor = RecordingMonitor()
    model = build(epochs=40).fit(*halves(small_data), monitor=monitor)
    losses = [epoch["validation_loss"] for epoch in monitor.history]
    assert min(losses) == losses[(model.fit_summary.best_epoch or 0) - 1] < losses[0]
    median = model.predict(small_data.features).median()
    assert np.corrcoef(np.log(median), small_data.features[:, 0])[0, 1] < -0.8


def test_a_rebuilt_model_predicts_the_same_bits(small_data: SurvivalData, tmp_path: Path) -> None:
    model = build(dropout=0.2).fit(*halves(small_data))
    save_checkpoint(tmp_path / "model.pt", model.state())
    rebuilt = DeepWeibull.from_state(load_checkpoint(tmp_path / "model.pt"))
    times = [0.0, 0.77, 3.0]
    expected, found = (m.predict(small_data.features, times) for m in (model, rebuilt))
    np.testing.assert_array_equal(found.survival, expected.survival)
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


def test_networks_of_a_stack_end_as_they_would_alone(small_data: SurvivalData) -> None:
    models = [build(seed, dropout=0.3) for seed in SEEDS]
    monitors = [RecordingMonitor() for _ in SEEDS]
    assert fit_together(models, *halves(small_data), monitors=monitors) == [None] * 3
    for model in models:
        alone = build(model.seed, dropout=0.3).fit(*halves(small_data))
        assert model.fit_summary == alone.fit_summary
        np.testing.assert_allclose(
            model.predict(small_data.features).survival,
            alone.predict(small_data.features).survival,
            atol=1e-3,
        )


def test_rows_that_are_all_censored_can_be_fitted(small_data: SurvivalData) -> None:
    censored = replace(small_data, event=np.zeros(len(small_data), bool))
    survival = build().fit(*halves(censored)).predict(small_data.features).survival
    assert np.isfinite(survival).all()


def test_torchsurv_is_not_imported() -> None:
    code = (
        "import sys, survkit.baselines.deep_weibull; "
        "print([name for name in sys.modules if name.startswith('torchsurv')])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[]"
