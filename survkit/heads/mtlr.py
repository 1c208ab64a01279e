"""Multi-task logistic regression: one linear layer to the classes' logits."""

from __future__ import annotations

from torch import Tensor, nn

from survkit.heads.routing import HeadOutput


def class_log_probabilities(logits: Tensor) -> Tensor:
    """Turn logits a into log probabilities of the time classes.

    s_k = sum_{j >= k} a_j and log p_k = s_k - logsumexp(s).

    Parameters
    ----------
    logits : Tensor, shape (..., m + 1), float

    Returns
    -------
    Tensor, shape (..., m + 1)
        Normalised over the last axis.

    References
    ----------
    Yu, Greiner, Lin, Baracos (2011), "Learning Patient-Specific Cancer Survival Distributions as
    a Sequence of Dependent Regressors", NIPS 24, eq. 2.
    """
    return logits.flip(-1).cumsum(-1).flip(-1).log_softmax(-1)


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

    def forward(self, hidden: Tensor) -> HeadOutput:
        """Return the distribution for hidden (B, hidden_dim), as a mixture of one expert."""
        log_probs = class_log_probabilities(self.logits(hidden))
        log_gates = hidden.new_zeros(hidden.shape[0], 1)
        return HeadOutput(log_probs, log_gates, log_probs.unsqueeze(1), log_gates)
