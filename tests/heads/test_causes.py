"""Heads of several competing causes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from survkit.heads import HEADS, build_head
from survkit.heads.causes import join_causes, split_causes
from survkit.heads.mtlr import class_scores
from survkit.heads.start import EVEN_SHARE, class_masses, expert_masses, start_logits
from survkit.training.losses import negative_log_likelihood
from tests.heads.test_every_head import CLASSES, DEFAULTS, EXPERTS, HIDDEN

CAUSES = 3
BEYOND = CLASSES - 1


def head(name: str, **changes: Any) -> Any:
    torch.manual_seed(0)
    model = build_head(name, HIDDEN, CLASSES, {**DEFAULTS, **changes}, num_causes=CAUSES)
    for parameter in model.parameters():
        if not parameter.any():  # the personalized experts start at zero, which hides mistakes
            nn.init.uniform_(parameter, -0.5, 0.5)
    return model


def outcomes(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    random = np.random.default_rng(0)
    return random.integers(0, CLASSES, n), random.choice(CAUSES + 1, n, p=[0.4, 0.3, 0.2, 0.1])


def test_scores_match_a_literal_loop_and_undo_the_logits_of_masses() -> None:
    logits = torch.randn(3, CAUSES * BEYOND + 1, dtype=torch.float64)
    for row, scores in zip(logits.tolist(), class_scores(logits, CAUSES), strict=True):
        literal = [
            sum(row[BEYOND * c + j] for j in range(k, BEYOND)) + row[-1]
            for c in range(CAUSES)
            for k in range(BEYOND)
        ]
        expected = torch.tensor([*literal, row[-1]], dtype=torch.float64)
        torch.testing.assert_close(scores.softmax(-1), expected.softmax(-1))
    masses = logits.softmax(-1)
    scores = class_scores(start_logits(masses, CAUSES), CAUSES)
    torch.testing.assert_close(scores.softmax(-1), masses)


SETTINGS = [
    *(pytest.param(name, {}, id=name) for name in HEADS),
    pytest.param("adjustable_moe", {"time_warp_function": "beta_cdf"}, id="beta_cdf"),
    pytest.param("personalized_moe", {"moe_chunk_value_dim": False}, id="whole_value"),
]


@pytest.mark.parametrize(("name", "changes"), SETTINGS)
def test_distributions_and_gradients(name: str, changes: dict[str, Any]) -> None:
    model = head(name, **changes)
    output = model(torch.randn(14, HIDDEN))
    assert output.log_probs.shape == (14, CAUSES * BEYOND + 1)
    torch.testing.assert_close(output.log_probs.exp().sum(-1), torch.ones(14))
    event_class, cause = torch.arange(14) % CLASSES, torch.arange(14) % (CAUSES + 1)
    scores = output.class_scores
    negative_log_likelihood(scores, output.log_gates, event_class, cause, CAUSES).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.any() or parameter_name.endswith("kept_temperature.tau")


@pytest.mark.parametrize("name", HEADS)
def test_permuting_the_causes_permutes_what_is_predicted(name: str) -> None:
    """Every cause has the same part in a head, with parameters of its own."""
    model, other = head(name), head(name)
    order = torch.tensor([2, 0, 1])
    own, last = split_causes(torch.arange(CAUSES * BEYOND + 1), CAUSES)
    places = join_causes(own[order], last)
    state = model.state_dict()
    for key, value in state.items():
        if key in {"prototypes", "expert_weight", "expert_bias"}:
            state[key] = value[..., places]
        elif key.startswith("logits."):
            state[key] = value[places]
        elif key.startswith("warp."):
            by_cause = value.unflatten(0, (EXPERTS, CAUSES, -1))
            state[key] = by_cause[:, order].reshape_as(value)
    other.load_state_dict(state)
    hidden = torch.randn(5, HIDDEN)
    before, after = model(hidden), other(hidden)
    torch.testing.assert_close(after.log_probs, before.log_probs[:, places])
    torch.testing.assert_close(after.log_gates, before.log_gates)


def test_each_cause_has_a_clock_of_its_own() -> None:
    model = head("adjustable_moe", time_warp_function="beta_cdf")
    with torch.no_grad():
        model.warp.weight.zero_()
        model.warp.bias.zero_()
        identity = model.warped_prototypes(torch.randn(5, HIDDEN))
        torch.testing.assert_close(identity, model.prototypes.expand(5, *model.prototypes.shape))
        model.warp.bias.unflatten(0, (EXPERTS, CAUSES, 2))[1, 2] = 1.0
        warped = model.warped_prototypes(torch.randn(5, HIDDEN))
    moved = (warped != identity).any(0)
    of_causes, last = split_causes(moved, CAUSES)
    assert moved.any(-1).tolist() == [False, True, False, False]
    assert of_causes[1].any(-1).tolist() == [False, False, True]
    assert not last.any()


def test_masses_are_those_of_aalen_and_johansen() -> None:
    event_class, cause = outcomes(400)
    survival, expected = 1.0, np.zeros((CAUSES, BEYOND))
    for k in range(BEYOND):
        now = event_class == k
        # Those censored in a class may have had the event in it.
        at_risk = (event_class > k).sum() + (now & (cause > 0)).sum()
        expected[:, k] = [survival * (now & (cause == c + 1)).sum() / at_risk for c in range(3)]
        survival *= 1 - (now & (cause > 0)).sum() / at_risk
    masses = class_masses(event_class, cause, CLASSES, CAUSES)
    expected = np.append(expected.ravel(), survival)
    even = EVEN_SHARE / len(expected)
    np.testing.assert_allclose(masses, (1 - EVEN_SHARE) * expected + even, rtol=1e-12)


def test_a_cause_that_never_occurs_has_the_even_share_alone() -> None:
    event_class, cause = outcomes(100)
    masses = class_masses(event_class, np.where(cause > 0, 2, 0), CLASSES, CAUSES)
    own = masses[:-1].reshape(CAUSES, BEYOND)
    np.testing.assert_allclose(own[[0, 2]], EVEN_SHARE / len(masses))
    even = EVEN_SHARE / len(masses), EVEN_SHARE / CLASSES
    of_one = class_masses(event_class, cause > 0, CLASSES)
    np.testing.assert_allclose(own[1] - even[0], of_one[:-1] - even[1])


def test_experts_lean_to_bands_of_time_and_heads_start_at_the_masses() -> None:
    masses = torch.as_tensor(class_masses(*outcomes(400), CLASSES, CAUSES))
    of_experts = expert_masses(masses, EXPERTS, CAUSES)
    torch.testing.assert_close(of_experts.sum(1), torch.ones(EXPERTS, dtype=torch.float64))
    torch.testing.assert_close(of_experts.mean(0), masses)
    own, last = split_causes(of_experts, CAUSES)
    of_any = torch.cat([own.sum(1), last], 1)
    assert ((of_any @ torch.arange(float(CLASSES), dtype=torch.float64)).diff() > 0).all()
    for name in HEADS:
        torch.manual_seed(0)
        model: Any = build_head(name, HIDDEN, CLASSES, DEFAULTS, num_causes=CAUSES)
        model.start_at(masses.float())
        with torch.no_grad():
            mean = model(torch.randn(200, HIDDEN)).log_probs.exp().mean(0)
        # Prototypes start with noise, and the Adjustable MoE with warps that are not the identity.
        largest = {"fixed_moe": 0.03, "adjustable_moe": 0.1}.get(name, 1e-6)
        assert (mean - masses).abs().max() < largest
