"""Multi-task logistic regression: one linear layer to the classes' logits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from survkit.heads.causes import join_causes, num_masses, split_causes
from survkit.heads.routing import HeadOutput
from survkit.heads.start import start_logits


def class_scores(logits: Tensor, num_causes: int = 1) -> Tensor:
    """Turn logits a into scores of the time classes, log p_k up to a constant.

    The scores s_k = sum_{j >= k} a_j are counted from s_0, as -sum_{j < k} a_j, which is the same
    distribution. They are linear in the logits, so that a layer may fold them into its weights.

    With C competing causes, each has such scores of its own logits a_c and the shared last one:
    s_{c,k} = sum_{j = k}^{m - 1} a_{c,j} + a_m. They are counted from s_m = a_m, the one score
    that all causes share.

    Parameters
    ----------
    logits : Tensor, shape (..., C * m + 1), float
        Laid out as in `survkit.heads.causes`; m + 1 of them with one cause.
    num_causes : int
        Causes C.

    Returns
    -------
    Tensor, shape (..., C * m + 1)

    References
    ----------
    Yu, Greiner, Lin, Baracos (2011), "Learning Patient-Specific Cancer Survival Distributions as
    a Sequence of Dependent Regressors", NIPS 24, eq. 2.
    """
    if num_causes == 1:
        return logits - logits.cumsum(-1)
    own, last = split_causes(logits, num_causes)
    summed = own.cumsum(-1)
    return join_causes(own - summed + summed[..., -1:], torch.zeros_like(last))


class MTLRHead(nn.Module):
    """Multi-task logistic regression (Yu et al. 2011) on the hidden state.

    Parameters
    ----------
    hidden_dim : int
        Width of the hidden state.
    num_classes : int
        Time classes m + 1.
    num_causes : int
        Competing causes C of the event.
    """

    def __init__(self, hidden_dim: int, num_classes: int, *, num_causes: int = 1) -> None:
        super().__init__()
        self.num_causes = num_causes
        self.logits = nn.Linear(hidden_dim, num_masses(num_classes, num_causes))

    @torch.no_grad()
    def start_at(self, masses: Tensor) -> None:
        """Start from probabilities (C * m + 1,), the same for all subjects."""
        self.logits.weight.zero_()
        self.logits.bias.copy_(start_logits(masses, self.num_causes))

    def forward(self, hidden: Tensor) -> HeadOutput:
        """Return the distribution for hidden (B, hidden_dim), as a mixture of one expert."""
        log_gates = hidden.new_zeros(hidden.shape[0], 1)
        scores = class_scores(self.logits(hidden), self.num_causes)
        return HeadOutput(scores.unsqueeze(1), log_gates, log_gates)
