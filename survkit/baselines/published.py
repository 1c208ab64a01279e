"""What the published conventions do to baselines: fewer rows, nothing beyond the horizon."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from survkit.metrics import renormalise_beyond_horizon
from survkit.types import InputError, SurvivalData, SurvivalPrediction

FOLDS = 5
FIRST_SEED = 42


def leave_out_fold(train: SurvivalData, seed: int) -> SurvivalData:
    """Return four fifths of the training rows, another four for each of five seeds.

    Seed s leaves out chunk s - 42 (modulo 5) of a fixed permutation of the rows. This is where
    the published spread of a deterministic model over seeds comes from; the rows left out are
    used for nothing.

    Parameters
    ----------
    train : SurvivalData
        All training rows, n of them.
    seed : int
        The run's seed.

    Returns
    -------
    SurvivalData
        n - n/5 rows, in their order.

    Raises
    ------
    InputError
        Where there are fewer rows than folds.
    """
    if len(train) < FOLDS:
        raise InputError(
            f"--evaluation published leaves out one of {FOLDS} folds of the training rows, but "
            f"there are {len(train)} rows; use --evaluation standard"
        )
    # The fixed permutation is the one that this legacy generator draws.
    permutation = np.random.RandomState(FIRST_SEED).permutation(len(train))
    kept = np.ones(len(train), dtype=np.bool_)
    kept[np.array_split(permutation, FOLDS)[(seed - FIRST_SEED) % FOLDS]] = False
    return train.subset(kept)


def renormalised(prediction: SurvivalPrediction) -> tuple[SurvivalPrediction, int]:
    """Spread each curve's probability beyond the horizon over the grid.

    Returns
    -------
    SurvivalPrediction, int
        The prediction, and how many of its curves never fall: they have nothing to spread and
        stay at 1.
    """
    survival = prediction.survival.copy()
    falls = survival[:, -1] < 1.0
    incidence = prediction.cumulative_incidence
    curves = replace(prediction, cumulative_incidence=None).subset(falls)
    survival[falls] = renormalise_beyond_horizon(curves).survival
    if incidence is not None:
        happened = np.where(falls, 1.0 - prediction.survival[:, -1], 1.0)
        incidence = incidence / happened[:, None, None]
    spread = replace(prediction, survival=survival, cumulative_incidence=incidence)
    return spread, int((~falls).sum())
