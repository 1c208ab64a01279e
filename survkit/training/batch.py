"""Subjects as tensors on the training device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from survkit.types import BoolArray

EVALUATION_ROWS = 8192
"""Subjects in a chunk where no gradient is needed."""


def as_tensor(array: NDArray[Any]) -> Tensor:
    """Return a CPU tensor of the array's values, sharing memory where the array is writeable."""
    return torch.from_numpy(np.require(array, requirements=["W"]))


class Batch(NamedTuple):
    """Subjects of one network, or of S networks at once: then every shape starts with S.

    Attributes
    ----------
    features : Tensor, shape (n, p), float32
    label : Tensor, shape (n,) or (n, columns), int64 or float32
        What the loss knows of each time, from the objective's `labels`.
    event : Tensor, shape (n,), bool or int64
        Its cause, 1 to C or 0, where there are several.
    """

    features: Tensor
    label: Tensor
    event: Tensor

    @classmethod
    def on_device(
        cls,
        features: NDArray[np.float32],
        labels: tuple[NDArray[Any], BoolArray | NDArray[np.int64]],
        device: torch.device,
    ) -> Self:
        """Put features and the labels and events that an objective made on the device."""
        return cls(*(as_tensor(array).to(device) for array in (features, *labels)))

    @property
    def size(self) -> int:
        """Subjects n of each network."""
        return self.event.shape[-1]

    def in_orders(self, orders: Sequence[Tensor]) -> Batch:
        """Return S copies, each with the subjects in one of the orders (n,)."""
        return Batch(*(torch.stack([part[order] for order in orders]) for part in self))

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield the subjects of S networks, `size` at a time."""
        for start in range(0, self.size, size):
            yield Batch(*(part[:, start : start + size] for part in self))

    def chunks(self, size: int) -> Iterator[Batch]:
        """Yield all subjects of one network in order, `size` at a time."""
        for start in range(0, self.size, size):
            yield Batch(*(part[start : start + size] for part in self))

    def terms(self, *, events_only: bool) -> Tensor:
        """Return the number of subjects or events of each network, shape () or (S,), int64."""
        counted = self.event > 0 if events_only else torch.ones_like(self.event)
        return counted.sum(-1)
