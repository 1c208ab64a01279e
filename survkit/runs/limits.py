"""Ends a training that is far behind others by the same epoch.

The limits stand at 10, 20, 40, ... epochs, as rungs of a ladder that grows twice as wide with every
step, so that a training of any length has few of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from survkit.cli import PrunedError

FIRST_EPOCH = 10

Listener = Callable[[int, Mapping[str, float]], None]


def limit_epochs(epochs: int) -> list[int]:
    """Return the epochs of the limits of a training of so many epochs."""
    rungs = []
    epoch = FIRST_EPOCH
    while epoch <= epochs:
        rungs.append(epoch)
        epoch *= 2
    return rungs


def best_losses(history: Sequence[Mapping[str, Any]], epochs: int) -> list[float]:
    """Return the best validation loss of a finished training up to each limit's epoch.

    A training that ended before counts with its best loss of all.

    Parameters
    ----------
    history : sequence of mapping
        The values of each epoch, from `read_history`.
    epochs : int
        `--epochs` of the training.
    """
    losses = [_number(values.get("validation_loss")) for values in history]
    return [min(losses[:epoch], default=math.inf) for epoch in limit_epochs(epochs)]


def loss_limits(limits: Sequence[float]) -> list[Listener]:
    """Return the listener of a run's epochs that ends it by its limits; none without limits.

    It raises PrunedError where the best validation loss so far is above the limit of the epoch.
    """
    if not limits:
        return []
    at = dict(zip((FIRST_EPOCH * 2**rung for rung in range(len(limits))), limits, strict=True))
    best = math.inf

    def check(epoch: int, values: Mapping[str, float]) -> None:
        nonlocal best
        best = min(best, _number(values.get("validation_loss")))
        if epoch in at and best > at[epoch]:
            raise PrunedError(
                f"ended after {epoch} epochs: the best validation loss is {best:.5g}, above the "
                f"limit {at[epoch]:.5g} of --loss_limits"
            )

    return [check]


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else math.inf
