"""The optimisers that trainings choose from."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType

import torch
from torch import Tensor

OPTIMIZERS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, float]]] = {
    "Adam": (torch.optim.Adam, {"eps": 1e-7}),
    "AdamW": (torch.optim.AdamW, {"eps": 1e-7}),
    "SGD": (torch.optim.SGD, {}),
}


def new_optimizer(name: str, weights: Tensor, *, lr: float) -> torch.optim.Optimizer:
    """Return the optimiser of that name; an update is one operation."""
    optimizer, options = OPTIMIZERS[name]
    return _eager(optimizer)([weights], lr=lr, fused=True, **options)


def _eager(optimizer: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """Return an optimiser without the decorators that import torch's compiler.

    They load it, which takes seconds, only to tell it to keep out of the optimiser; nothing is
    compiled here.
    """
    plain = {
        name: method.__wrapped__
        for base in reversed(optimizer.__mro__)
        for name, method in vars(base).items()
        if isinstance(method, FunctionType) and hasattr(method, "__wrapped__")
    }
    if "step" in plain:  # one of those decorators also switches gradients off
        plain["step"] = torch.no_grad()(plain["step"])
    return type(optimizer.__name__, (optimizer,), plain)
