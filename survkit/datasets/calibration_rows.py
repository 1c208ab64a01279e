"""Calibration rows: a part of the training rows that no model is fitted on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survkit.datasets.holdout import stratified_split
from survkit.types import InputError, SurvivalData

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
    held_out = round(share * len(subjects))
    _, calibration = stratified_split(np.arange(len(subjects)), held_out, event, seed=seed)
    chosen = np.isin(of_row, calibration)
    _check("calibration", train.event, chosen, share)
    _check("fitting", train.event, ~chosen, share)
    return train.subset(~chosen), train.subset(chosen)


def _check(what: str, event: NDArray[np.bool_], chosen: NDArray[np.bool_], share: float) -> None:
    rows, events = int(chosen.sum()), int(event[chosen].sum())
    if rows < FEWEST_ROWS or not events:
        raise InputError(
            f"--conformal_share {share:g} of {len(event):,} training rows with "
            f"{int(event.sum()):,} events leaves {rows:,} rows with {events:,} events for {what}; "
            f"at least {FEWEST_ROWS} rows and 1 event are needed"
        )
