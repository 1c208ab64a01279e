"""What an estimator keeps and shows of its fit."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm


class EstimatorMonitor:
    """Keeps the values of each epoch and, for a warm start, the state of the fit.

    Parameters
    ----------
    epochs : int
        Epochs at most, for the progress bar; 0 for a model without epochs.
    verbose : bool
        Whether to show a progress bar.
    keeps_state : bool
        Whether to keep the state, so that another fit can go on from it.
    state, history
        Those of the fit to go on from, if any.
    """

    def __init__(
        self,
        *,
        epochs: int,
        verbose: bool,
        keeps_state: bool,
        state: Mapping[str, Any] | None = None,
        history: list[dict[Any, Any]] | None = None,
    ) -> None:
        self.state, self._keeps_state = state, keeps_state
        done = 0 if state is None else state["epoch"]
        self.history = list(history or [])[:done]
        self._bar = tqdm(total=epochs, initial=done, unit="epoch", disable=not verbose)

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """Note the values of one epoch."""
        self.history[epoch - 1 :] = [{"epoch": epoch, **values}]
        self._bar.set_postfix({name: f"{values[name]:.4f}" for name in values if "loss" in name})
        self._bar.update(epoch - self._bar.n)

    def save(self, state: Mapping[str, Any], *, always: bool = False) -> None:
        """Keep the state of the fit."""
        if self._keeps_state:
            self.state = state

    def load(self) -> Mapping[str, Any] | None:
        """Return the state to go on from."""
        return self.state

    def warn(self, message: str) -> None:
        """Warn of what the fit found."""
        warnings.warn(message, UserWarning, stacklevel=2)

    def close(self) -> None:
        """End the progress bar."""
        self._bar.close()
