"""Which validation loss a trial must have reached by which epoch.

The rule of Golovin et al. (2017, section 3.2), less strict: a training ends where its best
validation loss so far is above that of three quarters of the complete trials by the same epoch. A
trial has its limits when it starts, so that it ends at the same epoch wherever it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from survkit.runs.limits import best_losses
from survkit.runs.record_files import read_history
from survkit.search.study import Trial
from survkit.types import InputError

ENOUGH_TRIALS = 5
"""Complete trials that there must be before any other is pruned."""

QUANTILE = 0.75
_DIGITS = 4


class Limits:
    """The limits of the trials of a search.

    Parameters
    ----------
    folder_of : callable
        Returns the folder of a run, given its identifier.
    epochs : callable
        Returns the largest number of epochs of a trial.
    """

    def __init__(self, folder_of: Callable[[str], Path], epochs: Callable[[Trial], int]) -> None:
        self._folder_of, self._epochs = folder_of, epochs
        self._losses: dict[tuple[str, int], list[float] | None] = {}

    def of(self, trial: Trial, complete: Sequence[Trial], fold: int) -> tuple[float, ...]:
        """Return the limits of a trial on a fold, as `--loss_limits` takes them.

        Complete trials whose history is lost or damaged do not count.
        """
        epochs = self._epochs(trial)
        known = [self._of_run(other.runs[fold], epochs) for other in complete]
        losses = [of_run for of_run in known if of_run is not None]
        if len(losses) < ENOUGH_TRIALS:
            return ()
        limits = np.quantile(np.array(losses), QUANTILE, axis=0, method="higher")
        # Rounded up, so that a run as good as the limit is not ended.
        finite = limits[: int(np.isfinite(limits).sum())]
        return tuple(float(np.ceil(limit * 10**_DIGITS) / 10**_DIGITS) for limit in finite)

    def _of_run(self, run: str, epochs: int) -> list[float] | None:
        key = (run, epochs)
        if key not in self._losses:
            try:
                history = read_history(self._folder_of(run))
            except InputError:
                history = None
            self._losses[key] = None if history is None else best_losses(history, epochs)
        return self._losses[key]
