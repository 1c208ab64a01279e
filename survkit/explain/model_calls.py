"""Calls a model in batches and keeps the time that this takes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np

from survkit.explain.hazards import Curves
from survkit.explain.models import Predict
from survkit.types import Float64Array

BATCH_VALUES = 2**22
"""Predicted values held at once, at least those of one explanation."""


class CurveReader(Protocol):
    """Turns what a model predicts into what an explanation works with."""

    def read(self, curves: Curves, num_rows: int) -> Float64Array:
        """Return values (n, m) of curves that should be for `num_rows` subjects."""


Reader = TypeVar("Reader", bound=CurveReader)


@dataclass
class ModelCalls(Generic[Reader]):
    """Calls a model in batches, and keeps the time that they take."""

    predict: Predict
    reader: Reader
    batch_size: int | None = None
    seconds: float = field(default=0.0, init=False)
    count: int = field(default=0, init=False)

    def read(self, features: Float64Array) -> Float64Array:
        """Return what the reader makes (n, m) of the predictions for features (n, p)."""
        step = self.batch_size or len(features)
        parts = []
        for start in range(0, len(features), step):
            batch = features[start : start + step]
            began = time.perf_counter()
            curves = self.predict(batch)
            self.seconds += time.perf_counter() - began
            self.count += 1
            parts.append(self.reader.read(curves, len(batch)))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
