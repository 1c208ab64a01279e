"""Several networks of one shape, trained as one: most of a small step's time is its overhead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn.utils import parameters_to_vector

from survkit.heads import HeadOutput
from survkit.training.network import SurvivalNetwork

OptimizerState = Mapping[str, Any]
"""What an optimiser keeps of a network."""

STEPS = "step"
"""What it keeps but once for all networks of a stack: how often it has updated them."""


class NetworkStack:
    """Networks that differ in nothing but their parameters, on a batch each, in one pass.

    All parameters are views of one tensor, and so are their gradients: an update is one operation.
    Each network can still be evaluated and kept as if it were alone.

    Parameters
    ----------
    networks : sequence of SurvivalNetwork
        S networks, built from the same arguments.

    Attributes
    ----------
    weights : Tensor, shape (S, P)
        What is to be optimised: the P numbers of each network, with their gradient.
    """

    def __init__(self, networks: Sequence[SurvivalNetwork]) -> None:
        self.networks = list(networks)
        rows = [parameters_to_vector(network.parameters()) for network in self.networks]
        self.weights = torch.stack(rows).detach().requires_grad_()
        self.weights.grad = torch.zeros_like(self.weights)
        self._stacked: dict[str, Tensor] = {}  # of shape (S, ...), for several networks
        start = 0
        for name, parameter in self.networks[0].named_parameters():
            stop = start + parameter.numel()
            shape = (len(self.networks), *parameter.shape)
            stacked = self.weights.detach()[:, start:stop].view(shape)
            gradient = self.weights.grad[:, start:stop].view(shape)
            start = stop
            for network, row in zip(self.networks, stacked, strict=True):
                network.get_parameter(name).data = row
            if len(self.networks) == 1:
                parameter.grad = gradient[0]
            else:
                self._stacked[name] = stacked.requires_grad_()
                stacked.grad = gradient

    def __call__(self, features: Tensor, dropout_masks: Sequence[Tensor] = ()) -> HeadOutput:
        """Map features (S, B, p) to the networks' outputs, whose shapes start with S.

        Parameters
        ----------
        features : Tensor, shape (S, B, p)
            A batch for each network.
        dropout_masks : sequence of Tensor, shape (S, B, width)
            As in `survkit.backbone.Backbone.forward`, for each network.
        """
        if len(self.networks) == 1:
            alone = self.networks[0](features[0], [mask[0] for mask in dropout_masks])
            return HeadOutput(*(part.unsqueeze(0) for part in alone))
        output: HeadOutput = vmap(self._run)(self._stacked, features, list(dropout_masks))
        return output

    def _run(
        self, parameters: dict[str, Tensor], features: Tensor, masks: list[Tensor]
    ) -> HeadOutput:
        output: HeadOutput = functional_call(self.networks[0], parameters, (features, masks))
        return output

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

    def gradient_norms(self) -> list[float]:
        """Return the Euclidean norm of each network's gradient."""
        norms: list[float] = cast(Tensor, self.weights.grad).norm(dim=1).tolist()
        return norms

    def load_optimizer_states(
        self, optimizer: torch.optim.Optimizer, states: Sequence[OptimizerState]
    ) -> None:
        """Let an optimiser of `weights` go on from the states of each network's own."""
        optimizer.state[self.weights] = {
            name: self._joined(name, [state[name] for state in states]) for name in states[0]
        }

    def _joined(self, name: str, values: Sequence[Any]) -> Any:
        if not isinstance(values[0], Tensor):
            return values[0]
        return (values[0] if name == STEPS else torch.stack(list(values))).to(self.weights.device)

    def optimizer_state(self, optimizer: torch.optim.Optimizer, index: int) -> OptimizerState:
        """Return the state of one network's optimiser, in tensors of its own."""

        def own(name: str, value: Any) -> Any:
            if not isinstance(value, Tensor):
                return value
            return (value if name == STEPS else value[index]).clone()

        return {name: own(name, v) for name, v in optimizer.state[self.weights].items()}
