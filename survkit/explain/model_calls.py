"""Calls a model in batches and keeps the time that this takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from survkit.explain.hazards import Curves, HazardReader, Kind
from survkit.explain.inputs import as_whole, check_positive
from survkit.explain.models import Predict, exact_tail, loaded, predictor
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


def hazard_calls(
    model: Any,
    kind: Kind,
    *,
    times: Float64Array,
    feature_names: Sequence[str],
    output_times: Float64Array | None,
    max_hazard: float | None,
    batch_size: int | None,
) -> ModelCalls[HazardReader]:
    """Return calls of a model that read cumulative hazards (n, m) at the times (m,).

    Parameters are those of `predictor`, `HazardReader` and `ModelCalls`.

    Raises
    ------
    InputError
        For a model that cannot be asked, or settings that cannot be used.
    """
    check_positive("max_hazard_value_allowed", max_hazard)
    model = loaded(model)
    predict = predictor(
        model, kind=kind, times=times, feature_names=feature_names, output_times=output_times
    )
    return ModelCalls(
        predict,
        HazardReader(times, output_times, max_hazard, exact_tail=exact_tail(model)),
        None if batch_size is None else as_whole("batch_size", batch_size),
    )
