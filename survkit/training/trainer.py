"""The training loop: several networks at once, early stopping of each, exact resume."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from survkit.heads.routing import Temperature
from survkit.training.batch import Batch
from survkit.training.network import SurvivalNetwork
from survkit.training.network_stack import NetworkStack
from survkit.training.objective import Objective
from survkit.training.optimizers import new_optimizer
from survkit.training.unfinished import Training
from survkit.types import FitSummary, InputError


def train_networks(
    trainings: Sequence[Training],
    train: Batch,
    validation: Batch,
    *,
    objective: Objective,
    parameters: Mapping[str, Any],
) -> list[FitSummary]:
    """Train networks until their validation metrics stop improving; keep the best epochs' weights.

    All networks take their steps together, each on its own batches. One that has stopped takes
    no further part. Trainings that were interrupted an epoch apart, or of which one has to start
    again, end with the same bits as uninterrupted ones.

    Parameters
    ----------
    trainings : sequence of Training
        Networks of one shape, and what belongs to each.
    train, validation : Batch
        All subjects, on the networks' device.
    objective : Objective
        What the networks learn.
    parameters : mapping
        Values for `OPTIMISATION_PARAMETERS` and for the parameters of the objective's penalty.

    Returns
    -------
    list of FitSummary
        One for each network. A network whose loss is not finite in its first epoch has a
        `best_epoch` of 0, and the others train without it.

    Raises
    ------
    InputError
        Where `monitored_val_metric` is unknown, or the loss is a mean over events and the training
        or the validation rows have none.
    """
    _check_events(objective, train, validation)
    for training in trainings:
        training.restore(parameters)
    while places := _next_places(trainings, parameters):
        _train_together(places, trainings, train, validation, objective, parameters)
    for training in trainings:
        if training.progress.best_weights is not None:
            if len(trainings) > 1:  # once others have their records, it could not end in its stack
                training.save(always=True)
            training.network.load_state_dict(training.progress.best_weights)
        for parameter in training.network.parameters():  # views of a stack until here
            parameter.data, parameter.grad = parameter.detach().clone(), None
        for buffer in training.network.buffers():
            buffer.data = buffer.clone()
    return [_summary(training, parameters) for training in trainings]


def _summary(training: Training, parameters: Mapping[str, Any]) -> FitSummary:
    progress = training.progress
    size = sum(weight.numel() for weight in training.network.parameters())
    convergence = progress.convergence(parameters)
    return FitSummary(size, progress.epoch, progress.best_epoch, *convergence)


def _check_events(objective: Objective, train: Batch, validation: Batch) -> None:
    for split, rows in (("training", train), ("validation", validation)):
        if objective.mean_over_events and not rows.event.any():
            raise InputError(
                f"the partial likelihood needs an event among the {split} rows; all "
                f"{rows.size} of them are censored on the time grid"
            )


class _Place(NamedTuple):
    """A place in a stack; it is not trained where the network already has the epoch."""

    training: Training
    is_trained: bool


def _next_places(trainings: Sequence[Training], parameters: Mapping[str, Any]) -> list[_Place]:
    """Return the stack of the earliest epoch that a network lacks; none where all have stopped.

    A network that an interruption left ahead of the others keeps its place: it had one when it
    was in that epoch, and the sums of a stack depend, in their last digits, on its size.
    """
    active = [t for t in trainings if not t.progress.is_finished(parameters)]
    epoch = min((training.progress.epoch for training in active), default=0)
    behind = [training for training in active if training.progress.epoch == epoch]
    return [
        _Place(training, training in behind)
        for training in trainings
        if behind and (training in behind or training.progress.epoch > epoch)
    ]


def _train_together(
    places: list[_Place],
    trainings: Sequence[Training],
    train: Batch,
    validation: Batch,
    objective: Objective,
    parameters: Mapping[str, Any],
) -> None:
    """Train some networks as long as the same ones are next."""
    behind = [training for training, is_trained in places if is_trained]
    # What is in the other places changes nothing, so copies serve that are as far.
    members = [t if is_trained else behind[0].copy() for t, is_trained in places]
    stack = NetworkStack([training.network for training in members])
    optimizer = new_optimizer(parameters["optimizer"], stack.weights, lr=parameters["lr"])
    if behind[0].optimizer:
        stack.load_optimizer_states(optimizer, [training.optimizer for training in members])
    while _next_places(trainings, parameters) == places:
        epochs = _train_epoch(members, stack, train, optimizer, objective, parameters)
        for index, (training, values) in enumerate(zip(members, epochs, strict=True)):
            if not places[index].is_trained:
                training.progress.epoch += 1
                continue
            training.optimizer = stack.optimizer_state(optimizer, index)
            if training.after_epoch:
                training.after_epoch()
            values["validation_loss"] = evaluation_loss(training.network, objective, validation)
            _end_epoch(training, values, parameters)


def _train_epoch(
    trainings: Sequence[Training],
    stack: NetworkStack,
    train: Batch,
    optimizer: torch.optim.Optimizer,
    objective: Objective,
    parameters: Mapping[str, Any],
) -> list[dict[str, float]]:
    """Take one pass over the data in random orders; return each network's values for its history.

    All networks have finished the same number of epochs.
    """
    for training in trainings:
        training.network.train()
    device = train.event.device
    orders = [torch.randperm(train.size, generator=training.order) for training in trainings]
    shuffled = train.in_orders([order.to(device) for order in orders])
    batches = list(shuffled.batches(parameters["batch_size"]))
    terms = torch.stack([b.terms(events_only=objective.mean_over_events) for b in batches])
    generators = [training.dropout for training in trainings]
    epochs_done = trainings[0].progress.epoch
    losses, totals = [], []
    for batch, idle in zip(batches, (terms == 0).tolist(), strict=True):
        output = stack(batch.features, stack.draw_dropout_masks(batch.size, generators))
        loss = objective.loss(output, batch.label, batch.event)
        total = objective.minimised(loss, output, batch, epochs_done, parameters)
        stack.zero_grad()
        # Not backward(gradient=...), which imports sympy, half a second.
        total.sum().backward()  # type: ignore[no-untyped-call]
        stack.step(optimizer, idle)
        losses.append(loss.detach())
        totals.append(total.detach())
    shares = terms / terms.sum(0)  # (batches, S)
    columns = (
        (shares * torch.stack(losses)).sum(0).tolist(),
        (shares * torch.stack(totals)).sum(0).tolist(),
        stack.gradient_norms(),
    )
    names = ("train_loss", "train_objective", "gradient_norm")
    return [
        {**dict(zip(names, values, strict=True)), **_temperatures(training.network)}
        for training, *values in zip(trainings, *columns, strict=True)
    ]


def _temperatures(network: SurvivalNetwork) -> dict[str, float]:
    return {
        name.rpartition(".")[2]: module().item()
        for name, module in network.named_modules()
        if isinstance(module, Temperature)
    }


def evaluation_loss(network: SurvivalNetwork, objective: Objective, data: Batch) -> float:
    """Return the mean loss of all subjects, without the penalty."""
    network.eval()
    total, terms = 0.0, 0
    with torch.no_grad():
        for chunk in data.chunks(objective.evaluation_rows or data.size):
            size = int(chunk.terms(events_only=objective.mean_over_events))
            loss = objective.loss(network(chunk.features), chunk.label, chunk.event)
            total += loss.item() * size
            terms += size
    return total / terms


def _end_epoch(training: Training, values: dict[str, float], parameters: Mapping[str, Any]) -> None:
    """Note whether a validated network is the best so far, and keep its state."""
    progress, monitor = training.progress, training.monitor
    progress.epoch += 1
    metrics: Mapping[str, float] | None = None
    if math.isfinite(values["train_loss"] + values["validation_loss"]):
        metrics = training.validation_metrics() if training.validation_metrics else {}
    if metrics is None:
        progress.diverged = True
        if monitor and progress.best_weights is not None:
            monitor.warn(f"training diverged: {progress.convergence(parameters)[1]}")
            training.save(always=True)
        return
    values = {f"validation_{name}": value for name, value in metrics.items()} | values
    if progress.is_best(values, parameters):
        progress.best_weights = training.weights()
    if monitor:
        monitor.log(progress.epoch, values)
    training.save()
