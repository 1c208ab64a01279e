from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from survkit.baselines.pycox_losses import (
    DEEPHIT_ALPHA,
    DEEPHIT_SIGMA,
    OBJECTIVES,
    comparable_pairs,
    cut_labels,
    deephit_loss,
    deephit_loss_of_causes,
    deepsurv_loss,
    logistic_hazard_loss,
    rank_labels,
)
from survkit.baselines.pycox_models import PycoxModel
from survkit.configs.train import TrainConfig
from survkit.training.checkpoint import load_checkpoint, save_checkpoint
from survkit.training.neural_model import NeuralSurvivalModel, fit_together
from survkit.types import InputError, SurvivalData, SurvivalPrediction, TimeGrid
from tests.training.training_fixtures import RecordingMonitor, halves

GRID = TimeGrid.evenly_spaced(3.0, 12)
SEEDS = (42, 43, 44)


def build(name: str, seed: int = 42, grid: TimeGrid = GRID, **changes: Any) -> PycoxModel:
    small = {"hidden_dim": 8, "epochs": 4, "batch_size": 16, "lr": 0.01}
    return PycoxModel(name, grid=grid, parameters=asdict(TrainConfig(**small | changes)), seed=seed)


def with_few_events(data: SurvivalData, events: int) -> SurvivalData:
    event = np.zeros(len(data), bool)
    event[:events] = True
    return SurvivalData(data.features, event, data.time, categorical=data.categorical)


def pycox() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pycox.models
        import pycox.preprocessing.label_transforms
    return pycox


@pytest.mark.slow
@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_rebuilt_model_predicts_the_same_bits(
    name: str, small_data: SurvivalData, tmp_path: Path
) -> None:
    model = build(name, dropout=0.2).fit(*halves(small_data))
    save_checkpoint(tmp_path / "model.pt", model.state())
    rebuilt = PycoxModel.from_state(load_checkpoint(tmp_path / "model.pt"))
    expected, found = (m.predict(small_data.features) for m in (model, rebuilt))
    np.testing.assert_array_equal(found.survival, expected.survival)
    np.testing.assert_array_equal(found.times, GRID.cuts)
    assert rebuilt.fit_summary == model.fit_summary


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_seed_alone_decides_the_fit(name: str, small_data: SurvivalData) -> None:
    histories = [RecordingMonitor() for _ in range(3)]
    survival = []
    for seed, monitor in zip((1, 1, 2), histories, strict=True):
        torch.manual_seed(len(survival))  # the caller's random state must not matter
        model = build(name, seed, dropout=0.2).fit(*halves(small_data), monitor=monitor)
        survival.append(model.predict(small_data.features).survival)
    np.testing.assert_array_equal(survival[0], survival[1])
    assert histories[0].history == histories[1].history
    assert np.abs(survival[0] - survival[2]).max() > 1e-3


@pytest.mark.parametrize("name", OBJECTIVES)
def test_it_learns_who_is_at_risk(name: str, small_data: SurvivalData) -> None:
    monitor = RecordingMonitor()
    model = build(name, epochs=40).fit(*halves(small_data), monitor=monitor)
    first, best = (
        monitor.history[i]["validation_loss"] for i in (0, model.fit_summary.best_epoch - 1)
    )
    assert best < first
    assert best == min(epoch["validation_loss"] for epoch in monitor.history)
    median = model.predict(small_data.features).median()
    assert np.corrcoef(np.log(median + 1), small_data.features[:, 0])[0, 1] < -0.5


@pytest.mark.parametrize("name", OBJECTIVES)
def test_it_stops_early_and_keeps_the_best_epoch(name: str, small_data: SurvivalData) -> None:
    train, validation = halves(small_data)
    monitor = RecordingMonitor()
    model = build(name, epochs=200, lr=0.05, early_stopping_patience=3)
    model.fit(train, validation, monitor=monitor)
    epochs, best = model.fit_summary.epochs_trained, model.fit_summary.best_epoch
    assert model.fit_summary.converged
    assert epochs == best + 3 == len(monitor.history) < 200
    shorter = build(name, epochs=best, lr=0.05, early_stopping_patience=3).fit(train, validation)
    np.testing.assert_array_equal(
        model.predict(validation.features).survival, shorter.predict(validation.features).survival
    )


@pytest.mark.parametrize("name", ["deephit", "logistic_hazard"])
def test_predictions_are_those_of_pycox(name: str, small_data: SurvivalData) -> None:
    model = build(name).fit(*halves(small_data))
    classes = {"deephit": "DeepHitSingle", "logistic_hazard": "LogisticHazard"}
    reference = getattr(pycox().models, classes[name])(model.network, device="cpu")
    expected = reference.predict_surv(small_data.features)
    found = model.predict(small_data.features).survival
    np.testing.assert_allclose(found, expected, atol=2e-5)  # pycox works in single precision


def test_deepsurv_predictions_are_those_of_pycox(small_data: SurvivalData) -> None:
    train, validation = halves(small_data)
    model = build("deepsurv").fit(train, validation)
    reference = pycox().models.CoxPH(model.network, device="cpu")
    target = (train.time, train.event.astype(np.float32))
    reference.compute_baseline_hazards(train.features, target)
    frame = reference.predict_surv_df(validation.features)
    steps = np.vstack([np.ones(len(validation)), frame.to_numpy()])
    expected = steps[np.searchsorted(frame.index, GRID.cuts, side="right")].T
    np.testing.assert_allclose(model.predict(validation.features).survival, expected, atol=1e-5)


def test_labels_are_those_of_pycox_where_no_time_is_a_cut(small_data: SurvivalData) -> None:
    inside = small_data.subset(small_data.time < 3.0)
    transform = pycox().preprocessing.label_transforms.LabTransDiscreteTime(GRID.cuts)
    expected_cut, expected_event = transform.transform(inside.time, inside.event.astype(float))
    cut, event = cut_labels(inside, GRID)
    np.testing.assert_array_equal(cut, expected_cut)
    np.testing.assert_array_equal(event, expected_event)


def test_labels_beyond_the_horizon_and_at_the_start() -> None:
    data = SurvivalData(
        np.zeros((6, 1)),
        np.array([True, False, True, False, True, False]),
        np.array([9.0, 9.0, 0.0, 0.0, 1.0, 1.0]),
    )
    cuts = np.array([0.0, 1.0, 2.0])
    cut, event = cut_labels(data, TimeGrid(cuts))
    assert cut.tolist() == [2, 2, 0, 0, 1, 0]
    assert event.tolist() == [0, 0, 1, 0, 1, 0]
    late = SurvivalData(np.zeros((1, 1)), np.array([True]), np.array([1.9]))
    assert cut_labels(late, TimeGrid(cuts, floor=True))[0].tolist() == [1]
    rank, event = rank_labels(data, TimeGrid(cuts))
    assert rank.tolist() == [2, 2, 0, 0, 1, 1]
    assert event.tolist() == [0, 0, 1, 0, 1, 0]


@pytest.fixture
def double_precision() -> Iterator[None]:
    """Let pycox, which makes tensors of the default type, compute in double."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def pycox_loss(name: str, output: Tensor, label: Tensor, event: Tensor) -> Tensor:
    losses, seen = pycox().models.loss, event.to(output.dtype)
    if name == "deepsurv":
        return losses.cox_ph_loss(output, label, seen)
    if name == "logistic_hazard":
        return losses.nll_logistic_hazard(output, label, seen)
    pairs = torch.as_tensor(pycox().models.data.pair_rank_mat(label.numpy(), seen.numpy()))
    ranking = losses.rank_loss_deephit_single(output, label, seen, pairs, DEEPHIT_SIGMA)
    return DEEPHIT_ALPHA * losses.nll_pmf(output, label, seen) + (1 - DEEPHIT_ALPHA) * ranking


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0])
@pytest.mark.parametrize(
    ("name", "loss", "outputs"),
    [
        ("deepsurv", deepsurv_loss, 1),
        ("deephit", deephit_loss, 12),
        ("logistic_hazard", logistic_hazard_loss, 12),
    ],
)
def test_losses_and_gradients_of_a_stack_are_those_of_pycox(
    name: str, loss: Any, outputs: int, scale: float
) -> None:
    rng = torch.Generator().manual_seed(1)
    output = (scale * torch.randn(3, 40, outputs, generator=rng)).requires_grad_()
    label = torch.randint(12, (3, 40), generator=rng)  # with ties
    event = torch.rand(3, 40, generator=rng) < 0.6
    found = loss(output, label, event)
    expected = torch.stack(
        [pycox_loss(name, *parts) for parts in zip(output, label, event, strict=True)]
    )
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    (gradient,) = torch.autograd.grad(found.sum(), output)
    (expected_gradient,) = torch.autograd.grad(expected.sum(), output)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-6, atol=1e-6)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("scale", [0.1, 5.0])
@pytest.mark.parametrize("causes", [1, 3])
def test_the_loss_of_competing_causes_is_that_of_pycox(
    causes: int, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both without the epsilon in the logarithm, which pycox adds in another place."""
    monkeypatch.setattr("survkit.baselines.pycox_losses.PYCOX_EPSILON", 0.0)
    losses = pycox().models.loss
    rng = torch.Generator().manual_seed(1)
    output = (scale * torch.randn(2, 40, causes * 12, generator=rng)).requires_grad_()
    cut = torch.randint(12, (2, 40), generator=rng)
    cause = torch.randint(causes + 1, (2, 40), generator=rng)
    found = deephit_loss_of_causes(output, cut, cause, causes)
    expected = []
    for of_one, *label in zip(output, cut, cause, strict=True):
        pairs = pycox().models.data.pair_rank_mat(*(part.numpy() for part in label), "float64")
        of_causes = of_one.unflatten(-1, (causes, 12))
        outcomes = (of_causes, *label, torch.as_tensor(pairs))
        likelihood = losses.nll_pmf_cr(of_causes, *label, epsilon=0.0)
        ranking = losses.rank_loss_deephit_cr(*outcomes, DEEPHIT_SIGMA)
        expected.append(DEEPHIT_ALPHA * likelihood + (1 - DEEPHIT_ALPHA) * ranking)
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-6, atol=1e-6)
    gradients = [torch.autograd.grad(sum(losses), output) for losses in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-6)
    if causes == 1:
        torch.testing.assert_close(found, deephit_loss(output, cut, cause > 0))


def test_comparable_pairs_are_those_of_pycox() -> None:
    rng = np.random.default_rng(0)
    cut, event = rng.integers(0, 5, 40), rng.random(40) < 0.5
    expected = pycox().models.data.pair_rank_mat(cut, event.astype(np.float32))
    found = comparable_pairs(torch.as_tensor(cut), torch.as_tensor(event))
    np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW", "SGD"])
def test_a_batch_without_events_changes_no_network_that_has_none(
    optimizer: str, small_data: SurvivalData
) -> None:
    train, validation = halves(small_data)
    rare = with_few_events(train, 3)
    settings = {"batch_size": 4, "optimizer": optimizer, "epochs": 2}
    models = [build("deepsurv", seed, **settings) for seed in SEEDS]
    monitors = [RecordingMonitor() for _ in SEEDS]
    assert fit_together(models, rare, validation, monitors=monitors) == [None] * 3
    for model, monitor in zip(models, monitors, strict=True):
        alone = RecordingMonitor()
        build("deepsurv", model.seed, **settings).fit(rare, validation, monitor=alone)
        for found, expected in zip(monitor.history, alone.history, strict=True):
            assert np.isfinite(found["train_loss"])
            assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_batches_without_events_leave_the_weights_alone(small_data: SurvivalData) -> None:
    """Of two batches, that of the only event is the whole epoch."""
    train, validation = halves(small_data)
    rare = with_few_events(train, 1)
    monitor = RecordingMonitor()
    build("deepsurv", batch_size=45, epochs=1, optimizer="SGD").fit(
        rare, validation, monitor=monitor
    )
    order = torch.randperm(90, generator=torch.Generator().manual_seed(42)).numpy()
    with_event = order[:45] if 0 in order[:45] else order[45:]
    untrained = build("deepsurv", epochs=1, lr=1e-18, optimizer="SGD")
    network = untrained.fit(rare, validation).network
    rank, event = map(torch.as_tensor, rank_labels(rare, GRID))
    outputs = network.train()(torch.as_tensor(rare.features[with_event]))
    loss = deepsurv_loss(outputs, rank[with_event], event[with_event])
    assert monitor.history[0]["train_loss"] == pytest.approx(loss.item(), rel=1e-5)
    moved = [
        weight - 0.01 * gradient
        for weight, gradient in zip(
            network.parameters(), torch.autograd.grad(loss, list(network.parameters())), strict=True
        )
    ]
    assert monitor.state is not None
    for name, weight in zip(dict(network.named_parameters()), moved, strict=True):
        torch.testing.assert_close(monitor.state["weights"][name], weight)


def test_the_partial_likelihood_of_three_subjects() -> None:
    log_risk = torch.tensor([[0.5], [0.0], [-1.0]])
    event = torch.tensor([True, False, True])
    at_risk = np.exp(0.5) + np.exp(0.0) + np.exp(-1.0)
    expected = (np.log(at_risk) - 0.5) / 2  # the last event is alone and certain
    loss = deepsurv_loss(log_risk, torch.arange(3), event)
    assert loss.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("stop_after", [1, 3])
def test_an_interrupted_fit_continues_as_if_it_had_not_stopped(
    name: str, stop_after: int, small_data: SurvivalData
) -> None:
    parts = halves(small_data)
    whole, broken = RecordingMonitor(), RecordingMonitor(stop_after)
    uninterrupted = build(name, dropout=0.3).fit(*parts, monitor=whole)
    with pytest.raises(KeyboardInterrupt):
        build(name, dropout=0.3).fit(*parts, monitor=broken)
    broken.stop_after = None
    resumed = build(name, dropout=0.3).fit(*parts, monitor=broken)
    assert broken.history == whole.history
    assert resumed.fit_summary == uninterrupted.fit_summary
    np.testing.assert_array_equal(
        resumed.predict(small_data.features).survival,
        uninterrupted.predict(small_data.features).survival,
    )


@pytest.mark.parametrize("name", OBJECTIVES)
def test_networks_of_a_stack_end_as_they_would_alone(name: str, small_data: SurvivalData) -> None:
    models = [build(name, seed, dropout=0.3) for seed in SEEDS]
    monitors = [RecordingMonitor() for _ in SEEDS]
    assert fit_together(models, *halves(small_data), monitors=monitors) == [None] * 3
    for model in models:
        assert isinstance(model, NeuralSurvivalModel)
        alone = build(name, model.seed, dropout=0.3).fit(*halves(small_data))
        assert model.fit_summary == alone.fit_summary
        np.testing.assert_allclose(
            model.predict(small_data.features).survival,
            alone.predict(small_data.features).survival,
            atol=1e-3,
        )


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_checkpoint_of_an_earlier_version_still_loads(
    name: str, small_data: SurvivalData
) -> None:
    model = build(name).fit(*halves(small_data))
    state = model.state()
    first = {"backbone": "0", "head": "1"}
    old = {key: state[key] for key in ("cuts", "floor", "parameters", "seed")}
    old["baseline"] = model.baseline and np.exp(model.baseline.log_at(GRID.cuts))
    old |= {
        "name": name,
        "columns": {
            "names": list(small_data.feature_names),
            "categorical": [list(column) for column in small_data.categorical],
        },
        "fit_summary": list(model.fit_summary[:3]),
        "weights": {
            f"{first[part]}.{rest}": weight
            for key, weight in state["weights"].items()
            for part, _, rest in [key.partition(".")]
        },
    }
    rebuilt = PycoxModel.from_state(old)
    assert rebuilt.fit_summary[:3] == model.fit_summary[:3]
    assert rebuilt.fit_summary.converged is None
    assert rebuilt.state()["model"] == name
    expected = model.predict(small_data.features)
    np.testing.assert_allclose(
        rebuilt.predict(small_data.features).survival, expected.survival, rtol=1e-12
    )
    middle = (GRID.cuts[1:] + GRID.cuts[:-1]) / 2
    between = rebuilt.predict(small_data.features, middle).survival
    np.testing.assert_allclose(between, expected.at(middle), atol=1e-12)


@pytest.mark.parametrize("split", ["training", "validation"])
def test_deepsurv_needs_events(split: str, small_data: SurvivalData) -> None:
    parts = dict(zip(("training", "validation"), halves(small_data), strict=True))
    n = len(parts[split])
    parts[split] = with_few_events(parts[split], 0)
    with pytest.raises(InputError, match=f"an event among the {split} rows; all {n} of them"):
        build("deepsurv").fit(parts["training"], parts["validation"])


@pytest.mark.parametrize("name", ["deephit", "logistic_hazard"])
def test_the_discrete_networks_learn_from_censored_rows_alone(
    name: str, small_data: SurvivalData
) -> None:
    censored = with_few_events(small_data, 0)
    survival = build(name).fit(*halves(censored)).predict(small_data.features).survival
    assert np.isfinite(survival).all()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_another_metric_can_be_monitored(name: str, small_data: SurvivalData) -> None:
    train, validation = halves(small_data)
    seen = []

    def mean_survival(prediction: SurvivalPrediction) -> dict[str, float]:
        seen.append(float(prediction.survival.mean()))
        return {"mean_survival": seen[-1]}

    parameters = {"monitored_val_metric": "mean_survival", "minimize_val_metric": False}
    config = TrainConfig(hidden_dim=8, epochs=6, batch_size=16, lr=0.01, **parameters)
    model = PycoxModel(
        name, grid=GRID, parameters=asdict(config), validation_metrics=mean_survival
    ).fit(train, validation)
    assert len(seen) == 6
    assert model.fit_summary.best_epoch == np.argmax(seen) + 1
    found = model.predict(validation.features).survival.mean()
    assert found == pytest.approx(max(seen), abs=1e-12)


def test_a_loss_that_is_never_finite_is_an_input_error(small_data: SurvivalData) -> None:
    with pytest.raises(InputError, match="not finite in the first epoch; a smaller --lr"):
        build("logistic_hazard", lr=1e30, optimizer="SGD").fit(*halves(small_data))


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW", "SGD"])
def test_every_optimiser_of_the_command_works(optimizer: str, small_data: SurvivalData) -> None:
    monitor = RecordingMonitor()
    build("logistic_hazard", optimizer=optimizer).fit(*halves(small_data), monitor=monitor)
    losses = [epoch["train_loss"] for epoch in monitor.history]
    assert losses[-1] < losses[0]


def test_nothing_is_printed_or_left_in_the_working_folder(
    small_data: SurvivalData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    build("deephit").fit(*halves(small_data))
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []
