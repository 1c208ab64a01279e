"""Counts the sets of the collections anew, from the packages that carry them.

PYTHONPATH=. python docs/make_collections.py [survset:NAME ...]

Run it for the sets whose facts have changed; it writes their counts, the digest of their data and
what the checks for leaks find in all their rows. Without a name it counts every set, in minutes,
and the datasets outside the collections, for which $SURVKIT_DATA_DIR must be set.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from survkit.datasets import load_dataset
from survkit.datasets.bundled import BUNDLED
from survkit.datasets.causes import cause_counts
from survkit.datasets.collections.index import COUNTS, Facts, find_set, usable_sets
from survkit.datasets.collections.load import features_of
from survkit.datasets.collections.packages import read_set
from survkit.datasets.leaks import check_leaks
from survkit.datasets.schema import Schema
from survkit.datasets.tables import RawTable, table_sha256

OUTSIDE = (*BUNDLED, "support2", "udca")
"""Tables that are in no collection, for the list of all; the last two are files of --data_dir."""


def main(names: Sequence[str]) -> None:
    """Count the named sets and embedded datasets, or all."""
    outside = [name for name in names if name in OUTSIDE] if names else OUTSIDE
    named = [find_set(name) for name in names if name not in OUTSIDE]
    sets = named if names else usable_sets()
    stored: dict[str, Any] = json.loads(COUNTS.read_text("utf-8")) if COUNTS.exists() else {}
    counted = {facts.full_name: count(facts) for facts in sets}
    known = {facts.full_name for facts in usable_sets()}
    counted |= {name: count_loaded(name) for name in outside}
    known |= set(OUTSIDE)
    merged = {name: each for name, each in {**stored, **counted}.items() if name in known}
    COUNTS.write_text(json.dumps(dict(sorted(merged.items())), indent=1) + "\n", "utf-8")


def count(facts: Facts) -> dict[str, Any]:
    """Return the counts of a set, as `index.Counts` has them."""
    raw = read_set(facts)
    table, _ = features_of(raw, facts)
    subjects = len(table) if table.subject_id is None else len(np.unique(table.subject_id))
    return {
        "n": len(table),
        "subjects": subjects,
        "events": int(table.event.sum()),
        "features": table.features.shape[1],
        "missing": round(float(table.features.isna().to_numpy().mean()), 4),
        "sha256": table_sha256(raw),
        "reference": _reference(facts),
        "found": findings(table),
        **_causes(table),
    }


def count_loaded(name: str) -> dict[str, Any]:
    """Return the counts of a dataset outside the collections."""
    dataset = load_dataset(name, data_dir=os.environ.get("SURVKIT_DATA_DIR", "data"))
    table = dataset.raw
    assert table is not None
    return {
        "n": dataset.card.n,
        "subjects": dataset.card.n,
        "events": dataset.card.events,
        "features": table.features.shape[1],
        "missing": round(float(table.features.isna().to_numpy().mean()), 4),
        "sha256": dataset.sha256,
        "unit": dataset.card.time_unit,
        **_causes(table),
    }


def _causes(table: RawTable) -> dict[str, Any]:
    counts = cause_counts(table)
    return {"causes": counts} if counts else {}


def findings(table: RawTable) -> list[str]:
    """Return what the checks for leaks find in all rows of a table, for each feature."""
    schema = Schema("", None, None, ".", (), ())
    checks = check_leaks(table, schema, np.arange(len(table)))
    return [
        f"{finding.column}: {finding.detail}"
        for check in checks
        for finding in check.found
        if finding.used
    ]


def _reference(facts: Facts) -> str:
    if facts.collection != "survset":
        return ""
    from SurvSet.utils import di_ref

    return str(di_ref[facts.name])


if __name__ == "__main__":
    main(sys.argv[1:])
