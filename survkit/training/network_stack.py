"""Several networks of one shape, trained as one: most of a small step's time is its overhead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from survkit.heads import HeadOutput
from survkit.training.network import SurvivalNetwork

OptimizerState = Sequence[Mapping[str, Any]]
"""What an optimiser keeps of each parameter of a network."""

STEPS = "step"
"""What it keeps but once for all networks of a stack: how often it has updated them."""


class NetworkStack:
    """Networks that differ in nothing but their parameters, on a batch each, in one pass.

    Of several networks the parameters are stacked, and those of each network become views of the
    stack, so that each can be evaluated and kept as if it were alone.

    Parameters
    ----------
    networks : sequence of SurvivalNetwork
        S networks, built from the same arguments.

    Attributes
    ----------
    parameters : dict of str to Tensor
        What is to be optimised: the network's parameters, or, of several, shape (S, ...).
    """

    def __init__(self, networks: Sequence[SurvivalNetwork]) -> None:
        self.networks = list(networks)
        of_each = [dict(network.named_parameters()) for network in self.networks]
        self.parameters: dict[str, Tensor] = {**of_each[0]}
        if len(self.networks) > 1:
            for name in self.parameters:
                alone = [parameters[name] for parameters in of_each]
                stacked = torch.stack([parameter.detach() for parameter in alone])
                for parameter, view in zip(alone, stacked, strict=True):
                    parameter.data = view
                self.parameters[name] = stacked.requires_grad_()

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
        output: HeadOutput = vmap(self._run)(self.parameters, features, list(dropout_masks))
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

    def gradient_norms(self) -> list[float]:
        """Return the Euclidean norm of each network's gradient."""
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        rows = [gradient.reshape(len(self.networks), -1) for gradient in gradients]
        norms: list[float] = torch.cat(rows, dim=1).norm(dim=1).tolist()
        return norms

    def load_optimizer_states(
        self, optimizer: torch.optim.Optimizer, states: Sequence[OptimizerState]
    ) -> None:
        """Let an optimiser of `parameters` go on from the states of each network's own."""
        for index, parameter in enumerate(self.parameters.values()):
            of_each = [state[index] for state in states]
            optimizer.state[parameter] = {
                name: self._joined(name, [state[name] for state in of_each], parameter)
                for name in of_each[0]
            }

    def _joined(self, name: str, values: Sequence[Any], parameter: Tensor) -> Any:
        if not isinstance(values[0], Tensor):
            return values[0]
        of_each = len(values) > 1 and name != STEPS
        return (torch.stack(list(values)) if of_each else values[0]).to(parameter.device)

    def optimizer_state(self, optimizer: torch.optim.Optimizer, index: int) -> OptimizerState:
        """Return the state of one network's optimiser, in tensors of its own."""

        def own(name: str, value: Any) -> Any:
            if not isinstance(value, Tensor):
                return value
            of_each = len(self.networks) > 1 and name != STEPS
            return (value[index] if of_each else value).clone()

        return [
            {name: own(name, value) for name, value in optimizer.state[parameter].items()}
            for parameter in self.parameters.values()
        ]
