"""The heads that turn a hidden state into a distribution over the time classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import nn

from survkit.heads.adjustable_moe import AdjustableMoEHead
from survkit.heads.fixed_moe import FixedMoEHead
from survkit.heads.mtlr import MTLRHead
from survkit.heads.personalized_moe import PersonalizedMoEHead
from survkit.heads.routing import HeadOutput, RouterParameters

__all__ = ["HEADS", "HeadEntry", "HeadOutput", "build_head"]


class HeadEntry(NamedTuple):
    """A head's class and the names of the keyword parameters it takes."""

    head: Callable[..., nn.Module]
    parameters: tuple[str, ...] = ()


ROUTER_PARAMETERS = tuple(RouterParameters.__annotations__)

HEADS: dict[str, HeadEntry] = {
    "mtlr": HeadEntry(MTLRHead),
    "fixed_moe": HeadEntry(FixedMoEHead, ROUTER_PARAMETERS),
    "adjustable_moe": HeadEntry(AdjustableMoEHead, (*ROUTER_PARAMETERS, "time_warp_function")),
    "personalized_moe": HeadEntry(
        PersonalizedMoEHead, (*ROUTER_PARAMETERS, "moe_value_dim", "moe_chunk_value_dim")
    ),
}


def build_head(
    name: str, hidden_dim: int, num_classes: int, parameters: Mapping[str, Any]
) -> nn.Module:
    """Build a head of the registry, taking from `parameters` those that it has.

    Parameters
    ----------
    name : str
        A key of `HEADS`.
    hidden_dim, num_classes : int
        Width of the hidden state; time classes m + 1.
    parameters : mapping
        Values for all names in the head's `HeadEntry.parameters`; others are not read.

    Returns
    -------
    nn.Module
        Maps hidden (B, hidden_dim) to `HeadOutput`.

    Raises
    ------
    InputError
        For values that the head refuses.
    """
    entry = HEADS[name]
    return entry.head(hidden_dim, num_classes, **{key: parameters[key] for key in entry.parameters})
