"""Calibration rows: a part of the training rows that no model is fitted on."""

from __future__ import annotations

import numpy as np

from survkit.datasets.holdout import stratified_split
from survkit.types import BoolArray, InputError, SurvivalData

FEWEST_ROWS = 2
"""Rows that calibration and fitting need at least, each with an event among them."""


def hold_out_calibration(
    train: SurvivalData, share: float, *, seed: int
) -> tuple[SurvivalData, SurvivalData]:
    """Part the training rows into those to fit on and those to calibrate on.

    Calibration rows are a random part of the subjects, whole, with its share of those who have the
    event. Rows keep their order.

    Parameters
    ----------
    train : SurvivalData
        All training rows.
    share : float
        Share of the subjects to calibrate on, in (0, 1).
    seed : int
        Seed of the random numbers.

    Returns
    -------
    tuple of SurvivalData
        The rows to fit on, and the calibration rows.

    Raises
    ------
    InputError
        Where either part has fewer than two rows, or no event.
    """
    n = len(train)
    subjects, of_row = np.arange(n), np.arange(n)
    if train.subject_id is not None:
        subjects, of_row = np.unique(train.subject_id, return_inverse=True)
    event = np.zeros(len(subjects), np.int64)
    np.maximum.at(event, of_row, train.event)
    if len(subjects) < 2 * FEWEST_ROWS:
        raise _too_few(share, train.event, np.zeros(n, dtype=np.bool_), "calibration")
    held_out = min(max(round(share * len(subjects)), 1), len(subjects) - 1)
    _, calibration = stratified_split(np.arange(len(subjects)), held_out, event, seed=seed)
    chosen = np.isin(of_row, calibration)
    for what, part in (("calibration", chosen), ("fitting", ~chosen)):
        if part.sum() < FEWEST_ROWS or not train.event[part].any():
            raise _too_few(share, train.event, part, what)
    return train.subset(~chosen), train.subset(chosen)


def _too_few(share: float, event: BoolArray, part: BoolArray, what: str) -> InputError:
    return InputError(
        f"--conformal_share {share:g} of {len(event):,} training rows with "
        f"{int(event.sum()):,} events leaves {int(part.sum()):,} rows with "
        f"{int(event[part].sum()):,} events for {what}; at least {FEWEST_ROWS} rows and 1 event "
        "are needed"
    )
