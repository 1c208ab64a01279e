"""How many subjects would settle which of two models is better.

The standard error of a paired difference of metrics that are means over subjects, or nearly so
(Brier scores, concordance), falls with the square root of the number of subjects.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from scipy.stats import norm

from survkit.types import InputError

POWER = 0.8
LEVEL = 0.95


class SampleSize(NamedTuple):
    """The number of subjects at which a difference would be found with a given power.

    Parameters
    ----------
    needed : float
        For a difference as large as the one observed, a whole number; infinite where that is 0,
        NaN where it or its standard error is unknown.
    more : float
        How many that is beyond the present ones, 0 where it is not.
    least, most : float
        The same as `needed` for differences as large as the two ends of the interval; `most` is
        infinite where the interval includes 0.
    """

    needed: float
    more: float
    least: float
    most: float


def subjects_for_power(
    difference: float,
    standard_error: float,
    subjects: int,
    *,
    power: float = POWER,
    level: float = LEVEL,
) -> float:
    """Return how many subjects a two-sided test needs to find a difference with a given power.

    It is n ((z_a + z_b) e / |d|)^2, rounded up, for a difference d with standard error e among n
    subjects; z_a and z_b are the normal quantiles of (1 + level) / 2 and of the power.

    Parameters
    ----------
    difference : float
        Mean paired difference to find.
    standard_error : float
        Of the difference among `subjects` subjects.
    subjects : int
        n, at least 1.
    power, level : float
        In (0, 1); the test's size is 1 - level.

    Returns
    -------
    float
        A whole number; infinite for a difference of 0; NaN where either number is NaN.

    Raises
    ------
    InputError
        For no subjects, a negative standard error, or a power or level outside (0, 1).

    References
    ----------
    Julious (2010), Sample Sizes for Clinical Trials, section 4.2: a paired difference, by the
    normal approximation.
    """
    if subjects < 1:
        raise InputError(f"subjects is {subjects}; it must be at least 1")
    if standard_error < 0:
        raise InputError(f"standard_error is {standard_error}; it must be at least 0")
    for name, value in (("power", power), ("level", level)):
        if not 0 < value < 1:
            raise InputError(f"{name} is {value}; it must be between 0 and 1")
    if math.isnan(difference) or math.isnan(standard_error):
        return math.nan
    if difference == 0:
        return math.inf
    quantiles = norm.ppf((1 + level) / 2) + norm.ppf(power)
    needed = subjects * (quantiles * standard_error / difference) ** 2
    return float(math.ceil(needed)) if math.isfinite(needed) else math.inf


def sample_size(
    difference: float,
    standard_error: float,
    interval: tuple[float, float],
    subjects: int,
    *,
    power: float = POWER,
    level: float = LEVEL,
) -> SampleSize:
    """Subjects needed to find an observed difference, and those at the ends of its interval.

    Parameters
    ----------
    difference, standard_error, subjects, power, level
        As in `subjects_for_power`.
    interval : tuple of two floats
        Confidence interval of the difference; NaN where it is unknown.

    Raises
    ------
    InputError
        As `subjects_for_power`.
    """

    def needed(of: float) -> float:
        return subjects_for_power(of, standard_error, subjects, power=power, level=level)

    own = needed(difference)
    near, far = sorted(interval, key=abs)
    includes_zero = interval[0] <= 0 <= interval[1]
    more = max(own - subjects, 0.0)
    return SampleSize(own, more, needed(far), math.inf if includes_zero else needed(near))
