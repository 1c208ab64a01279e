"""Heads begin with the training rows' own curve."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from survkit.configs.train import TrainConfig
from survkit.datasets import load_dataset
from survkit.heads import HEADS, build_head
from survkit.heads.mtlr import class_scores
from survkit.heads.start import EVEN_SHARE, class_masses, expert_masses, start_logits
from survkit.models.registry import MODELS
from survkit.types import BoolArray

SMALL = ("veteran", "lung", "gbsg2", "whas500", "rossi")


def outcomes(seed: int, n: int, classes: int) -> tuple[NDArray[np.int64], BoolArray]:
    random = np.random.default_rng(seed)
    event_class = random.integers(0, classes, n)
    return event_class, (random.random(n) < 0.5) & (event_class < classes - 1)


def mean_loss(
    masses: NDArray[np.float64], event_class: NDArray[np.int64], event: BoolArray
) -> float:
    """Return the mean loss under the class probabilities (n, m + 1) of subjects."""
    tail = masses[:, ::-1].cumsum(axis=1)[:, ::-1]
    rows = np.arange(len(masses))
    return float(
        -np.log(np.where(event, masses[rows, event_class], tail[rows, event_class])).mean()
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_masses_are_the_most_likely_single_curve(seed: int) -> None:
    event_class, event = outcomes(seed, n=200, classes=6)
    logits = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=500, tolerance_grad=1e-12)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        log_p = logits.log_softmax(0)
        tail = log_p.flip(0).logcumsumexp(0).flip(0)
        value = -torch.where(torch.tensor(event), log_p[event_class], tail[event_class]).mean()
        value.backward()
        return value

    optimizer.step(loss)
    masses = class_masses(event_class, event, 6)
    without_even_share = (masses - EVEN_SHARE / 6) / (1 - EVEN_SHARE)
    np.testing.assert_allclose(without_even_share, logits.softmax(0).detach(), atol=1e-4)


@pytest.mark.parametrize("event", [True, False])
def test_masses_of_rows_that_all_end_alike(event: bool) -> None:
    masses = class_masses(np.full(5, 2), np.full(5, event), 4)
    np.testing.assert_allclose(masses.sum(), 1)
    likely = 2 if event else 3
    np.testing.assert_allclose(np.delete(masses, likely), EVEN_SHARE / 4)


@pytest.mark.parametrize("experts", [1, 3, 10])
def test_experts_together_make_the_curve_and_lean_to_bands_in_the_order_of_time(
    experts: int,
) -> None:
    masses = torch.as_tensor(class_masses(*outcomes(0, n=300, classes=12), 12))
    of_experts = expert_masses(masses, experts)
    torch.testing.assert_close(of_experts.sum(1), torch.ones(experts, dtype=torch.float64))
    torch.testing.assert_close(of_experts.mean(0), masses)
    mean_class = of_experts @ torch.arange(12.0, dtype=torch.float64)
    assert (mean_class.diff() > -1e-12).all()
    assert mean_class[-1] > mean_class[0] or experts == 1
    scores = class_scores(start_logits(of_experts))
    torch.testing.assert_close(scores.softmax(-1), of_experts)


@pytest.mark.parametrize("name", HEADS)
def test_a_head_starts_at_the_curve(name: str) -> None:
    masses = torch.as_tensor(class_masses(*outcomes(1, n=500, classes=11), 11), dtype=torch.float32)
    torch.manual_seed(0)
    head = build_head(name, 40, 11, asdict(TrainConfig()))
    head.start_at(masses)
    with torch.no_grad():
        mean = head(torch.randn(200, 40)).log_probs.exp().mean(0)
    # Exact but for the published noise of prototypes, and the warps that Adjustable starts from.
    largest = {"fixed_moe": 0.03, "adjustable_moe": 0.1}.get(name, 1e-6)
    assert (mean - masses).abs().max() < largest


@pytest.mark.slow
@pytest.mark.parametrize("dataset", SMALL)
@pytest.mark.parametrize("model", HEADS)
def test_no_head_ends_worse_than_one_curve_for_everybody(model: str, dataset: str) -> None:
    config = TrainConfig(dataset=dataset, model=model)
    loaded = load_dataset(dataset, data_dir=config.data_dir)
    train, validation, _ = loaded.splits
    torch.set_num_threads(1)
    fitted = MODELS[model].build(grid=loaded.grid, parameters=asdict(config), seed=42)
    survival = fitted.fit(train, validation).predict(validation.features).survival
    ends = np.ones((len(survival), 1)), np.zeros((len(survival), 1))
    masses = -np.diff(np.hstack([ends[0], survival, ends[1]]), axis=1)
    one_curve = class_masses(loaded.grid.classify(train.time), train.event, loaded.grid.num_classes)
    own = loaded.grid.classify(validation.time), validation.event
    for_everybody = np.broadcast_to(one_curve, masses.shape)
    assert mean_loss(masses, *own) < mean_loss(for_everybody, *own)
