"""Subjects as tensors on the training device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from survkit.heads.routing import HeadOutput
from survkit.training.losses import negative_log_likelihood
from survkit.types import SurvivalData, TimeGrid

EVALUATION_ROWS = 8192
"""Subjects in a chunk where no gradient is needed."""


def as_tensor(array: NDArray[Any]) -> Tensor:
    """Return a CPU tensor of the array's values, sharing memory where the array is writeable."""
    return torch.from_numpy(np.require(array, requirements=["W"]))


class Batch(NamedTuple):
    """Subjects of one training, or of S at once: then every shape starts with S.

    Attributes
    ----------
    features : Tensor, shape (n, p), float32
    event_class : Tensor, shape (n,), int64
        Class of each time.
    event : Tensor, shape (n,), bool
    """

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

    @property
    def size(self) -> int:
        """Subjects n of one training."""
        return self.event.shape[-1]

    def in_orders(self, orders: Sequence[Tensor]) -> Batch:
        """Return S copies, each with the subjects in one of the orders (n,)."""
        return Batch(*(torch.stack([part[order] for order in orders]) for part in self))

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield the subjects of S trainings, `size` at a time."""
        for start in range(0, self.size, size):
            yield Batch(*(part[:, start : start + size] for part in self))

    def chunks(self) -> Iterator[Batch]:
        """Yield all subjects in order, in chunks for evaluation."""
        for start in range(0, self.size, EVALUATION_ROWS):
            yield Batch(*(part[start : start + EVALUATION_ROWS] for part in self))

    def negative_log_likelihood(self, output: HeadOutput) -> Tensor:
        """Return the mean loss of what a network made of the features, of each training."""
        return negative_log_likelihood(
            output.class_scores, output.log_gates, self.event_class, self.event
        )
