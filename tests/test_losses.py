import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from survkit.heads.mtlr import class_log_probabilities
from survkit.heads.routing import keep_top
from survkit.losses import (
    cosine_annealed,
    instance_entropy,
    load_balance,
    negative_log_likelihood,
)


def random_batch(seed, size=6, classes=5):
    torch.manual_seed(seed)
    log_probs = torch.randn(size, classes, dtype=torch.float64).log_softmax(-1)
    return log_probs, torch.randint(0, classes, (size,)), torch.rand(size) < 0.5


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31))
def test_likelihood_matches_a_literal_loop(seed):
    log_probs, event_class, event = random_batch(seed)
    costs = []
    for row, k, seen in zip(
        log_probs.exp().tolist(), event_class.tolist(), event.tolist(), strict=True
    ):
        costs.append(-math.log(row[k] if seen else sum(row[k:])))
    loss = negative_log_likelihood(log_probs, event_class, event)
    assert loss.item() == pytest.approx(sum(costs) / len(costs), rel=1e-12, abs=1e-14)


def test_likelihood_of_known_probabilities():
    log_probs = torch.tensor([[0.5, 0.25, 0.25]]).log().expand(4, 3)
    event_class = torch.tensor([0, 1, 1, 0])
    event = torch.tensor([True, True, False, False])
    # 1/2 seen, 1/4 seen, 1/2 left, everything left.
    expected = (math.log(2) + math.log(4) + math.log(2) + 0) / 4
    assert negative_log_likelihood(log_probs, event_class, event).item() == pytest.approx(expected)


@pytest.mark.parametrize("event", [True, False])
@pytest.mark.parametrize("scale", [1.0, 1e3, 1e6])
def test_likelihood_stays_finite(event, scale):
    torch.manual_seed(0)
    logits = (torch.randn(20, 11) * scale).requires_grad_()
    log_probs = class_log_probabilities(logits)
    classes = torch.arange(20) % 11
    loss = negative_log_likelihood(log_probs, classes, torch.full((20,), event))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.isfinite()
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


def test_likelihood_gradient():
    logits, event_class, event = random_batch(1)
    logits.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a: negative_log_likelihood(class_log_probabilities(a), event_class, event), logits
    )


def test_load_balance_of_all_experts():
    gates = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]])
    expected = 3 * (0.4**2 + 0.4**2 + 0.2**2)
    log_gates = gates.log()
    for topk in (None, 3):
        value = load_balance(log_gates, log_gates, topk)
        assert value.item() == pytest.approx(expected)


def test_load_balance_is_least_when_even_and_most_when_collapsed():
    even = torch.full((4, 5), 0.2).log()
    collapsed = torch.tensor([[50.0, 0, 0, 0, 0]]).expand(4, 5).log_softmax(-1)
    assert load_balance(even, even).item() == pytest.approx(1)
    assert load_balance(collapsed, collapsed).item() == pytest.approx(5)


def test_load_balance_of_top_k_counts_choices_and_averages_probabilities():
    scores = torch.tensor([[3.0, 1.0, 0.0], [3.0, 0.0, 1.0]]).requires_grad_()
    before = scores.log_softmax(-1)
    after = keep_top(scores, 2).log_softmax(-1)
    mean = before.exp().mean(0)
    expected = 3 * (1.0 * mean[0] + 0.5 * mean[1] + 0.5 * mean[2])
    value = load_balance(after, before, 2)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(
        torch.autograd.grad(value, scores, retain_graph=True),
        torch.autograd.grad(expected, scores),
    )


def test_instance_entropy_of_known_weights():
    gates = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    assert instance_entropy(gates.log()).item() == pytest.approx(math.log(2) / 2)


@pytest.mark.parametrize("zero", ["top_k", "minus_infinity"])
def test_instance_entropy_with_exact_zeros_has_a_finite_gradient(zero):
    scores = torch.randn(5, 4).requires_grad_()
    if zero == "top_k":
        log_gates = keep_top(scores, 2).log_softmax(-1)
    else:
        masked = torch.tensor([False, False, True, True])
        log_gates = scores.masked_fill(masked, -math.inf).log_softmax(-1)
    assert (log_gates.exp() == 0).sum() == 10
    value = instance_entropy(log_gates)
    (gradient,) = torch.autograd.grad(value, scores)
    kept = log_gates.exp()[log_gates.exp() > 0].reshape(5, 2)
    torch.testing.assert_close(value, -(kept * kept.log()).sum(-1).mean())
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize(
    ("epoch", "height"), [(0, 1), (3, 1), (4, 0.75), (5, 0.25), (6, 0), (99, 0)]
)
def test_cosine_holds_falls_and_stays(epoch, height):
    # Half a cosine is at 3/4 of its height after a third of the way.
    multiplier = cosine_annealed(epoch, hold_epochs=3, anneal_epochs=3, min_multiplier=0.2)
    assert multiplier == pytest.approx(0.2 + 0.8 * height)


def test_cosine_with_the_default_settings():
    assert [cosine_annealed(epoch, 0, 2, 0.0) for epoch in range(4)] == pytest.approx(
        [1, 0.5, 0, 0]
    )
