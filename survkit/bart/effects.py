"""Marginal effects of interventions on covariates, with their posterior.

Tiegs, Raykin and Rochlin (2024), BART-Survival, section "Marginal Effects": every subject is given
the same value of a covariate, and hazard and survival are averaged over the subjects, for each
posterior draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from survkit.bart.columns import TIME
from survkit.bart.model import Bart
from survkit.bart.person_period import with_values
from survkit.bart.posterior import Summary, summarise
from survkit.types import InputError, SurvivalData


class MarginalMeans(NamedTuple):
    """Means over the subjects, one per posterior draw.

    Parameters
    ----------
    hazard, survival : array, shape (d, k)
        E_i[p_ij] and E_i[S_i(t_j)].
    """

    hazard: NDArray[np.float64]
    survival: NDArray[np.float64]


class MarginalEffects(NamedTuple):
    """How one intervention differs from another, one value per posterior draw and time.

    Parameters
    ----------
    times : array, shape (k,)
    difference : array, shape (d, k)
        E_i[S_i(t_j) | second] - E_i[S_i(t_j) | first].
    risk_ratio : array, shape (d, k)
        E_i[p_ij | second] / E_i[p_ij | first].
    hazard_ratio : array, shape (d, k)
        The same with means over subjects and all times up to t_j.
    """

    times: NDArray[np.float64]
    difference: NDArray[np.float64]
    risk_ratio: NDArray[np.float64]
    hazard_ratio: NDArray[np.float64]

    def summary(self, level: float = 0.95) -> dict[str, Summary]:
        """Return posterior mean and credible interval of each effect, shape (k,) each."""
        effects = ("difference", "risk_ratio", "hazard_ratio")
        return {name: summarise(getattr(self, name), level) for name in effects}


class PartialDependence(NamedTuple):
    """Mean survival with a covariate set to one value after the other.

    Parameters
    ----------
    column : str
    values : array, shape (g,)
    times : array, shape (k,)
    survival : array, shape (g, d, k)
        Mean over the subjects, one per posterior draw.
    """

    column: str
    values: NDArray[np.float64]
    times: NDArray[np.float64]
    survival: NDArray[np.float64]

    def summary(self, level: float = 0.95) -> Summary:
        """Return posterior mean and credible interval, shape (g, k) each."""
        return summarise(np.moveaxis(self.survival, 1, 0), level)


def marginal_means(
    model: Bart, data: SurvivalData, values: Mapping[str, float], *, thin: int = 1
) -> MarginalMeans:
    """Average hazard and survival over subjects that are all given the same values.

    Parameters
    ----------
    model : Bart
        Fitted.
    data : SurvivalData
        The subjects; their outcomes are not used.
    values : mapping of column name to value
        The intervention, on one covariate or several; none leaves the subjects as they are.
    thin : int
        Keep every thin-th draw.

    Raises
    ------
    InputError
        For an unknown column, or columns that differ from those of the fit.
    """
    model.check_features(data)
    features = with_values(data.features, data.feature_names, values)
    hazard, survival = 0.0, 0.0
    for chunk in model.chunks(features, thin=thin):
        hazard = hazard + chunk.hazard.sum(axis=1)
        survival = survival + chunk.survival.sum(axis=1)
    return MarginalMeans(np.asarray(hazard) / len(data), np.asarray(survival) / len(data))


def contrast(
    times: NDArray[np.float64], first: MarginalMeans, second: MarginalMeans
) -> MarginalEffects:
    """Return the effects of going from the first intervention to the second, draw by draw."""
    up_to = (np.cumsum(second.hazard, axis=1), np.cumsum(first.hazard, axis=1))
    difference, risk_ratio = second.survival - first.survival, second.hazard / first.hazard
    return MarginalEffects(times, difference, risk_ratio, up_to[0] / up_to[1])


def marginal_effects(
    model: Bart,
    data: SurvivalData,
    first: Mapping[str, float],
    second: Mapping[str, float],
    *,
    thin: int = 1,
) -> MarginalEffects:
    """Compare two interventions on the covariates of the same subjects.

    Parameters
    ----------
    model, data, thin
        As in `marginal_means`, with the errors raised there.
    first, second : mapping of column name to value
        From what to what: {"fin": 0} and {"fin": 1}, or values of two covariates at once.
    """
    means = [marginal_means(model, data, values, thin=thin) for values in (first, second)]
    return contrast(model.times, *means)


def partial_dependence(
    model: Bart,
    data: SurvivalData,
    column: str,
    values: Sequence[float] | NDArray[np.floating],
    *,
    thin: int = 1,
) -> PartialDependence:
    """Return mean survival along a grid of values of one covariate; see `marginal_means`.

    Raises
    ------
    InputError
        For no values, and as in `marginal_means`.
    """
    if len(values) == 0:
        raise InputError("values is empty; partial dependence needs at least one value")
    means = [marginal_means(model, data, {column: float(v)}, thin=thin).survival for v in values]
    grid = np.asarray(values, dtype=np.float64)
    return PartialDependence(column, grid, model.times, np.stack(means))


def variable_inclusion(model: Bart, level: float = 0.95) -> dict[str, Summary]:
    """Return the share of all splits that use time and each column: posterior mean and interval.

    A draw without a single split counts as 0 for every column.
    """
    counts = model.fitted.forests.split_counts()
    total = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    names = (TIME, *model.fitted.columns.names)
    return {name: summarise(shares[:, j], level) for j, name in enumerate(names)}
