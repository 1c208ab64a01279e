"""Models that are trained as one stack end as they would alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from survkit.heads import HEADS
from survkit.models.registry import MODELS
from survkit.runs.folder import RunFolder
from survkit.training.neural_model import NeuralSurvivalModel, fit_together
from survkit.types import FitMonitor, InputError, SurvivalData, SurvivalPrediction
from tests.training.training_fixtures import RecordingMonitor, build, halves, settings

pytestmark = pytest.mark.slow

SEEDS = (42, 43, 44)
NETWORKS = [name for name, entry in MODELS.items() if entry.network]


def fit_all(
    data: SurvivalData, monitors: Sequence[FitMonitor], head: str, **changes: Any
) -> tuple[list[NeuralSurvivalModel], list[InputError | None]]:
    grid = build().grid
    models: list[Any] = [
        MODELS[head].build(grid=grid, parameters=settings(**changes), seed=seed) for seed in SEEDS
    ]
    return models, fit_together(models, *halves(data), monitors=monitors)


def assert_equal_histories(
    found: list[dict[str, float]], expected: list[dict[str, float]], tolerance: float
) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, rel=tolerance, abs=tolerance)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("changes", [{}, {"dropout": 0.3, "num_hidden_layers": 1}])
def test_each_ends_as_if_it_were_alone(
    head: str, changes: dict[str, Any], small_data: SurvivalData
) -> None:
    together = [RecordingMonitor() for _ in SEEDS]
    models, errors = fit_all(small_data, together, head, **changes)
    assert errors == [None] * 3
    for model, monitor in zip(models, together, strict=True):
        alone = RecordingMonitor()
        single = build(head, model.seed, **changes).fit(*halves(small_data), monitor=alone)
        assert_equal_histories(monitor.history[:1], alone.history[:1], 1e-5)
        assert_equal_histories(monitor.history, alone.history, 1e-3)
        assert model.fit_summary == single.fit_summary
        np.testing.assert_allclose(
            model.predict(small_data.features).survival,
            single.predict(small_data.features).survival,
            atol=1e-3,
        )


@pytest.mark.parametrize("options", [{"optimizer": "SGD"}, {"mixture_topk": 2}])
def test_further_settings_stack(options: dict[str, Any], small_data: SurvivalData) -> None:
    annealed = {"cosine_anneal_group_ent_lambda": True, "cosine_anneal_epochs": 3}
    together = [RecordingMonitor() for _ in SEEDS]
    models, _ = fit_all(small_data, together, "personalized_moe", **options, **annealed)
    alone = RecordingMonitor()
    build(seed=models[1].seed, **options, **annealed).fit(*halves(small_data), monitor=alone)
    assert_equal_histories(together[1].history, alone.history, 1e-4)


def test_each_stops_when_its_own_time_has_come(small_data: SurvivalData) -> None:
    patience = {"epochs": 60, "early_stopping_patience": 2, "lr": 0.03}
    together = [RecordingMonitor() for _ in SEEDS]
    models, _ = fit_all(small_data, together, "fixed_moe", **patience)
    epochs = [model.fit_summary.epochs_trained for model in models]
    assert len(set(epochs)) > 1
    for model, monitor in zip(models, together, strict=True):
        alone = build("fixed_moe", model.seed, **patience).fit(*halves(small_data))
        assert model.fit_summary == alone.fit_summary
        assert len(monitor.history) == model.fit_summary.epochs_trained


@pytest.mark.parametrize("head", NETWORKS)
@pytest.mark.parametrize("interrupted", [0, 1, 2])
def test_an_interrupted_fit_ends_with_the_same_bits_though_states_are_an_epoch_apart(
    head: str, interrupted: int, small_data: SurvivalData
) -> None:
    """The states before that of the one interrupted are those of a later epoch."""
    whole, broken = ([RecordingMonitor() for _ in SEEDS] for _ in range(2))
    expected, _ = fit_all(small_data, whole, head, dropout=0.3)
    for stop_after in (1, 3, 4):
        broken[interrupted].stop_after = stop_after
        with pytest.raises(KeyboardInterrupt):
            fit_all(small_data, broken, head, dropout=0.3)
        epochs = [monitor.state["epoch"] if monitor.state else 0 for monitor in broken]
        ahead = interrupted + 1
        assert epochs == [stop_after] * ahead + [stop_after - 1] * (3 - ahead)
    broken[interrupted].stop_after = None
    found, _ = fit_all(small_data, broken, head, dropout=0.3)
    assert_same_bits(found, broken, expected, whole, small_data)


def test_one_that_starts_again_ends_with_the_same_bits_as_in_its_stack(
    small_data: SurvivalData,
) -> None:
    """One stops early before the state of another is lost, and that of the third is older."""
    patience = {"epochs": 60, "early_stopping_patience": 2, "lr": 0.03}
    whole, broken = ([RecordingMonitor() for _ in SEEDS] for _ in range(2))
    expected, _ = fit_all(small_data, whole, "fixed_moe", **patience)
    stopped = [model.fit_summary.epochs_trained or 0 for model in expected]
    first, last = int(np.argmin(stopped)), int(np.argmax(stopped))
    assert stopped[first] < stopped[last] - 1
    broken[last].stop_after = stopped[first] + 1
    with pytest.raises(KeyboardInterrupt):
        fit_all(small_data, broken, "fixed_moe", **patience)
    broken[last].state, broken[last].stop_after, broken[last].history = None, None, []
    found, _ = fit_all(small_data, broken, "fixed_moe", **patience)
    assert_same_bits(found, broken, expected, whole, small_data)


def test_a_stack_that_ended_need_not_be_trained_again_without_those_that_have_their_records(
    small_data: SurvivalData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though only the first state was kept on the way."""
    monkeypatch.setattr("survkit.runs.folder.time.monotonic", lambda: 10.0)
    monitors = [RunFolder(tmp_path / str(seed)) for seed in SEEDS]
    for monitor in monitors:
        monitor.start({})
    models, _ = fit_all(small_data, monitors, "mtlr")
    last, logged = RunFolder(monitors[-1].path), (tmp_path / "44/history.jsonl").read_text()
    alone = build("mtlr", SEEDS[-1]).fit(*halves(small_data), monitor=last)
    assert alone.fit_summary == models[-1].fit_summary
    assert (tmp_path / "44/history.jsonl").read_text() == logged
    np.testing.assert_array_equal(
        alone.predict(small_data.features).survival,
        models[-1].predict(small_data.features).survival,
    )


def assert_same_bits(
    found: list[NeuralSurvivalModel],
    monitors: list[RecordingMonitor],
    expected: list[NeuralSurvivalModel],
    their_monitors: list[RecordingMonitor],
    data: SurvivalData,
) -> None:
    for one, monitor, other, their_monitor in zip(
        found, monitors, expected, their_monitors, strict=True
    ):
        assert monitor.history == their_monitor.history
        assert one.fit_summary == other.fit_summary
        np.testing.assert_array_equal(
            one.predict(data.features).survival, other.predict(data.features).survival
        )


def test_a_training_that_diverged_is_not_tried_again(small_data: SurvivalData) -> None:
    def fit(monitors: list[RecordingMonitor], *, diverges: bool) -> list[NeuralSurvivalModel]:
        models = [build("mtlr", seed) for seed in SEEDS]
        epochs = iter(range(1, 7))

        def spoil(_: SurvivalPrediction) -> dict[str, float]:
            if diverges and next(epochs) == 2:
                fill(models[1], 1e30)  # what comes next overflows
            return {}

        models[1].validation_metrics = spoil
        fit_together(models, *halves(small_data), monitors=monitors)
        return models

    whole, broken = ([RecordingMonitor() for _ in SEEDS] for _ in range(2))
    expected = fit(whole, diverges=True)
    reason = "the loss was not finite in epoch 3; the weights of epoch 2 are kept"
    assert expected[1].fit_summary[1:] == (3, 2, False, reason)
    broken[2].stop_after = 4
    with pytest.raises(KeyboardInterrupt):
        fit(broken, diverges=True)
    broken[2].stop_after = None
    found = fit(broken, diverges=False)  # nor would it diverge again
    assert broken[1].warnings == whole[1].warnings == [f"training diverged: {reason}"]
    for index in (0, 2):
        assert broken[index].history == whole[index].history
    assert [model.fit_summary for model in found] == [model.fit_summary for model in expected]


def fill(model: NeuralSurvivalModel, value: float) -> None:
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.fill_(value)


class Poisoned(NeuralSurvivalModel):
    """Starts from weights that are not finite."""

    def _start_from_rows(self, train: SurvivalData) -> None:
        fill(self, torch.nan)


def test_one_that_fails_takes_no_other_along(small_data: SurvivalData) -> None:
    models = [build("mtlr", seed) for seed in SEEDS]
    poisoned = Poisoned("mtlr", grid=models[1].grid, parameters=models[1].parameters, seed=43)
    models = [models[0], poisoned, models[2]]
    monitors = [RecordingMonitor() for _ in SEEDS]
    errors = fit_together(models, *halves(small_data), monitors=monitors)
    assert monitors[1].state is None
    assert [error is None for error in errors] == [True, False, True]
    assert "the loss is not finite in the first epoch" in str(errors[1])
    alone = build("mtlr", 44).fit(*halves(small_data))
    assert models[2].fit_summary == alone.fit_summary


def test_predictions_that_are_not_finite_count_as_a_loss_that_is_not(
    small_data: SurvivalData,
) -> None:
    """One from the start, one from its third epoch on, one never."""
    models = [build("mtlr", seed, epochs=4) for seed in (42, 43, 44)]
    for model, fails_in in zip(models, (1, 3, 5), strict=True):
        model.validation_metrics = Spoiled(fails_in)
    monitors = [RecordingMonitor() for _ in models]
    errors = fit_together(models, *halves(small_data), monitors=monitors)
    assert [error is None for error in errors] == [False, True, True]
    assert "the loss is not finite in the first epoch" in str(errors[0])
    assert monitors[0].state is None
    reason = "the loss was not finite in epoch 3; the weights of epoch"
    assert str(models[1].fit_summary.convergence_reason).startswith(reason)
    assert [summary.epochs_trained for summary in (m.fit_summary for m in models)] == [1, 3, 4]


class Spoiled:
    """Metrics of predictions that are NaN from some epoch on."""

    def __init__(self, fails_in: int) -> None:
        self.epoch, self.fails_in = 0, fails_in

    def __call__(self, prediction: SurvivalPrediction) -> dict[str, float]:
        self.epoch += 1
        if self.epoch >= self.fails_in:
            SurvivalPrediction(prediction.times, prediction.survival * np.nan)
        return {}


def test_a_stack_keeps_its_networks_states_in_tensors_of_their_own(
    small_data: SurvivalData,
) -> None:
    """A checkpoint that held a view would store the whole stack."""
    monitors = [RecordingMonitor() for _ in SEEDS]
    fit_all(small_data, monitors, "personalized_moe")
    for monitor in monitors:
        assert monitor.state is not None
        tensors = [*monitor.state["weights"].values(), *monitor.state["best_weights"].values()]
        tensors += monitor.state["optimizer"].values()
        for tensor in tensors:
            assert tensor.untyped_storage().nbytes() == tensor.nbytes
