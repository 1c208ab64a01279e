"""How a mixture of experts weighs its experts and mixes their distributions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, TypedDict

import torch
from torch import Tensor, nn

from survkit.types import InputError


class HeadOutput(NamedTuple):
    """What every head returns; m + 1 classes, E experts (1 for a head without a mixture).

    With C competing causes, read C * m + 1 for m + 1: a class of each cause, as in
    `survkit.heads.causes`.

    Attributes
    ----------
    class_scores : Tensor, shape (B, E, m + 1), or (1, E, m + 1) where all subjects share them
        Log probabilities of the classes under each expert, each up to a constant of its own.
    log_gates : Tensor, shape (B, E)
        Log of the router's weights; hugely negative, but finite, for experts that top-k dropped.
    router_log_probs : Tensor, shape (B, E)
        Log of the router's weights before top-k and before the temperature that sharpens them:
        what the balance of the experts is judged by.
    """

    class_scores: Tensor
    log_gates: Tensor
    router_log_probs: Tensor

    @property
    def expert_log_probs(self) -> Tensor:
        """Log probabilities of the classes under each expert, shape (B, E, m + 1)."""
        return self.class_scores.log_softmax(-1).expand(*self.log_gates.shape, -1)

    @property
    def log_probs(self) -> Tensor:
        """Log probabilities of the classes under the mixture, shape (B, m + 1)."""
        return mix(self.log_gates, self.expert_log_probs)


def dot_scores(vectors: Tensor, keys: Tensor) -> Tensor:
    """Return the inner products (B, E) of vectors (B, d) and keys (E, d)."""
    return vectors @ keys.T


def euclidean_scores(vectors: Tensor, keys: Tensor) -> Tensor:
    """Return minus the Euclidean distances (B, E) of vectors (B, d) and keys (E, d).

    The square root is shifted by 1e-12, which makes it smooth where a vector meets a key and
    changes a distance by at most 1e-6.
    """
    squared = (vectors.unsqueeze(1) - keys).square().sum(-1)
    return -(squared + 1e-12).sqrt()


EXPERT_METRICS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "dot": dot_scores,
    "euclidean": euclidean_scores,
}


class Temperature(nn.Module):
    """A positive temperature softplus(tau).

    Parameters
    ----------
    start : float
        The temperature at the start, above 0.
    learned : bool
        Whether tau is a parameter; otherwise it is a buffer.

    Raises
    ------
    InputError
        For a start that is not a positive finite number.
    """

    tau: Tensor

    def __init__(self, start: float, *, learned: bool) -> None:
        super().__init__()
        if not (math.isfinite(start) and start > 0):
            raise InputError(f"logit_temp is {start}; a temperature must be finite and above 0")
        # The inverse of softplus, written so that a large start does not overflow.
        tau = torch.tensor(start + math.log(-math.expm1(-start)), dtype=torch.get_default_dtype())
        if learned:
            self.tau = nn.Parameter(tau)
        else:
            self.register_buffer("tau", tau)

    def forward(self) -> Tensor:
        """Return the temperature, a scalar tensor."""
        return nn.functional.softplus(self.tau)


def _dropped_score(dtype: torch.dtype) -> float:
    # Finite, so that entropies and gradients are; a quarter leaves room to subtract and add.
    return torch.finfo(dtype).min / 4


def keep_top(scores: Tensor, k: int) -> Tensor:
    """Replace all but the k highest scores of each row by a hugely negative finite number.

    A softmax over the result gives the dropped experts a weight of exactly 0. Of equal scores
    as many are kept as there is room for.
    """
    chosen = scores.topk(k, dim=-1).indices
    kept = torch.zeros_like(scores).scatter(-1, chosen, 1.0)
    return torch.where(kept > 0, scores, _dropped_score(scores.dtype))


def kept_experts(log_gates: Tensor) -> Tensor:
    """Return which experts (B, E) top-k kept, bool, given the log weights (B, E)."""
    return log_gates > _dropped_score(log_gates.dtype) / 2


def mix(log_gates: Tensor, expert_log_probs: Tensor) -> Tensor:
    """Mix the experts' distributions: log p = logsumexp_e(log g_e + log p_e).

    Parameters
    ----------
    log_gates : Tensor, shape (B, E)
    expert_log_probs : Tensor, shape (B, E, m + 1)

    Returns
    -------
    Tensor, shape (B, m + 1)
    """
    return (log_gates.unsqueeze(-1) + expert_log_probs).logsumexp(-2)


class RouterParameters(TypedDict, total=False):
    """The parameters of `Router` that the head of every mixture takes."""

    mixture_components: int
    mixture_topk: int | None
    expert_metric: str
    learn_temperature: bool
    logit_temp: float


class Router(nn.Module):
    """Weigh E experts for each subject by comparing a vector with one learned key per expert.

    Parameters
    ----------
    width : int
        Length of the vectors and keys.
    mixture_components : int
        Number of experts E, at least 1.
    mixture_topk : int, optional
        Experts kept for each subject, 1 to E; all where not given.
    expert_metric : {"dot", "euclidean"}
        Score of a key: the inner product, or minus the Euclidean distance.
    learn_temperature : bool
        Whether the temperatures are learned.
    logit_temp : float
        Temperature at the start, by which the scores are divided.
    second_temperature : bool
        Divide the kept scores by another temperature, which starts at 1 and is then the one that
        sharpens the weights.

    Raises
    ------
    InputError
        For no experts, a `mixture_topk` outside 1 to E, an unknown metric or a bad temperature.
    """

    def __init__(
        self,
        width: int,
        *,
        mixture_components: int = 10,
        mixture_topk: int | None = None,
        expert_metric: str = "dot",
        learn_temperature: bool = True,
        logit_temp: float = 2.0,
        second_temperature: bool = False,
    ) -> None:
        super().__init__()
        if mixture_components < 1:
            raise InputError(
                f"mixture_components is {mixture_components}; at least 1 expert is needed"
            )
        if mixture_topk is not None and not 1 <= mixture_topk <= mixture_components:
            raise InputError(
                f"mixture_topk is {mixture_topk}; it must be 1 to {mixture_components} "
                f"(mixture_components)"
            )
        if expert_metric not in EXPERT_METRICS:
            raise InputError(
                f"expert_metric is '{expert_metric}'; it must be one of {', '.join(EXPERT_METRICS)}"
            )
        self.mixture_topk = None if mixture_topk == mixture_components else mixture_topk
        self.expert_metric = expert_metric
        self.keys = nn.Linear(width, mixture_components, bias=False).weight
        self.temperature = Temperature(logit_temp, learned=learn_temperature)
        self.kept_temperature = (
            Temperature(1.0, learned=learn_temperature) if second_temperature else None
        )

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weights of experts for vectors (B, width), as in `HeadOutput`.

        The weights before the last temperature are apart, since the gradient of a balance of the
        sharpened ones vanishes for an expert that is hardly used: it would never come back.
        """
        scores = EXPERT_METRICS[self.expert_metric](vectors, self.keys)
        if self.kept_temperature is None:
            sharpened = scores / self.temperature()
        else:
            scores = scores / self.temperature()
            sharpened = scores / self.kept_temperature()  # chooses the same experts as before it
        if self.mixture_topk is not None:
            sharpened = keep_top(sharpened, self.mixture_topk)
        return sharpened.log_softmax(-1), scores.log_softmax(-1)
