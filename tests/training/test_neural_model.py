from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from survkit.configs.train import TrainConfig
from survkit.heads import HEADS
from survkit.training.checkpoint import load_checkpoint, save_checkpoint
from survkit.training.network import SurvivalNetwork
from survkit.training.neural_model import NeuralSurvivalModel
from survkit.training.objective import survival_from_class_probabilities
from survkit.types import InputError, SurvivalData, TimeGrid
from tests.training.training_fixtures import RecordingMonitor, build, halves, settings

MIXTURES = [name for name in HEADS if name != "mtlr"]


@pytest.mark.parametrize(
    ("head", "sizes", "count"),
    [
        ("mtlr", {"hidden_dim": 176}, 187_189),
        ("fixed_moe", {"hidden_dim": 208}, 209_844),
        ("adjustable_moe", {"hidden_dim": 186}, 194_883),
        ("personalized_moe", {"hidden_dim": 160, "num_hidden_layers": 1}, 195_891),
    ],
)
def test_published_parameter_counts(head: str, sizes: dict[str, int], count: int) -> None:
    network = SurvivalNetwork(
        head,
        num_features=784,
        categorical=(),
        num_classes=101,
        parameters=asdict(TrainConfig(mixture_components=10, **sizes)),
    )
    assert sum(p.numel() for p in network.parameters()) == count


@pytest.mark.parametrize("head", HEADS)
def test_a_rebuilt_model_predicts_the_same_bits(
    head: str, small_data: SurvivalData, tmp_path: Path
) -> None:
    model = build(head, epochs=2).fit(*halves(small_data))
    save_checkpoint(tmp_path / "model.pt", model.state())
    rebuilt = NeuralSurvivalModel.from_state(load_checkpoint(tmp_path / "model.pt"))
    expected, found = (m.predict(small_data.features) for m in (model, rebuilt))
    np.testing.assert_array_equal(found.survival, expected.survival)
    np.testing.assert_array_equal(found.times, expected.times)
    assert rebuilt.fit_summary == model.fit_summary
    if head in MIXTURES:
        np.testing.assert_array_equal(found.expert_weights, expected.expert_weights)
        np.testing.assert_allclose(expected.expert_weights.sum(axis=1), 1, rtol=1e-12)
    else:
        assert expected.expert_weights is None


@pytest.mark.slow
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("stop_after", [1, 3, 6])
def test_an_interrupted_fit_goes_on_as_if_it_had_not_stopped(
    head: str, stop_after: int, small_data: SurvivalData
) -> None:
    parts = halves(small_data)
    whole = RecordingMonitor()
    uninterrupted = build(head, dropout=0.3).fit(*parts, monitor=whole)
    broken = RecordingMonitor(stop_after)
    with pytest.raises(KeyboardInterrupt):
        build(head, dropout=0.3).fit(*parts, monitor=broken)
    broken.stop_after = None
    resumed = build(head, dropout=0.3).fit(*parts, monitor=broken)
    assert broken.history == whole.history
    assert resumed.fit_summary == uninterrupted.fit_summary
    np.testing.assert_array_equal(
        resumed.predict(small_data.features).survival,
        uninterrupted.predict(small_data.features).survival,
    )


def test_a_fit_leaves_the_callers_random_numbers_alone(small_data: SurvivalData) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    build(epochs=1).fit(*halves(small_data))
    assert torch.equal(torch.rand(4), expected)


def test_seeds_change_the_fit_and_equal_seeds_do_not(small_data: SurvivalData) -> None:
    parts = halves(small_data)
    first, again, other = (
        build(seed=seed, epochs=2).fit(*parts).predict(small_data.features).survival
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_early_stopping_keeps_the_best_epoch(small_data: SurvivalData) -> None:
    train, validation = halves(small_data)
    monitor = RecordingMonitor()
    model = build(epochs=200, early_stopping_patience=3, lr=0.03).fit(
        train, validation, monitor=monitor
    )
    losses = [line["validation_loss"] for line in monitor.history]
    best = int(np.argmin(losses)) + 1
    assert model.fit_summary.best_epoch == best
    assert model.fit_summary.epochs_trained == best + 3 == len(losses) < 200
    assert model.fit_summary.converged is True
    assert model.fit_summary.convergence_reason == (
        "the validation metric (loss) did not improve for 3 epochs"
    )
    classes = model.grid.classify(validation.time)
    survival = model.predict(validation.features).survival
    tails = np.column_stack([np.ones(len(survival)), survival, np.zeros(len(survival))])
    rows = np.arange(len(validation))
    likelihood = np.where(
        validation.event,
        tails[rows, classes] - tails[rows, classes + 1],
        tails[rows, classes],
    )
    assert -np.log(likelihood).mean() == pytest.approx(min(losses), rel=1e-5)


def test_a_training_that_still_improves_at_its_last_epoch_has_not_converged(
    small_data: SurvivalData,
) -> None:
    summary = build("mtlr", epochs=2).fit(*halves(small_data)).fit_summary
    assert summary.converged is False
    assert summary.convergence_reason == (
        "training ended at --epochs 2 while the validation metric (loss) still improved "
        "(best epoch 2)"
    )


def test_a_checkpoint_of_an_earlier_version_still_loads(small_data: SurvivalData) -> None:
    model = build("fixed_moe", epochs=1).fit(*halves(small_data))
    state = model.state()
    assert state.pop("model") == "fixed_moe"
    old = {**state, "head": "fixed_moe", "fit_summary": list(model.fit_summary[:3])}
    rebuilt = NeuralSurvivalModel.from_state(old)
    assert rebuilt.fit_summary == (*model.fit_summary[:3], None, "")
    np.testing.assert_array_equal(
        rebuilt.predict(small_data.features).survival, model.predict(small_data.features).survival
    )


def test_another_metric_can_be_monitored(small_data: SurvivalData) -> None:
    values = iter([0.1, 0.9, 0.5, 0.4, 0.3, 0.2])
    grid = TimeGrid.evenly_spaced(3.0, 12)
    model = NeuralSurvivalModel(
        "mtlr",
        grid=grid,
        parameters=settings(monitored_val_metric="concordance", minimize_val_metric=False),
        validation_metrics=lambda prediction: {"concordance": next(values)},
    )
    assert model.fit(*halves(small_data)).fit_summary.best_epoch == 2
    with pytest.raises(InputError, match="is 'auc'; it must be one of loss"):
        build(monitored_val_metric="auc").fit(*halves(small_data))


def test_an_undefined_metric_does_not_stop_the_choice(small_data: SurvivalData) -> None:
    values = iter([np.nan, 5.0, 4.0, 3.0, np.nan, 6.0])
    model = NeuralSurvivalModel(
        "mtlr",
        grid=TimeGrid.evenly_spaced(3.0, 12),
        parameters=settings(monitored_val_metric="mae"),
        validation_metrics=lambda prediction: {"mae": next(values)},
    )
    assert model.fit(*halves(small_data)).fit_summary.best_epoch == 4


def test_a_loss_that_is_never_finite_is_an_error(small_data: SurvivalData) -> None:
    with pytest.raises(InputError, match="not finite in the first epoch; a smaller --lr"):
        build("mtlr", optimizer="SGD", lr=1e30).fit(*halves(small_data))


def test_divergence_stops_and_keeps_the_best_epoch(small_data: SurvivalData) -> None:
    monitor = RecordingMonitor(stop_after=2)
    with pytest.raises(KeyboardInterrupt):
        build("mtlr", optimizer="SGD", initial_curve="random").fit(
            *halves(small_data), monitor=monitor
        )
    monitor.stop_after = None
    assert monitor.state is not None
    for weight in monitor.state["weights"].values():
        weight.mul_(1e30 if weight.is_floating_point() else 1)  # what comes next overflows
    model = build("mtlr", optimizer="SGD", initial_curve="random").fit(
        *halves(small_data), monitor=monitor
    )
    reason = "the loss was not finite in epoch 3; the weights of epoch 2 are kept"
    assert model.fit_summary[1:] == (3, 2, False, reason)
    assert monitor.warnings == [f"training diverged: {reason}"]
    assert np.isfinite(model.predict(small_data.features).survival).all()


@pytest.mark.parametrize("event", [True, False])
def test_batches_of_one_kind_train(event: bool, small_data: SurvivalData) -> None:
    n = len(small_data)
    data = SurvivalData(small_data.features, np.full(n, event), small_data.time)
    model = build(epochs=2).fit(*halves(data))
    assert np.isfinite(model.predict(data.features).survival).all()


@pytest.mark.slow
def test_the_group_regulariser_evens_out_the_experts(small_data: SurvivalData) -> None:
    def imbalance(group_ent_lambda: float) -> float:
        model = build(group_ent_lambda=group_ent_lambda, epochs=20).fit(*halves(small_data))
        weights = model.predict(small_data.features).expert_weights
        assert weights is not None
        return float((weights.mean(axis=0) ** 2).sum())

    assert imbalance(10.0) < imbalance(0.0)


def test_annealing_lowers_the_regularised_part_of_the_objective(small_data: SurvivalData) -> None:
    monitor = RecordingMonitor()
    build(
        group_ent_lambda=1.0,
        cosine_anneal_group_ent_lambda=True,
        cosine_anneal_hold_epochs=2,
        cosine_anneal_epochs=2,
    ).fit(*halves(small_data), monitor=monitor)
    penalty = [line["train_objective"] - line["train_loss"] for line in monitor.history]
    assert penalty[0] >= 1
    assert penalty[1] >= 1
    assert penalty[2] >= 1  # the third epoch is the first of the cosine, which starts at 1
    assert 0.4 < penalty[3] < 0.7
    assert penalty[4] == pytest.approx(0, abs=1e-6)


def test_history_holds_losses_gradient_and_temperatures(small_data: SurvivalData) -> None:
    monitor = RecordingMonitor()
    build("fixed_moe", epochs=1).fit(*halves(small_data), monitor=monitor)
    (line,) = monitor.history
    assert {
        "train_loss",
        "train_objective",
        "validation_loss",
        "gradient_norm",
        "temperature",
        "kept_temperature",
    } <= set(line)


def test_impossible_parameters_and_inputs_are_refused(small_data: SurvivalData) -> None:
    with pytest.raises(InputError, match="8 or 12 would work"):
        build("personalized_moe", moe_value_dim=10).fit(*halves(small_data))
    with pytest.raises(InputError, match="this machine has cpu"):
        NeuralSurvivalModel(
            "mtlr", grid=TimeGrid.evenly_spaced(1, 5), parameters=settings(), device="cuda:77"
        )
    model = build(epochs=1).fit(*halves(small_data))
    with pytest.raises(InputError, match=r"shape \(n, 5\), not \(2, 3\)"):
        model.predict(np.zeros((2, 3), np.float32))
    unknown = small_data.features.copy()
    unknown[7, 4] = 3
    with pytest.raises(InputError, match=r"'x4' is 3.0 in row 7; .* 0 to 2"):
        model.predict(unknown)


def test_survival_is_the_mass_beyond_each_cut() -> None:
    survival = survival_from_class_probabilities(np.array([[0.1, 0.2, 0.3, 0.4]]))
    np.testing.assert_allclose(survival, [[0.9, 0.7, 0.4]])
