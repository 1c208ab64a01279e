"""Mixture of experts whose distributions are shared by all subjects."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor, nn

from survkit.heads.causes import num_masses
from survkit.heads.mtlr import class_scores
from survkit.heads.routing import HeadOutput, Router, RouterParameters
from survkit.heads.start import expert_masses, start_logits


def new_prototypes(num_experts: int, num_classes: int, num_causes: int) -> nn.Parameter:
    """Return the logits (E, C * m + 1) of each expert's prototype, uniform on (-0.1, 0.1)."""
    masses = num_masses(num_classes, num_causes)
    return nn.Parameter(torch.empty(num_experts, masses).uniform_(-0.1, 0.1))


class FixedMoEHead(nn.Module):
    """Each expert is one learned distribution over time classes and causes; the router mixes them.

    The scores are divided by a temperature, the top k kept, and those divided by a second
    temperature that starts at 1.

    Parameters
    ----------
    hidden_dim, num_classes : int
        Width of the hidden state, and time classes m + 1.
    num_causes : int
        Competing causes C of the event.
    **router
        As in `survkit.heads.routing.Router`.

    Raises
    ------
    InputError
        As in `survkit.heads.routing.Router`.
    """

    def __init__(
        self,
        hidden_dim: int,
        num_classes: int,
        *,
        num_causes: int = 1,
        **router: Unpack[RouterParameters],
    ) -> None:
        super().__init__()
        self.router = Router(hidden_dim, **router, second_temperature=True)
        self.num_causes = num_causes
        self.prototypes = new_prototypes(len(self.router.keys), num_classes, num_causes)

    @torch.no_grad()
    def start_at(self, masses: Tensor) -> None:
        """Start from probabilities (C * m + 1,): each expert leans to a part of their mass."""
        of_experts = expert_masses(masses, len(self.prototypes), self.num_causes)
        self.prototypes.add_(start_logits(of_experts, self.num_causes))

    def forward(self, hidden: Tensor) -> HeadOutput:
        """Return the mixture for hidden (B, hidden_dim)."""
        log_gates, router_log_probs = self.router(hidden)
        scores = class_scores(self.prototypes, self.num_causes)
        return HeadOutput(scores.unsqueeze(0), log_gates, router_log_probs)
