"""Several networks of one shape, trained as one: most of a small step's time is its overhead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn.utils import parameters_to_vector

from survkit.training.network import SurvivalNetwork

OptimizerState = Mapping[str, Any]
"""What an optimiser keeps of a network."""

STEPS = "step"
"""What it keeps once for all networks of a stack: how often it has updated them."""


class NetworkStack:
    """Networks that differ only in their weights, on a batch each, in one pass.

    All parameters are views of one tensor, and so are their gradients: an update is one operation.
    What a network's buffers hold is its own.
    Each network can still be evaluated and kept as if it were alone. A gradient that is set to None
    is no view any more: only `zero_grad` may reset them.

    Parameters
    ----------
    networks : sequence of SurvivalNetwork
        S networks, built from the same arguments.

    Attributes
    ----------
    weights : Tensor, shape (S * P,)
        What is to be optimised, with its gradient: a block (S, size) for each parameter, flattened
        and joined. P is the number of weights of a network.
    """

    def __init__(self, networks: Sequence[SurvivalNetwork]) -> None:
        self.networks = list(networks)
        first = self.networks[0]
        self._sizes = [parameter.numel() for parameter in first.parameters()]
        of_each = [parameters_to_vector(network.parameters()) for network in self.networks]
        self.weights = self._stack(of_each).detach().requires_grad_()
        self.weights.grad = torch.zeros_like(self.weights)
        self._stacked: dict[str, Tensor] = {}  # of shape (S, ...), for several networks
        for (name, parameter), part, gradient in zip(
            first.named_parameters(),
            self._parts(self.weights.detach()),
            self._parts(self.weights.grad),
            strict=True,
        ):
            stacked = part.view(-1, *parameter.shape)
            gradient = gradient.view_as(stacked)
            for network, own in zip(self.networks, stacked, strict=True):
                network.get_parameter(name).data = own
            if len(self.networks) == 1:
                parameter.grad = gradient[0]
            else:
                self._stacked[name] = stacked.requires_grad_()
                stacked.grad = gradient
        if len(self.networks) > 1:
            self._stack_buffers()

    def _stack_buffers(self) -> None:
        """Make buffers that are part of a network's state views of one tensor too."""
        kept = self.networks[0].state_dict().keys()
        for name, _ in self.networks[0].named_buffers():
            if name not in kept:  # positions of columns, the same for all
                continue
            own_buffers = [network.get_buffer(name) for network in self.networks]
            self._stacked[name] = torch.stack(own_buffers)
            for buffer, part in zip(own_buffers, self._stacked[name], strict=True):
                buffer.data = part

    def _stack(self, of_each: Sequence[Tensor]) -> Tensor:
        """Join what belongs to the weights of each network, (P,), in the order of `weights`."""
        parts = torch.split(torch.stack(list(of_each)), self._sizes, dim=1)
        return torch.cat([part.flatten() for part in parts])

    def _parts(self, of_all: Tensor) -> list[Tensor]:
        """Return views of what belongs to the weights: (S, size) of each parameter."""
        sizes = [len(self.networks) * size for size in self._sizes]
        return [part.view(len(self.networks), -1) for part in torch.split(of_all, sizes)]

    def __call__(self, features: Tensor, dropout_masks: Sequence[Tensor] = ()) -> Any:
        """Map features (S, B, p) to the networks' outputs, whose shapes start with S.

        Parameters
        ----------
        features : Tensor, shape (S, B, p)
            A batch for each network.
        dropout_masks : sequence of Tensor, shape (S, B, width)
            As in `survkit.heads.backbone.Backbone.forward`, for each network.
        """
        if len(self.networks) == 1:
            alone = self.networks[0](features[0], [mask[0] for mask in dropout_masks])
            if isinstance(alone, Tensor):
                return alone.unsqueeze(0)
            return type(alone)(*(part.unsqueeze(0) for part in alone))
        return vmap(self._run)(self._stacked, features, list(dropout_masks))

    def _run(self, parameters: dict[str, Tensor], features: Tensor, masks: list[Tensor]) -> Any:
        return functional_call(self.networks[0], parameters, (features, masks))

    def draw_dropout_masks(self, rows: int, generators: Sequence[torch.Generator]) -> list[Tensor]:
        """Draw masks for a batch of `rows` subjects of each network, from its own generator."""
        drawn = [
            network.backbone.draw_dropout_masks(rows, generator)
            for network, generator in zip(self.networks, generators, strict=True)
        ]
        return [torch.stack(masks) for masks in zip(*drawn, strict=True)]

    def zero_grad(self) -> None:
        """Set the gradient to zero, in place."""
        cast(Tensor, self.weights.grad).zero_()

    def step(self, optimizer: torch.optim.Optimizer, idle: Sequence[bool]) -> None:
        """Update all networks but those that are idle, whose weights and moments stay.

        The optimiser's count of updates, common to all networks, includes them.
        """
        if not any(idle):
            optimizer.step()
            return
        before = [(tensor, tensor.clone()) for tensor in self._tensors(optimizer)]
        optimizer.step()
        rows = torch.tensor(idle, device=self.weights.device)
        for tensor, old in before:
            for part, old_part in zip(self._parts(tensor), self._parts(old), strict=True):
                part[rows] = old_part[rows]

    def _tensors(self, optimizer: torch.optim.Optimizer) -> list[Tensor]:
        """Return the weights, and what the optimiser keeps of each weight."""
        kept = optimizer.state[self.weights].items()
        moments = [v for name, v in kept if isinstance(v, Tensor) and name != STEPS]
        return [self.weights.detach(), *moments]

    def gradient_norms(self) -> list[float]:
        """Return the Euclidean norm of each network's gradient."""
        parts = self._parts(cast(Tensor, self.weights.grad))
        norms: list[float] = torch.cat(parts, dim=1).norm(dim=1).tolist()
        return norms

    def load_optimizer_states(
        self, optimizer: torch.optim.Optimizer, states: Sequence[OptimizerState]
    ) -> None:
        """Continue an optimiser of `weights` from the states of each network's own."""
        optimizer.state[self.weights] = {
            name: self._joined(name, [state[name] for state in states]) for name in states[0]
        }

    def _joined(self, name: str, values: Sequence[Any]) -> Any:
        if not isinstance(values[0], Tensor):
            return values[0]
        return (values[0] if name == STEPS else self._stack(values)).to(self.weights.device)

    def optimizer_state(self, optimizer: torch.optim.Optimizer, index: int) -> OptimizerState:
        """Return the state of one network's optimiser, in tensors of its own."""

        def own(name: str, value: Any) -> Any:
            if not isinstance(value, Tensor):
                return value
            if name == STEPS:
                return value.clone()
            return torch.cat([part[index] for part in self._parts(value)])

        return {name: own(name, v) for name, v in optimizer.state[self.weights].items()}
