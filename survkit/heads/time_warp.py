"""Monotone maps of [0, 1] onto itself and their differentiable inverses.

An inverse is solved numerically and differentiated implicitly: for F(u; theta) = y,
du/dtheta = -(dF/dtheta) / F'(u), never through the solver's iterations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from survkit.heads.beta_quantile import beta_quantile

MIN_SLOPE, MAX_SLOPE = 0.01, 40.0
GRID_INTERVALS = 128


class TwoLogistics(NamedTuple):
    """A mixture of two logistic distribution functions, normalised to map 0 to 0 and 1 to 1.

    F(u) = sum_i w_i (sigmoid(s_i (u - c_i)) - sigmoid(-s_i c_i)) / normaliser, where the
    difference is held as the product (1 - exp(-s_i u)) sigmoid(s_i (u - c_i)) sigmoid(s_i c_i),
    which does not cancel for small slopes. Its first factor is 2 t / (1 + t), t = tanh(s_i u / 2).

    Attributes
    ----------
    slopes : Tensor, shape (2, ..., 1)
        s_i, in (0.01, 40).
    centres : Tensor, shape (2, ..., 1)
        c_i, in (0, 1), increasing.
    value_scale : Tensor, shape (2, ..., 1)
        2 w_i sigmoid(s_i c_i) / normaliser.
    slope_scale : Tensor, shape (2, ..., 1)
        w_i s_i / normaliser.
    """

    slopes: Tensor
    centres: Tensor
    value_scale: Tensor
    slope_scale: Tensor

    @classmethod
    def from_raw(cls, raw: Tensor) -> TwoLogistics:
        """Build the warp from unconstrained numbers (..., 6): slopes, centres, weights."""
        slopes, centres, weights = raw.reshape(*raw.shape[:-1], 3, 2, 1).movedim((-3, -2), (0, 1))
        slopes = MIN_SLOPE + (MAX_SLOPE - MIN_SLOPE) * slopes.sigmoid()
        first, share = centres.sigmoid()
        centres = torch.stack([first, first + (1 - first) * share])
        weights = weights.softmax(0)
        scale = weights * (slopes * centres).sigmoid()
        normaliser = (scale * -torch.expm1(-slopes) * (slopes * (1 - centres)).sigmoid()).sum(0)
        return cls(slopes, centres, 2 * scale / normaliser, weights * slopes / normaliser)

    def value(self, u: Tensor) -> Tensor:
        """Return F(u), shape (..., K), for u (..., K) in [0, 1]."""
        upper = (self.slopes * (u - self.centres)).sigmoid()
        half = (self.slopes / 2 * u).tanh()
        return _sum_of_two(self.value_scale * half / (1 + half) * upper)

    def evaluate(self, u: Tensor) -> WarpAt:
        """Return F(u), F'(u) and what they are made of, for u (..., K) in [0, 1]; no gradient."""
        falling = (u - self.centres).mul_(-self.slopes).exp_()
        upper = (1 + falling).reciprocal_()
        # Not 1 - upper, which is 0 in single precision where upper is almost 1.
        lower = falling.mul_(upper)
        half = (self.slopes / 2 * u).tanh_()
        risen = half.div_(1 + half).mul_(upper)
        return WarpAt(
            _sum_of_two(risen * self.value_scale),
            _sum_of_two((upper * lower).mul_(self.slope_scale)),
            upper,
            lower,
            risen,
        )


class WarpAt(NamedTuple):
    """A warp of two logistics at points u.

    Attributes
    ----------
    value, slope : Tensor, shape (..., K)
        F(u) and F'(u).
    upper, lower, risen : Tensor, shape (2, ..., K)
        Of each logistic sigmoid(s (u - c)), sigmoid(-s (u - c)) and
        (1 - exp(-s u)) sigmoid(s (u - c)) / 2.
    """

    value: Tensor
    slope: Tensor
    upper: Tensor
    lower: Tensor
    risen: Tensor


def _sum_of_two(parts: Tensor) -> Tensor:
    return parts[0] + parts[1]  # four times as fast as a sum over the dimension


def inverse_two_logistics(raw: Tensor, intervals: int) -> Tensor:
    """Solve F(u) = k / intervals for the mixture of two logistic distribution functions.

    F is tabulated on a grid of 128 intervals, which brackets each solution. As |F''| <= 40 F' and
    |F'''| <= 1600 F', Halley's method converges cubically from a linear guess in such a bracket:
    one step reaches the rounding of single precision, two that of double precision. The bracket
    is kept, for plateaus where rounding in F is larger than its slope.

    Parameters
    ----------
    raw : Tensor, shape (..., 6), float
        Unconstrained parameters, see `TwoLogistics.from_raw`.
    intervals : int
        Solved for k = 1 to K = intervals - 1.

    Returns
    -------
    Tensor, shape (..., K)
        u in [0, 1], with first derivatives with respect to `raw`.
    """
    solution: Tensor = _InverseTwoLogistics.apply(*TwoLogistics.from_raw(raw), intervals)
    return solution


class _InverseTwoLogistics(torch.autograd.Function):
    """The solver, and the implicit derivatives by the parameters of `TwoLogistics`."""

    @staticmethod
    def forward(*inputs: Any) -> Tensor:
        warp, intervals = TwoLogistics(*inputs[:-1]), inputs[-1]
        y = _inner_knots(intervals, warp.slopes)
        low, u = _bracket(warp, y)
        high = low + 1 / GRID_INTERVALS
        for _ in range(1 if y.dtype == torch.float32 else 2):
            u = torch.clamp(_halley(warp, u, y), low, high)
        return u

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:-1], output)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        *parameters, u = ctx.saved_tensors
        warp = TwoLogistics(*parameters)
        at = warp.evaluate(u)
        by_value = gradient / at.slope.neg_()  # du/dtheta = -(dF/dtheta) / F'(u)
        # The derivatives of `risen` are lower * risen by -s c, and by s u that and
        # exp(-s u) upper / 2, which is lower * exp(-s c) / 2.
        falling = (-warp.slopes * warp.centres).exp().mul_(0.5)
        by_slopes = ((at.risen + falling).mul_(at.lower).mul_(by_value * u)).sum(-1, True)
        bent_sum = at.lower.mul_(at.risen).mul_(by_value).sum(-1, True)
        return (
            warp.value_scale * (by_slopes - warp.centres * bent_sum),
            -warp.value_scale * warp.slopes * bent_sum,
            at.risen.mul_(by_value).sum(-1, True),
            None,
            None,
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Tensor, int]:
        """Solve a batch as one: it becomes the dimension behind that of the two logistics."""
        behind = [
            part.unsqueeze(1) if dim is None else part.movedim(dim, 1)
            for part, dim in zip(inputs[:-1], in_dims[:-1], strict=True)
        ]
        return _InverseTwoLogistics.apply(*behind, inputs[-1]), 0


def _bracket(warp: TwoLogistics, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lower end of the grid's interval around each solution, and a guess inside."""
    knots = torch.arange(GRID_INTERVALS + 1, dtype=y.dtype, device=y.device)
    values = warp.value(knots / GRID_INTERVALS)
    # How many values lie below each y: of even steps, each value says where it is exceeded.
    intervals = len(y) + 1
    exceeded = (values * intervals).long().clamp_(0, intervals - 1)
    counts = values.new_zeros(*values.shape[:-1], intervals)
    counts = counts.scatter_add_(-1, exceeded, torch.ones_like(values)).cumsum(-1)
    left = counts[..., :-1].long().sub_(1).clamp_(0, GRID_INTERVALS - 1)
    below, above = values.gather(-1, left), values.gather(-1, left + 1)
    # On a plateau of F both ends may be the same number.
    rise = above.sub_(below).clamp_min_(torch.finfo(y.dtype).tiny)
    inside = (y - below).div_(rise).clamp_(0, 1)
    low = left.to(y.dtype).div_(GRID_INTERVALS)
    return low, inside.div_(GRID_INTERVALS).add_(low)


def _halley(warp: TwoLogistics, u: Tensor, y: Tensor) -> Tensor:
    """Return where a step of Halley's method leads from u, to where F is closer to y."""
    at = warp.evaluate(u)
    density = at.upper * at.lower
    bend = _sum_of_two(at.lower.sub_(at.upper).mul_(density).mul_(warp.slopes * warp.slope_scale))
    step = (at.value - y).div_(at.slope)
    # The correction of Newton's step is limited, as rounding can make it senseless on a plateau.
    correction = (step * bend).div_(at.slope).mul_(0.5).clamp_(-0.5, 0.5)
    return u - step.div_(1 - correction)


def _inner_knots(intervals: int, like: Tensor) -> Tensor:
    """Return k / intervals for k = 1 to intervals - 1."""
    return torch.linspace(0, 1, intervals + 1, dtype=like.dtype, device=like.device)[1:-1]


def inverse_beta_cdf(raw: Tensor, intervals: int) -> Tensor:
    """Solve I_u(a, b) = k / intervals for the distribution function of the beta distribution.

    The shapes are a, b = exp(3 tanh(raw / 3)), between 0.05 and 20; raw = 0 gives the identity.

    Parameters
    ----------
    raw : Tensor, shape (..., 2), float
        Unconstrained parameters, on the CPU.
    intervals : int
        Solved for k = 1 to K = intervals - 1.

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
    shapes = shapes.unsqueeze(-1).expand(*shapes.shape, intervals - 1)
    a, b = shapes.unbind(-2)
    return beta_quantile(a, b, _inner_knots(intervals, raw).expand(a.shape))


class TimeWarp(NamedTuple):
    """A family of warps.

    Attributes
    ----------
    start : tuple of float
        Raw parameters at which a warp is close to the identity, and can still be learned.
    inverse : callable
        (raw parameters, number of even steps) -> the inverse at the steps between the ends.
    """

    start: tuple[float, ...]
    inverse: Callable[[Tensor, int], Tensor]

    @property
    def num_parameters(self) -> int:
        """How many raw parameters a warp has."""
        return len(self.start)


TIME_WARPS: dict[str, TimeWarp] = {
    "two_logistics": TimeWarp((-3.0, -3.0, 0.0, 0.0, 0.0, 0.0), inverse_two_logistics),
    "beta_cdf": TimeWarp((0.0, 0.0), inverse_beta_cdf),
}
