"""Multi-task logistic regression: one linear layer to the classes' logits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from survkit.heads.routing import HeadOutput
from survkit.heads.start import start_logits


def class_scores(logits: Tensor) -> Tensor:
    """Turn logits a into scores of the time classes, log p_k up to a constant.

    The scores s_k = sum_{j >= k} a_j are counted from s_0, as -sum_{j < k} a_j, which is the same
    distribution. They are linear in the logits, so that a layer may fold them into its weights.

    Parameters
    ----------
    logits : Tensor, shape (..., m + 1), float

    Returns
    -------
    Tensor, shape (..., m + 1)

    References
    ----------
    Yu, Greiner, Lin, Baracos (2011), "Learning Patient-Specific Cancer Survival Distributions as
    a Sequence of Dependent Regressors", NIPS 24, eq. 2.
    """
    return logits - logits.cumsum(-1)


class MTLRHead(nn.Module):
    """Multi-task logistic regression (Yu et al. 2011) on the hidden state.

    Parameters
    ----------
    hidden_dim : int
        Width of the hidden state.
    num_classes : int
        Time classes m + 1.
    """

    def __init__(self, hidden_dim: int, num_classes: int) -> None:
        super().__init__()
        self.logits = nn.Linear(hidden_dim, num_classes)

    @torch.no_grad()
    def start_at(self, masses: Tensor) -> None:
        """Start from class probabilities (m + 1,), the same for all subjects."""
        self.logits.weight.zero_()
        self.logits.bias.copy_(start_logits(masses))

    def forward(self, hidden: Tensor) -> HeadOutput:
        """Return the distribution for hidden (B, hidden_dim), as a mixture of one expert."""
        log_gates = hidden.new_zeros(hidden.shape[0], 1)
        return HeadOutput(class_scores(self.logits(hidden)).unsqueeze(1), log_gates, log_gates)
