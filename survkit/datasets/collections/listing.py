"""The table of all data sets, from what is stored of them: nothing is loaded."""

from __future__ import annotations

from collections.abc import Iterator

from survkit.datasets.card import counts_text
from survkit.datasets.collections.index import COLLECTIONS, Counts, Facts, counts, facts

HEAD = ("dataset", "rows", "subjects", "events", "features", "missing", "time in")

_KINDS = {
    "time-varying": "time-varying covariates",
    "left-truncated": "left truncation",
    "recurrent": "recurrent events",
}


def lines() -> Iterator[str]:
    """Yield the lines of the table: a line for each data set, then the sets without a model."""
    table = [HEAD, *(_row(name, each) for name, each in sorted(counts().items(), key=_order))]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        yield "  ".join(
            cell.rjust(width) if 0 < j < len(row) - 1 else cell.ljust(width)
            for j, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
    yield ""
    yield "size by files and flags: mnist, digits, sepsis, csv, synthetic, synthetic_competing"
    for kind, names in _unusable().items():
        yield f"no model for {_KINDS[kind]}: {', '.join(names)}"


def _order(pair: tuple[str, Counts]) -> tuple[bool, str]:
    return ":" in pair[0], pair[0].casefold()


def _row(name: str, of_set: Counts) -> tuple[str, ...]:
    unit = of_set.unit or _unit_of(name)
    if of_set.causes:
        unit += f"; causes: {counts_text(of_set.causes)}"
    numbers = (of_set.n, of_set.subjects, of_set.events, of_set.features)
    return (name, *(f"{number:,}" for number in numbers), f"{of_set.missing:.1%}", unit)


def _unit_of(name: str) -> str:
    collection, _, own = name.partition(":")
    return facts(collection)[own].unit


def _unusable() -> dict[str, list[str]]:
    sets: list[Facts] = [each for name in COLLECTIONS for each in facts(name).values()]
    kinds: dict[str, list[str]] = {}
    for each in sets:
        if each.unusable:
            kinds.setdefault(each.unusable, []).append(each.full_name)
    return kinds
