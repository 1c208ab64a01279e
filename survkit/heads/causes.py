"""How competing causes share one axis of masses, logits or scores.

With C causes and m + 1 time classes the axis has C * m + 1 places: the m classes of cause 1, those
of cause 2, and so on, and last the class beyond the horizon, which no cause owns.
"""

from __future__ import annotations

import torch
from torch import Tensor


def num_masses(num_classes: int, num_causes: int) -> int:
    """Return C * m + 1 for m + 1 time classes and C causes; with one cause, the classes."""
    return num_causes * (num_classes - 1) + 1


def split_causes(values: Tensor, num_causes: int) -> tuple[Tensor, Tensor]:
    """Return what belongs to each cause (..., C, m), and to nobody (..., 1), of (..., C * m + 1).

    Both are views.
    """
    return torch.unflatten(values[..., :-1], -1, (num_causes, -1)), values[..., -1:]


def join_causes(of_causes: Tensor, last: Tensor) -> Tensor:
    """Return (..., C * m + 1), the inverse of `split_causes`."""
    return torch.cat([of_causes.flatten(-2), last], dim=-1)
