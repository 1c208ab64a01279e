"""Reads the events of another table as those of a first one were coded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.datasets.cause_values import value_key
from survkit.datasets.outcome import present_cells, with_counts
from survkit.datasets.problems import Problems
from survkit.datasets.values import Markers


def events_by_coding(
    cells: pd.Series, missing: Markers, coding: Mapping[str, Any], problems: Problems
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the cause of each row's event and the names of the causes, as a schema codes them.

    Parameters
    ----------
    cells : Series, n rows
        The column, as text, indexed by data row.
    missing : Markers
        What counts as missing.
    coding : mapping
        `Schema.event`: the texts that are "seen" and "censored", and by name those of the "causes"
        where there are several. 1 is also 1.0.
    problems : Problems
        What is found is added to it: missing cells, and texts that the schema does not know.

    Returns
    -------
    cause : array, shape (n,), int64
        1 to C, and 0 for censored rows; 1 for every event where there is one cause.
    names : tuple of str
        Of the causes; empty where there is one.
    """
    counts = Counter(present_cells(cells, missing, problems))
    causes: Mapping[str, Sequence[str]] = coding.get("causes") or {"": coding["seen"]}
    meaning = {value_key(text): 0 for text in coding["censored"]}
    for cause, texts in enumerate(causes.values(), 1):
        meaning |= {value_key(text): cause for text in texts}
    unknown = {text: count for text, count in counts.items() if value_key(text) not in meaning}
    if unknown:
        seen, censored = (
            ", ".join(map(repr, coding[key])) or "none" for key in ("seen", "censored")
        )
        problems.add(
            f"column '{cells.name}' has {with_counts(unknown)}, which the run's own table did not "
            f"have: there events are {seen}, and censored is {censored}; --event_value, or "
            "--causes, says what they mean"
        )
    return np.array([meaning.get(value_key(cell), 0) for cell in cells], np.int64), tuple(
        name for name in causes if name
    )
