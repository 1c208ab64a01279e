"""Mixture of experts whose distributions are shared, but run on each subject's own clock."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor, nn

from survkit.heads.causes import join_causes, split_causes
from survkit.heads.fixed_moe import new_prototypes
from survkit.heads.mtlr import class_scores
from survkit.heads.routing import HeadOutput, Router, RouterParameters
from survkit.heads.start import expert_masses, start_logits
from survkit.heads.time_warp import TIME_WARPS
from survkit.types import InputError


class AdjustableMoEHead(nn.Module):
    """Each expert is one learned distribution whose time axis is warped for each subject.

    Class k stands at k / m on a time axis scaled to [0, 1]. A monotone warp F, whose parameters
    are linear in the hidden state, moves the axis for each subject and expert: the logit of
    class k is the expert's prototype read at F^-1(k / m). Each competing cause has a time axis, and
    a warp of it, of its own: that of its m classes and of the end, which all causes share.

    Parameters
    ----------
    hidden_dim, num_classes : int
        Width of the hidden state, and time classes m + 1, at least 2.
    time_warp_function : {"two_logistics", "beta_cdf"}
        Family of the warp, see `survkit.heads.time_warp`; "beta_cdf" runs on the CPU only.
    num_causes : int
        Competing causes C of the event.
    **router
        As in `survkit.heads.routing.Router`.

    Raises
    ------
    InputError
        As in `survkit.heads.routing.Router`, and for an unknown warp or fewer than 2 classes.
    """

    def __init__(
        self,
        hidden_dim: int,
        num_classes: int,
        *,
        time_warp_function: str = "two_logistics",
        num_causes: int = 1,
        **router: Unpack[RouterParameters],
    ) -> None:
        super().__init__()
        if time_warp_function not in TIME_WARPS:
            raise InputError(
                f"time_warp_function is '{time_warp_function}'; it must be one of "
                f"{', '.join(TIME_WARPS)}"
            )
        if num_classes < 2:
            raise InputError(f"num_classes is {num_classes}; a time axis needs at least 2")
        self.router = Router(hidden_dim, **router)
        num_experts = len(self.router.keys)
        self.num_causes = num_causes
        self.prototypes = new_prototypes(num_experts, num_classes, num_causes)
        self.time_warp_function = time_warp_function
        num_parameters = TIME_WARPS[time_warp_function].num_parameters
        self.warp = nn.Linear(hidden_dim, num_experts * num_causes * num_parameters)

    @torch.no_grad()
    def start_at(self, masses: Tensor) -> None:
        """Start from probabilities (C * m + 1,): each expert leans to a part of their mass.

        Warps start near the identity, as others would move the masses.
        """
        of_experts = expert_masses(masses, len(self.prototypes), self.num_causes)
        self.prototypes.add_(start_logits(of_experts, self.num_causes))
        raw = self.warp.bias.new_tensor(TIME_WARPS[self.time_warp_function].start)
        self.warp.bias.copy_(raw.repeat(len(self.prototypes) * self.num_causes))

    def forward(self, hidden: Tensor) -> HeadOutput:
        """Return the mixture for hidden (B, hidden_dim)."""
        log_gates, router_log_probs = self.router(hidden)
        scores = class_scores(self.warped_prototypes(hidden), self.num_causes)
        return HeadOutput(scores, log_gates, router_log_probs)

    def warped_prototypes(self, hidden: Tensor) -> Tensor:
        """Return each expert's logits (B, E, C * m + 1) on the clocks of hidden (B, hidden_dim)."""
        knots = self._knots()
        num_clocks, num_classes = knots.shape
        raw = self.warp(hidden).unflatten(-1, (num_clocks, -1))
        axis = torch.linspace(0, 1, num_classes, dtype=raw.dtype, device=raw.device)
        inside = TIME_WARPS[self.time_warp_function].inverse(raw, num_classes - 1)
        # Every warp keeps both ends, so those are not solved for: the slope of a warp may be so
        # small there that rounding would become a gradient.
        ends = [axis[:1].expand(*raw.shape[:2], 1), axis[-1:].expand(*raw.shape[:2], 1)]
        warped = interpolate(knots, torch.cat([ends[0], inside, ends[1]], dim=-1))
        if self.num_causes == 1:
            return warped
        of_causes = torch.unflatten(warped, 1, (-1, self.num_causes))  # (B, E, C, m + 1)
        return join_causes(of_causes[..., :-1], of_causes[..., 0, -1:])

    def _knots(self) -> Tensor:
        """Return what each clock (E * C, m + 1) reads: a cause's logits, then the last one."""
        if self.num_causes == 1:
            return self.prototypes
        own, last = split_causes(self.prototypes, self.num_causes)
        ends = last.unsqueeze(1).expand(*own.shape[:2], 1)
        return torch.cat([own, ends], dim=-1).flatten(0, 1)


def interpolate(values: Tensor, positions: Tensor) -> Tensor:
    """Read values at evenly spaced knots 0, 1/m, ..., 1 linearly between the knots.

    Parameters
    ----------
    values : Tensor, shape (E, m + 1), float
        A row for each expert.
    positions : Tensor, shape (B, E, K), float, in [0, 1]

    Returns
    -------
    Tensor, shape (B, E, K)
    """
    last = values.shape[-1] - 1
    scaled = positions * last
    # Clamped as integers, so that NaN of a diverged network reads a knot instead of failing.
    index = scaled.detach().floor().long().clamp(0, last - 1)
    rows = values.expand(positions.shape[0], *values.shape)
    low, high = rows.gather(-1, index), rows.gather(-1, index + 1)
    return torch.lerp(low, high, scaled - index)
