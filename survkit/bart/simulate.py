"""Simulated survival data whose true survival is known, for studies of a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survkit.types import CategoricalColumn, InputError, SurvivalData

Parameter = Callable[[NDArray[np.float64]], ArrayLike] | float
"""A Weibull parameter: one number, or a function of the features (n, p)."""


@dataclass(frozen=True, eq=False)
class Simulation:
    """Simulated subjects and what is true of them.

    Parameters
    ----------
    data : SurvivalData
        What a study would see; `true_time` is the event time before censoring.
    shape, scale : array, shape (n,)
        The subjects' Weibull parameters.
    """

    data: SurvivalData
    shape: NDArray[np.float64]
    scale: NDArray[np.float64]

    def survival(self, times: ArrayLike) -> NDArray[np.float64]:
        """Return the true P(event time > t) at each of T times, shape (n, T)."""
        elapsed = np.asarray(times, dtype=np.float64)[None, :] / self.scale[:, None]
        return np.asarray(np.exp(-(elapsed ** self.shape[:, None])))


def simulate_survival(
    features: NDArray[np.floating],
    *,
    shape: Parameter,
    scale: Parameter,
    end_of_study: float,
    mean_censoring_time: float | None = None,
    feature_names: Sequence[str] = (),
    categorical: Sequence[CategoricalColumn] = (),
    seed: int = 0,
) -> Simulation:
    """Draw Weibull event times, censored at random and at the end of the study.

    S(t | x) = exp(-(t / scale(x)) ** shape(x)): hazards are proportional where the shape is one
    number, and not where it depends on the features.

    Parameters
    ----------
    features : array, shape (n, p)
        The subjects.
    shape, scale : float or function of the features
        Positive Weibull parameters, one for all or one per subject.
    end_of_study : float
        Everyone still at risk is censored then.
    mean_censoring_time : float, optional
        Mean of exponential censoring times; no random censoring where not given.
    feature_names, categorical
        As in `SurvivalData`.
    seed : int
        Of the event and censoring times.

    Raises
    ------
    InputError
        For parameters or times that are not positive.
    """
    matrix = np.asarray(features, dtype=np.float64)
    shapes, scales = _per_subject("shape", shape, matrix), _per_subject("scale", scale, matrix)
    times = {"end_of_study": end_of_study, "mean_censoring_time": mean_censoring_time}
    for name, value in times.items():
        if value is not None and not value > 0:
            raise InputError(f"{name} is {value}; it must be positive")
    random = np.random.default_rng(seed)
    true_time = scales * random.exponential(size=len(matrix)) ** (1 / shapes)
    censoring = np.full(len(matrix), end_of_study)
    if mean_censoring_time is not None:
        censoring = np.minimum(censoring, random.exponential(mean_censoring_time, len(matrix)))
    data = SurvivalData(
        matrix.astype(np.float32),
        true_time <= censoring,
        np.minimum(true_time, censoring),
        feature_names=tuple(feature_names),
        categorical=tuple(categorical),
        true_time=true_time,
    )
    return Simulation(data, shapes, scales)


def _per_subject(
    name: str, parameter: Parameter, features: NDArray[np.float64]
) -> NDArray[np.float64]:
    value = parameter(features) if callable(parameter) else parameter
    values = np.broadcast_to(np.asarray(value, dtype=np.float64), len(features))
    bad = ~(np.isfinite(values) & (values > 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(f"{name} is {values[row]} for subject {row}; it must be positive")
    return values
