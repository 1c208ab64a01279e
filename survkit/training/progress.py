"""How far a training is, when it stops early, and whether it had converged by then."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from survkit.text import nearest
from survkit.types import InputError


@dataclass
class Progress:
    """How far one training is; its methods take values for `OPTIMISATION_PARAMETERS`.

    Parameters
    ----------
    epoch, best_epoch : int
        Epochs finished, and the best of them; they count from 1.
    best_value : float
        The monitored metric of the best epoch, negated where it is maximised.
    best_weights : dict of Tensor, optional
        The network's weights after the best epoch.
    diverged : bool
        Whether the loss of the last epoch was not finite.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_value: float = math.inf
    best_weights: dict[str, Tensor] | None = None
    diverged: bool = False

    def is_best(self, values: Mapping[str, float], parameters: Mapping[str, Any]) -> bool:
        """Return whether the epoch just finished is the best so far; if so, remember its value.

        Raises
        ------
        InputError
            Where `values`, those of the epoch, lack `monitored_val_metric`.
        """
        metric = parameters["monitored_val_metric"]
        if f"validation_{metric}" not in values:
            start = "validation_"
            known = sorted(name.removeprefix(start) for name in values if name.startswith(start))
            raise InputError(
                f"--monitored_val_metric is '{metric}'{nearest(metric, known)}; "
                f"it must be one of {', '.join(known)}"
            )
        value = values[f"validation_{metric}"]
        value = value if parameters["minimize_val_metric"] else -value
        value = math.inf if math.isnan(value) else value  # undefined is never an improvement
        if value >= self.best_value and self.best_epoch:
            return False
        self.best_epoch, self.best_value = self.epoch, value
        return True

    def is_finished(self, parameters: Mapping[str, Any]) -> bool:
        """Return whether the training has diverged, stopped early or reached the last epoch."""
        at_end = self.epoch >= parameters["epochs"]
        return self.diverged or at_end or self._stopped_early(parameters)

    def _stopped_early(self, parameters: Mapping[str, Any]) -> bool:
        waited = self.epoch - self.best_epoch
        return self.best_epoch > 0 and waited >= parameters["early_stopping_patience"]

    def convergence(self, parameters: Mapping[str, Any]) -> tuple[bool, str]:
        """Return whether a finished training converged, and why, without a full stop."""
        metric = f"the validation metric ({parameters['monitored_val_metric']})"
        if self.diverged:
            return False, (
                f"the loss was not finite in epoch {self.epoch}; "
                f"the weights of epoch {self.best_epoch} are kept"
            )
        if math.isinf(self.best_value):
            return False, f"{metric} was undefined in every epoch; epoch {self.best_epoch} is kept"
        if self._stopped_early(parameters):
            patience = parameters["early_stopping_patience"]
            epochs = "1 epoch" if patience == 1 else f"{patience} epochs"
            return True, f"{metric} did not improve for {epochs}"
        return False, (
            f"training ended at --epochs {self.epoch} while {metric} still improved "
            f"(best epoch {self.best_epoch})"
        )
