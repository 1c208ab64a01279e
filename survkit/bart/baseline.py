"""BART as a `SurvivalModel`, on the intervals of a time grid."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.bart.chains import SamplerSettings
from survkit.bart.convergence import Convergence
from survkit.bart.defaults import data_defaults, on_grid
from survkit.bart.model import Bart
from survkit.bart.size import choose_scale
from survkit.baselines.columns import require_events
from survkit.types import (
    FitMonitor,
    FitSummary,
    FloatArray,
    InputError,
    IntArray,
    Knots,
    SurvivalData,
    SurvivalPrediction,
    TimeGrid,
)

_LOG = logging.getLogger(__name__)


class BartBaseline:
    """The posterior mean survival of `Bart` at the cuts of a grid.

    The model knows a time as the number of the interval between two cuts that it falls in, from
    1. Where that makes too many rows, neighbouring intervals are merged; within merged ones the
    predicted survival falls by the same factor from cut to cut.

    Parameters
    ----------
    grid : TimeGrid
        The cuts at which survival is predicted.
    max_rows : int, optional
        Most rows of person-period data.
    subsample : int, optional
        Fit on so many of the training subjects, drawn with the seed.
    cores : int, optional
        Chains that run at a time; all processors where not given.
    **sampler
        Engine, trees, prior, chains and seed: the fields of `SamplerSettings`.

    Where `max_rows` and the sampler's `tune`, `draws`, `sweeps` and `regrow` are not given, `fit`
    chooses them by the size of the data; see `data_defaults`.
    """

    def __init__(
        self,
        *,
        grid: TimeGrid,
        max_rows: int | None = None,
        subsample: int | None = None,
        cores: int | None = None,
        **sampler: Any,
    ) -> None:
        self.grid = grid
        self.max_rows = max_rows
        self.subsample = subsample
        self._given = {name: value for name, value in sampler.items() if value is not None}
        self.bart = Bart(settings=SamplerSettings(**self._given), cores=cores)
        self.fit_summary = FitSummary()

    def fit(
        self, train: SurvivalData, validation: SurvivalData, *, monitor: FitMonitor | None = None
    ) -> Self:
        """Sample the posterior; warn of changes to the data and of chains that do not converge.

        Raises
        ------
        InputError
            For training rows without an event or all in one interval, or more person-period rows
            than `max_rows` though intervals are merged.
        """
        require_events(train, 1, "bart")
        warn = monitor.warn if monitor else print
        max_rows = self._choose_size(train)
        train = self._subsample(train, warn)
        event, interval, at_zero = on_grid(train, self.grid)
        if at_zero:
            warn(
                f"bart: {at_zero} training subjects have time 0; they count in the first "
                "interval, as no time precedes it"
            )
        if (interval == interval[0]).all():
            raise InputError(
                "bart: every training time falls in the same interval of the time grid, and at "
                "least two are needed; more --time_bins or --quantile_event_times may separate them"
            )
        scale = choose_scale(interval, max_rows)
        if scale > 1:
            warn(
                f"bart: every {scale} intervals of the grid are merged into one, to stay within "
                f"--bart_max_rows {max_rows}"
            )
        outcomes = replace(train, event=event, time=interval, label=None, true_time=None)
        self.bart.fit(outcomes, scale=scale)
        convergence = self.convergence()
        _LOG.info("%s", convergence)
        if monitor:
            monitor.log(1, convergence.values())
        self.fit_summary = self._summary()
        if not convergence.converged:
            warn(f"{convergence.warning()} (bart)")
        return self

    def _choose_size(self, train: SurvivalData) -> int:
        """Set what was not given of the sampler by the size of the data; return the most rows."""
        given = {**self._given, "max_rows": self.max_rows, "subsample": self.subsample}
        chosen = data_defaults(given, train, self.grid)
        self.max_rows = chosen.pop("max_rows")
        settings = SamplerSettings(**{**asdict(self.bart.settings), **chosen})
        self.bart = Bart(settings=settings, cores=self.bart.cores)
        return self.max_rows

    def _subsample(self, train: SurvivalData, warn: Callable[[str], None]) -> SurvivalData:
        if self.subsample is None or self.subsample >= len(train):
            return train
        random = np.random.default_rng(self.bart.settings.seed)
        rows = np.sort(random.permutation(len(train))[: self.subsample])
        warn(f"bart: fitted on {self.subsample} of {len(train)} training subjects, drawn at random")
        return train.subset(rows)

    def _cut_positions(self) -> NDArray[np.int64]:
        """Return the number of the interval that ends with each cut, 0 for none."""
        return np.arange(len(self.grid.cuts)) + self.grid.floor

    def convergence(self) -> Convergence:
        """Return how far the chains agree, with times in the unit of the grid."""
        convergence = self.bart.convergence
        if convergence is None:
            raise InputError("this BART model has not been fitted; call fit first")
        cuts = np.searchsorted(self._cut_positions(), convergence.times)
        cuts = np.minimum(cuts, len(self.grid.cuts) - 1)  # a merged interval may end beyond
        return convergence._replace(times=self.grid.cuts[cuts])

    def _summary(self) -> FitSummary:
        convergence = self.convergence()
        return FitSummary(converged=convergence.converged, convergence_reason=str(convergence))

    @property
    def knots(self) -> Knots:
        """The cuts of the grid."""
        return self.grid.knots

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict the posterior mean survival for features of shape (n, p).

        It is given at the grid's cuts, or at other times up to the horizon.
        """
        filled = fill_in(self.bart.predict(features), self.bart.times, self._cut_positions())
        return SurvivalPrediction(self.grid.cuts, filled).read(times)

    def interval(
        self, features: NDArray[np.float32], times: ArrayLike | None = None, level: float = 0.95
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the equal-tailed credible interval of survival at each time.

        At the cuts its ends are quantiles of the posterior draws. Between cuts they are read in
        the same way as the mean.

        Parameters
        ----------
        features : array, shape (n, p)
            The subjects.
        times : array, shape (t,), optional
            Increasing times up to the horizon; the grid's cuts where not given.
        level : float
            Posterior probability of the interval, between 0 and 1.

        Returns
        -------
        low, high : array, shape (n, t)

        Raises
        ------
        InputError
            For a level outside (0, 1), and as `predict`.
        """
        summary = self.bart.summary(features, level=level)
        low, high = (
            fill_in(end, self.bart.times, self._cut_positions())
            for end in (summary.low, summary.high)
        )
        cuts = self.grid.cuts
        return (
            SurvivalPrediction(cuts, low).read(times).survival,
            SurvivalPrediction(cuts, high).read(times).survival,
        )

    def state(self) -> dict[str, Any]:
        """Return the fitted model as arrays and plain values."""
        return {
            "model": "bart",
            "cuts": self.grid.cuts,
            "floor": self.grid.floor,
            "max_rows": self.max_rows,
            "subsample": self.subsample,
            "bart": self.bart.state(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a fitted model from what `state` returned."""
        bart = Bart.from_state(state["bart"])
        model = cls(
            grid=TimeGrid(np.asarray(state["cuts"]), state["floor"]),
            max_rows=state["max_rows"],
            subsample=state["subsample"],
            **asdict(bart.settings),
        )
        model.bart = bart
        if bart.convergence is not None:
            model.fit_summary = model._summary()
        return model


def fill_in(
    survival: NDArray[np.float64], known: FloatArray, asked: FloatArray | IntArray
) -> NDArray[np.float64]:
    """Return survival between known positions: it falls by the same factor at every step.

    Parameters
    ----------
    survival : array, shape (n, k)
        Survival at the known positions; 1 at position 0.
    known : array, shape (k,)
        Increasing positions above 0.
    asked : array, shape (m,)
        Positions of at least 0; beyond the last known one survival stays where it is.

    Returns
    -------
    array, shape (n, m)
    """
    knots = np.concatenate([[0.0], known])
    values = np.column_stack([np.ones(len(survival)), survival])
    right = np.clip(np.searchsorted(knots, asked), 1, len(known))
    share = np.minimum((asked - knots[right - 1]) / (knots[right] - knots[right - 1]), 1.0)
    start = values[:, right - 1]
    factor = np.divide(values[:, right], start, out=np.zeros_like(start), where=start > 0)
    filled: NDArray[np.float64] = start * factor**share
    return filled
