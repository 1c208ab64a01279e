"""Where heads start from: the training rows' own distribution over the time classes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from survkit.types import BoolArray

EVEN_SHARE = 0.01
"""Share of the mass that is spread evenly, so that no class starts out impossible."""

OWN_BAND = 0.3
"""Share of an expert's mass that starts in its own band; chosen on MNIST's validation rows."""


def class_masses(
    event_class: NDArray[np.int64], event: BoolArray, num_classes: int
) -> NDArray[np.float64]:
    """Return the probability of each time class by Kaplan-Meier, nowhere 0.

    It is the one distribution for all subjects that maximises the likelihood that networks
    maximise, in which a subject censored in a class may still have the event in it.

    Parameters
    ----------
    event_class : array, shape (n,), int64
        Class of the observed time, 0 to m.
    event : array, shape (n,), bool
        True where the event was seen.
    num_classes : int
        Time classes m + 1; the last one is beyond the horizon.

    Returns
    -------
    array, shape (m + 1,), float64
        Sums to 1; of it `EVEN_SHARE` is spread evenly.
    """
    events = np.bincount(event_class[event], minlength=num_classes)
    censored = np.bincount(event_class[~event], minlength=num_classes)
    at_risk = len(event) - (events.cumsum() - events) - censored.cumsum()
    hazard = np.divide(events, at_risk, out=np.zeros(num_classes), where=at_risk > 0)
    hazard[-1] = 1.0
    survival = np.concatenate([[1.0], np.cumprod(1.0 - hazard)[:-1]])
    masses: NDArray[np.float64] = survival * hazard
    return (1.0 - EVEN_SHARE) * masses + EVEN_SHARE / num_classes


def expert_masses(masses: Tensor, num_experts: int) -> Tensor:
    """Return distributions (E, m + 1) for experts that together make one (m + 1,), each its own.

    Expert e of E leans to its band, the e-th of E equal parts of the mass in the order of time.
    Experts that all start alike compete for the same subjects, and some are never used.
    """
    high = masses.cumsum(0)
    low = high - masses
    edges = torch.linspace(0, 1, num_experts + 1, dtype=masses.dtype, device=masses.device)
    band = torch.minimum(high, edges[1:, None]) - torch.maximum(low, edges[:-1, None])
    return OWN_BAND * num_experts * band.clamp(min=0) + (1 - OWN_BAND) * masses


def start_logits(masses: Tensor) -> Tensor:
    """Return logits (..., m + 1) whose distribution, by `class_scores`, has these masses."""
    scores = masses.log()
    return torch.cat([scores[..., :-1] - scores[..., 1:], torch.zeros_like(scores[..., :1])], -1)
