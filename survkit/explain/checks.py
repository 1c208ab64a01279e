"""Checks of single settings, and what is warned of once an explanation is there."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from survkit.explain.explanation import MonteCarloExplanation
from survkit.explain.hazards import SMALLEST_SURVIVAL, HazardReader
from survkit.explain.local_models import LocalFits
from survkit.explain.neighbours import Neighbourhood
from survkit.types import InputError

CALLER = 4
"""Frames between a warning here and the line of the person who called the explainer."""


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a value that is not among the choices."""
    if value not in choices:
        raise InputError(f"{name} is {value!r}; it must be {' or '.join(map(repr, choices))}")


def check_positive(name: str, value: float | None) -> None:
    """Refuse a number that is not finite and above 0; None is no number."""
    if value is not None and not 0 < value < np.inf:
        raise InputError(f"{name} is {value}; it must be finite and above 0")


def at_least_one(name: str, value: int) -> int:
    """Return a count, refused where it is not a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise InputError(f"{name} is {value!r}; it must be a whole number of at least 1")
    return int(value)


def warn_of_constants(neighbourhood: Neighbourhood) -> None:
    """Warn of features that cannot be explained; refuse to go on where none can."""
    pairs = zip(neighbourhood.names, neighbourhood.varies, strict=True)
    constant = [name for name, varies in pairs if not varies]
    if len(constant) == len(neighbourhood.names):
        raise InputError("every feature is constant in the training rows")
    if constant:
        more = f" and {len(constant) - 5} more" if constant[5:] else ""
        names = ", ".join(constant[:5]) + more
        _warn(f"constant in the training rows, so their coefficients are 0: {names}")


def warn_of_fits(
    fits: LocalFits, neighbourhood: Neighbourhood, reader: HazardReader, num_samples: int
) -> None:
    """Warn of coefficients that the neighbours do not determine, and of capped hazards."""
    d = int(neighbourhood.varies.sum())
    lowest, effective = int(fits.rank.min()), float(fits.effective_neighbours.min())
    if lowest < d:
        _warn(
            f"the {num_samples} neighbours determine {lowest} of {d} coefficients only (too few or "
            "collinear); the answer of smallest norm is given"
        )
    elif effective < d:
        _warn(
            f"the weights make {num_samples} neighbours worth {effective:.1f} equal ones, for {d} "
            "coefficients: expect noise; weighting='equal' or more num_samples help"
        )
    if reader.num_zero_survival:
        _warn(
            f"{reader.num_zero_survival} predicted survival values below {SMALLEST_SURVIVAL:.1e} "
            f"count as that, a cumulative hazard of {-np.log(SMALLEST_SURVIVAL):.2f}; "
            "max_hazard_value_allowed sets another bound"
        )


def check_failures(result: MonteCarloExplanation) -> None:
    """Warn of repetitions without an answer; refuse a subject that has none at all."""
    if not result.failures:
        return
    unsolved = np.flatnonzero(result.num_solved == 0)
    if len(unsolved):
        raise InputError(
            f"no repetition of row {unsolved[0]} was solved; the solver says: {result.failures[0]}"
        )
    _warn(
        f"{len(result.failures)} repetitions were not solved and are left out of the means: "
        f"{result.failures[0]}"
    )


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=CALLER)
