"""Warnings about an explanation, and errors where none can be given."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import compress

import numpy as np

from survkit.explain.explanation import MonteCarloExplanation
from survkit.explain.hazards import LARGEST_EXACT, HazardReader
from survkit.explain.local_models import LocalFits
from survkit.explain.neighbours import Neighbourhood
from survkit.types import Float64Array, InputError

CALLER = 4
"""Frames between a warning here and the line of the person who called the explainer."""


def warn_of_constants(neighbourhood: Neighbourhood) -> None:
    """Warn of features that cannot be explained; raise an error where none can."""
    constant = list(compress(neighbourhood.names, ~neighbourhood.varies))
    if len(constant) == len(neighbourhood.names):
        raise InputError("every feature is constant in the training rows")
    if constant:
        _warn(f"constant in the training rows, so their coefficients are 0: {_some(constant)}")


def replace_unseen(
    rows: Float64Array, neighbourhood: Neighbourhood, names: Sequence[str]
) -> Float64Array:
    """Return rows (h, p) with the reference value where no training row has a category; warn.

    No neighbour takes such a value, so its effect is unknown; left in the row, it would go into
    the coefficients of the other features through the model's hazard at the subject.
    """
    rows, found = rows.copy(), []
    for feature in neighbourhood.categorical:
        column = feature.column
        for row in np.flatnonzero(~np.isin(rows[:, column], feature.values)):
            found.append(f"{names[column]} = {rows[row, column]:g} in row {row}")
            rows[row, column] = feature.reference
    if found:
        _warn(
            f"no training row has {_some(found)}; explained with the value that other categories "
            "are compared with"
        )
    return rows


def warn_of_fits(
    fits: LocalFits, neighbourhood: Neighbourhood, reader: HazardReader, num_samples: int
) -> None:
    """Warn of coefficients that the neighbours do not determine, and of capped hazards."""
    d = int(neighbourhood.varies.sum())
    solved = ~np.isnan(fits.coefficients[:, 0])
    lowest = int(fits.rank.min(where=solved, initial=d))
    effective = float(fits.effective_neighbours.min(where=solved, initial=np.inf))
    if lowest < d:
        drawn = f"the {num_samples} neighbours determine"
        if num_samples == 1:
            drawn = "the only neighbour determines"
        _warn(
            f"{drawn} {lowest} of {d} coefficients only (too few or collinear); the answer of "
            "smallest norm is given"
        )
    elif effective < d:
        _warn(
            f"the weights make {num_samples} neighbours worth {effective:.1f} equal ones, for {d} "
            "coefficients: expect noise; weighting='equal' or more num_samples help"
        )
    if reader.num_capped:
        advice = ""
        if reader.max_hazard is None and reader.exact_tail is None:
            advice = (
                f"; max_hazard_value_allowed={LARGEST_EXACT:g} reads the survival of a model that "
                "is exact however small it is, such as Cox's"
            )
        _warn(
            f"{reader.num_capped} of {reader.num_survival} predicted survival values are below "
            f"{reader.smallest_survival:.1e} ({reader.num_zero} of them 0) and count as that, a "
            f"cumulative hazard of {-np.log(reader.smallest_survival):.2f}: what features change "
            f"there is lost{advice}"
        )


def check_failures(result: MonteCarloExplanation, statuses: Sequence[str]) -> None:
    """Warn of rows and repetitions without an answer; refuse where no row has one.

    `statuses` are those of all repetitions, row by row.
    """
    h, repetitions = result.repetitions.shape[:2]
    rows_without: dict[str, list[str]] = {}
    failed: list[str] = []
    for row, solved in enumerate(result.num_solved.tolist()):
        own = statuses[row * repetitions : (row + 1) * repetitions]
        if solved:
            failed += compress(own, np.isnan(result.repetitions[row, :, 0]))
        else:
            rows_without.setdefault(own[0], []).append(str(row))
    count = sum(map(len, rows_without.values()))
    reasons = "; ".join(f"row {_some(rows)}: {why}" for why, rows in rows_without.items())
    if count == h:
        raise InputError(f"nothing can be explained; {reasons}")
    if count:
        have = "has" if count == 1 else "have"
        _warn(
            f"{count} of {h} rows, counted from 0, {have} no explanation, and NaN for "
            f"coefficients; {reasons}"
        )
    if failed:
        _warn(f"{_repetitions(len(failed))} not solved and left out of the means: {failed[0]}")


def _repetitions(count: int) -> str:
    return "1 repetition was" if count == 1 else f"{count} repetitions were"


def _some(texts: list[str]) -> str:
    return ", ".join(texts[:5]) + (f" and {len(texts) - 5} more" if texts[5:] else "")


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=CALLER)
