"""Networks of subjects who come under observation late."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from survkit.heads.routing import HeadOutput
from survkit.heads.start import EVEN_SHARE, class_masses
from survkit.training.objective import class_labels, class_loss
from survkit.types import SurvivalData, TimeGrid
from tests.late_entry import late_data
from tests.training.training_fixtures import RecordingMonitor, build

GRID = build().grid
M = GRID.num_classes - 1


def output(n: int, causes: int = 1, *, scale: float = 2.0) -> HeadOutput:
    """Return what a mixture of three experts may make of n subjects."""
    generator = torch.Generator().manual_seed(0)
    scores = scale * torch.randn((n, 3, causes * M + 1), generator=generator, dtype=torch.float64)
    gates = torch.randn((n, 3), generator=generator, dtype=torch.float64).log_softmax(-1)
    return HeadOutput(scores.requires_grad_(), gates, gates)


def masses_of(mixture: HeadOutput) -> NDArray[np.float64]:
    """Return the mixture's masses (n, C * m + 1)."""
    own = mixture.class_scores.detach().softmax(-1) * mixture.log_gates.exp().unsqueeze(-1)
    return own.sum(1).numpy()


def loss_of(mixture: HeadOutput, data: SurvivalData, grid: TimeGrid = GRID) -> torch.Tensor:
    labels, events = (torch.as_tensor(each) for each in class_labels(data, grid))
    return class_loss(mixture, labels, events, data.num_causes)


def costs(data: SurvivalData, masses: NDArray[np.float64]) -> list[float]:
    """Return each subject's cost, given that its event is in a later class than its entry."""
    assert data.entry is not None
    found, causes = [], data.num_causes
    cause = data.event if data.cause is None else data.cause
    for row, time, c, entry in zip(masses, data.time, cause, data.entry, strict=True):
        of_class = row[:-1].reshape(causes, M)
        k, j = int(GRID.classify(time)), int(GRID.classify(entry)) if entry > 0 else -1
        beyond = row[-1]
        given = of_class[:, j + 1 :].sum() + beyond
        if k <= j:
            found.append(0.0)
        elif not c:
            found.append(np.log(given) - np.log(of_class[:, k:].sum() + beyond))
        else:
            found.append(np.log(given) - np.log(of_class[c - 1, k] if k < M else beyond))
    return found


@pytest.mark.parametrize("causes", [1, 2])
@pytest.mark.parametrize("digits", [1, 6])
def test_the_loss_is_conditional_on_no_event_before_entry(causes: int, digits: int) -> None:
    data = late_data(200, digits=digits, causes=causes)
    expected = costs(data, masses_of(output(len(data), causes)))
    assert loss_of(output(len(data), causes), data).item() == pytest.approx(np.mean(expected))
    assert (np.array(expected) == 0).sum() > 5  # events and censorings in the class of the entry


def test_entries_of_zero_change_no_loss_and_gradients_stay_finite() -> None:
    data = replace(late_data(100, causes=2), entry=None)
    zeros = replace(data, entry=np.zeros(len(data)))
    one, other = (loss_of(output(len(data), 2), each).item() for each in (data, zeros))
    assert one == pytest.approx(other, abs=1e-12)
    for scale in (1.0, 300.0):  # probabilities that underflow
        mixture = output(150, scale=scale)
        loss = loss_of(mixture, late_data(300, 1).subset(np.arange(150)))
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(mixture.class_scores.grad).all()


def test_networks_start_from_the_curve_that_maximises_the_likelihood() -> None:
    data = late_data(400, 2, causes=2)
    classes, cause = class_labels(data, GRID)
    found = class_masses(classes[:, 0], np.asarray(cause), M + 1, 2, classes[:, 1])
    best = (found - EVEN_SHARE / len(found)) / (1 - EVEN_SHARE)

    def cost(masses: NDArray[np.float64]) -> float:
        return float(np.mean(costs(data, np.tile(masses, (len(data), 1)))))

    own, rng = cost(np.maximum(best, 1e-300)), np.random.default_rng(0)
    for _ in range(30):
        other = best * np.exp(0.1 * rng.normal(size=len(best)))
        assert cost(np.maximum(other / other.sum(), 1e-300)) > own


def survival_of(masses: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 - np.cumsum(masses[:-1])


def test_the_grid_overestimates_survival_without_entries_only() -> None:
    data = late_data(20_000, censored=False)  # on a grid censoring has a bias of its own
    random = np.random.default_rng(9).normal(size=100_000)
    truth = np.exp(-np.exp(0.7 * random - 0.5)[:, None] * GRID.cuts).mean(axis=0)
    classes, event = class_labels(data, GRID)
    with_entries = class_masses(classes[:, 0], np.asarray(event), M + 1, 1, classes[:, 1])
    without = class_masses(GRID.classify(data.time), data.event, M + 1)
    np.testing.assert_allclose(survival_of(with_entries), truth, atol=0.015)
    assert (survival_of(without) - truth)[4:].min() > 0.04


@pytest.mark.parametrize("name", ["fixed_moe", "mtlr"])
def test_a_network_without_features_learns_that_curve(name: str) -> None:
    data = late_data(6000, 4)
    data = replace(data, features=np.zeros((len(data), 1), np.float32), feature_names=("none",))
    monitor = RecordingMonitor()
    changes = {"initial_curve": "random", "epochs": 25, "batch_size": 256, "group_ent_lambda": 0.0}
    model = build(name, **changes).fit(data, data, monitor=monitor)
    classes, event = class_labels(data, GRID)
    masses = class_masses(classes[:, 0], np.asarray(event), M + 1, 1, classes[:, 1])
    survival = model.predict(data.features[:1]).survival[0]
    np.testing.assert_allclose(survival, survival_of(masses), atol=0.02)
    assert "training events come in the interval of the time grid" in monitor.warnings[0]
