"""What the scores of all predictions for the same outcomes share, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.censoring import (
    CensoringWeights,
    Convention,
    SurvivalStep,
    censoring_distribution,
    censoring_weights,
    weights_at_cuts,
)
from survkit.metrics.concordance import ComparablePairs, comparable_pairs
from survkit.metrics.point_error import PseudoObservations, pseudo_observations
from survkit.types import BoolArray, FloatArray, SurvivalData, TimeGrid


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Outcomes of n subjects on a time grid, and the training outcomes that weigh them.

    Whatever follows from these alone is computed when first asked for and kept, so that scoring
    the same split again, as every epoch does, costs only what depends on the prediction.

    Parameters
    ----------
    data : SurvivalData
        The outcomes.
    train_time, train_event : array, shape (n_train,)
        Outcomes of the training rows: they alone estimate censoring and pseudo-observations.
    grid : TimeGrid
        The time grid of the metrics over time.
    convention : {"standard", "published"}
        See `censoring_weights`.

    Raises
    ------
    InputError
        When first used: for training outcomes of wrong shape or an unknown convention.
    """

    data: SurvivalData
    train_time: FloatArray
    train_event: BoolArray
    grid: TimeGrid
    convention: Convention = "standard"

    @cached_property
    def censoring(self) -> SurvivalStep:
        """G, from the training rows."""
        return censoring_distribution(self.train_time, self.train_event)

    @cached_property
    def weights(self) -> CensoringWeights:
        """Weights under the chosen convention."""
        return censoring_weights(
            self.data.time, self.data.event, self.grid.cuts, self.censoring, self.convention
        )

    @cached_property
    def at_cuts(self) -> NDArray[np.float64]:
        """Weight of each subject at cuts 0..K, shape (n, K + 1)."""
        return weights_at_cuts(self.data.time, self.grid.cuts, self.weights)

    @cached_property
    def happened(self) -> BoolArray:
        """Whether the event was at or before cuts 0..K, shape (n, K + 1)."""
        upto = self.grid.cuts[: self.weights.last_cut + 1]
        return self.data.event[:, None] & (self.data.time[:, None] <= upto)

    @cached_property
    def event_class(self) -> NDArray[np.int64]:
        """Class of each subject's time on the grid, shape (n,)."""
        return self.grid.classify(self.data.time)

    @cached_property
    def used(self) -> BoolArray:
        """Whether each subject carries weight at cuts 0..K, shape (n, K + 1)."""
        return self.at_cuts > 0

    @cached_property
    def pairs(self) -> ComparablePairs:
        """All comparable pairs."""
        return comparable_pairs(self.data.time, self.data.event)

    @cached_property
    def pseudo(self) -> PseudoObservations | None:
        """See `pseudo_observations`; None where no training row has an event after time 0."""
        event = np.asarray(self.train_event, dtype=np.bool_)
        time = np.asarray(self.train_time)
        if not (event & (time > 0)).any():
            return None
        return pseudo_observations(self.data.time, self.data.event, time, event)

    def weighed_from(self, first_cut: int) -> tuple[int, float]:
        """Count the subjects with weight at some cut from this one to K; and the largest weight."""
        if first_cut not in self._weighed:
            subjects = int(np.count_nonzero(self.used[:, first_cut:].any(axis=1)))
            self._weighed[first_cut] = subjects, float(self.at_cuts[:, first_cut:].max())
        return self._weighed[first_cut]

    @cached_property
    def _weighed(self) -> dict[int, tuple[int, float]]:
        return {}
