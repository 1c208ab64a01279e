"""A model for each competing cause, and the cumulative incidences that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.models.entry import ModelEntry
from survkit.models.registry import MODELS
from survkit.types import (
    FitMonitor,
    FitSummary,
    Float64Array,
    InputError,
    Knots,
    SurvivalData,
    SurvivalModel,
    SurvivalPrediction,
    as_times,
    holds_steps,
)

CAUSE_SPECIFIC = "cause_specific"
"""The kind of model that the state of a cause-specific model names."""

PREDICTION_VALUES = 2**21
"""Values of the causes' curves that are computed at once."""


def cumulative_incidences(cause_survival: Float64Array) -> tuple[Float64Array, Float64Array]:
    r"""Assemble survival and cumulative incidences from the cause-specific hazards.

    With H_c = -log S_c the cumulative hazard of cause c, and H their sum, survival is exp(-H). What
    it falls by between two times, cause c gets in proportion to the rise of H_c. That is exact
    where the hazards are in constant proportion between the two times, and at a step. Where
    hazards are infinite, as S_c falls to 0, their causes share all that is left equally.

    Parameters
    ----------
    cause_survival : array, shape (C, n, T)
        S_c of each cause, events of other causes counted as censored, at increasing times. The
        curves are 1 before the first time.

    Returns
    -------
    survival : array, shape (n, T), float64
    incidence : array, shape (n, C, T), float64
        With survival they sum to 1 up to rounding: they add up what survival falls by.

    References
    ----------
    Benichou & Gail (1990), Biometrics 46:813; Kalbfleisch & Prentice (2002), The Statistical
    Analysis of Failure Time Data, section 8.2.
    """
    # Rounding may let a curve rise or leave [0, 1].
    own = np.minimum.accumulate(np.clip(cause_survival, 0.0, 1.0), axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        rises = np.diff(-np.log(own), axis=2, prepend=0.0)
    np.copyto(rises, 0.0, where=np.isnan(rises))  # from infinity to infinity
    infinite = np.isinf(rises)
    rises = np.where(infinite.any(axis=0), infinite, rises)
    survival = own.prod(axis=0)
    falls = -np.diff(survival, axis=1, prepend=1.0)
    total = rises.sum(axis=0)
    share = np.divide(falls, total, out=np.zeros_like(falls), where=total > 0)
    return survival, np.cumsum(np.swapaxes(rises * share, 0, 1), axis=2)


def for_causes(
    num_causes: int, entry: ModelEntry, build: Callable[[], SurvivalModel]
) -> SurvivalModel:
    """Return a new model, or one for each cause where `entry` is fitted so to several.

    `build` returns a new model of the entry.
    """
    if num_causes > 1 and entry.causes == "each":
        return CauseSpecificModel([build() for _ in range(num_causes)])
    return build()


class CauseSpecificModel:
    """One model for each competing cause, fitted with the events of the others as censored.

    Such a model estimates the hazard of its cause, and 1 minus its curve is no risk. The cumulative
    incidences follow from the hazards of all causes together (see `cumulative_incidences`), at the
    knots of all models; between these they are read as the models' own curves are.

    Parameters
    ----------
    parts : sequence of SurvivalModel
        A model of the registry for each cause, in the order of their numbers, on one grid.
    cause_names : sequence of str, optional
        The names of the causes; those of the training rows once it is fitted.

    References
    ----------
    Prentice et al. (1978), Biometrics 34:541.
    """

    def __init__(self, parts: Sequence[SurvivalModel], *, cause_names: Sequence[str] = ()) -> None:
        self.parts = list(parts)
        self.grid = self.parts[0].grid
        self.cause_names = tuple(cause_names)
        self.fit_summary = self._summary()

    def fit(
        self, train: SurvivalData, validation: SurvivalData, *, monitor: FitMonitor | None = None
    ) -> Self:
        """Fit each cause's model on the same rows, with the outcomes of its cause.

        Raises
        ------
        InputError
            For data of another number of causes, or naming the cause whose model cannot be fitted,
            such as one without events among the training rows.
        """
        if train.num_causes != len(self.parts):
            raise InputError(
                f"the model has {len(self.parts)} causes, the training rows {train.num_causes}"
            )
        self.cause_names = train.cause_names
        for cause, (name, part) in enumerate(zip(self.cause_names, self.parts, strict=True), 1):
            warn = None if monitor is None else _WarningsOfCause(monitor, name)
            try:
                part.fit(train.of_cause(cause), validation.of_cause(cause), monitor=warn)
            except InputError as error:
                raise InputError(f"cause {name}: {error}") from None
        self.fit_summary = self._summary()
        return self

    def _summary(self) -> FitSummary:
        summaries = [part.fit_summary for part in self.parts]
        sizes = [each.num_parameters for each in summaries if each.num_parameters is not None]
        size = sum(sizes) if len(sizes) == len(summaries) else None
        known = [each.converged for each in summaries]
        converged = False if False in known else None if None in known else True
        if converged is None:
            return FitSummary(size)
        reasons = [
            f"{name}: {each.convergence_reason}"
            for name, each in zip(self.cause_names, summaries, strict=True)
            if each.converged is converged
        ]
        return FitSummary(size, converged=converged, convergence_reason="; ".join(reasons))

    @property
    def knots(self) -> Knots:
        """The cuts and the steps of all causes' models."""
        own = [part.knots for part in self.parts]
        cuts, steps = (np.unique(np.concatenate(each)) for each in zip(*own, strict=True))
        return Knots(cuts, steps)

    def predict(
        self, features: NDArray[np.float32], times: ArrayLike | None = None
    ) -> SurvivalPrediction:
        """Predict for features of shape (n, p), at the grid's cuts or at other times.

        Parameters and errors are those of the causes' models.
        """
        asked = self.grid.cuts if times is None else as_times(times, self.grid.horizon)
        knots, survival, incidence = self.knots, [], []
        is_step, whole = len(knots.cuts) == 1, knots.times
        rows = max(1, PREDICTION_VALUES // (len(whole) * len(self.parts)))
        for begin in range(0, max(len(features), 1), rows):
            some = features[begin : begin + rows]
            own = np.stack([part.predict(some, whole).survival for part in self.parts])
            assembled, of_causes = cumulative_incidences(own)
            curves = SurvivalPrediction(
                whole, assembled, step=is_step, cumulative_incidence=of_causes
            )
            survival.append(curves.at(asked))
            incidence.append(curves.cumulative_incidence_at(asked))
        step = is_step and times is not None and holds_steps(asked, knots.steps)
        return SurvivalPrediction(
            asked,
            np.concatenate(survival),
            step=step,
            cumulative_incidence=np.concatenate(incidence),
        )

    def state(self) -> dict[str, Any]:
        """Return the fitted models as arrays and plain values."""
        return {
            "model": CAUSE_SPECIFIC,
            "cause_names": list(self.cause_names),
            "parts": [part.state() for part in self.parts],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild a fitted model from what `state` returned."""
        parts = [MODELS[part["model"]].from_state(part) for part in state["parts"]]
        return cls(parts, cause_names=state["cause_names"])


class _WarningsOfCause:
    """A monitor of one cause's fit: one history cannot hold several fits."""

    def __init__(self, monitor: FitMonitor, cause: str) -> None:
        self.monitor = monitor
        self.cause = cause

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """Note nothing."""

    def save(self, state: Mapping[str, Any], *, always: bool = False) -> None:
        """Keep nothing."""

    def load(self) -> Mapping[str, Any] | None:
        """Return None."""
        return None

    def warn(self, message: str) -> None:
        """Note a warning, with the cause whose model it is about."""
        self.monitor.warn(f"cause {self.cause}: {message}")
