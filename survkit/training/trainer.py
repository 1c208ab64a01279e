"""The training loop: several networks at once, early stopping of each, exact resume."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import torch
from torch import Tensor

from survkit.heads.routing import Temperature
from survkit.text import nearest
from survkit.training.batch import Batch
from survkit.training.network import SurvivalNetwork
from survkit.training.network_stack import NetworkStack, OptimizerState
from survkit.training.optimizers import new_optimizer
from survkit.training.regularisation import group_lambda_at, regularisation
from survkit.types import FitMonitor, InputError

Metrics = Callable[[], Mapping[str, float]]


class TrainingSummary(NamedTuple):
    """How the training ended; epochs count from 1."""

    epochs_trained: int
    best_epoch: int


@dataclass
class _Progress:
    """Where a training stands; `best_weights` are those of the best epoch so far."""

    epoch: int = 0
    best_epoch: int = 0
    best_value: float = math.inf
    best_weights: dict[str, Tensor] | None = None
    diverged: bool = False


@dataclass(eq=False)
class Training:
    """One network on its way.

    Parameters
    ----------
    network : SurvivalNetwork
        Trained in place.
    order, dropout : torch.Generator
        Of the order of the data, on the CPU, and of dropout, on the network's device.
    validation_metrics : callable
        Returns metrics of the validation split beyond its loss, for the history and for
        `monitored_val_metric`.
    monitor : FitMonitor, optional
        Told of every epoch; may hold the state of an interrupted training, which then goes on
        exactly as if it had never stopped.
    progress, optimizer
        Where it stands; nothing yet, where not given.
    """

    network: SurvivalNetwork
    order: torch.Generator
    dropout: torch.Generator
    validation_metrics: Metrics
    monitor: FitMonitor | None = None
    progress: _Progress = field(default_factory=_Progress)
    optimizer: OptimizerState = field(default_factory=dict)

    @property
    def summary(self) -> TrainingSummary:
        """How far it came."""
        return TrainingSummary(self.progress.epoch, self.progress.best_epoch)


def train_networks(
    trainings: Sequence[Training],
    train: Batch,
    validation: Batch,
    *,
    parameters: Mapping[str, Any],
) -> None:
    """Train networks until their validation metrics stop improving; keep the best epochs' weights.

    All networks take their steps together, each on its own batches. One that has stopped takes
    no part any more.

    Parameters
    ----------
    trainings : sequence of Training
        Networks of one shape, and what belongs to each.
    train, validation : Batch
        All subjects, on the networks' device.
    parameters : mapping
        The optimisation's and the regularisers' parameters of `survkit.training.parameters`.

    Raises
    ------
    InputError
        Where `monitored_val_metric` is unknown. A network whose loss is not finite in its first
        epoch has a `best_epoch` of 0 and takes no other along.
    """
    for training in trainings:
        _restore(training)
    while together := _next_together(trainings, parameters):
        _train_together(together, trainings, train, validation, parameters)
    for training in trainings:
        if training.progress.best_weights is not None:
            training.network.load_state_dict(training.progress.best_weights)
        for parameter in training.network.parameters():  # views of a stack until here
            parameter.data, parameter.grad = parameter.detach().clone(), None


def _next_together(trainings: Sequence[Training], parameters: Mapping[str, Any]) -> list[Training]:
    """Return those that have not stopped and are at the earliest epoch, which is that of all.

    Only those that were interrupted while their states were being saved may be an epoch apart.
    """
    active = [training for training in trainings if not _finished(training, parameters)]
    epoch = min((training.progress.epoch for training in active), default=0)
    return [training for training in active if training.progress.epoch == epoch]


def _train_together(
    together: list[Training],
    trainings: Sequence[Training],
    train: Batch,
    validation: Batch,
    parameters: Mapping[str, Any],
) -> None:
    """Train some networks as long as it is they that are to be trained together."""
    stack = NetworkStack([training.network for training in together])
    optimizer = new_optimizer(parameters["optimizer"], stack.weights, lr=parameters["lr"])
    if together[0].optimizer:
        stack.load_optimizer_states(optimizer, [training.optimizer for training in together])
    while _next_together(trainings, parameters) == together:
        epochs = _train_epoch(together, stack, train, optimizer, parameters)
        for index, (training, values) in enumerate(zip(together, epochs, strict=True)):
            training.optimizer = stack.optimizer_state(optimizer, index)
            _end_epoch(training, values, validation, parameters)


def _train_epoch(
    trainings: Sequence[Training],
    stack: NetworkStack,
    train: Batch,
    optimizer: torch.optim.Optimizer,
    parameters: Mapping[str, Any],
) -> list[dict[str, float]]:
    """Take one pass over the data in random orders; return what each history holds of it."""
    for training in trainings:
        training.network.train()
    device = train.event.device
    orders = [torch.randperm(train.size, generator=training.order) for training in trainings]
    shuffled = train.in_orders([order.to(device) for order in orders])
    lambdas = [group_lambda_at(training.progress.epoch, parameters) for training in trainings]
    group_lambda = torch.tensor(lambdas, device=device) if any(lambdas) else None
    generators = [training.dropout for training in trainings]
    sizes, losses, objectives = [], [], []
    for batch in shuffled.batches(parameters["batch_size"]):
        output = stack(batch.features, stack.draw_dropout_masks(batch.size, generators))
        loss = batch.negative_log_likelihood(output)
        penalty = regularisation(output, group_lambda, parameters)
        objective = loss if penalty is None else loss + penalty
        stack.zero_grad()
        # Not backward(gradient=...), which imports sympy, half a second.
        objective.sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        sizes.append(batch.size)
        losses.append(loss.detach())
        objectives.append(objective.detach())
    shares = torch.tensor(sizes, device=device) / train.size
    return [
        {
            "train_loss": train_loss,
            "train_objective": train_objective,
            "gradient_norm": gradient_norm,
            **_temperatures(training.network),
        }
        for training, train_loss, train_objective, gradient_norm in zip(
            trainings,
            (shares @ torch.stack(losses)).tolist(),
            (shares @ torch.stack(objectives)).tolist(),
            stack.gradient_norms(),
            strict=True,
        )
    ]


def _temperatures(network: SurvivalNetwork) -> dict[str, float]:
    return {
        name.rpartition(".")[2]: module().item()
        for name, module in network.named_modules()
        if isinstance(module, Temperature)
    }


def evaluation_loss(network: SurvivalNetwork, data: Batch) -> float:
    """Mean negative log-likelihood of all subjects, without regularisers."""
    network.eval()
    with torch.no_grad():
        losses = [
            chunk.negative_log_likelihood(network(chunk.features)).item() * chunk.size
            for chunk in data.chunks()
        ]
    return sum(losses) / data.size


def _end_epoch(
    training: Training,
    values: dict[str, float],
    validation: Batch,
    parameters: Mapping[str, Any],
) -> None:
    """Validate a network, note whether it is the best so far, and keep its state."""
    progress, monitor = training.progress, training.monitor
    values["validation_loss"] = evaluation_loss(training.network, validation)
    progress.epoch += 1
    if not math.isfinite(values["train_loss"] + values["validation_loss"]):
        progress.diverged = True
        if monitor and progress.best_weights is not None:
            monitor.warn(
                f"training diverged: the loss is not finite in epoch {progress.epoch}; "
                f"the weights of epoch {progress.best_epoch} are kept"
            )
        return
    further = {f"validation_{k}": v for k, v in training.validation_metrics().items()}
    values = further | values
    _note_best(training, values, parameters)
    if monitor:
        monitor.log(progress.epoch, values)
        monitor.save(_snapshot(training))


def _note_best(
    training: Training, values: Mapping[str, float], parameters: Mapping[str, Any]
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
    progress = training.progress
    if value < progress.best_value or progress.best_weights is None:
        progress.best_epoch = progress.epoch
        progress.best_value = value
        progress.best_weights = _weights(training.network)


def _weights(network: SurvivalNetwork) -> dict[str, Tensor]:
    return {name: weight.clone() for name, weight in network.state_dict().items()}


def _finished(training: Training, parameters: Mapping[str, Any]) -> bool:
    progress = training.progress
    waited = progress.epoch - progress.best_epoch
    return (
        progress.diverged
        or progress.epoch >= parameters["epochs"]
        or (progress.best_epoch > 0 and waited >= parameters["early_stopping_patience"])
    )


def _snapshot(training: Training) -> dict[str, Any]:
    """Return all that a training needs to go on, in tensors of its own."""
    return {
        **vars(training.progress),
        "weights": _weights(training.network),
        "optimizer": training.optimizer,
        "order": training.order.get_state(),
        "dropout": training.dropout.get_state(),
    }


def _restore(training: Training) -> None:
    """Go on where an interrupted training stopped, if there is one."""
    saved = training.monitor.load() if training.monitor else None
    if saved is None:
        return
    training.network.load_state_dict(saved["weights"])
    training.optimizer = saved["optimizer"]
    training.order.set_state(saved["order"])
    training.dropout.set_state(saved["dropout"])
    training.progress = _Progress(**{name.name: saved[name.name] for name in fields(_Progress)})
