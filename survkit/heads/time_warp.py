"""Monotone maps of [0, 1] onto itself and their differentiable inverses.

An inverse is solved numerically and differentiated implicitly: for F(u; theta) = y,
du/dtheta = -(dF/dtheta) / F'(u), never through the solver's iterations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from survkit.heads.beta_quantile import beta_quantile

MIN_SLOPE, MAX_SLOPE = 0.01, 40.0
GRID_INTERVALS = 128
NEWTON_STEPS = 2


class TwoLogistics(NamedTuple):
    """A mixture of two logistic distribution functions, normalised to map 0 to 0 and 1 to 1.

    F(u) = sum_i w_i (sigmoid(s_i (u - c_i)) - sigmoid(-s_i c_i)) / normaliser, where the
    difference is held as the product (1 - exp(-s_i u)) sigmoid(s_i (u - c_i)) sigmoid(s_i c_i),
    which does not cancel for small slopes.

    Attributes
    ----------
    slopes : Tensor, shape (..., 2, 1)
        s_i, in (0.01, 40).
    centres : Tensor, shape (..., 2, 1)
        c_i, in (0, 1), increasing.
    value_scale : Tensor, shape (..., 2, 1)
        w_i sigmoid(s_i c_i) / normaliser.
    slope_scale : Tensor, shape (..., 2, 1)
        w_i s_i / normaliser.
    """

    slopes: Tensor
    centres: Tensor
    value_scale: Tensor
    slope_scale: Tensor

    @classmethod
    def from_raw(cls, raw: Tensor) -> TwoLogistics:
        """Build the warp from unconstrained numbers (..., 6): slopes, centres, weights."""
        slopes, centres, weights = raw.reshape(*raw.shape[:-1], 3, 2, 1).unbind(-3)
        slopes = MIN_SLOPE + (MAX_SLOPE - MIN_SLOPE) * slopes.sigmoid()
        first, share = centres.sigmoid().unbind(-2)
        centres = torch.stack([first, first + (1 - first) * share], dim=-2)
        weights = weights.softmax(-2)
        scale = weights * (slopes * centres).sigmoid()
        normaliser = (scale * -torch.expm1(-slopes) * (slopes * (1 - centres)).sigmoid()).sum(
            -2, keepdim=True
        )
        return cls(slopes, centres, scale / normaliser, weights * slopes / normaliser)

    def detach(self) -> TwoLogistics:
        """Return the same warp, cut off from the graph of its parameters."""
        return TwoLogistics(*(part.detach() for part in self))

    def value(self, u: Tensor) -> Tensor:
        """Return F(u), shape (..., K), for u (..., K) in [0, 1]."""
        u = u.unsqueeze(-2)
        upper = (self.slopes * (u - self.centres)).sigmoid()
        return (self.value_scale * -torch.expm1(-self.slopes * u) * upper).sum(-2)

    def slope(self, u: Tensor) -> Tensor:
        """Return F'(u), shape (..., K), for u (..., K) in [0, 1]."""
        scores = self.slopes * (u.unsqueeze(-2) - self.centres)
        # sigmoid(-x) and not 1 - sigmoid(x), which is 0 in single precision for x above 17.
        return (self.slope_scale * scores.sigmoid() * (-scores).sigmoid()).sum(-2)


def inverse_two_logistics(raw: Tensor, y: Tensor) -> Tensor:
    """Solve F(u) = y for the mixture of two logistic distribution functions.

    F is tabulated on a grid of 128 intervals, which brackets each solution. As |F''| <= 40 F',
    Newton's method converges quadratically from anywhere in such a bracket: three steps reach
    the rounding of double precision. The bracket is kept, for plateaus where rounding in F is
    larger than its slope.

    Parameters
    ----------
    raw : Tensor, shape (..., 6), float
        Unconstrained parameters, see `TwoLogistics.from_raw`.
    y : Tensor, shape (K,), float
        Values strictly between 0 and 1.

    Returns
    -------
    Tensor, shape (..., K)
        u in [0, 1], with first derivatives with respect to `raw` and `y`.
    """
    warp = TwoLogistics.from_raw(raw)
    low, high, u = _bracket(warp.detach(), y.detach())
    for _ in range(NEWTON_STEPS):
        u = _newton(warp.detach(), u, y.detach(), low, high)
    residual = warp.value(u) - y
    slope = warp.detach().slope(u)
    solution = (u - residual.detach() / slope).clamp(low, high)
    # Adds zero to the value and the implicit derivative to the graph.
    return solution - (residual - residual.detach()) / slope


def _bracket(warp: TwoLogistics, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    # Returns the ends of the grid's interval around each solution and a first guess inside.
    knots = torch.arange(GRID_INTERVALS + 1, dtype=y.dtype, device=y.device)
    values = warp.value(knots / GRID_INTERVALS)
    # A sum and not an expanded view, which searchsorted would have to copy when batched.
    targets = y + torch.zeros_like(values[..., :1])
    right = torch.searchsorted(values, targets).clamp(1, GRID_INTERVALS)
    below, above = values.gather(-1, right - 1), values.gather(-1, right)
    high = right.to(y.dtype) / GRID_INTERVALS
    low = high - 1 / GRID_INTERVALS
    return low, high, torch.lerp(low, high, (targets - below) / (above - below))


def _newton(warp: TwoLogistics, u: Tensor, y: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return (u - (warp.value(u) - y) / warp.slope(u)).clamp(low, high)


def inverse_beta_cdf(raw: Tensor, y: Tensor) -> Tensor:
    """Solve I_u(a, b) = y for the distribution function of the beta distribution.

    The shapes are a, b = exp(3 tanh(raw / 3)), between 0.05 and 20; raw = 0 gives the identity.

    Parameters
    ----------
    raw : Tensor, shape (..., 2), float
        Unconstrained parameters, on the CPU.
    y : Tensor, shape (K,), float
        Values strictly between 0 and 1; taken as constants.

    Returns
    -------
    Tensor, shape (..., K)
        u in [0, 1], with first derivatives with respect to `raw`.

    Raises
    ------
    InputError
        For tensors on another device than the CPU.
    """
    shapes = (3 * (raw / 3).tanh()).exp()
    shapes = shapes.unsqueeze(-1).expand(*shapes.shape, y.shape[0])
    a, b = shapes.unbind(-2)
    return beta_quantile(a, b, y.expand(a.shape))


class TimeWarp(NamedTuple):
    """A family of warps: how many raw parameters it has, and its inverse."""

    num_parameters: int
    inverse: Callable[[Tensor, Tensor], Tensor]


TIME_WARPS: dict[str, TimeWarp] = {
    "two_logistics": TimeWarp(6, inverse_two_logistics),
    "beta_cdf": TimeWarp(2, inverse_beta_cdf),
}
