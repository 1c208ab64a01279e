import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from survkit.heads.routing import (
    Router,
    Temperature,
    dot_scores,
    euclidean_scores,
    keep_top,
    kept_experts,
    mix,
)
from survkit.types import InputError


def router(**changes):
    parameters = dict(
        mixture_components=4,
        mixture_topk=None,
        expert_metric="dot",
        learn_temperature=True,
        logit_temp=2.0,
    )
    return Router(6, **{**parameters, **changes})


@pytest.mark.parametrize("start", [1e-3, 0.5, 2.0, 30.0, 500.0])
@pytest.mark.parametrize("learned", [True, False])
def test_temperature_starts_where_asked(start, learned):
    temperature = Temperature(start, learned=learned)
    assert temperature().item() == pytest.approx(start, rel=1e-5)
    assert [name for name, _ in temperature.named_parameters()] == (["tau"] if learned else [])
    assert "tau" in temperature.state_dict()


@pytest.mark.parametrize("start", [0.0, -1.0, math.nan, math.inf])
def test_temperature_refuses_what_cannot_divide(start):
    with pytest.raises(InputError, match="logit_temp is"):
        Temperature(start, learned=True)


def test_scores_are_inner_products_or_minus_distances():
    torch.manual_seed(0)
    vectors, keys = torch.randn(5, 3), torch.randn(4, 3)
    torch.testing.assert_close(dot_scores(vectors, keys), torch.einsum("bd,ed->be", vectors, keys))
    torch.testing.assert_close(euclidean_scores(vectors, keys), -torch.cdist(vectors, keys))


def test_distance_is_smooth_where_a_vector_meets_a_key():
    vectors = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    keys = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    assert euclidean_scores(vectors, keys).abs().max() <= 1e-6
    for gradient in torch.autograd.grad(euclidean_scores(vectors, keys).sum(), (vectors, keys)):
        assert torch.equal(gradient, torch.zeros_like(gradient))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31), k=st.integers(1, 6), scale=st.sampled_from([0.0, 1.0, 1e3, 1e6]))
def test_top_k_keeps_exactly_k_even_of_equal_scores(seed, k, scale):
    torch.manual_seed(seed)
    scores = (torch.randn(5, 6) * scale).requires_grad_()
    kept = keep_top(scores, k)
    log_gates = kept.log_softmax(-1)
    assert (kept_experts(log_gates).sum(-1) == k).all()
    assert (log_gates.exp()[~kept_experts(log_gates)] == 0).all()
    torch.testing.assert_close(log_gates.exp().sum(-1), torch.ones(5))
    highest = scores.detach().topk(k, dim=-1).values
    lowest_kept = scores.detach().where(kept_experts(log_gates), math.inf).min(-1).values
    assert torch.equal(lowest_kept, highest[:, -1])
    (gradient,) = torch.autograd.grad(log_gates.exp().square().sum(), scores)
    assert gradient.isfinite().all()


def test_mix_is_the_weighted_sum_of_probabilities():
    torch.manual_seed(0)
    log_gates = torch.randn(5, 3).log_softmax(-1)
    experts = torch.randn(5, 3, 7).log_softmax(-1)
    expected = torch.einsum("be,bek->bk", log_gates.exp(), experts.exp())
    torch.testing.assert_close(mix(log_gates, experts).exp(), expected)


def test_mix_does_not_underflow():
    log_gates = torch.tensor([[-500.0, 0.0]])
    experts = torch.tensor([[[0.0, -1000.0], [-2000.0, 0.0]]])
    torch.testing.assert_close(mix(log_gates, experts), torch.tensor([[-500.0, 0.0]]))


@pytest.mark.parametrize("expert_metric", ["dot", "euclidean"])
def test_router_is_a_softmax_over_the_temperature(expert_metric):
    torch.manual_seed(0)
    model = router(expert_metric=expert_metric, logit_temp=0.7)
    vectors = torch.randn(5, 6)
    scores = {"dot": vectors @ model.keys.T, "euclidean": -torch.cdist(vectors, model.keys)}
    expected = (scores[expert_metric] / 0.7).softmax(-1)
    log_gates, router_log_probs = model(vectors)
    torch.testing.assert_close(log_gates.exp(), expected)
    torch.testing.assert_close(router_log_probs.exp(), scores[expert_metric].softmax(-1))


def test_router_with_top_k_renormalises_the_kept_weights():
    torch.manual_seed(0)
    model = router(mixture_topk=2)
    vectors = torch.randn(5, 6)
    log_gates, router_log_probs = model(vectors)
    scores = vectors @ model.keys.T
    expected = torch.where(kept_experts(log_gates), (scores / 2.0).softmax(-1), 0.0)
    torch.testing.assert_close(log_gates.exp(), expected / expected.sum(-1, keepdim=True))
    torch.testing.assert_close(router_log_probs.exp(), scores.softmax(-1))


def test_second_temperature_divides_the_kept_scores():
    torch.manual_seed(0)
    model = router(mixture_topk=3, second_temperature=True)
    assert model.kept_temperature().item() == pytest.approx(1)
    with torch.no_grad():
        model.kept_temperature.tau.copy_(Temperature(0.25, learned=True).tau)
    vectors = torch.randn(5, 6)
    scores = vectors @ model.keys.T / 2.0
    expected = (keep_top(scores, 3) / 0.25).clamp(min=-1e30).softmax(-1)
    log_gates, router_log_probs = model(vectors)
    torch.testing.assert_close(log_gates.exp(), expected)
    torch.testing.assert_close(router_log_probs.exp(), scores.softmax(-1))  # not sharpened


def test_keeping_all_experts_is_no_top_k():
    torch.manual_seed(0)
    model = router(mixture_topk=4)
    vectors = torch.randn(5, 6)
    scores = vectors @ model.keys.T
    torch.testing.assert_close(model(vectors)[0].exp(), (scores / 2.0).softmax(-1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mixture_components": 0}, "mixture_components is 0"),
        ({"mixture_topk": 5}, "mixture_topk is 5; it must be 1 to 4"),
        ({"mixture_topk": 0}, "mixture_topk is 0"),
        ({"expert_metric": "cosine"}, "expert_metric is 'cosine'; it must be one of dot, euclid"),
        ({"logit_temp": 0.0}, "logit_temp is 0.0"),
    ],
)
def test_router_refuses_what_cannot_work(changes, message):
    with pytest.raises(InputError, match=message):
        router(**changes)
