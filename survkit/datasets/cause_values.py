"""The causes of the events of a table, from the values of one column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.datasets.outcome import present_cells, with_counts
from survkit.datasets.problems import Problems
from survkit.datasets.values import Markers, number
from survkit.text import nearest
from survkit.types import InputError
from survkit.types.data import CAUSE_NAME

CENSORED = ("false", "no", "f", "censored")
"""What means censored, besides 0, where the user does not say otherwise; case does not count."""

_NO_CAUSE = ("censored", "censoring", "alive")
"""Names of no cause."""

Causes = NDArray[np.int64]


class _Named(NamedTuple):
    """A value of the column, and the name of its cause."""

    value: str
    name: str


def read_causes(
    cells: pd.Series,
    missing: Markers,
    causes: Sequence[str],
    censored_values: Sequence[str],
    problems: Problems,
    warnings: list[str],
) -> tuple[Causes, tuple[str, ...], dict[str, Any]]:
    """Return the cause of each row's event, the names of the causes, and how they are coded.

    Parameters
    ----------
    cells : Series, n rows
        The column, as text, indexed by data row.
    missing : Markers
        What counts as missing.
    causes : sequence of str
        For each cause a value of the column and a name, as "1=relapse"; 1 is also 1.0.
    censored_values : sequence of str
        The values that mean censored; where none are given, 0 and `CENSORED`.
    problems, warnings
        What is found is added to them.

    Returns
    -------
    tuple
        Causes (n,), 1 to C in the order given and 0 for censored rows; the names; the coding, with
        nothing in it where there are problems.
    """
    counts = Counter(present_cells(cells, missing, problems))
    pairs, faults = _pairs(causes)
    texts = [_texts(pair.value, counts) for pair in pairs]
    named = set().union(*texts)
    censored = _censored(censored_values, counts) - (set() if censored_values else named)
    faults += _repeated(pairs, censored_values)
    faults += _not_there(pairs, censored_values, counts)
    left = {text: counts[text] for text in counts if text not in named | censored}
    if left and len(pairs) == len(causes):  # else they may be those of a cause with a fault
        faults.append(
            f"not named: {with_counts(left)}; name each in --causes, or in --censored_values if it "
            "means censored"
        )
    if faults:
        problems.add(
            f"{'; '.join(dict.fromkeys(faults))}; column '{cells.name}' has the values "
            f"{with_counts(counts)}, and --causes is {' '.join(causes)}"
        )
        return np.zeros(len(cells), np.int64), (), {"column": str(cells.name)}
    if len(censored) > 1 and censored_values:
        warnings.append(
            f"column '{cells.name}': {with_counts({text: counts[text] for text in censored})} "
            f"count as censored, as --censored_values is {' '.join(censored_values)}"
        )
    names = tuple(pair.name for pair in pairs)
    coding = {
        "column": str(cells.name),
        "seen": sorted(named),
        "censored": sorted(censored),
        "causes": {name: sorted(found) for name, found in zip(names, texts, strict=True)},
    }
    meaning = {text: j for j, found in enumerate(texts, 1) for text in found}
    return np.array([meaning.get(cell, 0) for cell in cells], np.int64), names, coding


def _pairs(causes: Sequence[str]) -> tuple[list[_Named], list[str]]:
    """Return each value with its name, and what is wrong with them by themselves."""
    pairs, faults = [], []
    for given in causes:
        value, _, name = (part.strip() for part in given.rpartition("="))
        if not value or not name:
            faults.append(f"'{given}' in --causes is not VALUE=NAME, such as 1=relapse")
        elif not CAUSE_NAME.fullmatch(name):
            faults.append(
                f"'{name}' names no cause: a name has letters, digits, '_', '-' and '.' only"
            )
        elif name.casefold() in _NO_CAUSE:
            faults.append(
                f"'{name}' names no cause: --censored_values {value} says what means censored"
            )
        else:
            pairs.append(_Named(value, name))
    if len(causes) == 1 and pairs:
        faults.append(
            "--causes has one cause, and causes are two or more; to count one value as the event "
            f"and all others as censored, give --event_value {pairs[0].value}"
        )
    return pairs, faults


def _repeated(pairs: Sequence[_Named], censored_values: Sequence[str]) -> list[str]:
    """Return which values and names occur twice: '1' and '1.0' are one value."""
    values = Counter(value_key(pair.value) for pair in pairs)
    names = Counter(pair.name for pair in pairs)
    twice = {
        value_key(pair.value): pair.value for pair in pairs if values[value_key(pair.value)] > 1
    }
    return [
        *(f"the value '{value}' is named twice in --causes" for value in twice.values()),
        *(f"two causes have the name '{name}'" for name, count in names.items() if count > 1),
        *(
            f"'{value.strip()}' is in --causes and in --censored_values"
            for value in censored_values
            if value_key(value.strip()) in values
        ),
    ]


def _not_there(
    pairs: Sequence[_Named], censored_values: Sequence[str], counts: Counter[str]
) -> list[str]:
    """Return which values no row has, and which mean censored although they have a cause."""
    given = [("causes", pair.value) for pair in pairs]
    given += [("censored_values", value.strip()) for value in censored_values]
    faults = [
        f"no row has '{value}' of --{flag}{nearest(value, counts)}"
        for flag, value in given
        if not _texts(value, counts)
    ]
    faults += [
        f"'{pair.value}' means censored, unless --censored_values says what does"
        for pair in pairs
        if not censored_values and _is_censored(pair.value)
    ]
    return faults


def _censored(censored_values: Sequence[str], counts: Iterable[str]) -> set[str]:
    """Return the texts of the column that mean censored."""
    if not censored_values:
        return {text for text in counts if _is_censored(text)}
    return {text for value in censored_values for text in _texts(value, counts)}


def _texts(value: str, counts: Iterable[str]) -> set[str]:
    """Return the texts of the column that are a value."""
    return {text for text in counts if value_key(text) == value_key(value.strip())}


def value_key(value: str) -> float | str:
    """Return what two texts of one value share: a number, or the text itself."""
    found = number(value, "," if "," in value else ".")
    return value if found is None else found


def _is_censored(value: str) -> bool:
    return value_key(value) == 0.0 or value.casefold() in CENSORED


def check_cause_flags(
    causes: Sequence[str],
    censored_values: Sequence[str],
    cause_of_interest: str | None,
    event_value: str | None,
) -> None:
    """Refuse flags of causes that contradict each other, or that need `causes`.

    Raises
    ------
    InputError
        Naming the flags.
    """
    if causes and event_value is not None:
        raise InputError(
            f"--event_value counts one value as the event ({event_value}) and --causes several "
            f"({' '.join(causes)}); give one or the other"
        )
    if causes:
        return
    for flag, given in (
        ("censored_values", " ".join(censored_values)),
        ("cause_of_interest", cause_of_interest),
    ):
        if given:
            raise InputError(
                f"--{flag} is {given}, and it needs --causes, which names the values of the event "
                "column that are events: --causes 1=relapse 2=death"
            )
