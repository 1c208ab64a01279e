"""What a reader must know about a dataset before believing results on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from survkit.types import InputError

UNKNOWN_UNIT = "time units"
"""The unit of times whose unit is not known."""


class Finding(NamedTuple):
    """What a check found of one column.

    `value` is the number that decided, where one did; `used` is whether the column is a feature.
    """

    column: str
    detail: str
    value: float | None = None
    used: bool = True


class LeakCheck(NamedTuple):
    """A check of a table for columns that may know the outcome.

    `title` says what it looks for, `rule` what counts ("" where that is plain), and `found` has a
    finding for each column.
    """

    name: str
    title: str
    rule: str = ""
    found: tuple[Finding, ...] = ()

    def record(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {**self._asdict(), "found": [finding._asdict() for finding in self.found]}


def used_findings(findings: Iterable[Finding]) -> dict[str, list[str]]:
    """Return what checks found of each column that is a feature."""
    details: dict[str, list[str]] = {}
    for finding in findings:
        if finding.used:
            details.setdefault(finding.column, []).append(finding.detail)
    return details


def counts_text(counts: Mapping[str, int]) -> str:
    """Return numbers of events by cause in words: relapse 272, death 76."""
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


@dataclass(frozen=True)
class Card:
    """A dataset's facts, asserted when it loads.

    Parameters
    ----------
    name : str
        The dataset's name.
    n : int
        Number of subjects.
    events : int
        Number of subjects whose event was seen.
    time_unit : str
        Unit of every time of this dataset.
    source : str
        Where the data come from.
    licence : str
        Terms of use, as far as the source states them.
    dropped_columns : mapping of str to str
        Columns of the source that are not features, each with the reason.
    known_leaks : tuple of str
        Features kept although they may carry knowledge of the future.
    notes : tuple of str
        Anything else that decides how results are to be read.
    leak_checks : tuple of LeakCheck, optional
        The checks of a table that nobody has examined for leaks; None where somebody has.
    causes : mapping of str to int
        Number of events of each cause, in the order of their numbers; empty for one cause.
    dependent_censoring : bool
        Whether censoring is known to depend on the event time, so that weights cannot make up for
        it.
    """

    name: str
    n: int
    events: int
    time_unit: str
    source: str
    licence: str
    dropped_columns: Mapping[str, str] = field(default_factory=dict)
    known_leaks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    leak_checks: tuple[LeakCheck, ...] | None = None
    causes: Mapping[str, int] = field(default_factory=dict)
    dependent_censoring: bool = False

    def check(self, n: int, events: int, causes: Mapping[str, int] | None = None) -> None:
        """Assert the counts of loaded data.

        Raises
        ------
        InputError
            Where the data have another number of subjects or events, or of events by cause, than
            this card says.
        """
        if (n, events) != (self.n, self.events):
            raise InputError(
                f"dataset {self.name}: found {n:,} subjects with {events:,} events, expected "
                f"{self.n:,} with {self.events:,}; the data are not those the card describes"
            )
        if (causes or {}) != self.causes:
            raise InputError(
                f"dataset {self.name}: found the causes {counts_text(causes or {})}, expected "
                f"{counts_text(self.causes)}; the data are not those the card describes"
            )

    def __str__(self) -> str:
        lines = [
            f"{self.name}: {self.n:,} subjects, {self.events:,} events "
            f"({self.events / self.n:.0%}), time in {self.time_unit}",
            *([f"  causes: {counts_text(self.causes)}"] if self.causes else []),
            f"  source: {self.source}",
            f"  licence: {self.licence}",
        ]
        lines += [f"  dropped {column}: {why}" for column, why in self.dropped_columns.items()]
        lines += [f"  known leak: {leak}" for leak in self.known_leaks]
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)
