"""Losses and regularisers of the discrete-time networks: pure functions of tensors."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import torch
from torch import Tensor

from survkit.heads.causes import num_masses
from survkit.heads.routing import kept_experts

NEGLIGIBLE = -80.0
"""Logarithm of a term that adds nothing to a sum of at least 1, and is not yet denormal."""


def negative_log_likelihood(
    class_scores: Tensor,
    log_gates: Tensor,
    event_class: Tensor,
    event: Tensor,
    num_causes: int = 1,
) -> Tensor:
    """Mean negative log-likelihood of right-censored discrete times under a mixture.

    An event in class k costs -log p_k; a subject censored in class k costs
    -log sum_{j >= k} p_j. With competing causes an event of cause c costs -log p_{c,k}, and the
    sum of a censored subject is over all causes. Beyond the horizon no cause is known.

    Each expert's term is taken before they are mixed, as the other classes do not matter. Computed
    in log space, so that value and gradient are finite for batches of events only or of censored
    subjects only and for probabilities that underflow.

    Parameters
    ----------
    class_scores : Tensor, shape (..., B or 1, E, C * m + 1), float
        Log probabilities of the classes under each expert, up to a constant, laid out as in
        `survkit.heads.causes`.
    log_gates : Tensor, shape (..., B, E), float
        Log weights of the experts.
    event_class : Tensor, shape (..., B), int64
        Class of the observed time, 0 to m.
    event : Tensor, shape (..., B), bool or int64
        True where the event was seen; its cause, 1 to C or 0, where there are several.
    num_causes : int
        Competing causes C.

    Returns
    -------
    Tensor, shape (...)
        The mean over subjects, in nats.

    References
    ----------
    Yu, Greiner, Lin, Baracos (2011), "Learning Patient-Specific Cancer Survival Distributions as
    a Sequence of Dependent Regressors", NIPS 24, eq. 3 and 5.
    """
    num_classes = (class_scores.shape[-1] - 1) // num_causes + 1
    table = _classes_by_outcome(num_classes, num_causes, class_scores.dtype, class_scores.device)
    chosen = table[event.long(), event_class]
    loss: Tensor = _MixtureLikelihood.apply(class_scores, log_gates, chosen.unsqueeze(-2))[0]
    return loss


@cache
def _classes_by_outcome(
    num_classes: int, num_causes: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Return the classes that an outcome leaves possible (1, the others 0).

    Shape (1 + C, m + 1, C * m + 1): first for subjects censored in each class, then for events of
    each cause.
    """
    beyond = num_classes - 1
    shape = (1 + num_causes, num_classes, num_masses(num_classes, num_causes))
    with torch.inference_mode(mode=False):  # whatever the first caller is in
        table = torch.zeros(shape, dtype=dtype, device=device)
        event = torch.eye(num_classes, dtype=dtype, device=device)
        table[:, :, -1] = event[:, -1]
        table[0, :, -1] = 1
        for cause in range(num_causes):
            own = slice(cause * beyond, (cause + 1) * beyond)
            table[0, :, own] = torch.ones_like(event).triu()[:, :-1]
            table[1 + cause, :, own] = event[:, :-1]
        return table


class _MixtureLikelihood(torch.autograd.Function):
    """Mean of -log sum_e g_e share_e, the share of expert e's mass that chosen classes (1) have.

    With the sums of exp(score - highest score of the chosen) over the chosen classes and of
    exp(score - highest score) over the others,

        total = exp(gap) chosen_sum + other_sum, gap = highest score of the chosen - highest score,
        share = exp(gap) chosen_sum / total,
        d log share / d score = term other_sum / (chosen_sum total) for a chosen class,
                                -term / total for another,

    so that one exponential a score, its term, serves value and derivative. Composed of autograd's
    operations it would pass over the largest tensors of a training three times as often.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(scores: Tensor, log_gates: Tensor, chosen: Tensor) -> tuple[Tensor, ...]:
        highest = scores.amax(-1, keepdim=True)
        out_of_reach = torch.finfo(scores.dtype).max / 4
        highest_chosen = scores.add(chosen - 1, alpha=out_of_reach).amax(-1, keepdim=True)
        # The exponential of what underflows takes up to 100 times as long as of what does not.
        relative = (chosen * (highest - highest_chosen)).add_(scores - highest)
        terms = relative.clamp_min_(NEGLIGIBLE).exp_()
        chosen_sum = (terms @ chosen.mT).squeeze(-1)
        other_sum = terms.sum(-1) - chosen_sum
        gap = (highest_chosen - highest).squeeze(-1)
        total = other_sum + chosen_sum * gap.exp()
        joint = log_gates + gap + (chosen_sum / total).log()
        likelihood = joint.logsumexp(-1, keepdim=True)
        responsibilities = (joint - likelihood).exp()
        loss = -likelihood.squeeze(-1).mean(-1)
        return loss, terms, chosen_sum, other_sum, total, responsibilities

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        scores, _, chosen = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(chosen, *output[1:])
        ctx.scores_shape = scores.shape

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, gradient: Tensor | None, *_: None
    ) -> tuple[Tensor | None, Tensor | None, None]:
        if gradient is None:
            return None, None, None
        chosen, terms, chosen_sum, other_sum, total, responsibilities = ctx.saved_tensors
        by_joint = responsibilities * (gradient / -responsibilities.shape[-2])[..., None, None]
        by_other = by_joint / total  # less its sign
        by_chosen = by_other * (other_sum / chosen_sum)
        by_scores = (chosen * (by_chosen + by_other).unsqueeze(-1)).sub_(by_other.unsqueeze(-1))
        return by_scores.mul_(terms).sum_to_size(ctx.scores_shape), by_joint, None


def load_balance(
    log_gates: Tensor, router_log_probs: Tensor, mixture_topk: int | None = None
) -> Tensor:
    """How unevenly the router spreads a batch over the experts: the group regulariser.

    With all E experts, E * sum_e P_e^2, from 1 (even) to E (one expert takes all), where P_e is
    the batch's mean of the router's weights before they are sharpened. With top-k routing,
    E * sum_e f_e P_e, where f_e is the share of subjects that keep expert e; the gradient reaches
    P_e only.

    Parameters
    ----------
    log_gates : Tensor, shape (..., B, E), float
        Log weights after top-k.
    router_log_probs : Tensor, shape (..., B, E), float
        Log weights before top-k, as in `survkit.heads.routing.HeadOutput`.
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
    share = load = router_log_probs.exp().mean(-2)
    if mixture_topk not in (None, num_experts):
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
