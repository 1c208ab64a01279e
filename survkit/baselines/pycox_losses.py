"""What sets the networks of pycox apart: labels, loss and survival curves of each."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import NamedTuple, Self, cast

import numpy as np
import torch
from torch import Tensor

from survkit.training.batch import as_tensor
from survkit.types import SurvivalData, TimeGrid

DEEPHIT_ALPHA = 0.2
"""Share of the likelihood in DeepHit's loss, the rest is the ranking loss; pycox's default."""

DEEPHIT_SIGMA = 0.1
"""Scale of DeepHit's ranking loss; pycox's default."""


class Outcomes(NamedTuple):
    """Outcomes of B subjects on the training device.

    Parameters
    ----------
    cut : Tensor, shape (B,), int64
        The cut of an event; for a censored subject the last cut that it is known to survive.
    time : Tensor, shape (B,), float64
        The raw time.
    event : Tensor, shape (B,), float32
        1 where the event was seen on the grid.
    """

    cut: Tensor
    time: Tensor
    event: Tensor

    @classmethod
    def from_data(cls, data: SurvivalData, grid: TimeGrid, device: torch.device) -> Self:
        """Label survival data by the classes of a grid.

        As in pycox's `LabTransDiscreteTime`, an event belongs to the cut that ends its interval
        and a censoring to the cut before it. An event beyond the horizon counts as survival of
        the last cut; a subject censored in class 0 as survival of cut 0, at which events come
        before censorings.
        """
        classes = grid.classify(data.time)
        event = data.event & (classes < len(grid.cuts))
        cut = np.where(event, classes, np.maximum(classes - 1, 0))
        arrays = (cut, data.time, event.astype(np.float32))
        return cls(*(as_tensor(array).to(device) for array in arrays))

    def take(self, rows: Tensor | slice) -> Outcomes:
        """Return some of the subjects."""
        return Outcomes(self.cut[rows], self.time[rows], self.event[rows])

    def chunks(self, size: int) -> Iterator[tuple[slice, Outcomes]]:
        """Yield all subjects in order, with their rows, `size` at a time."""
        for start in range(0, len(self.event), size):
            rows = slice(start, start + size)
            yield rows, self.take(rows)


class Objective(NamedTuple):
    """A network's loss and how it is averaged.

    Parameters
    ----------
    loss : callable
        Mean loss of network outputs (B, outputs) against `Outcomes`, a scalar.
    terms : callable
        How many terms that mean has; a batch with none has no loss.
    rows_at_once : int, optional
        Subjects whose validation loss is computed together; all where None.
    proportional_hazards : bool
        Whether the network has one output, the log hazard ratio, rather than one a cut.
    """

    loss: Callable[[Tensor, Outcomes], Tensor]
    terms: Callable[[Outcomes], int]
    rows_at_once: int | None = None
    proportional_hazards: bool = False


def _pycox_losses() -> ModuleType:
    with warnings.catch_warnings():
        # Compiling pycox 0.3.0 for the first time meets invalid escapes in its docstrings.
        warnings.simplefilter("ignore")
        from pycox.models import loss
    return cast(ModuleType, loss)


def deepsurv_loss(output: Tensor, outcomes: Outcomes) -> Tensor:
    """Negative Cox partial log-likelihood within the batch (Katzman et al. 2018)."""
    loss = _pycox_losses().cox_ph_loss(output, outcomes.time, outcomes.event)
    return cast(Tensor, loss)


def logistic_hazard_loss(output: Tensor, outcomes: Outcomes) -> Tensor:
    """Negative log-likelihood of discrete hazards (Kvamme and Borgan 2019, eq. 3.3)."""
    loss = _pycox_losses().nll_logistic_hazard(output, outcomes.cut, outcomes.event)
    return cast(Tensor, loss)


def deephit_loss(output: Tensor, outcomes: Outcomes) -> Tensor:
    """Likelihood of the event's cut plus a ranking loss over pairs (Lee et al. 2018)."""
    losses = _pycox_losses()
    likelihood = losses.nll_pmf(output, outcomes.cut, outcomes.event)
    ranking = losses.rank_loss_deephit_single(
        output, outcomes.cut, outcomes.event, comparable_pairs(outcomes), DEEPHIT_SIGMA
    )
    return cast(Tensor, DEEPHIT_ALPHA * likelihood + (1 - DEEPHIT_ALPHA) * ranking)


def comparable_pairs(outcomes: Outcomes) -> Tensor:
    """Return a (B, B) float matrix: 1 where the row's event came before the column's outcome."""
    row, column = outcomes.cut[:, None], outcomes.cut[None, :]
    survived = (row == column) & (outcomes.event == 0)[None, :]
    return ((row < column) | survived).float() * outcomes.event[:, None]


def _subjects(outcomes: Outcomes) -> int:
    return len(outcomes.event)


def _events(outcomes: Outcomes) -> int:
    return int(outcomes.event.sum())


OBJECTIVES = {
    "deepsurv": Objective(deepsurv_loss, _events, proportional_hazards=True),
    "deephit": Objective(deephit_loss, _subjects, rows_at_once=1024),
    "logistic_hazard": Objective(logistic_hazard_loss, _subjects, rows_at_once=8192),
}
