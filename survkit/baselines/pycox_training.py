"""Training of the pycox networks: early stopping on their own validation loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from survkit.baselines.pycox_losses import Objective, Outcomes
from survkit.training.batch import EVALUATION_ROWS, as_tensor
from survkit.training.trainer import TrainingSummary
from survkit.types import FitMonitor, InputError, SurvivalData, TimeGrid

FITTING_PARAMETERS = (
    "epochs",
    "lr",
    "batch_size",
    "optimizer",
    "early_stopping_patience",
    "monitored_val_metric",
    "minimize_val_metric",
)

_OPTIMIZER_OPTIONS: dict[str, dict[str, float]] = {
    "Adam": {"eps": 1e-7},
    "AdamW": {"eps": 1e-7},
    "SGD": {},
}


class Sample(NamedTuple):
    """Features (n, p) and outcomes of all subjects of a split, on the training device."""

    features: Tensor
    outcomes: Outcomes

    @classmethod
    def from_data(cls, data: SurvivalData, grid: TimeGrid, device: torch.device) -> Self:
        """Put survival data on the device."""
        features = as_tensor(data.features).to(device)
        return cls(features, Outcomes.from_data(data, grid, device))


def train_pycox_network(
    network: nn.Module,
    objective: Objective,
    train: Sample,
    validation: Sample,
    *,
    parameters: Mapping[str, Any],
    seed: int,
    monitor: FitMonitor | None = None,
) -> TrainingSummary:
    """Train a network in place until the validation loss stops falling.

    Parameters
    ----------
    network : nn.Module
        Maps features (B, p) to the outputs that the objective reads.
    objective : Objective
        The loss.
    train, validation : Sample
        All subjects.
    parameters : mapping
        Values for `FITTING_PARAMETERS`, named as the command's flags.
    seed : int
        Seed of the order of the data.
    monitor : FitMonitor, optional
        Told of every epoch.

    Raises
    ------
    InputError
        Where a sample has no event and the loss needs one, or the loss is not finite in the
        first epoch.
    """
    for split, sample in (("training", train), ("validation", validation)):
        if objective.terms(sample.outcomes) == 0:
            raise InputError(
                f"the partial likelihood needs an event among the {split} rows; all "
                f"{len(sample.features)} of them are censored on the time grid"
            )
    name = parameters["optimizer"]
    optimizer = getattr(torch.optim, name)(
        network.parameters(), lr=parameters["lr"], fused=True, **_OPTIMIZER_OPTIONS[name]
    )
    order = torch.Generator().manual_seed(seed)
    best_loss, best_epoch, best_weights = math.inf, 0, network.state_dict()
    epoch = 0
    while epoch < parameters["epochs"] and not (
        best_epoch and epoch - best_epoch >= parameters["early_stopping_patience"]
    ):
        epoch += 1
        train_loss = _train_epoch(network, objective, train, optimizer, order, parameters)
        loss = validation_loss(network, objective, validation)
        if not math.isfinite(train_loss + loss):
            _note_divergence(epoch, best_epoch, parameters["lr"], monitor)
            break
        if loss < best_loss:
            best_loss, best_epoch = loss, epoch
            best_weights = {key: value.clone() for key, value in network.state_dict().items()}
        if monitor:
            monitor.log(epoch, {"train_loss": train_loss, "validation_loss": loss})
    network.load_state_dict(best_weights)
    return TrainingSummary(epoch, best_epoch)


def _train_epoch(
    network: nn.Module,
    objective: Objective,
    train: Sample,
    optimizer: torch.optim.Optimizer,
    order: torch.Generator,
    parameters: Mapping[str, Any],
) -> float:
    """Take one pass over the data in a random order; return its mean loss."""
    network.train()
    rows = torch.randperm(len(train.features), generator=order).to(train.features.device)
    features, outcomes = train.features[rows], train.outcomes.take(rows)
    total, terms = 0.0, 0
    for batch_rows, batch in outcomes.chunks(parameters["batch_size"]):
        size = objective.terms(batch)
        if size == 0:  # without an event there is no partial likelihood, and no gradient
            continue
        loss = objective.loss(network(features[batch_rows]), batch)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.item() * size
        terms += size
    return total / terms


def validation_loss(network: nn.Module, objective: Objective, sample: Sample) -> float:
    """Return the mean loss of a sample, in which DeepSurv's risk sets are the whole sample."""
    network.eval()
    with torch.no_grad():
        outputs = torch.cat(
            [network(chunk) for chunk in torch.split(sample.features, EVALUATION_ROWS)]
        )
        total, terms = 0.0, 0
        for rows, chunk in sample.outcomes.chunks(objective.rows_at_once or len(outputs)):
            size = objective.terms(chunk)
            total += objective.loss(outputs[rows], chunk).item() * size
            terms += size
    return total / terms


def _note_divergence(epoch: int, best_epoch: int, lr: float, monitor: FitMonitor | None) -> None:
    if best_epoch == 0:
        raise InputError(
            f"the loss is not finite in the first epoch; a smaller --lr than {lr} may help"
        )
    if monitor:
        monitor.warn(
            f"training diverged: the loss is not finite in epoch {epoch}; "
            f"the weights of epoch {best_epoch} are kept"
        )
