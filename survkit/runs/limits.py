"""Ends a training that is far behind others by the same epoch.

The limits stand at 10, 20, 40, ... epochs, as rungs of a ladder that grows twice as wide with every
step, so that a training of any length has few of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from survkit.cli import PrunedError
from survkit.runs.record_files import read_history

if TYPE_CHECKING:
    from survkit.runs.folder import RunFolder

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
    losses = _losses(history)
    return [min(losses[:epoch], default=math.inf) for epoch in limit_epochs(epochs)]


def loss_limits(limits: Sequence[float], folder: RunFolder) -> list[Listener]:
    """Return the listener of a run's epochs that ends it by its limits; none without limits.

    It reads the history of the run, which an interruption leaves whole. It raises PrunedError where
    the best validation loss so far is above the limit of the epoch; what the run wrote is removed.
    """
    if not limits:
        return []
    epochs = [FIRST_EPOCH * 2**rung for rung in range(len(limits))]
    limit_at = dict(zip(epochs, limits, strict=True))

    def check(epoch: int, _values: Mapping[str, float]) -> None:
        if epoch not in limit_at:
            return
        best = min(_losses(read_history(folder.path) or ()), default=math.inf)
        if best > limit_at[epoch]:
            folder.drop_unfinished()
            raise PrunedError(
                f"ended after {epoch} epochs: the best validation loss is {best:.5g}, above the "
                f"limit {limit_at[epoch]:.5g} of --loss_limits"
            )

    return [check]


def _losses(history: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the validation loss of each epoch; one that is unknown is infinite."""
    losses = [values.get("validation_loss") for values in history]
    return [
        float(loss) if isinstance(loss, int | float) and math.isfinite(loss) else math.inf
        for loss in losses
    ]
