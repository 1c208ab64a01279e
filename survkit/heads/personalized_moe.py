"""Mixture of experts that each map the subject's own representation to a distribution."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor, nn

from survkit.heads import default_value_dim
from survkit.heads.causes import num_masses
from survkit.heads.mtlr import class_scores
from survkit.heads.routing import HeadOutput, Router, RouterParameters
from survkit.heads.start import start_logits
from survkit.types import InputError


class PersonalizedMoEHead(nn.Module):
    """Experts are linear maps of a value vector; a query is compared with one key per expert.

    Parameters
    ----------
    hidden_dim : int
        Width of the hidden state, the query and the keys.
    num_classes : int
        Time classes m + 1.
    moe_value_dim : int, optional
        Width of the value vector; as in `default_value_dim` where not given.
    moe_chunk_value_dim : bool
        Split the value in E equal chunks, one per expert; otherwise every expert reads all of it.
    num_causes : int
        Competing causes C of the event.
    **router
        As in `survkit.heads.routing.Router`.

    Raises
    ------
    InputError
        As in `survkit.heads.routing.Router`, and for a value that does not split in E chunks.
    """

    def __init__(
        self,
        hidden_dim: int,
        num_classes: int,
        *,
        moe_value_dim: int | None = None,
        moe_chunk_value_dim: bool = True,
        num_causes: int = 1,
        **router: Unpack[RouterParameters],
    ) -> None:
        super().__init__()
        self.router = Router(hidden_dim, **router)
        num_experts = len(self.router.keys)
        value_dim = moe_value_dim
        if value_dim is None:
            value_dim = default_value_dim(hidden_dim, num_experts, chunked=moe_chunk_value_dim)
        _check_value_dim(value_dim, num_experts, moe_chunk_value_dim)
        self.chunked = moe_chunk_value_dim
        self.num_causes = num_causes
        self.query = nn.Linear(hidden_dim, hidden_dim)
        self.value = nn.Linear(hidden_dim, value_dim)
        chunk = value_dim // num_experts if moe_chunk_value_dim else value_dim
        # At zero every expert starts at the uniform distribution. Random logits would add up along
        # the time axis to distributions that training first has to forget.
        masses = num_masses(num_classes, num_causes)
        self.expert_weight = nn.Parameter(torch.zeros(num_experts, chunk, masses))
        self.expert_bias = nn.Parameter(torch.zeros(num_experts, masses))

    @torch.no_grad()
    def start_at(self, masses: Tensor) -> None:
        """Start from probabilities (C * m + 1,): the same for all experts."""
        self.expert_bias.copy_(start_logits(masses, self.num_causes))

    def forward(self, hidden: Tensor) -> HeadOutput:
        """Return the mixture for hidden (B, hidden_dim)."""
        log_gates, router_log_probs = self.router(self.query(hidden))
        value = self.value(hidden)
        # The class scores are linear in the logits: summed in the weights, once per batch.
        weight, bias = (
            class_scores(logits, self.num_causes)
            for logits in (self.expert_weight, self.expert_bias)
        )
        if self.chunked:
            inputs = value.unflatten(-1, weight.shape[:2]).transpose(0, 1)  # (E, B, chunk)
        else:
            inputs = value.expand(weight.shape[0], *value.shape)
        scores = torch.baddbmm(bias.unsqueeze(1), inputs, weight).transpose(0, 1)  # (B, E, classes)
        return HeadOutput(scores, log_gates, router_log_probs)


def _check_value_dim(value_dim: int, experts: int, chunked: bool) -> None:
    if value_dim < 1:
        raise InputError(f"moe_value_dim is {value_dim}; it must be at least 1")
    if chunked and value_dim % experts:
        below = value_dim - value_dim % experts
        nearest = f"{below} or {below + experts}" if below else f"{experts}"
        raise InputError(
            f"--moe_value_dim {value_dim} does not split into {experts} equal chunks "
            f"(--mixture_components); {nearest} would work, or --no_moe_chunk_value_dim"
        )
