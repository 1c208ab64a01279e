"""Where heads start from: the training rows' own distribution over the time classes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from survkit.heads.causes import join_causes, num_masses, split_causes
from survkit.types import BoolArray

EVEN_SHARE = 0.01
"""Share of the mass that is spread evenly, so that no class starts out impossible."""

OWN_BAND = 0.3
"""Share of an expert's mass that starts in its own band; chosen on MNIST's validation rows."""


def class_masses(
    event_class: NDArray[np.int64],
    event: BoolArray | NDArray[np.int64],
    num_classes: int,
    num_causes: int = 1,
    first_class: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """Return the probability of each time class, and cause, by Aalen-Johansen, nowhere 0.

    It is the one distribution for all subjects that maximises the likelihood that networks
    maximise, in which a subject censored in a class may still have the event in it. With one cause
    it is Kaplan-Meier's.

    Parameters
    ----------
    event_class : array, shape (n,), int64
        Class of the observed time, 0 to m.
    event : array, shape (n,), bool or int64
        True where the event was seen; its cause, 1 to C or 0, where there are several.
    num_classes : int
        Time classes m + 1; the last one is beyond the horizon.
    num_causes : int
        Competing causes C.
    first_class : array, shape (n,), int64, optional
        The first class in which each subject is at risk, from `TimeGrid.classify_entry`; at most
        the class of its time, as in `class_labels`.

    Returns
    -------
    array, shape (C * m + 1,), float64
        Laid out as in `survkit.heads.causes`. Sums to 1; of it `EVEN_SHARE` is spread evenly.

    References
    ----------
    Aalen, Johansen (1978), "An Empirical Transition Matrix for Non-Homogeneous Markov Chains Based
    on Censored Observations", Scandinavian Journal of Statistics 5.
    """
    cause, event = event, event > 0
    events = np.bincount(event_class[event], minlength=num_classes)
    censored = np.bincount(event_class[~event], minlength=num_classes)
    entered: int | NDArray[np.int64] = len(event)
    if first_class is not None:
        entered = np.bincount(first_class, minlength=num_classes).cumsum()
    at_risk = entered - (events.cumsum() - events) - censored.cumsum()
    hazard = np.divide(events, at_risk, out=np.zeros(num_classes), where=at_risk > 0)
    hazard[-1] = 1.0
    survival = np.concatenate([[1.0], np.cumprod(1.0 - hazard)[:-1]])
    masses: NDArray[np.float64] = survival * hazard
    if num_causes > 1:
        masses = _by_cause(masses, events, event_class, cause, num_causes)
    return (1.0 - EVEN_SHARE) * masses + EVEN_SHARE / num_masses(num_classes, num_causes)


def _by_cause(
    masses: NDArray[np.float64],
    events: NDArray[np.int64],
    event_class: NDArray[np.int64],
    cause: BoolArray | NDArray[np.int64],
    num_causes: int,
) -> NDArray[np.float64]:
    """Divide the mass of each class before the last by its events of each cause."""
    num_classes = len(masses)
    of_cause = [
        np.bincount(event_class[cause == c], minlength=num_classes)[:-1]
        for c in range(1, num_causes + 1)
    ]
    shares = np.stack(of_cause) / np.maximum(events[:-1], 1)  # a class without events has no mass
    return np.append((shares * masses[:-1]).ravel(), masses[-1])


def expert_masses(masses: Tensor, num_experts: int, num_causes: int = 1) -> Tensor:
    """Return distributions (E, C * m + 1) for experts that together make one (C * m + 1,).

    Expert e of E leans to its band, the e-th of E equal parts of the mass in the order of time, of
    all C causes together. Experts that all start alike compete for the same subjects, and some are
    never used.
    """
    if num_causes > 1:
        own, last = split_causes(masses, num_causes)
        of_any = torch.cat([own.sum(0), last])
        lean = expert_masses(of_any, num_experts) / of_any  # (E, m + 1), for every cause alike
        return join_causes(own * lean[:, None, :-1], last * lean[:, -1:])
    high = masses.cumsum(0)
    low = high - masses
    edges = torch.linspace(0, 1, num_experts + 1, dtype=masses.dtype, device=masses.device)
    band = torch.minimum(high, edges[1:, None]) - torch.maximum(low, edges[:-1, None])
    return OWN_BAND * num_experts * band.clamp(min=0) + (1 - OWN_BAND) * masses


def start_logits(masses: Tensor, num_causes: int = 1) -> Tensor:
    """Return logits (..., C * m + 1) whose distribution, by `class_scores`, has these masses."""
    own, last = split_causes(masses.log(), num_causes)
    following = torch.cat([own[..., 1:], last.unsqueeze(-2).expand(*own.shape[:-1], 1)], -1)
    return join_causes(own - following, torch.zeros_like(last))
