"""Losses and regularisers of the discrete-time networks: pure functions of tensors."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from survkit.heads.routing import kept_experts

NEGLIGIBLE = -80.0
"""Logarithm of a term that adds nothing to a sum of at least 1, and is not yet denormal."""


def negative_log_likelihood(
    class_scores: Tensor, log_gates: Tensor, event_class: Tensor, event: Tensor
) -> Tensor:
    """Mean negative log-likelihood of right-censored discrete times under a mixture.

    An event in class k costs -log p_k; a subject censored in class k costs
    -log sum_{j >= k} p_j. Each expert's term is taken before they are mixed, as the other classes
    do not matter. Computed in log space, so that value and gradient are finite for batches of
    events only or of censored subjects only and for probabilities that underflow.

    Parameters
    ----------
    class_scores : Tensor, shape (..., B or 1, E, m + 1), float
        Log probabilities of the classes under each expert, up to a constant.
    log_gates : Tensor, shape (..., B, E), float
        Log weights of the experts.
    event_class : Tensor, shape (..., B), int64
        Class of the observed time, 0 to m.
    event : Tensor, shape (..., B), bool
        True where the event was seen.

    Returns
    -------
    Tensor, shape (...)
        The mean over subjects, in nats.

    References
    ----------
    Yu, Greiner, Lin, Baracos (2011), "Learning Patient-Specific Cancer Survival Distributions as
    a Sequence of Dependent Regressors", NIPS 24, eq. 3 and 5.
    """
    classes = torch.arange(class_scores.shape[-1], device=class_scores.device)
    observed = event_class[..., None, None]
    possible = torch.where(event[..., None, None], classes == observed, classes >= observed)
    chosen = possible.to(class_scores.dtype)
    of_expert: Tensor = _LogShare.apply(class_scores, chosen)[0]  # (..., B, E)
    return -(log_gates + of_expert).logsumexp(-1).mean(-1)


class _LogShare(torch.autograd.Function):
    """Log of the share that the chosen classes (1, of others 0) have in the sum of exp(scores).

    The difference of two `logsumexp`, but with half their passes over the largest tensors of a
    training step: the derivative is the difference of the two softmax, which are kept.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(scores: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        every, log_every = _softmax(scores)
        some, log_some = _softmax(scores, chosen)
        return log_some - log_every, some, every

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, ...]) -> None:
        _, some, every = output
        ctx.mark_non_differentiable(some, every)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(some, every)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor | None, *_: None) -> tuple[Tensor | None, None]:
        if gradient is None:
            return None, None
        some, every = ctx.saved_tensors
        gradient = gradient.unsqueeze(-1)
        if some.shape == every.shape:
            return (some - every) * gradient, None
        shared = gradient.sum(-3, keepdim=True)  # scores that all subjects have in common
        return (some * gradient).sum(-3, keepdim=True) - every * shared, None


def _softmax(scores: Tensor, chosen: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the softmax over the last axis and the logarithm of its denominator.

    Where `chosen` is given, over the classes where it is 1; the others, where it is 0, get 0.
    """
    among = scores if chosen is None else scores + torch.where(chosen > 0, 0.0, -math.inf)
    largest = among.amax(-1, keepdim=True)
    # The exponential of what underflows takes up to 100 times as long as of what does not.
    terms = (scores - largest).clamp(NEGLIGIBLE, 0.0).exp_()
    if chosen is not None:
        terms.mul_(chosen)
    total = terms.sum(-1, keepdim=True)
    return terms.div_(total), (largest + total.log()).squeeze(-1)


def load_balance(
    log_gates: Tensor, router_log_probs: Tensor, mixture_topk: int | None = None
) -> Tensor:
    """How unevenly the router spreads a batch over the experts: the group regulariser.

    With all E experts, E * sum_e mean_batch(g_e)^2, from 1 (even) to E (one expert takes all).
    With top-k routing, E * sum_e f_e P_e, where f_e is the share of subjects that keep expert e
    and P_e the mean router probability before top-k; the gradient reaches P_e only.

    Parameters
    ----------
    log_gates : Tensor, shape (..., B, E), float
        Log weights after top-k.
    router_log_probs : Tensor, shape (..., B, E), float
        Log weights before top-k.
    mixture_topk : int, optional
        Experts kept for each subject; None or E means all.

    Returns
    -------
    Tensor, shape (...)

    References
    ----------
    Fedus, Zoph, Shazeer (2022), "Switch Transformers", JMLR 23, eq. 4 to 6 (for top-k).
    """
    num_experts = log_gates.shape[-1]
    if mixture_topk in (None, num_experts):
        share = load = log_gates.exp().mean(-2)
    else:
        share = router_log_probs.exp().mean(-2)
        load = kept_experts(log_gates).to(share.dtype).mean(-2)
    return num_experts * (load * share).sum(-1)


def instance_entropy(log_gates: Tensor) -> Tensor:
    """Mean over subjects of the entropy of the router's weights, in nats.

    Parameters
    ----------
    log_gates : Tensor, shape (..., B, E), float
        Log weights; a weight of exactly 0 adds nothing to the value or the gradient.

    Returns
    -------
    Tensor, shape (...)
        From 0 (each subject uses one expert) to log E.
    """
    gates = log_gates.exp()
    # 0 * log 0 is 0 by continuity; the product itself would be NaN.
    return -(gates * torch.where(gates > 0, log_gates, 0.0)).sum(-1).mean(-1)


def cosine_annealed(
    epoch: int, hold_epochs: int, anneal_epochs: int, min_multiplier: float
) -> float:
    """Multiplier that holds 1, then falls along half a cosine to a minimum and stays there.

    Parameters
    ----------
    epoch : int
        Epochs finished so far: 0 in the first epoch.
    hold_epochs : int
        Epochs at multiplier 1 before it starts to fall.
    anneal_epochs : int
        Epochs from 1 to the minimum; at least 1.
    min_multiplier : float
        The last value, in [0, 1].

    Returns
    -------
    float

    References
    ----------
    Loshchilov, Hutter (2017), "SGDR: Stochastic Gradient Descent with Warm Restarts", eq. 5.
    """
    progress = min(max((epoch - hold_epochs) / anneal_epochs, 0.0), 1.0)
    return min_multiplier + (1.0 - min_multiplier) * 0.5 * (1.0 + math.cos(math.pi * progress))
