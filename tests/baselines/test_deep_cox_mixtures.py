from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from survkit.baselines.cox_mixture_baselines import (
    FEWEST_INTERVALS,
    MOST_INTERVALS,
    interval_ends,
    log_cumulative_hazard,
    start_responsibilities,
    weighted_breslow,
)
from survkit.baselines.cox_mixture_losses import (
    CoxMixtureOutput,
    cox_mixture_loss,
    cox_mixture_training_loss,
    joint_log_likelihoods,
)
from survkit.baselines.deep_cox_mixtures import DeepCoxMixtures
from survkit.baselines.proportional_hazards import CumulativeHazard
from survkit.configs.train import TrainConfig
from survkit.training.checkpoint import load_checkpoint, save_checkpoint
from survkit.training.neural_model import fit_together
from survkit.types import InputError, SurvivalData, TimeGrid
from tests.training.training_fixtures import RecordingMonitor, halves

GRID = TimeGrid.evenly_spaced(3.0, 12)
SEEDS = (42, 43, 44)
COMPONENTS, INTERVALS = 3, 4


def build(seed: int = 42, grid: TimeGrid = GRID, **changes: Any) -> DeepCoxMixtures:
    small = {"hidden_dim": 8, "epochs": 4, "batch_size": 16, "lr": 0.01}
    parameters = asdict(TrainConfig(**small | changes))
    return DeepCoxMixtures("deep_cox_mixtures", grid=grid, parameters=parameters, seed=seed)


def outputs(seed: int = 1) -> tuple[CoxMixtureOutput, torch.Tensor, torch.Tensor]:
    """Two networks' outputs for 30 subjects, and their outcomes, with ties."""
    random = torch.Generator().manual_seed(seed)
    weights, risk = torch.randn(2, 2, 30, COMPONENTS, generator=random, dtype=torch.float64)
    hazard = torch.randn(2, COMPONENTS, INTERVALS, generator=random, dtype=torch.float64)
    ends = torch.tensor([0.0, 0.2, 0.5, 0.6, 1.0], dtype=torch.float64).expand(2, -1)
    output = CoxMixtureOutput(weights.log_softmax(-1), risk, hazard, ends)
    time = torch.randint(0, 14, (2, 30), generator=random).double() / 10  # some beyond the last end
    return output, time, torch.rand(2, 30, generator=random) < 0.6


def hand_likelihoods(
    output: CoxMixtureOutput, time: torch.Tensor, event: torch.Tensor
) -> np.ndarray:
    """Weight times density or survival of each component, (2, 30, K), subject by subject."""
    likelihoods = np.zeros((2, 30, COMPONENTS))
    for s, i, k in np.ndindex(likelihoods.shape):
        ends = output.ends[s].tolist()
        ends[-1] = np.inf
        hazards = output.log_hazard[s, k].exp().tolist()
        t = time[s, i].item()
        steps = list(zip(hazards, ends[:-1], ends[1:], strict=True))
        baseline = sum(h * max(min(t, b) - a, 0) for h, a, b in steps)
        (at,) = (h for h, a, b in steps if a < t <= b or t == a == 0)
        ratio = np.exp(output.log_risk[s, i, k].item())
        likelihoods[s, i, k] = np.exp(output.log_weights[s, i, k].item() - baseline * ratio)
        likelihoods[s, i, k] *= at * ratio if event[s, i] else 1
    return likelihoods


def test_likelihoods_are_those_computed_by_hand() -> None:
    output, time, event = outputs()
    expected = hand_likelihoods(output, time, event)
    found = joint_log_likelihoods(output, time, event)
    np.testing.assert_allclose(found.exp(), expected, rtol=1e-9)
    loss = cox_mixture_loss(output, time, event)
    np.testing.assert_allclose(loss, -np.log(expected.sum(-1)).mean(-1), rtol=1e-9)


def test_an_m_step_is_the_one_computed_by_hand() -> None:
    output, time, event = outputs(2)
    joint = hand_likelihoods(output, time, event)
    share = joint / joint.sum(-1, keepdims=True)
    ratio, log_weights = np.exp(output.log_risk.numpy()), output.log_weights.numpy()
    expected = np.zeros(2)
    for s, i, k in np.ndindex(joint.shape):
        expected[s] -= share[s, i, k] * log_weights[s, i, k]
        if event[s, i]:
            at_risk = (time[s] >= time[s, i]).numpy()
            total = (share[s, at_risk, k] * ratio[s, at_risk, k]).sum()
            expected[s] -= share[s, i, k] * np.log(ratio[s, i, k] / total)
    found = cox_mixture_training_loss(output, time, event, {})
    np.testing.assert_allclose(found, expected / 30, rtol=1e-9)


def test_no_gradient_goes_through_the_responsibilities() -> None:
    """The gradient of an M step is that of the expected log-likelihood, its shares held fixed."""
    output, time, event = outputs(3)
    risk = output.log_risk.clone().requires_grad_()
    moved = output._replace(log_risk=risk)
    (gradient,) = torch.autograd.grad(cox_mixture_training_loss(moved, time, event, {}).sum(), risk)
    share = joint_log_likelihoods(output, time, event).softmax(-1)
    at_risk = (time.unsqueeze(-1) <= time.unsqueeze(-2)).double()  # row i: those at risk at i
    weighted = share * output.log_risk.exp()
    # d/d f_j = sum over events i, j at risk, of share_i weighted_j / total_i, less share_j event_j
    of_events = share * event.unsqueeze(-1) / (at_risk @ weighted)
    expected = (weighted * (at_risk.mT @ of_events) - share * event.unsqueeze(-1)) / 30
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("seen", [True, False])
def test_batches_of_one_kind_have_finite_losses_and_gradients(seen: bool) -> None:
    random = torch.Generator().manual_seed(0)
    values = torch.randn(2, 2, 30, COMPONENTS, generator=random)
    values[1, 0, :6] = 200.0 * torch.randn(6, COMPONENTS, generator=random)
    values[0, 1, :6, 0] = 1e4  # weights of exactly 0
    values.requires_grad_()
    hazard = torch.randn(2, COMPONENTS, INTERVALS, generator=random) * 30
    ends = torch.linspace(0, 1, INTERVALS + 1).expand(2, -1)
    output = CoxMixtureOutput(values[0].log_softmax(-1), values[1], hazard, ends)
    time = torch.linspace(0, 1.5, 30).expand(2, -1)
    event = torch.full((2, 30), seen)
    assert torch.isfinite(cox_mixture_loss(output, time, event)).all()
    total = cox_mixture_training_loss(output, time, event, {})
    assert torch.isfinite(total).all()
    (gradient,) = torch.autograd.grad(total.sum(), values)
    assert torch.isfinite(gradient).all()


def tied_rows(n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    time = (random.integers(0, 40, n) / 40).astype(np.float32)  # 0 is among them
    return time, random.random(n) < 0.5, random.normal(size=(n, 2))


def test_with_equal_weights_the_baseline_is_breslows_at_the_ends() -> None:
    time, event, log_risk = tied_rows()
    ends = interval_ends(time, event, 7)
    log_hazard = weighted_breslow(log_risk, np.full((200, 2), np.log(0.3)), event, time, ends)
    found = log_cumulative_hazard(ends.astype(float), log_hazard, ends.astype(float))
    assert (found[:, 0] == -np.inf).all()
    for k in range(2):
        expected = CumulativeHazard.breslow(log_risk[:, k], event, time).log_at(ends)
        np.testing.assert_allclose(found[k, 1:], expected[1:], rtol=1e-6)


def test_a_weight_of_two_is_a_subject_twice() -> None:
    time, event, log_risk = tied_rows()
    twice = np.arange(200) % 3 == 0
    ends = interval_ends(time, event, 7)
    weights = np.log(np.where(twice, 2.0, 1.0))[:, None]
    found = weighted_breslow(log_risk[:, :1], weights, event, time, ends)
    rows = np.concatenate([np.arange(200), np.flatnonzero(twice)])
    expected = weighted_breslow(
        log_risk[rows, :1], np.zeros((len(rows), 1)), event[rows], time[rows], ends
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("time", "event", "intervals", "expected"),
    [
        ([1, 2, 3, 4], [1, 1, 1, 1], 2, [0, 2, 4]),
        ([1, 2, 3, 4], [1, 1, 0, 0], 2, [0, 1, 4]),
        ([1, 2, 3, 4], [1, 1, 1, 1], 1, [0, 4]),
        ([1, 1, 1, 4], [1, 1, 1, 0], 3, [0, 4, 4, 4]),  # one event time
        ([0, 0, 3, 4], [1, 1, 1, 0], 3, [0, 4, 4, 4]),  # most events at time 0
        ([0, 0, 3, 4], [1, 1, 0, 0], 2, [0, 4, 4]),
    ],
)
def test_every_interval_holds_an_event(
    time: list[float], event: list[int], intervals: int, expected: list[float]
) -> None:
    times, seen = np.array(time, np.float32), np.array(event, bool)
    ends = interval_ends(times, seen, intervals)
    np.testing.assert_array_equal(ends, expected)
    log_hazard = weighted_breslow(np.zeros((4, 2)), np.zeros((4, 2)), seen, times, ends)
    assert np.isfinite(log_hazard).all()
    total = log_cumulative_hazard(times[-1:].astype(float), log_hazard, ends.astype(float))
    nelson_aalen = CumulativeHazard.breslow(np.zeros(4), seen, times).log_at(times[-1:])
    np.testing.assert_allclose(total, [nelson_aalen, nelson_aalen], rtol=1e-6)


@pytest.mark.parametrize(("events", "intervals"), [(3, 3), (60, 5), (240, 12), (5000, 50)])
def test_the_number_of_intervals_follows_the_events(events: int, intervals: int) -> None:
    time = np.linspace(0.1, 1, events, dtype=np.float32)
    ends = interval_ends(time, np.ones(events, bool), None)
    assert len(ends) == MOST_INTERVALS + 1
    assert len(np.unique(ends)) - 1 == intervals
    assert FEWEST_INTERVALS == 5


def test_components_start_with_bands_of_times() -> None:
    share = start_responsibilities(np.array([3.0, 1.0, 2.0, 4.0]), 2)
    np.testing.assert_allclose(share.sum(1), 1)
    np.testing.assert_array_equal(share.argmax(1), [1, 0, 0, 1])
    np.testing.assert_allclose(share.sum(0), 2)
    np.testing.assert_array_equal(start_responsibilities(np.arange(3.0), 1), 1)


def linear_data(n: int = 300) -> SurvivalData:
    random = np.random.default_rng(3)
    features = random.normal(size=(n, 2)).astype(np.float32)
    time = np.ceil(20 * random.exponential(np.exp(-features @ [1.0, -0.5])))  # with ties
    censoring = np.ceil(random.uniform(0, 60, n))
    return SurvivalData(features, time <= censoring, np.minimum(time, censoring))


def test_one_linear_component_is_cox_regression_without_a_penalty() -> None:
    data = linear_data()
    outcome = Surv.from_arrays(data.event, data.time)
    expected = CoxPHSurvivalAnalysis(ties="breslow").fit(data.features, outcome)
    grid = TimeGrid.evenly_spaced(float(data.time.max()), 20)
    full_batch = {"batch_size": 1000, "num_hidden_layers": 0, "epochs": 600, "lr": 0.02}
    # The loss of the smoothed likelihood is not lowest exactly where the partial likelihood is.
    to_the_end = {"monitored_val_metric": "epochs", "minimize_val_metric": False}
    parameters = asdict(TrainConfig(dcm_components=1, **full_batch, **to_the_end))
    counted = iter(range(1000))
    model = DeepCoxMixtures(
        "deep_cox_mixtures",
        grid=grid,
        parameters=parameters,
        validation_metrics=lambda _: {"epochs": float(next(counted))},
    ).fit(data, data)
    coefficients = model.network.head.log_risk.weight.detach().numpy()[0]
    np.testing.assert_allclose(coefficients, expected.coef_, atol=1e-4)
    ends = np.unique(model.network.head.ends.numpy().astype(float)) * grid.horizon
    ends = np.round(ends)  # the times are whole days
    found = model.predict(data.features, ends)
    curves = expected.predict_survival_function(data.features)
    for row, curve in zip(found.survival, curves, strict=True):
        np.testing.assert_allclose(row[1:-1], curve(ends[1:-1]), atol=1e-3)
    np.testing.assert_array_equal(found.expert_weights, 1)


def test_curves_are_those_of_the_mixture_at_any_time(small_data: SurvivalData) -> None:
    model = build().fit(*halves(small_data))
    head, features = model.network.head, small_data.features
    output = next(model._outputs(features))
    times = [0.0, 1e-9, 0.123, 1.5, 2.9, 3.0]
    survival = []
    for time in times:  # the loss of a subject censored there is minus the log survival
        share = torch.full((len(features),), time / GRID.horizon)
        joint = joint_log_likelihoods(output, share, torch.zeros(len(features), dtype=torch.bool))
        survival.append(joint.logsumexp(-1).exp().numpy())
    found = model.predict(features, times)
    np.testing.assert_allclose(found.survival, np.transpose(survival), atol=1e-5)
    np.testing.assert_allclose(found.survival[:, 0], 1, rtol=1e-12)
    np.testing.assert_allclose(found.expert_weights.sum(1), 1, rtol=1e-12)
    whole = model.predict(features, model.knots.times)
    assert set(GRID.cuts) <= set(whole.times)
    assert set(GRID.horizon * head.ends.double().numpy()) <= set(whole.times) | {GRID.horizon}
    between = np.linspace(0, GRID.horizon, 501)
    exact = model.predict(features, between).survival
    np.testing.assert_allclose(whole.at(between), exact, atol=2e-3)
    with pytest.raises(InputError, match=r"up to time 3\.0, asked for 3\.5"):
        model.predict(features, [3.5])


def two_groups(n: int, seed: int) -> SurvivalData:
    """An early and a late group, told apart noisily by a feature; in both another one matters."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(n, 3)).astype(np.float32)
    late = random.random(n) < 1 / (1 + np.exp(-4 * features[:, 0]))
    effect = np.exp(-features[:, 1])
    early_time = effect * random.weibull(1, n)
    time = np.where(late, 2 + effect**0.3 * random.weibull(4, n), early_time)
    censoring = random.uniform(0, 6, n)
    return SurvivalData(features, time <= censoring, np.minimum(time, censoring))


@pytest.mark.slow
def test_planted_groups_are_found() -> None:
    train = two_groups(2000, 0)
    validation = two_groups(500, 1)
    grid = TimeGrid.evenly_spaced(float(train.time.max()), 50)
    changes = {"epochs": 60, "hidden_dim": 16, "num_hidden_layers": 1, "batch_size": 128}
    losses = []
    for components in (1, 2):
        monitor = RecordingMonitor()
        model = build(grid=grid, dcm_components=components, lr=5e-3, **changes)
        model.fit(train, validation, monitor=monitor)
        losses.append(min(epoch["validation_loss"] for epoch in monitor.history))
    assert losses[1] < losses[0] - 0.05
    weights, log_risk = model._components(validation.features)
    truth = 1 / (1 + np.exp(-4 * validation.features[:, 0]))
    assert np.corrcoef(weights[:, 1], truth)[0, 1] > 0.95  # the second starts with the late times
    for k, coefficient in enumerate((1.0, 1.2)):
        slope = np.polyfit(validation.features[:, 1], log_risk[:, k], 1)[0]
        assert slope == pytest.approx(coefficient, abs=0.25)


def test_a_rebuilt_model_predicts_the_same_bits(small_data: SurvivalData, tmp_path: Path) -> None:
    for intervals in (None, 6):
        model = build(dropout=0.2, dcm_intervals=intervals).fit(*halves(small_data))
        save_checkpoint(tmp_path / "model.pt", model.state())
        rebuilt = DeepCoxMixtures.from_state(load_checkpoint(tmp_path / "model.pt"))
        times = [0.0, 0.77, 3.0]
        expected, found = (m.predict(small_data.features, times) for m in (model, rebuilt))
        np.testing.assert_array_equal(found.survival, expected.survival)
        np.testing.assert_array_equal(rebuilt.knots.times, model.knots.times)
        assert rebuilt.fit_summary == model.fit_summary


def test_the_best_epochs_baselines_are_kept_with_its_weights(small_data: SurvivalData) -> None:
    monitor = RecordingMonitor()
    train, validation = halves(small_data)
    model = build(epochs=60, lr=0.03, early_stopping_patience=5).fit(
        train, validation, monitor=monitor
    )
    assert model.fit_summary.epochs_trained > model.fit_summary.best_epoch
    outputs_of_best = next(model._outputs(validation.features))
    label, event = model.objective.labels(validation, GRID)
    loss = cox_mixture_loss(outputs_of_best, torch.as_tensor(label), torch.as_tensor(event))
    best = monitor.history[model.fit_summary.best_epoch - 1]["validation_loss"]
    assert loss.item() == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize("stop_after", [1, 3])
@pytest.mark.parametrize("seeds", [(42,), SEEDS])
def test_an_interrupted_fit_continues_as_if_it_had_not_stopped(
    seeds: tuple[int, ...], stop_after: int, small_data: SurvivalData
) -> None:
    parts = halves(small_data)

    def fit(monitors: list[RecordingMonitor]) -> list[np.ndarray]:
        models = [build(seed, dropout=0.3) for seed in seeds]
        assert fit_together(models, *parts, monitors=monitors) == [None] * len(seeds)
        return [model.predict(small_data.features).survival for model in models]

    whole, broken = ([RecordingMonitor() for _ in seeds] for _ in range(2))
    expected = fit(whole)
    broken[-1].stop_after = stop_after
    with pytest.raises(KeyboardInterrupt):
        fit(broken)
    broken[-1].stop_after = None
    found = fit(broken)
    assert [each.history for each in broken] == [each.history for each in whole]
    np.testing.assert_array_equal(found, expected)


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
    first, second = (model.network.head.log_hazard for model in models[:2])
    assert not torch.equal(first, second)
    assert first.untyped_storage().data_ptr() != second.untyped_storage().data_ptr()


def test_days_and_years_give_the_same_curve(small_data: SurvivalData) -> None:
    survival = []
    for unit in (1.0, 365.25):
        data = replace(small_data, time=small_data.time * unit)
        model = build(grid=TimeGrid(GRID.cuts * unit), epochs=10).fit(*halves(data))
        survival.append(model.predict(data.features).survival)
    np.testing.assert_allclose(*survival, atol=1e-3)


def test_it_needs_an_event_among_the_training_rows(small_data: SurvivalData) -> None:
    train, validation = halves(small_data)
    censored = replace(train, event=np.zeros(len(train), bool))
    with pytest.raises(InputError, match="an event among the training rows; all 90 of them"):
        build().fit(censored, validation)
    alone = np.zeros(len(train), bool)
    alone[3] = True
    nobody = replace(validation, event=np.zeros(len(validation), bool))
    survival = build().fit(replace(train, event=alone), nobody).predict(train.features).survival
    assert np.isfinite(survival).all()


def test_a_loss_that_is_never_finite_is_an_input_error(small_data: SurvivalData) -> None:
    monitor = RecordingMonitor()
    with pytest.raises(InputError, match="not finite in the first epoch; a smaller --lr"):
        build(lr=1e30, optimizer="SGD").fit(*halves(small_data), monitor=monitor)
    assert monitor.history == []
