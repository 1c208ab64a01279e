from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from survkit.baselines.pycox_losses import OBJECTIVES, Outcomes, comparable_pairs, deepsurv_loss
from survkit.baselines.pycox_models import PycoxModel
from survkit.configs.train import TrainConfig
from survkit.training.checkpoint import load_checkpoint, save_checkpoint
from survkit.types import InputError, SurvivalData, TimeGrid

GRID = TimeGrid.evenly_spaced(3.0, 12)
CPU = torch.device("cpu")


class History:
    """A monitor that keeps epochs and warnings."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []
        self.messages: list[str] = []

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        self.epochs.append({"epoch": epoch, **values})

    def save(self, state: Mapping[str, Any]) -> None:
        raise AssertionError("these networks keep no state on the way")

    def load(self) -> None:
        return None

    def warn(self, message: str) -> None:
        self.messages.append(message)


def build(name: str, seed: int = 42, grid: TimeGrid = GRID, **changes: Any) -> PycoxModel:
    small = {"hidden_dim": 8, "epochs": 4, "batch_size": 16, "lr": 0.01}
    return PycoxModel(name, grid=grid, parameters=asdict(TrainConfig(**small | changes)), seed=seed)


def halves(data: SurvivalData) -> tuple[SurvivalData, SurvivalData]:
    rows = np.arange(len(data))
    return data.subset(rows < 90), data.subset(rows >= 90)


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
    histories = [History(), History(), History()]
    survival = []
    for seed, history in zip((1, 1, 2), histories, strict=True):
        torch.manual_seed(len(survival))  # the caller's random state must not matter
        model = build(name, seed, dropout=0.2).fit(*halves(small_data), monitor=history)
        survival.append(model.predict(small_data.features).survival)
    np.testing.assert_array_equal(survival[0], survival[1])
    assert histories[0].epochs == histories[1].epochs
    assert np.abs(survival[0] - survival[2]).max() > 1e-3


@pytest.mark.parametrize("name", OBJECTIVES)
def test_it_learns_who_is_at_risk(name: str, small_data: SurvivalData) -> None:
    history = History()
    model = build(name, epochs=40).fit(*halves(small_data), monitor=history)
    first, best = (history.epochs[i]["validation_loss"] for i in (0, model.fit_summary[2] - 1))
    assert best < first
    assert best == min(epoch["validation_loss"] for epoch in history.epochs)
    median = model.predict(small_data.features).median()
    assert np.corrcoef(np.log(median + 1), small_data.features[:, 0])[0, 1] < -0.5


@pytest.mark.parametrize("name", OBJECTIVES)
def test_it_stops_early_and_keeps_the_best_epoch(name: str, small_data: SurvivalData) -> None:
    train, validation = halves(small_data)
    history = History()
    model = build(name, epochs=200, lr=0.05, early_stopping_patience=3)
    model.fit(train, validation, monitor=history)
    _, epochs, best = model.fit_summary
    assert epochs == best + 3 == len(history.epochs) < 200
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
    found = Outcomes.from_data(inside, GRID, CPU)
    np.testing.assert_array_equal(found.cut.numpy(), expected_cut)
    np.testing.assert_array_equal(found.event.numpy(), expected_event)


def test_labels_beyond_the_horizon_and_at_the_start() -> None:
    data = SurvivalData(
        np.zeros((6, 1)),
        np.array([True, False, True, False, True, False]),
        np.array([9.0, 9.0, 0.0, 0.0, 1.0, 1.0]),
    )
    cuts = np.array([0.0, 1.0, 2.0])
    labels = Outcomes.from_data(data, TimeGrid(cuts), CPU)
    assert labels.cut.tolist() == [2, 2, 0, 0, 1, 0]
    assert labels.event.tolist() == [0, 0, 1, 0, 1, 0]
    floored = Outcomes.from_data(
        SurvivalData(np.zeros((1, 1)), np.array([True]), np.array([1.9])),
        TimeGrid(cuts, floor=True),
        CPU,
    )
    assert floored.cut.tolist() == [1]


def test_comparable_pairs_are_those_of_pycox() -> None:
    rng = np.random.default_rng(0)
    cut, event = rng.integers(0, 5, 40), rng.integers(0, 2, 40).astype(np.float32)
    expected = pycox().models.data.pair_rank_mat(cut, event)
    outcomes = Outcomes(torch.as_tensor(cut), torch.zeros(40), torch.as_tensor(event))
    np.testing.assert_array_equal(comparable_pairs(outcomes).numpy(), expected)


def test_a_batch_without_events_is_passed_over(small_data: SurvivalData) -> None:
    train, validation = halves(small_data)
    event = np.zeros(90, bool)
    event[:3] = train.event[:3] = True
    rare = SurvivalData(train.features, event, train.time, categorical=train.categorical)
    history = History()
    build("deepsurv", batch_size=4).fit(rare, validation, monitor=history)
    assert np.isfinite([epoch["train_loss"] for epoch in history.epochs]).all()


def test_the_partial_likelihood_of_three_subjects() -> None:
    outcomes = Outcomes(
        torch.zeros(3, dtype=torch.int64), torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 0, 1])
    )
    log_risk = torch.tensor([[0.5], [0.0], [-1.0]])
    at_risk = np.exp(0.5) + np.exp(0.0) + np.exp(-1.0)
    expected = (np.log(at_risk) - 0.5) / 2  # the last event is alone and certain
    assert deepsurv_loss(log_risk, outcomes).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("split", ["training", "validation"])
def test_deepsurv_needs_events(split: str, small_data: SurvivalData) -> None:
    parts = dict(zip(("training", "validation"), halves(small_data), strict=True))
    n = len(parts[split])
    parts[split] = SurvivalData(
        parts[split].features,
        np.zeros(n, bool),
        parts[split].time,
        categorical=small_data.categorical,
    )
    with pytest.raises(InputError, match=f"an event among the {split} rows; all {n} of them"):
        build("deepsurv").fit(parts["training"], parts["validation"])


@pytest.mark.parametrize("name", ["deephit", "logistic_hazard"])
def test_the_discrete_networks_learn_from_censored_rows_alone(
    name: str, small_data: SurvivalData
) -> None:
    censored = SurvivalData(
        small_data.features, np.zeros(120, bool), small_data.time, categorical=((4, 3),)
    )
    survival = build(name).fit(*halves(censored)).predict(small_data.features).survival
    assert np.isfinite(survival).all()


def test_another_monitored_metric_is_refused() -> None:
    with pytest.raises(InputError, match=r"--monitored_val_metric is 'ece', .*deephit can only"):
        build("deephit", monitored_val_metric="ece")


def test_a_loss_that_is_never_finite_is_an_input_error(small_data: SurvivalData) -> None:
    with pytest.raises(InputError, match="not finite in the first epoch; a smaller --lr"):
        build("logistic_hazard", lr=1e30, optimizer="SGD").fit(*halves(small_data))


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW", "SGD"])
def test_every_optimiser_of_the_command_works(optimizer: str, small_data: SurvivalData) -> None:
    history = History()
    build("logistic_hazard", optimizer=optimizer).fit(*halves(small_data), monitor=history)
    losses = [epoch["train_loss"] for epoch in history.epochs]
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
