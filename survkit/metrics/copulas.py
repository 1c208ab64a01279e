"""Dependence between event and censoring times: Archimedean copulas, and margins under them.

The joint survival function of the event time T and the censoring time C is

    P(T > t, C > c) = phi^-1(phi(S(t)) + phi(G(c)))

with the margins S and G and a generator phi, which Kendall's tau determines within a family. Of
each subject only the earlier of the two times is observed. These data cannot tell one tau from
another (Tsiatis 1975): whoever wants S has to assume one.

References
----------
Tsiatis (1975), Proceedings of the National Academy of Sciences 72:20.
Zheng & Klein (1995), Biometrika 82:127.
Rivest & Wells (2001), Journal of Multivariate Analysis 79:138.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.optimize import brentq

from survkit.metrics.censoring import SurvivalStep, life_table
from survkit.types import BoolArray, FloatArray, InputError

Family = Literal["frank", "clayton"]

_Function = Callable[[NDArray[np.float64]], NDArray[np.float64]]
_STRONGEST = 0.95
"""Largest tau either way: nearer to 1 the generators overflow."""


class Generator(NamedTuple):
    """The generator of an Archimedean copula, decreasing from phi(0) to phi(1) = 0.

    `phi`, its `inverse` and its derivative `slope` take and return arrays of one shape.
    """

    phi: _Function
    inverse: _Function
    slope: _Function


def generator(family: Family, tau: float) -> Generator:
    """Return the generator of a family with a given Kendall's tau; at tau 0 independence.

    Parameters
    ----------
    family : {"frank", "clayton"}
        Frank's copula is symmetric in early and late times and has either sign of tau. Clayton's
        ties late times together, and tau is not negative.
    tau : float
        From -0.95 to 0.95; above 0 subjects with a late event would have been censored late.

    Raises
    ------
    InputError
        For an unknown family, or a tau that it does not have.

    References
    ----------
    Nelsen (2006), An Introduction to Copulas, table 4.1 and section 5.1.
    """
    if family not in _FAMILIES:
        raise InputError(f"family is '{family}'; it must be one of {', '.join(_FAMILIES)}")
    least = LEAST_TAU[family]
    if not least <= tau <= _STRONGEST:
        raise InputError(
            f"tau is {tau}; with the family {family} it must be from {least} to {_STRONGEST}"
        )
    return _INDEPENDENT if tau == 0 else _FAMILIES[family](tau)


def _clayton(tau: float) -> Generator:
    theta = 2 * tau / (1 - tau)
    return Generator(
        lambda u: np.expm1(-theta * np.log(u)) / theta,
        lambda s: (1 + theta * s) ** (-1 / theta),
        lambda u: -(u ** (-theta - 1)),
    )


def _frank(tau: float) -> Generator:
    theta = frank_parameter(tau)
    whole = math.expm1(-theta)
    return Generator(
        lambda u: -np.log(np.expm1(-theta * u) / whole),
        lambda s: -np.log1p(np.exp(-s) * whole) / theta,
        lambda u: -theta / np.expm1(theta * u),
    )


def frank_parameter(tau: float) -> float:
    """Return the parameter of Frank's copula with a given Kendall's tau, which is not 0.

    It solves tau = 1 - 4 (1 - D(theta)) / theta with Debye's function D.
    """

    def excess(theta: float) -> float:
        debye = float(quad(lambda x: x / math.expm1(x) if x else 1.0, 0, theta)[0]) / theta
        return 1 - 4 * (1 - debye) / theta - abs(tau)

    return math.copysign(float(brentq(excess, 1e-4, 100.0)), tau)


_INDEPENDENT = Generator(
    lambda u: -np.log(u), lambda s: np.exp(-np.asarray(s)), lambda u: -1 / np.asarray(u)
)
_FAMILIES: dict[str, Callable[[float], Generator]] = {"frank": _frank, "clayton": _clayton}
LEAST_TAU: dict[str, float] = {"frank": -_STRONGEST, "clayton": 0.0}
"""The least tau of each family here; the largest is 0.95."""


@dataclass(frozen=True, eq=False)
class CopulaGraphic:
    """Margins of event and censoring times under an assumed copula, from censored data.

    Parameters
    ----------
    generator : Generator
        The copula.
    observed : SurvivalStep
        P(min(T, C) > t), the share of subjects who are still at risk after t.
    event : SurvivalStep
        S(t) = P(T > t) by the copula-graphic estimator; Kaplan-Meier's where tau is 0.
    """

    generator: Generator
    observed: SurvivalStep
    event: SurvivalStep

    @property
    def censoring(self) -> SurvivalStep:
        """G(t) = P(C > t)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            phi = self.generator.phi(self.observed.values) - self.generator.phi(self.event.values)
            values = self.generator.inverse(np.where(self.observed.values > 0, phi, np.inf))
        return SurvivalStep(self.event.times, values)

    def weight_of_event(self, time: FloatArray) -> NDArray[np.float64]:
        """1 / P(C >= t | T = t): how many events stand behind each one that is observed.

        It is phi'(P(min(T, C) >= t)) / phi'(S(t-)), and 1 / G(t-) where tau is 0.
        """
        return self._ratio(
            self.generator.slope, self.observed.before(time), self.event.before(time)
        )

    def weight_at_risk(self, time: FloatArray) -> NDArray[np.float64]:
        """1 / P(C > t | T > t): how many are free of the event behind each who is still at risk.

        It is S(t) / P(min(T, C) > t), and 1 / G(t) where tau is 0.
        """
        return self._ratio(np.asarray, self.event.at(time), self.observed.at(time))

    @staticmethod
    def _ratio(
        of: _Function, above: NDArray[np.float64], below: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return of(above) / of(below), NaN where nobody is left at risk."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = of(above) / of(below)
        return np.where((above > 0) & (below > 0), ratio, np.nan)


def copula_graphic(time: FloatArray, event: BoolArray, family: Family, tau: float) -> CopulaGraphic:
    """Estimate the margins of event and censoring times under an assumed dependence.

    phi(S(t)) is the sum over the events by t of phi after them less phi before them, each of the
    share still at risk. At a tied time events come first, as in `censoring_distribution`.

    Parameters
    ----------
    time, event : array, shape (n,)
        Times of event or censoring, and whether the event was seen.
    family, tau
        As in `generator`.

    Raises
    ------
    InputError
        As `generator`; for no rows or arrays of different length.

    References
    ----------
    Rivest & Wells (2001), Journal of Multivariate Analysis 79:138, equation 3.
    """
    time, event = np.asarray(time, dtype=np.float64), np.asarray(event, dtype=np.bool_)
    if time.ndim != 1 or time.shape != event.shape or len(time) == 0:
        raise InputError(
            "time and event must be two columns of one length, at least 1; their shapes are "
            f"{time.shape} and {event.shape}"
        )
    copula = generator(family, tau)
    times, events, at_risk, censorings = life_table(time, event)
    after = at_risk - events
    with np.errstate(divide="ignore"):
        rise = copula.phi(after / len(time)) - copula.phi(at_risk / len(time))
        survival = copula.inverse(np.cumsum(np.where(events > 0, rise, 0.0)))
    observed = SurvivalStep(times, (after - censorings) / len(time))
    return CopulaGraphic(copula, observed, SurvivalStep(times, survival))
