import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from survkit.heads.mtlr import class_scores
from survkit.heads.routing import keep_top
from survkit.training.losses import (
    _classes_by_outcome,
    cosine_annealed,
    instance_entropy,
    load_balance,
    negative_log_likelihood,
)


def random_outcomes(seed, size=6, classes=5):
    torch.manual_seed(seed)
    return torch.randint(0, classes, (size,)), torch.rand(size) < 0.5


def of_one_expert(log_probs, event_class, event, causes=1):
    """The likelihood of a distribution that is no mixture, given as (B, m + 1)."""
    log_gates = torch.zeros(len(log_probs), 1, dtype=log_probs.dtype)
    return negative_log_likelihood(log_probs.unsqueeze(-2), log_gates, event_class, event, causes)


OUTCOMES = {
    "some": lambda size, causes: torch.randint(0, causes + 1, (size,)),
    "events": lambda size, causes: torch.randint(1, causes + 1, (size,)),
    "censored": lambda size, causes: torch.zeros(size, dtype=torch.int64),
}


@pytest.mark.parametrize("outcomes", OUTCOMES)
@pytest.mark.parametrize("causes", [1, 2, 3])
@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 2**31))
def test_likelihood_and_gradients_match_a_literal_loop(causes, outcomes, seed):
    torch.manual_seed(seed)
    event_class, cause = torch.randint(0, 5, (6,)), OUTCOMES[outcomes](6, causes)
    scores = torch.randn(6, 3, 4 * causes + 1, dtype=torch.float64).requires_grad_()
    log_gates = torch.randn(6, 3, dtype=torch.float64).log_softmax(-1).requires_grad_()
    mixtures = (log_gates.exp().unsqueeze(-1) * scores.softmax(-1)).sum(-2)
    costs = []
    for row, k, c in zip(mixtures, event_class.tolist(), cause.tolist(), strict=True):
        if k == 4:
            possible = [row[-1]]  # of no known cause
        elif c:
            possible = [row[4 * (c - 1) + k]]
        else:
            possible = [row[4 * c + j] for c in range(causes) for j in range(k, 4)] + [row[-1]]
        costs.append(-sum(possible).log())
    expected = sum(costs) / len(costs)
    event = cause > 0 if causes == 1 else cause
    loss = negative_log_likelihood(scores, log_gates, event_class, event, causes)
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-14)
    gradients = [torch.autograd.grad(value, (scores, log_gates)) for value in (loss, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-14)


def test_classes_of_one_cause_are_those_from_the_outcome_on():
    table = _classes_by_outcome(5, 1, torch.float32, torch.device("cpu"))
    assert torch.equal(table, torch.stack([torch.ones(5, 5).triu(), torch.eye(5)]))


@pytest.mark.slow
def test_experts_that_all_subjects_share_need_no_copies():
    event_class, event = random_outcomes(0)
    shared = torch.randn(1, 3, 5)
    log_gates = torch.randn(6, 3).log_softmax(-1)
    torch.testing.assert_close(
        negative_log_likelihood(shared, log_gates, event_class, event),
        negative_log_likelihood(shared.expand(6, 3, 5), log_gates, event_class, event),
    )


def test_stacked_batches_have_a_loss_each():
    event_class, event = random_outcomes(0)
    scores = torch.randn(2, 6, 3, 5)
    log_gates = torch.randn(2, 6, 3).log_softmax(-1)
    after = keep_top(log_gates, 2).log_softmax(-1)
    outcomes = (event_class.expand(2, 6), event.expand(2, 6))
    for stacked, alone in (
        (
            negative_log_likelihood(scores, log_gates, *outcomes),
            [
                negative_log_likelihood(s, g, event_class, event)
                for s, g in zip(scores, log_gates, strict=True)
            ],
        ),
        (load_balance(log_gates, log_gates), [load_balance(g, g) for g in log_gates]),
        (
            load_balance(after, log_gates, 2),
            [load_balance(*pair, 2) for pair in zip(after, log_gates, strict=True)],
        ),
        (instance_entropy(log_gates), [instance_entropy(g) for g in log_gates]),
    ):
        torch.testing.assert_close(stacked, torch.stack(alone))


def test_likelihood_of_known_probabilities():
    log_probs = torch.tensor([[0.5, 0.25, 0.25]]).log().expand(4, 3)
    event_class = torch.tensor([0, 1, 1, 0])
    event = torch.tensor([True, True, False, False])
    # 1/2 seen, 1/4 seen, 1/2 left, everything left.
    expected = (math.log(2) + math.log(4) + math.log(2) + 0) / 4
    assert of_one_expert(log_probs, event_class, event).item() == pytest.approx(expected)


@pytest.mark.parametrize("causes", [1, 2])
@pytest.mark.parametrize("event", [True, False])
@pytest.mark.parametrize("scale", [1.0, 1e3, 1e6])
def test_likelihood_stays_finite(event, scale, causes):
    torch.manual_seed(0)
    logits = (torch.randn(20, 10 * causes + 1) * scale).requires_grad_()
    classes = torch.arange(20) % 11
    scores = class_scores(logits, causes)
    loss = of_one_expert(scores, classes, torch.full((20,), int(event) * causes), causes)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.isfinite()
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("subjects", [6, 1])  # 1: scores that all of them share
@pytest.mark.parametrize("scale", [1.0, 40.0, 1e3])
def test_likelihood_and_gradients_are_those_of_logsumexp(scale, subjects):
    """Also where all but a few classes have probabilities far below the smallest number."""
    event_class, event = random_outcomes(2)
    scores = (scale * torch.randn(subjects, 3, 5, dtype=torch.float64)).requires_grad_()
    log_gates = torch.randn(6, 3, dtype=torch.float64).log_softmax(-1).requires_grad_()
    classes = torch.arange(5)
    at, seen = event_class[:, None, None], event[:, None, None]
    possible = torch.where(seen, classes == at, classes >= at)
    chosen = scores.masked_fill(~possible, -math.inf).logsumexp(-1) - scores.logsumexp(-1)
    expected = -(log_gates + chosen).logsumexp(-1).mean()
    loss = negative_log_likelihood(scores, log_gates, event_class, event)
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(value, (scores, log_gates)) for value in (loss, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-14)


def test_likelihood_gradient():
    event_class, event = random_outcomes(1)
    logits = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda a: of_one_expert(class_scores(a), event_class, event), logits
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
