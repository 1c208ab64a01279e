"""Data whose subjects come under observation late, for tests of everything that uses them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from survkit.types import SurvivalData


def late_data(
    n: int, seed: int = 0, *, digits: int = 6, causes: int = 1, censored: bool = True
) -> SurvivalData:
    """Draw subjects from exponential hazards; only those without an event at entry are seen.

    A fifth enter at 0, the others uniformly on (0, 1.5). Few digits make ties, also of entries with
    events.
    """
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 2)).astype(np.float32)
    hazard = np.exp(np.column_stack([0.7 * features[:, 0] - 0.5, -0.5 * features[:, 1] - 1.0]))
    hazard = hazard[:, :causes]
    event_time = rng.exponential(1 / hazard.sum(axis=1)).round(digits)
    of_first = rng.random(n) * hazard.sum(axis=1) < hazard[:, 0]
    entry = np.where(rng.random(n) < 0.2, 0.0, rng.uniform(0, 1.5, n)).round(digits)
    censoring_time = (entry + rng.uniform(0.2, 3.0, n)).round(digits)
    if not censored:
        censoring_time = np.full(n, 99.0)
    time = np.minimum(event_time, censoring_time)
    event, seen = event_time <= censoring_time, entry < time
    data = SurvivalData(features, event, time, entry=np.where(seen, entry, 0.0))
    if causes > 1:
        cause = np.where(event, np.where(of_first, 1, 2), 0)
        data = replace(data, cause=cause, cause_names=("relapse", "death"))
    return data.subset(seen)


def at_risk(data: SurvivalData, time: float) -> np.ndarray:
    """Whether each subject is at risk at a time, by the definition."""
    assert data.entry is not None
    return ((data.entry < time) | (data.entry == 0)) & (time <= data.time)
