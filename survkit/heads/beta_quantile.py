"""The quantile function of the beta distribution with derivatives in its shapes.

torch has no inverse incomplete beta function, so values come from scipy, on the CPU. Both
functions are registered as torch operators, which lets them be traced and batched by torch.func.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from survkit.types import InputError

RELATIVE_STEP = 1e-5
"""Step of the central differences in the shapes: error about 1e-10 in double precision."""


def beta_quantile(a: Tensor, b: Tensor, y: Tensor) -> Tensor:
    """Return u with I_u(a, b) = y, elementwise.

    Solved in double precision. The derivatives with respect to a and b (first order) are
    implicit, -(dI/da) / density, with dI/da by central differences in double precision.

    Parameters
    ----------
    a, b : Tensor, shape (...), float
        Shapes of the beta distribution, above 0.
    y : Tensor, shape (...), float
        Probabilities strictly between 0 and 1, taken as constants.

    Returns
    -------
    Tensor, shape (...)

    Raises
    ------
    InputError
        For tensors on another device than the CPU.
    """
    if a.device.type != "cpu":
        raise InputError(
            f"time_warp_function beta_cdf runs on the CPU only, not on device {a.device}; "
            "take device cpu or time_warp_function two_logistics"
        )
    solution: Tensor = _BetaQuantile.apply(a, b, y)
    return solution


class _BetaQuantile(torch.autograd.Function):
    # The derivative's registration on the operator itself would not work inside torch.func.grad.
    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor, b: Tensor, y: Tensor) -> Tensor:
        solution: Tensor = _quantile(a, b, y)
        return solution

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0], inputs[1], output)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        by_a, by_b = _derivatives(*ctx.saved_tensors)
        return gradient * by_a, gradient * by_b, None


@torch.library.custom_op("survkit::beta_quantile", mutates_args=())
def _quantile(a: Tensor, b: Tensor, y: Tensor) -> Tensor:
    from scipy.special import betaincinv

    return a.new_tensor(betaincinv(*_double(a, b, y)))


@torch.library.custom_op("survkit::beta_quantile_derivatives", mutates_args=())
def _derivatives(a: Tensor, b: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    from scipy.special import betainc, betaln, xlog1py, xlogy

    shape_a, shape_b, at = _double(a, b, u)
    step_a, step_b = RELATIVE_STEP * shape_a, RELATIVE_STEP * shape_b
    by_a = betainc(shape_a + step_a, shape_b, at) - betainc(shape_a - step_a, shape_b, at)
    by_b = betainc(shape_a, shape_b + step_b, at) - betainc(shape_a, shape_b - step_b, at)
    log_density = xlogy(shape_a - 1, at) + xlog1py(shape_b - 1, -at) - betaln(shape_a, shape_b)
    inverse_density = np.exp(-log_density)
    return (
        a.new_tensor(-by_a / (2 * step_a) * inverse_density),
        b.new_tensor(-by_b / (2 * step_b) * inverse_density),
    )


def _double(*tensors: Tensor) -> list[NDArray[np.float64]]:
    return [tensor.detach().numpy().astype(np.float64) for tensor in tensors]


def _batched(operator: Callable[..., Any], num_outputs: int) -> Callable[..., Any]:
    # Elementwise operators only need their batched axes moved to the front.
    def rule(info: Any, in_dims: tuple[int | None, ...], *tensors: Tensor) -> tuple[Any, Any]:
        front = [
            tensor.expand(info.batch_size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            for tensor, dim in zip(tensors, in_dims, strict=True)
        ]
        return operator(*front), 0 if num_outputs == 1 else (0,) * num_outputs

    return rule


_quantile.register_fake(lambda a, b, y: torch.empty_like(a))
_quantile.register_vmap(_batched(_quantile, 1))
_derivatives.register_fake(lambda a, b, u: (torch.empty_like(a), torch.empty_like(b)))
_derivatives.register_vmap(_batched(_derivatives, 2))
