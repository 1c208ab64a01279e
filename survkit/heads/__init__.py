"""The heads by name: each turns a hidden state into a distribution over the time classes."""

from __future__ import annotations

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # torch is imported by the head that is built, so that --help needs none
    from torch import nn

__all__ = ["HEADS", "ROUTER_PARAMETERS", "HeadEntry", "build_head", "default_value_dim"]


class HeadEntry(NamedTuple):
    """Where a head is, and the flags that it reads.

    Parameters
    ----------
    path : str
        Its class, as "module:class".
    parameters : tuple of str
        The flags that it takes as keywords.
    has_start : bool
        Whether it has `start_at(masses)`, which sets its weights so that it predicts about these
        probabilities (C * m + 1,) for everybody.
    has_causes : bool
        Whether it takes the keyword `num_causes`: it can predict several competing causes.
    values_a_class : int
        Numbers that a training step was seen to keep, at most, for each class of each expert of a
        subject; a run's memory is estimated from it.
    """

    path: str
    parameters: tuple[str, ...] = ()
    has_start: bool = False
    has_causes: bool = False
    values_a_class: int = 4

    @property
    def is_mixture(self) -> bool:
        """Whether the head routes subjects to experts."""
        return "mixture_components" in self.parameters


ROUTER_PARAMETERS = (
    "mixture_components",
    "mixture_topk",
    "expert_metric",
    "learn_temperature",
    "logit_temp",
)

HEADS: dict[str, HeadEntry] = {
    "mtlr": HeadEntry("survkit.heads.mtlr:MTLRHead", has_start=True, has_causes=True),
    "fixed_moe": HeadEntry(
        "survkit.heads.fixed_moe:FixedMoEHead",
        ROUTER_PARAMETERS,
        has_start=True,
        has_causes=True,
    ),
    "adjustable_moe": HeadEntry(
        "survkit.heads.adjustable_moe:AdjustableMoEHead",
        (*ROUTER_PARAMETERS, "time_warp_function"),
        has_start=True,
        has_causes=True,
        values_a_class=20,
    ),
    "personalized_moe": HeadEntry(
        "survkit.heads.personalized_moe:PersonalizedMoEHead",
        (*ROUTER_PARAMETERS, "moe_value_dim", "moe_chunk_value_dim"),
        has_start=True,
        has_causes=True,
    ),
}


def default_value_dim(hidden_dim: int, num_experts: int, *, chunked: bool) -> int:
    """Return the width of the Personalized MoE's value where `moe_value_dim` is not given.

    It is `hidden_dim`, or, where each of E experts reads a chunk of its own, the smallest multiple
    of E that is at least `hidden_dim`.
    """
    return -(-hidden_dim // num_experts) * num_experts if chunked else hidden_dim


def build_head(
    name: str,
    hidden_dim: int,
    num_classes: int,
    parameters: Mapping[str, Any],
    *,
    num_causes: int = 1,
) -> nn.Module:
    """Build a head of the registry, taking from `parameters` those that it reads.

    Parameters
    ----------
    name : str
        A key of `HEADS`.
    hidden_dim, num_classes : int
        Width of the hidden state; time classes m + 1.
    parameters : mapping
        Values for all names in the head's `HeadEntry.parameters`; others are not read.
    num_causes : int
        Competing causes C of the event; several for a head that has them. The distribution is one
        over C * m + 1 masses, laid out as in `survkit.heads.causes`.

    Returns
    -------
    nn.Module
        Maps hidden (B, hidden_dim) to `survkit.heads.routing.HeadOutput`.

    Raises
    ------
    InputError
        For values that the head refuses.
    """
    entry = HEADS[name]
    values = {key: parameters[key] for key in entry.parameters}
    if entry.has_causes:
        values["num_causes"] = num_causes
    head: nn.Module = resolve_name(entry.path)(hidden_dim, num_classes, **values)
    return head
