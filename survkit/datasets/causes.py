"""Competing causes of the event: how many events each has, and the data of one alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from survkit.datasets.card import Card, counts_text
from survkit.datasets.tables import RawTable
from survkit.text import nearest
from survkit.types import InputError, SurvivalData


def cause_counts(data: RawTable | SurvivalData) -> dict[str, int]:
    """Return the number of events of each cause, empty where the event has one cause."""
    if data.cause is None:
        return {}
    return counts_by_name(data.cause, data.cause_names)


def counts_by_name(cause: NDArray[np.int64], names: Sequence[str]) -> dict[str, int]:
    """Return how many of n rows have the cause of each name; causes are 1 to C, or 0."""
    counts = np.bincount(cause, minlength=len(names) + 1)[1:]
    return dict(zip(names, map(int, counts), strict=True))


def cause_number(name: str, names: Sequence[str], *, flag: str = "--cause_of_interest") -> int:
    """Return the number of a cause, from 1, for the name that a flag gives.

    Raises
    ------
    InputError
        For a name that is none of them, with the nearest one.
    """
    if name not in names:
        raise InputError(
            f"{flag} is '{name}'{nearest(name, names)}; the causes are {', '.join(names)}"
        )
    return list(names).index(name) + 1


def check_each_cause(counts: Mapping[str, int], where: str, *, at_least: int) -> None:
    """Assert that each cause has events to learn from.

    Raises
    ------
    InputError
        Naming every cause that has too few.
    """
    few = {name: count for name, count in counts.items() if count < at_least}
    if few:
        raise InputError(
            f"{where} has too few events of some causes ({counts_text(few)}); each needs at least "
            f"{at_least}; --cause_of_interest NAME models another cause alone"
        )


def of_interest(table: RawTable, card: Card, name: str) -> tuple[RawTable, Card, str]:
    """Return the table and the card of one cause, with a warning of what that means.

    Events of other causes count as censored. The event times before censoring of generated data
    are left out, as they are those of the first event of any cause.

    Raises
    ------
    InputError
        For a name that is none of the table's causes.
    """
    number, counts = cause_number(name, table.cause_names), cause_counts(table)
    assert table.cause is not None
    one = replace(table, event=table.cause == number, cause=None, cause_names=(), true_time=None)
    return one, card_of_interest(card, counts, name), interest_warning(counts, name)


def card_of_interest(card: Card, counts: Mapping[str, int], name: str) -> Card:
    """Return the card of data in which the events of one cause alone count."""
    return replace(card, events=counts[name], causes={})


def interest_warning(counts: Mapping[str, int], name: str) -> str:
    """Return what a reader must know of data in which the events of one cause alone count."""
    others = {other: count for other, count in counts.items() if other != name}
    total = sum(others.values())
    return (
        f"--cause_of_interest is {name}: {total:,} event{'s' * (total != 1)} of other causes "
        f"({counts_text(others)}) count as censored, so what is estimated is the cause-specific "
        f"hazard of {name}; one minus survival is not the risk of {name}, which the other causes "
        "make smaller"
    )
