"""Networks that are fitted to data of several competing causes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from survkit.heads import HEADS
from survkit.heads.start import class_masses
from survkit.models.registry import MODELS
from survkit.training.checkpoint import load_checkpoint, save_checkpoint
from survkit.training.neural_model import fit_together
from survkit.types import InputError, Splits, SurvivalData
from tests.training.training_fixtures import RecordingMonitor, halves, settings
from tests.training.training_fixtures import build as build_head

NAMES = ("relapse", "death")
OF_CAUSES = [*HEADS, "deephit"]
OF_ONE = [name for name, entry in MODELS.items() if entry.network and name not in OF_CAUSES]
SEEDS = (42, 43, 44)
GRID = build_head().grid


def hazards(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the constant hazards (n, 2) of the two causes."""
    risk = features[:, 0].astype(np.float64)
    return np.exp(np.column_stack([1.2 * risk - 0.5, -0.8 * risk - 1.0]))


def two_causes(n: int, seed: int = 0) -> SurvivalData:
    """Draw times from `hazards`, censored uniformly on (0, 4), so some beyond the horizon of 3."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 3)).astype(np.float32)
    both = hazards(features)
    event_time, censoring_time = rng.exponential(1 / both.sum(1)), rng.uniform(0, 4, n)
    first = np.where(rng.random(n) * both.sum(1) < both[:, 0], 1, 2)
    event = event_time <= censoring_time
    time = np.minimum(event_time, censoring_time)
    return SurvivalData(features, event, time, cause=np.where(event, first, 0), cause_names=NAMES)


def true_masses(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the probabilities (n, 2 * 12 + 1) of the classes of the grid."""
    both = hazards(features)
    total = both.sum(1, keepdims=True)
    survival = np.exp(-total * GRID.cuts)
    of_any = -np.diff(survival, axis=1, prepend=1.0)
    own = (both / total)[:, :, None] * of_any[:, None]
    return np.hstack([own.reshape(len(own), -1), survival[:, -1:]])


def mean_loss(masses: NDArray[np.float64], data: SurvivalData) -> float:
    """Return the mean loss of subjects under the probabilities (n, 2 * m + 1)."""
    assert data.cause is not None
    costs = []
    for row, k, cause in zip(masses, GRID.classify(data.time), data.cause, strict=True):
        own = row[:-1].reshape(2, -1)
        if k == own.shape[1]:
            costs.append(row[-1])
        else:
            costs.append(own[cause - 1, k] if cause else own[:, k:].sum() + row[-1])
    return float(-np.log(costs).mean())


BEFORE = {
    "mtlr": (273, -9.6433, 74.6965),
    "fixed_moe": (242, -20.9739, 186.6618),
    "adjustable_moe": (457, -55.6207, 245.2699),
    "personalized_moe": (489, -25.2645, 219.1920),
    "deephit": (264, -7.9028, 50.3638),
}
"""Number of weights, their sum and that of their absolute values, by the code for one cause."""


def build(name: str, seed: int = 42, **changes: Any) -> Any:
    return MODELS[name].build(grid=GRID, parameters=settings(**changes), seed=seed)


@pytest.fixture(scope="module")
def data() -> SurvivalData:
    return two_causes(120)


@pytest.mark.parametrize("name", OF_CAUSES)
def test_masses_sum_to_one_and_a_rebuilt_model_predicts_the_same_bits(
    name: str, data: SurvivalData, tmp_path: Path
) -> None:
    monitor = RecordingMonitor()
    model = build(name, epochs=3).fit(*halves(data), monitor=monitor)
    found = model.predict(data.features)
    assert found.num_causes == model.num_causes == 2
    total = found.survival + found.cumulative_incidence.sum(axis=1)
    np.testing.assert_allclose(total, 1, rtol=1e-12)
    state = model.state()
    assert state["num_causes"] == 2
    save_checkpoint(tmp_path / "model.pt", state)
    rebuilt = type(model).from_state(load_checkpoint(tmp_path / "model.pt"))
    again = rebuilt.predict(data.features, GRID.cuts[1:5] - 0.1)
    np.testing.assert_array_equal(
        again.cumulative_incidence, found.cumulative_incidence_at(again.times)
    )
    np.testing.assert_array_equal(rebuilt.predict(data.features).survival, found.survival)
    if name in HEADS:
        validation = halves(data)[1]
        at = model.predict(validation.features)
        own = np.diff(at.cumulative_incidence, axis=2, prepend=0.0)
        masses = np.hstack([own.reshape(len(own), -1), at.survival[:, -1:]])
        losses = [line["validation_loss"] for line in monitor.history]
        assert mean_loss(masses, validation) == pytest.approx(min(losses), rel=1e-4)


@pytest.mark.parametrize("name", OF_CAUSES)
@pytest.mark.parametrize("kind", ["events", "censored", "one cause"])
def test_batches_of_one_kind_train(name: str, kind: str, data: SurvivalData) -> None:
    assert data.cause is not None
    cause = {
        "events": np.maximum(data.cause, 1),
        "censored": np.zeros_like(data.cause),
        "one cause": np.minimum(data.cause, 1),
    }[kind]
    rows = replace(data, event=cause > 0, cause=cause)
    found = build(name, epochs=2).fit(*halves(rows)).predict(rows.features)
    assert np.isfinite(found.cumulative_incidence).all()
    if name in HEADS and kind == "one cause":  # they start from the share of each cause
        assert found.cumulative_incidence[:, 1].max() < 0.1


@pytest.mark.parametrize("name", OF_ONE)
def test_a_network_of_one_cause_says_so(name: str, data: SurvivalData) -> None:
    with pytest.raises(InputError, match=rf"{name} knows one cause .* have 2; --cause_of_interest"):
        build(name).fit(*halves(data))
    of_one = data.of_cause(1)
    assert build(name, epochs=1).fit(*halves(of_one)).predict(data.features).num_causes == 1


def test_the_splits_have_the_same_causes(data: SurvivalData) -> None:
    train, validation = halves(data)
    with pytest.raises(InputError, match=r"the causes relapse, death.* validation rows none"):
        build("mtlr").fit(train, validation.of_cause(1))


@pytest.mark.parametrize("name", OF_CAUSES)
def test_of_one_cause_nothing_has_changed(
    name: str, data: SurvivalData, small_data: SurvivalData
) -> None:
    """Nor does it matter what the model was fitted to before."""
    model = build(name, epochs=3, dropout=0.2)
    model.fit(*halves(data)).fit(*halves(small_data))
    assert model.predict(small_data.features).cumulative_incidence is None
    state = model.state()
    assert "num_causes" not in state
    weights = np.concatenate([part.ravel() for part in state["weights"].values()])
    size, total, absolute = BEFORE[name]
    assert len(weights) == size
    if not torch.__version__.startswith("2.15."):
        pytest.skip("the sums are those of torch 2.15, whose random numbers differ")
    assert weights.sum(dtype=np.float64) == pytest.approx(total, abs=1e-3)
    assert np.abs(weights).sum(dtype=np.float64) == pytest.approx(absolute, abs=1e-3)


@pytest.mark.parametrize("name", ["mtlr", "adjustable_moe", "deephit"])
def test_an_interrupted_fit_ends_with_the_same_bits(name: str, data: SurvivalData) -> None:
    parts = halves(data)
    whole, broken = RecordingMonitor(), RecordingMonitor(stop_after=2)
    expected = build(name, epochs=4, dropout=0.3).fit(*parts, monitor=whole)
    with pytest.raises(KeyboardInterrupt):
        build(name, epochs=4, dropout=0.3).fit(*parts, monitor=broken)
    broken.stop_after = None
    resumed = build(name, epochs=4, dropout=0.3).fit(*parts, monitor=broken)
    assert broken.history == whole.history
    assert broken.warnings == []
    for key, weight in resumed.state()["weights"].items():
        np.testing.assert_array_equal(weight, expected.state()["weights"][key])
    other = RecordingMonitor()  # of as many features, but of one cause
    other.state = broken.state
    build(name, epochs=4, dropout=0.3).fit(*halves(data.of_cause(1)), monitor=other)
    assert "training started again" in other.warnings[0]


@pytest.mark.parametrize("name", OF_CAUSES)
def test_each_of_a_stack_ends_as_if_it_were_alone(name: str, data: SurvivalData) -> None:
    models = [build(name, seed, epochs=3, dropout=0.3) for seed in SEEDS]
    assert fit_together(models, *halves(data), monitors=[None] * 3) == [None] * 3
    alone = build(name, SEEDS[2], epochs=3, dropout=0.3).fit(*halves(data))
    assert models[2].fit_summary == alone.fit_summary
    found, expected = (m.predict(data.features).cumulative_incidence for m in (models[2], alone))
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_memory_grows_with_the_causes(data: SurvivalData) -> None:
    sizes = settings(hidden_dim=8, mixture_components=10, batch_size=100_000)
    needs = []
    for rows in (data.of_cause(1), data):
        need = MODELS["adjustable_moe"].memory_need(sizes, Splits(rows, rows, rows), GRID)
        assert need is not None
        needs.append(need)
    assert 1.7 < needs[1].gigabytes / needs[0].gigabytes < 2
    assert "13 time classes of 2 causes" in needs[1].what
    assert "causes" not in needs[0].what


@pytest.mark.parametrize(
    "name", [*(pytest.param(n, marks=pytest.mark.slow) for n in HEADS), "deephit"]
)
def test_it_learns_who_is_at_risk_of_what(name: str) -> None:
    drawn = two_causes(1500, seed=1)
    train, validation = (drawn.subset(rows) for rows in (np.arange(1000), np.arange(1000, 1500)))
    changes: dict[str, Any] = {"epochs": 60, "batch_size": 64, "hidden_dim": 16}
    monitor = RecordingMonitor()
    model = build(name, **changes).fit(train, validation, monitor=monitor)
    incidence = model.predict(validation.features).cumulative_incidence
    expected = true_masses(validation.features)[:, :-1].reshape(500, 2, -1).cumsum(axis=2)
    for found, of_cause in zip(incidence[:, :, 6].T, expected[:, :, 6].T, strict=True):
        assert np.corrcoef(found, of_cause)[0, 1] > 0.8
    if name == "deephit":  # whose ranking loss distorts probabilities
        return
    assert (np.abs(incidence - expected).mean(axis=(0, 2)) < 0.06).all()
    assert train.cause is not None
    marginal = class_masses(GRID.classify(train.time), train.cause, GRID.num_classes, 2)
    truth, nothing = (
        mean_loss(masses, validation)
        for masses in (
            true_masses(validation.features),
            np.broadcast_to(marginal, (500, len(marginal))),
        )
    )
    learned = min(line["validation_loss"] for line in monitor.history)
    assert nothing - truth > 0.1
    assert nothing - learned > 0.75 * (nothing - truth)
