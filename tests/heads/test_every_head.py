"""What holds for every head, in every setting."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call, grad, stack_module_state, vmap

from survkit.heads import HEADS, build_head
from survkit.heads.adjustable_moe import AdjustableMoEHead, interpolate
from survkit.heads.backbone import Backbone
from survkit.heads.fixed_moe import FixedMoEHead
from survkit.heads.mtlr import MTLRHead, class_scores
from survkit.heads.personalized_moe import PersonalizedMoEHead
from survkit.heads.routing import HeadOutput
from survkit.training.losses import instance_entropy, load_balance, negative_log_likelihood
from survkit.types import InputError

HIDDEN, CLASSES, EXPERTS = 8, 7, 4
DEFAULTS = {
    "mixture_components": EXPERTS,
    "mixture_topk": None,
    "expert_metric": "dot",
    "learn_temperature": True,
    "logit_temp": 2.0,
    "time_warp_function": "two_logistics",
    "moe_value_dim": None,
    "moe_chunk_value_dim": True,
}
OPTIONS = {
    "mixture_topk": [None, 2],
    "expert_metric": ["dot", "euclidean"],
    "learn_temperature": [True, False],
    "time_warp_function": ["two_logistics", "beta_cdf"],
    "moe_chunk_value_dim": [True, False],
}


def every_setting():
    for name, entry in HEADS.items():
        options = {key: OPTIONS[key] for key in entry.parameters if key in OPTIONS}
        for values in itertools.product(*options.values()):
            changes = dict(zip(options, values, strict=True))
            yield pytest.param(name, changes, id="-".join([name, *map(str, values)]))


def few_settings():
    for name in HEADS:
        yield pytest.param(name, {}, id=name)
    topk = {"mixture_topk": 2, "expert_metric": "euclidean"}
    for name in ("fixed_moe", "adjustable_moe", "personalized_moe"):
        yield pytest.param(name, topk, id=f"{name}-topk-euclidean")
    yield pytest.param("adjustable_moe", {"time_warp_function": "beta_cdf"}, id="beta_cdf")
    yield pytest.param("personalized_moe", {"moe_chunk_value_dim": False}, id="whole_value")


def head(name, changes=None, seed=0):
    torch.manual_seed(seed)
    model = build_head(name, HIDDEN, CLASSES, {**DEFAULTS, **(changes or {})})
    for parameter in model.parameters():
        if not parameter.any():  # the personalized experts start at zero, which hides mistakes
            torch.nn.init.uniform_(parameter, -0.5, 0.5)
    return model


def distributions(output):
    """All that must sum to one, in log space."""
    gates = (output.log_gates, output.router_log_probs)
    return (output.log_probs, output.expert_log_probs, *gates)


def loss_of(output, mixture_topk=None):
    """A training loss with every term."""
    subjects = output.log_probs.shape[0]
    event_class = torch.arange(subjects) % CLASSES
    event = torch.arange(subjects) % 2 == 0
    return (
        negative_log_likelihood(output.class_scores, output.log_gates, event_class, event)
        + 0.1 * load_balance(output.log_gates, output.router_log_probs, mixture_topk)
        + 0.1 * instance_entropy(output.log_gates)
    )


@pytest.mark.parametrize(("name", "changes"), list(every_setting()))
def test_distributions_and_gradients(name, changes):
    model = head(name, changes)
    experts = 1 if name == "mtlr" else EXPERTS
    output = model(torch.randn(5, HIDDEN))
    assert isinstance(output, HeadOutput)
    assert output.log_probs.shape == (5, CLASSES)
    assert output.expert_log_probs.shape == (5, experts, CLASSES)
    assert output.log_gates.shape == output.router_log_probs.shape == (5, experts)
    for log_probs in distributions(output):
        torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(log_probs.shape[:-1]))
    torch.testing.assert_close(
        output.log_probs.exp(),
        torch.einsum("be,bek->bk", output.log_gates.exp(), output.expert_log_probs.exp()),
    )
    chosen = (output.log_gates.exp() > 0).sum(-1)
    assert (chosen == (changes.get("mixture_topk") or experts)).all()
    loss_of(output, changes.get("mixture_topk")).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
    learned = [key for key, _ in model.named_parameters() if key.endswith("tau")]
    assert bool(learned) == (name != "mtlr" and changes["learn_temperature"])


@pytest.mark.parametrize("name", HEADS)
@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**31), scale=st.sampled_from([0.0, 1.0, 100.0, 1e4]))
def test_probabilities_sum_to_one_for_any_hidden_state(name, seed, scale):
    model = head(name, seed=seed)
    output = model(torch.randn(3, HIDDEN) * scale)
    for log_probs in distributions(output):
        assert log_probs.isfinite().all()
        total = log_probs.exp().sum(-1)
        torch.testing.assert_close(total, torch.ones_like(total), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("event", [True, False])
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_loss_and_gradients_are_finite(name, event, scale):
    model = head(name)
    hidden = (torch.randn(14, HIDDEN) * scale).requires_grad_()
    output = model(hidden)
    event_class = torch.arange(14) % CLASSES
    outcomes = (event_class, torch.full((14,), event))
    loss = negative_log_likelihood(output.class_scores, output.log_gates, *outcomes)
    loss.backward()
    assert loss.isfinite()
    assert hidden.grad.isfinite().all()
    assert all(parameter.grad is None or parameter.grad.isfinite().all()
               for parameter in model.parameters())  # fmt: skip


@pytest.mark.parametrize(("name", "changes"), list(few_settings()))
def test_a_diverged_network_gives_nan_for_its_subject_alone(name, changes):
    hidden = torch.randn(3, HIDDEN)
    hidden[1] = float("nan")
    log_probs = head(name, changes)(hidden).log_probs
    assert log_probs[1].isnan().all()
    assert log_probs[[0, 2]].isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "changes"), list(few_settings()))
def test_gradients_in_double_precision(name, changes):
    model = head(name, changes).double()
    names = [key for key, _ in model.named_parameters()]
    values = [value.detach().clone().requires_grad_() for value in model.parameters()]
    hidden = torch.randn(3, HIDDEN, dtype=torch.float64, requires_grad=True)

    def call(hidden, *values):
        output = functional_call(model, dict(zip(names, values, strict=True)), (hidden,))
        # The dropped experts' log weights are placeholders.
        return output.log_probs, output.log_gates.exp(), output.expert_log_probs

    tolerance = 1e-4 if changes.get("time_warp_function") == "beta_cdf" else 1e-6
    assert torch.autograd.gradcheck(
        call, (hidden, *values), atol=tolerance, rtol=tolerance, fast_mode=False
    )


@pytest.mark.parametrize("name", ["fixed_moe", "adjustable_moe", "personalized_moe"])
def test_a_mixture_of_one_is_its_expert(name):
    output = head(name, {"mixture_components": 1})(torch.randn(5, HIDDEN))
    torch.testing.assert_close(output.log_probs, output.expert_log_probs[:, 0])
    assert torch.equal(output.log_gates, torch.zeros(5, 1))


@pytest.mark.parametrize("chunked", [True, False])
def test_one_personalized_expert_with_an_identity_value_is_mtlr(chunked):
    personalized = head(
        "personalized_moe", {"mixture_components": 1, "moe_chunk_value_dim": chunked}
    )
    mtlr = head("mtlr", seed=1)
    with torch.no_grad():
        personalized.value.weight.copy_(torch.eye(HIDDEN))
        personalized.value.bias.zero_()
        personalized.expert_weight.copy_(mtlr.logits.weight.T.unsqueeze(0))
        personalized.expert_bias.copy_(mtlr.logits.bias.unsqueeze(0))
    hidden = torch.randn(5, HIDDEN)
    torch.testing.assert_close(personalized(hidden).log_probs, mtlr(hidden).log_probs)


def permuted_rows(parameter, order, experts):
    """Permute the blocks of rows that belong to the experts."""
    blocks = parameter.unflatten(0, (experts, -1))[order]
    return blocks.reshape_as(parameter)


@pytest.mark.parametrize(("name", "changes"), list(few_settings())[1:])
def test_permuting_the_experts_changes_nothing(name, changes):
    model, other = head(name, changes), head(name, changes, seed=1)
    order = torch.tensor([2, 0, 3, 1])
    per_expert = {"router.keys", "prototypes", "warp.weight", "warp.bias", "expert_weight",
                  "expert_bias"}  # fmt: skip
    if changes.get("moe_chunk_value_dim", True):
        per_expert |= {"value.weight", "value.bias"}
    state = {
        key: permuted_rows(value, order, EXPERTS) if key in per_expert else value
        for key, value in model.state_dict().items()
    }
    other.load_state_dict(state)
    hidden = torch.randn(5, HIDDEN)
    before, after = model(hidden), other(hidden)
    torch.testing.assert_close(after.log_probs, before.log_probs)
    torch.testing.assert_close(after.log_gates, before.log_gates[:, order])
    torch.testing.assert_close(after.expert_log_probs, before.expert_log_probs[:, order])


@pytest.mark.parametrize(("name", "changes"), list(few_settings()))
def test_several_models_stack_and_train_together(name, changes):
    models = [head(name, changes, seed) for seed in range(3)]
    hidden = torch.randn(5, HIDDEN)

    def loss(parameters, buffers):
        output = functional_call(models[0], (parameters, buffers), (hidden,))
        return loss_of(output, changes.get("mixture_topk"))

    stacked = stack_module_state(models)
    losses, gradients = vmap(loss)(*stacked), vmap(grad(loss))(*stacked)
    for index, model in enumerate(models):
        separate = loss_of(model(hidden), changes.get("mixture_topk"))
        torch.testing.assert_close(losses[index], separate)
        separate.backward()
        for key, parameter in model.named_parameters():
            torch.testing.assert_close(gradients[key][index], parameter.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "changes"), list(few_settings()))
def test_exports_with_a_free_batch_size(name, changes):
    model = head(name, changes)
    exported = torch.export.export(
        model,
        (torch.randn(5, HIDDEN),),
        dynamic_shapes={"hidden": {0: torch.export.Dim("subjects")}},
    )
    hidden = torch.randn(9, HIDDEN)
    for actual, expected in zip(exported.module()(hidden), model(hidden), strict=True):
        torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize(
    ("name", "hidden_dim", "num_hidden_layers", "parameters"),
    [
        ("mtlr", 176, 2, 187_189),
        ("fixed_moe", 208, 2, 209_844),
        ("adjustable_moe", 186, 2, 194_883),
        ("personalized_moe", 160, 1, 195_891),
    ],
)
def test_parameter_counts_on_784_inputs(name, hidden_dim, num_hidden_layers, parameters):
    backbone = Backbone(
        num_features=784,
        categorical=(),
        hidden_dim=hidden_dim,
        num_hidden_layers=num_hidden_layers,
        dropout=0.0,
    )
    model = nn.Sequential(
        backbone, build_head(name, hidden_dim, 101, {**DEFAULTS, "mixture_components": 10})
    )
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    assert model(torch.rand(2, 784)).log_probs.shape == (2, 101)


def test_class_scores_match_a_literal_loop():
    torch.manual_seed(0)
    logits = torch.randn(3, 5, dtype=torch.float64)
    for row, actual in zip(logits, class_scores(logits).softmax(-1), strict=True):
        sums = torch.stack([row[k:].sum() for k in range(5)])
        torch.testing.assert_close(actual, sums.exp() / sums.exp().sum())


def test_interpolation_reads_between_the_knots():
    values = torch.tensor([[0.0, 10.0, 40.0], [1.0, 1.0, 3.0]])
    positions = torch.tensor([[[0.0, 0.25, 0.5, 0.75, 1.0]] * 2])
    expected = torch.tensor([[[0.0, 5, 10, 25, 40], [1, 1, 1, 2, 3]]])
    torch.testing.assert_close(interpolate(values, positions), expected)


def test_a_warp_that_is_the_identity_leaves_the_prototypes():
    model = head("adjustable_moe", {"time_warp_function": "beta_cdf"})
    with torch.no_grad():
        model.warp.weight.zero_()
        model.warp.bias.zero_()
    warped = model.warped_prototypes(torch.randn(5, HIDDEN))
    torch.testing.assert_close(warped, model.prototypes.expand(5, EXPERTS, CLASSES))


def test_fixed_prototypes_start_small_and_are_shared():
    model = FixedMoEHead(HIDDEN, CLASSES)
    assert model.prototypes.shape == (10, CLASSES)
    assert model.prototypes.abs().max() <= 0.1
    assert model.prototypes.std() > 0.03
    experts = model(torch.randn(2, HIDDEN)).expert_log_probs
    assert torch.equal(experts[0], experts[1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"moe_value_dim": 10}, r"--moe_value_dim 10 does not split into 4 .* 8 or 12"),
        ({"moe_value_dim": 2}, "4 would work"),
        ({"moe_value_dim": 0}, "moe_value_dim is 0"),
        ({"mixture_topk": 5}, "mixture_topk is 5"),
    ],
)
def test_personalized_refuses_what_cannot_work(changes, message):
    with pytest.raises(InputError, match=message):
        head("personalized_moe", changes)


@pytest.mark.parametrize(
    ("changes", "chunk"),
    [
        ({}, HIDDEN // EXPERTS),
        ({"mixture_components": 3}, 3),  # 8 rounded up to 9
        ({"mixture_components": 10}, 1),
        ({"mixture_components": 3, "moe_chunk_value_dim": False}, HIDDEN),
    ],
)
def test_the_default_value_is_the_hidden_state_rounded_up_to_equal_chunks(changes, chunk):
    model = head("personalized_moe", changes)
    experts = changes.get("mixture_components", EXPERTS)
    assert model.expert_weight.shape == (experts, chunk, CLASSES)
    assert model(torch.randn(5, HIDDEN)).expert_log_probs.shape == (5, experts, CLASSES)


def test_a_value_shared_whole_need_not_divide():
    model = head("personalized_moe", {"moe_value_dim": 5, "moe_chunk_value_dim": False})
    assert model.expert_weight.shape == (EXPERTS, 5, CLASSES)


def test_adjustable_refuses_what_cannot_work():
    with pytest.raises(InputError, match="time_warp_function is 'linear'; it must be one of two_"):
        head("adjustable_moe", {"time_warp_function": "linear"})
    with pytest.raises(InputError, match="num_classes is 1"):
        AdjustableMoEHead(HIDDEN, 1)


def test_personalized_experts_start_with_equal_logits():
    output = build_head("personalized_moe", HIDDEN, CLASSES, DEFAULTS)(torch.randn(3, HIDDEN))
    uniform = torch.full_like(output.expert_log_probs, 1 / CLASSES).log()
    torch.testing.assert_close(output.expert_log_probs, uniform)


def test_every_head_builds_from_its_defaults():
    for model in (MTLRHead, FixedMoEHead, AdjustableMoEHead, PersonalizedMoEHead):
        extra = {} if model is not PersonalizedMoEHead else {"mixture_components": 4}
        assert model(HIDDEN, CLASSES, **extra)(torch.zeros(1, HIDDEN)).log_probs.shape == (1, 7)
