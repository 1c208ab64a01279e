"""The training loop: early stopping on the validation split, exact resume."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from survkit.configs.options import nearest
from survkit.heads import HeadOutput
from survkit.heads.routing import Temperature
from survkit.losses import (
    cosine_annealed,
    instance_entropy,
    load_balance,
    negative_log_likelihood,
)
from survkit.types import FitMonitor, InputError, SurvivalData, TimeGrid

EVALUATION_ROWS = 8192
"""Subjects in a chunk where no gradient is needed."""

TRAINING_PARAMETERS = (
    "epochs",
    "lr",
    "batch_size",
    "optimizer",
    "early_stopping_patience",
    "monitored_val_metric",
    "minimize_val_metric",
    "mixture_topk",
    "group_ent_lambda",
    "instance_ent_lambda",
    "cosine_anneal_group_ent_lambda",
    "cosine_anneal_hold_epochs",
    "cosine_anneal_epochs",
    "cosine_anneal_min_lambda_multiplier",
)

Metrics = Callable[[], Mapping[str, float]]


def as_tensor(array: NDArray[Any]) -> Tensor:
    """Return a CPU tensor of the array's values, sharing memory where the array is writeable."""
    return torch.from_numpy(np.require(array, requirements=["W"]))


class Batch(NamedTuple):
    """Subjects on the training device: features (n, p), class (n,) int64, event (n,) bool."""

    features: Tensor
    event_class: Tensor
    event: Tensor

    @classmethod
    def from_data(cls, data: SurvivalData, grid: TimeGrid, device: torch.device) -> Self:
        """Put survival data on the device, its times as classes of the grid."""
        return cls(
            as_tensor(data.features).to(device),
            as_tensor(grid.classify(data.time)).to(device),
            as_tensor(data.event).to(device),
        )

    def take(self, rows: Tensor | slice) -> Batch:
        """Return some of the subjects."""
        return Batch(self.features[rows], self.event_class[rows], self.event[rows])

    def chunks(self) -> Iterator[Batch]:
        """Yield all subjects in order, in chunks for evaluation."""
        for start in range(0, len(self.event), EVALUATION_ROWS):
            yield self.take(slice(start, start + EVALUATION_ROWS))


@dataclass
class _Progress:
    """Where training stands; `best_weights` are those of the best epoch so far."""

    epoch: int = 0
    best_epoch: int = 0
    best_value: float = math.inf
    best_weights: dict[str, Tensor] | None = None


class TrainingSummary(NamedTuple):
    """How the training ended; epochs count from 1."""

    epochs_trained: int
    best_epoch: int


def train_network(
    network: nn.Module,
    train: Batch,
    validation: Batch,
    *,
    parameters: Mapping[str, Any],
    seed: int,
    validation_metrics: Metrics,
    monitor: FitMonitor | None = None,
) -> TrainingSummary:
    """Train a network until the validation metric stops improving; keep the best epoch's weights.

    Parameters
    ----------
    network : nn.Module
        Maps features (B, p) to a `HeadOutput`; trained in place.
    train, validation : Batch
        All subjects, on the network's device.
    parameters : mapping
        Values for `TRAINING_PARAMETERS`, named as the command's flags.
    seed : int
        Seed of the order of the data.
    validation_metrics : callable
        Returns metrics of the validation split beyond its loss, for the history and for
        `monitored_val_metric`.
    monitor : FitMonitor, optional
        Told of every epoch; may hold the state of an interrupted training, which then goes on
        exactly as if it had never stopped.

    Raises
    ------
    InputError
        Where the loss is not finite in the first epoch, or `monitored_val_metric` is unknown.
    """
    optimizer = _new_optimizer(network, parameters["optimizer"], parameters["lr"])
    order = torch.Generator().manual_seed(seed)
    progress = _Progress()
    saved = monitor.load() if monitor else None
    if saved:
        progress = _restore(saved, network, optimizer, order)
    while not _finished(progress, parameters):
        values = _train_epoch(network, train, optimizer, order, progress.epoch, parameters)
        values["validation_loss"] = evaluation_loss(network, validation)
        progress.epoch += 1
        if not math.isfinite(values["train_loss"] + values["validation_loss"]):
            _note_divergence(progress, monitor)
            break
        further = {f"validation_{k}": v for k, v in validation_metrics().items()}
        values = further | values
        _note_best(progress, values, network, parameters)
        if monitor:
            monitor.log(progress.epoch, values)
            monitor.save(_snapshot(progress, network, optimizer, order))
    if progress.best_weights is None:
        raise InputError(
            f"the loss is not finite in the first epoch; a smaller --lr than {parameters['lr']} "
            "may help"
        )
    network.load_state_dict(progress.best_weights)
    return TrainingSummary(progress.epoch, progress.best_epoch)


_OPTIMIZERS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, float]]] = {
    "Adam": (torch.optim.Adam, {"eps": 1e-7}),
    "AdamW": (torch.optim.AdamW, {"eps": 1e-7}),
    "SGD": (torch.optim.SGD, {}),
}


def _new_optimizer(network: nn.Module, name: str, lr: float) -> torch.optim.Optimizer:
    optimizer, options = _OPTIMIZERS[name]
    return _eager(optimizer)(network.parameters(), lr=lr, fused=True, **options)


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


def _train_epoch(
    network: nn.Module,
    train: Batch,
    optimizer: torch.optim.Optimizer,
    order: torch.Generator,
    epochs_done: int,
    parameters: Mapping[str, Any],
) -> dict[str, float]:
    """Take one pass over the data in a random order; return what the history holds of it."""
    network.train()
    n = len(train.event)
    shuffled = train.take(torch.randperm(n, generator=order).to(train.event.device))
    group_lambda = _group_lambda(epochs_done, parameters)
    likelihood, objective = [], []
    for start in range(0, n, parameters["batch_size"]):
        batch = shuffled.take(slice(start, start + parameters["batch_size"]))
        output: HeadOutput = network(batch.features)
        nll = negative_log_likelihood(output.log_probs, batch.event_class, batch.event)
        loss = nll + _regularisation(output, group_lambda, parameters)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        share = len(batch.event) / n
        likelihood.append(nll.detach() * share)
        objective.append(loss.detach() * share)
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    return {
        "train_loss": torch.stack(likelihood).sum().item(),
        "train_objective": torch.stack(objective).sum().item(),
        "gradient_norm": torch.nn.utils.get_total_norm(gradients).item(),
        **_temperatures(network),
    }


def _group_lambda(epochs_done: int, parameters: Mapping[str, Any]) -> float:
    value: float = parameters["group_ent_lambda"]
    if not parameters["cosine_anneal_group_ent_lambda"]:
        return value
    return value * cosine_annealed(
        epochs_done,
        parameters["cosine_anneal_hold_epochs"],
        parameters["cosine_anneal_epochs"],
        parameters["cosine_anneal_min_lambda_multiplier"],
    )


def _regularisation(
    output: HeadOutput, group_lambda: float, parameters: Mapping[str, Any]
) -> Tensor | float:
    penalty: Tensor | float = 0.0
    if output.log_gates.shape[-1] == 1:  # one expert leaves the router nothing to choose
        return penalty
    if group_lambda > 0:
        balance = load_balance(
            output.log_gates, output.router_log_probs, parameters["mixture_topk"]
        )
        penalty = penalty + group_lambda * balance
    if parameters["instance_ent_lambda"] > 0:
        penalty = penalty + parameters["instance_ent_lambda"] * instance_entropy(output.log_gates)
    return penalty


def evaluation_loss(network: nn.Module, data: Batch) -> float:
    """Mean negative log-likelihood of all subjects, without regularisers."""
    network.eval()
    total = 0.0
    with torch.no_grad():
        for chunk in data.chunks():
            log_probs = network(chunk.features).log_probs
            loss = negative_log_likelihood(log_probs, chunk.event_class, chunk.event)
            total += loss.item() * len(chunk.event)
    return total / len(data.event)


def _temperatures(network: nn.Module) -> dict[str, float]:
    return {
        name.rpartition(".")[2]: module().item()
        for name, module in network.named_modules()
        if isinstance(module, Temperature)
    }


def _note_best(
    progress: _Progress,
    values: Mapping[str, float],
    network: nn.Module,
    parameters: Mapping[str, Any],
) -> None:
    metric = parameters["monitored_val_metric"]
    if f"validation_{metric}" not in values:
        known = sorted(k.removeprefix("validation_") for k in values if k.startswith("validation_"))
        raise InputError(
            f"--monitored_val_metric is '{metric}'{nearest(metric, known)}; "
            f"it must be one of {', '.join(known)}"
        )
    value = values[f"validation_{metric}"]
    value = value if parameters["minimize_val_metric"] else -value
    value = math.inf if math.isnan(value) else value  # undefined is never an improvement
    if value < progress.best_value or progress.best_weights is None:
        progress.best_epoch = progress.epoch
        progress.best_value = value
        progress.best_weights = {k: v.clone() for k, v in network.state_dict().items()}


def _finished(progress: _Progress, parameters: Mapping[str, Any]) -> bool:
    waited = progress.epoch - progress.best_epoch
    return progress.epoch >= parameters["epochs"] or (
        progress.best_epoch > 0 and waited >= parameters["early_stopping_patience"]
    )


def _note_divergence(progress: _Progress, monitor: FitMonitor | None) -> None:
    if monitor and progress.best_weights is not None:
        monitor.warn(
            f"training diverged: the loss is not finite in epoch {progress.epoch}; "
            f"the weights of epoch {progress.best_epoch} are kept"
        )


def _on_cuda(network: nn.Module) -> bool:
    return next(network.parameters()).is_cuda


def _snapshot(
    progress: _Progress,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    order: torch.Generator,
) -> dict[str, Any]:
    return {
        **vars(progress),
        "weights": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "order": order.get_state(),
        "dropout": torch.get_rng_state(),
        "cuda_dropout": torch.cuda.get_rng_state_all() if _on_cuda(network) else [],
    }


def _restore(
    saved: Mapping[str, Any],
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    order: torch.Generator,
) -> _Progress:
    network.load_state_dict(saved["weights"])
    optimizer.load_state_dict(saved["optimizer"])
    order.set_state(saved["order"])
    torch.set_rng_state(saved["dropout"])
    if saved["cuda_dropout"] and _on_cuda(network):
        torch.cuda.set_rng_state_all(saved["cuda_dropout"])
    return _Progress(**{name: saved[name] for name in vars(_Progress())})
