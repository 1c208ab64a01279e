"""Discrete-time survival by probit BART.

The event of a subject at risk in an interval ~ Bernoulli(Phi(offset + f(t, x))), f a sum of trees.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from survkit.bart.chains import ChainProblem, SamplerSettings, check_supported
from survkit.bart.columns import resolve_prior, resolve_rules
from survkit.bart.convergence import Convergence, check_convergence
from survkit.bart.forests import Forests
from survkit.bart.person_period import MAX_TIMES, ROUNDING, training_rows
from survkit.bart.posterior import Summary, SurvivalPosterior, summarise
from survkit.bart.run_chains import run_chains
from survkit.bart.size import estimate_size
from survkit.baselines.columns import FeatureColumns
from survkit.system import available_cores
from survkit.types import FloatArray, InputError, SurvivalData

_LOG = logging.getLogger(__name__)

FORMAT = 1
"""Version of what `state` returns; raised whenever an older one could be misread."""

CHUNK_BYTES = 2e8
"""Memory that the posterior draws of one chunk of subjects may take."""

CHECKED_SUBJECTS = 100
"""Subjects whose predictions are compared between the chains."""

QUARTILES = (0.25, 0.5, 0.75)


class Fitted(NamedTuple):
    """What a fit leaves: all that a prediction needs."""

    columns: FeatureColumns
    times: NDArray[np.float64]
    forests: Forests


class Bart:
    """A discrete-time survival model (Sparapani et al. 2016; Tiegs et al. 2024).

    Parameters
    ----------
    settings : SamplerSettings, optional
        Engine, trees, prior, chains and seed.
    split_rules : mapping of column name to rule, or sequence of one rule per column, optional
        "continuous", "one_hot" or "subset" (pymc only); time is always continuous, and
        categorical columns are one_hot unless said otherwise.
    split_prior : mapping of column name to weight, or sequence of 1 + p weights, optional
        Prior weight of splitting by each column; in a sequence that of time comes first.
    cores : int, optional
        Chains that run at a time; all processors where not given.
    """

    def __init__(
        self,
        *,
        settings: SamplerSettings | None = None,
        split_rules: Mapping[str, str] | Sequence[str] | None = None,
        split_prior: Mapping[str, float] | Sequence[float] | None = None,
        cores: int | None = None,
    ) -> None:
        if cores is not None and cores < 1:
            raise InputError(f"cores is {cores}; it must be at least 1")
        self.settings = settings or SamplerSettings()
        self.split_rules = split_rules
        self.split_prior = split_prior
        self.cores = cores
        self.convergence: Convergence | None = None
        self._fitted: Fitted | None = None

    def fit(
        self,
        data: SurvivalData,
        *,
        scale: float | None = None,
        weights: FloatArray | None = None,
        max_times: int = MAX_TIMES,
    ) -> Self:
        """Log the size of the problem, sample the posterior and compare the chains.

        Parameters
        ----------
        data : SurvivalData
            n subjects; a time represents the interval that it ends.
        scale, max_times
            As in `training_rows`; a larger scale leaves fewer times.
        weights : array, shape (n,), optional
            Each subject's likelihood counts to this power, as in case-cohort designs (pymc only).

        Raises
        ------
        InputError
            As in `FeatureColumns.of`, `training_rows`, `resolve_rules`, `resolve_prior` and
            `run_chains`.
        """
        columns = FeatureColumns.of(data)
        rows = training_rows(
            data.time, data.event, scale=scale, weights=weights, max_times=max_times
        )
        names = data.feature_names
        problem = ChainProblem(
            rows,
            data.features.astype(np.float64),
            ("continuous", *resolve_rules(names, data.categorical, self.split_rules)),
            resolve_prior(names, self.split_prior),
            float(ndtri(np.average(rows.status, weights=rows.weights))),  # of the share of events
        )
        check_supported(problem, self.settings)
        jobs = min(self.settings.chains, self.cores or available_cores())
        size = estimate_size(problem, self.settings, jobs=jobs)
        _LOG.info("BART (%s): %s", self.settings.backend, size)
        forests = run_chains(problem, self.settings, jobs=jobs)
        self._fitted = Fitted(columns, rows.times, forests)
        self.convergence = self._check_convergence(data)
        return self

    def _check_convergence(self, data: SurvivalData) -> Convergence:
        """Compare the chains for some training subjects at the quartiles of the event times."""
        random = np.random.default_rng(self.settings.seed)
        sampled = random.permutation(len(data))[:CHECKED_SUBJECTS]
        quartiles = np.quantile(data.time[data.event], QUARTILES)
        # Ends of the intervals they fall in; one that ends an interval may miss it by rounding.
        columns = np.searchsorted(self.times, quartiles * (1 - 2 * ROUNDING))
        survival = self.posterior(data.features[sampled]).survival[..., columns]
        return check_convergence(survival, self.times[columns], chains=self.settings.chains)

    @property
    def fitted(self) -> Fitted:
        """What the fit left.

        Raises
        ------
        InputError
            Where the model has not been fitted.
        """
        if self._fitted is None:
            raise InputError("this BART model has not been fitted; call fit first")
        return self._fitted

    @property
    def times(self) -> NDArray[np.float64]:
        """The times at which survival is predicted, shape (k,)."""
        return self.fitted.times

    def posterior(
        self, features: NDArray[np.floating] | SurvivalData, *, thin: int = 1
    ) -> SurvivalPosterior:
        """Return posterior draws for any subjects, those of one chain together.

        All of them are held in memory, 8 bytes per draw, subject and time; `chunks` and `summary`
        bound that.

        Parameters
        ----------
        features : array, shape (n, p), or SurvivalData
            The columns of the training data.
        thin : int
            Keep every thin-th draw.

        Raises
        ------
        InputError
            For columns that differ from those of the fit, or a thin below 1.
        """
        matrix = self.check_features(features)
        return SurvivalPosterior(self.times, self._hazard(matrix, thin))

    def chunks(
        self, features: NDArray[np.floating] | SurvivalData, *, thin: int = 1
    ) -> Iterator[SurvivalPosterior]:
        """Yield the posterior draws of one block of subjects after the other, in order."""
        matrix = self.check_features(features)
        bytes_each = 8 * len(self.times) * self.fitted.forests.num_draws / max(thin, 1)
        size = max(1, int(CHUNK_BYTES / bytes_each))
        for start in range(0, max(len(matrix), 1), size):  # no subjects are one empty block
            yield SurvivalPosterior(self.times, self._hazard(matrix[start : start + size], thin))

    def _hazard(self, matrix: NDArray[np.floating], thin: int) -> NDArray[np.float64]:
        if thin < 1:
            raise InputError(f"thin is {thin}; it must be at least 1")
        draws = np.arange(0, self.fitted.forests.num_draws, thin)
        return self.fitted.forests.hazard(self.times, matrix, draws)

    def check_features(self, features: NDArray[np.floating] | SurvivalData) -> NDArray[np.floating]:
        """Return the features of shape (n, p), refusing columns that differ from the fit's."""
        columns = self.fitted.columns
        if isinstance(features, SurvivalData):
            if features.feature_names != columns.names:
                raise InputError(
                    f"the columns differ from those of the fit: {', '.join(features.feature_names)}"
                    f" where {', '.join(columns.names)} were fitted"
                )
            features = features.features
        matrix = np.asarray(features)
        columns.check(matrix)
        return matrix

    def predict(
        self, features: NDArray[np.floating] | SurvivalData, *, thin: int = 1
    ) -> NDArray[np.float64]:
        """Return the posterior mean of survival at `times`, shape (n, k)."""
        means = [chunk.survival.mean(axis=0) for chunk in self.chunks(features, thin=thin)]
        return np.concatenate(means)

    def summary(
        self, features: NDArray[np.floating] | SurvivalData, *, level: float = 0.95, thin: int = 1
    ) -> Summary:
        """Return the posterior mean and credible interval of survival at `times`, (n, k) each."""
        parts = [summarise(chunk.survival, level) for chunk in self.chunks(features, thin=thin)]
        return Summary(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def state(self) -> dict[str, Any]:
        """Return the fitted model as arrays and plain values."""
        fitted = self.fitted
        return {
            "format": FORMAT,
            "settings": asdict(self.settings),
            "columns": fitted.columns.state(),
            "times": fitted.times,
            "forests": fitted.forests.state(),
            "convergence": self.convergence._asdict() if self.convergence else None,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a fitted model from what `state` returned; its trees need no engine.

        Raises
        ------
        InputError
            For a state of another version.
        """
        if state.get("format") != FORMAT:
            raise InputError(
                f"this BART model was saved in format {state.get('format')}; this version reads "
                f"format {FORMAT}: fit it again"
            )
        # Models saved before leaf deviations could be learned have no such setting.
        settings = {"leaf_deviation": "prior", **state["settings"]}
        model = cls(settings=SamplerSettings(**settings))
        model._fitted = Fitted(
            FeatureColumns.from_state(state["columns"]),
            np.asarray(state["times"]),
            Forests.from_state(state["forests"]),
        )
        if state["convergence"] is not None:
            arrays = {name: np.asarray(array) for name, array in state["convergence"].items()}
            model.convergence = Convergence(**arrays)
        return model

    def save(self, path: str | Path) -> None:
        """Write the fitted model to one file that holds arrays and plain values, no code."""
        from survkit.training.checkpoint import save_checkpoint

        save_checkpoint(Path(path), self.state())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote, in any process.

        Raises
        ------
        InputError
            Where the file is missing, damaged or of another version.
        """
        from survkit.training.checkpoint import load_checkpoint

        return cls.from_state(load_checkpoint(Path(path)))
