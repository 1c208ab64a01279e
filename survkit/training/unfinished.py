"""A network while it is trained: what is kept of it for a resume, and what a resume accepts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

from survkit.training.network import SurvivalNetwork
from survkit.training.network_stack import OptimizerState
from survkit.training.optimizers import new_optimizer
from survkit.training.progress import Progress
from survkit.types import FitMonitor


@dataclass(eq=False)
class Training:
    """One network while it is trained.

    Parameters
    ----------
    network : SurvivalNetwork
        Trained in place.
    order, dropout : torch.Generator
        Of the order of the data, on the CPU, and of dropout, on the network's device.
    validation_metrics : callable, optional
        Returns metrics of the validation split beyond its loss, for the history and for
        `monitored_val_metric`; None where the predictions are not finite.
    after_epoch : callable, optional
        Brings up to date what the network learns from all rows together and not by its gradient;
        called after each epoch, before the network is validated.
    monitor : FitMonitor, optional
        Receives the values of every epoch. If it has the state of an interrupted training, that
        training continues exactly as if it had never stopped.
    progress, optimizer
        How far the training is; by default it has not begun.
    """

    network: SurvivalNetwork
    order: torch.Generator
    dropout: torch.Generator
    validation_metrics: Callable[[], Mapping[str, float] | None] | None = None
    after_epoch: Callable[[], None] | None = None
    monitor: FitMonitor | None = None
    progress: Progress = field(default_factory=Progress)
    optimizer: OptimizerState = field(default_factory=dict)

    def copy(self) -> Training:
        """Return a training of another network that is as far, and that nobody follows."""
        return replace(
            self,
            network=deepcopy(self.network),
            order=self.order.clone_state(),
            dropout=self.dropout.clone_state(),
            validation_metrics=None,
            after_epoch=None,
            monitor=None,
            progress=replace(self.progress),
        )

    def weights(self) -> dict[str, Tensor]:
        """Return the network's weights in tensors of their own."""
        return {name: weight.clone() for name, weight in self.network.state_dict().items()}

    def save(self, *, always: bool = False) -> None:
        """Let the monitor keep all that the training needs to continue."""
        if self.monitor:
            self.monitor.save(
                {
                    **vars(self.progress),
                    "weights": self.weights(),
                    "optimizer": self.optimizer,
                    "order": self.order.get_state(),
                    "dropout": self.dropout.get_state(),
                },
                always=always,
            )

    def restore(self, parameters: Mapping[str, Any]) -> None:
        """Continue where an interrupted training stopped, if there is one.

        Where the state cannot be one of this training, a warning says so and it starts again.
        """
        saved = self.monitor.load() if self.monitor else None
        if self.monitor is None or saved is None:
            return
        trouble = _trouble(saved, self, parameters)
        if trouble:
            self.monitor.warn(
                f"the state of the interrupted training {trouble}; training started again"
            )
            return
        self.network.load_state_dict(saved["weights"])
        self.optimizer = saved["optimizer"]
        self.order.set_state(saved["order"])
        self.dropout.set_state(saved["dropout"])
        self.progress = Progress(**{name: saved[name] for name in PROGRESS})


PROGRESS = tuple(each.name for each in fields(Progress))


def _trouble(saved: Mapping[str, Any], training: Training, parameters: Mapping[str, Any]) -> str:
    """Return why a training cannot continue from a state; '' where it can."""
    missing = {*PROGRESS, "weights", "optimizer", "order", "dropout"} - saved.keys()
    if missing:
        return f"lacks {', '.join(sorted(missing))}"
    weights = training.network.state_dict()
    finite = saved["diverged"] is not True
    return (
        _trouble_of_progress(Progress(**{name: saved[name] for name in PROGRESS}), parameters)
        or _trouble_of_tensors("weights", saved["weights"], weights, finite=finite)
        or _trouble_of_tensors("best_weights", saved["best_weights"], weights, finite=True)
        or _trouble_of_tensors(
            "optimizer", saved["optimizer"], _optimizer_state(training.network, parameters)
        )
        or _trouble_of_generator("order", saved["order"], training.order)
        or _trouble_of_generator("dropout", saved["dropout"], training.dropout)
    )


def _trouble_of_progress(progress: Progress, parameters: Mapping[str, Any]) -> str:
    epochs, best = parameters["epochs"], progress.best_epoch
    if not (_is_whole(progress.epoch) and 1 <= progress.epoch <= epochs):
        return f"has no epoch from 1 to {epochs}"
    if not (_is_whole(best) and 1 <= best <= progress.epoch - (progress.diverged is True)):
        return f"has no best epoch among the {progress.epoch} that it has finished"
    if progress.epoch - best > parameters["early_stopping_patience"] + 1:
        return "went on after it had stopped early"
    value = progress.best_value
    if not isinstance(value, float) or math.isnan(value) or value == -math.inf:
        return "has no best value"
    return "" if isinstance(progress.diverged, bool) else "does not say whether it diverged"


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _trouble_of_tensors(
    name: str, found: Any, expected: Mapping[str, Tensor], *, finite: bool = False
) -> str:
    """Return how tensors differ from what is expected of their names, shapes and types."""
    if not isinstance(found, Mapping) or found.keys() != expected.keys():
        return f"holds other {name} than this network has"
    for key, tensor in expected.items():
        value = found[key]
        if not isinstance(value, Tensor) or value.layout != tensor.layout or value.is_meta:
            return f"holds no array as {name} {key}"
        if value.shape != tensor.shape or value.dtype != tensor.dtype:
            shape, right = tuple(value.shape), tuple(tensor.shape)
            return f"holds {name} {key} of shape {shape} {value.dtype}, not {right} {tensor.dtype}"
        if finite and not torch.isfinite(value).all():
            return f"holds {name} {key} that are not finite"
    return ""


def _optimizer_state(
    network: SurvivalNetwork, parameters: Mapping[str, Any]
) -> Mapping[str, Tensor]:
    """Return tensors of the shapes that the optimiser keeps of a network after a step."""
    sizes = [weight.numel() for weight in network.parameters()]
    one = torch.zeros(1, requires_grad=True)
    one.grad = torch.zeros(1)
    optimizer = new_optimizer(parameters["optimizer"], one, lr=parameters["lr"])
    optimizer.step()
    return {
        name: value.expand(sum(sizes)) if value.dim() else value
        for name, value in optimizer.state[one].items()
    }


def _trouble_of_generator(name: str, found: Any, generator: torch.Generator) -> str:
    """Return why the state of a generator cannot be one of `generator`."""
    other = generator.clone_state()
    try:
        other.set_state(found)
    except (RuntimeError, TypeError):
        return f"holds random numbers ({name}) that cannot be used on this device"
    return ""
