"""Whose predictions a command explains: test subjects of a run, or patients of a table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.pages.labels import shortened
from survkit.runs.patients import read_patients
from survkit.runs.read import FittedRun
from survkit.text import nearest
from survkit.types import InputError, SurvivalData

MOST_PATIENTS = 20
"""Patients of a table that are explained without being named, as each takes seconds."""

NAME_LENGTH = 40
"""Characters of a patient's name in the name of a file, and in a title."""


class Subjects(NamedTuple):
    """The h subjects to explain.

    `rows` are their places: in the test split from 0, or in their table from 1. `names` are the
    patients' names there, None for test subjects. `raw` is what the columns of the table say,
    where there is one.
    """

    rows: list[int]
    names: list[str] | None
    features: NDArray[np.float32]
    raw: pd.DataFrame | None = None

    @property
    def titles(self) -> list[str]:
        """What each is called on the screen and in figures; no two are the same."""
        if self.names is None:
            return [f"test subject {row}" for row in self.rows]
        short = [shortened(name, NAME_LENGTH) for name in self.names]
        count = Counter(short)
        return [
            _title(name, row, alone=count[name] == 1)
            for row, name in zip(self.rows, short, strict=True)
        ]

    @property
    def figure_names(self) -> list[str]:
        """A file's name for each, all different: a name may be long, repeated or hold slashes."""
        if self.names is None:
            return [f"row_{row}.png" for row in self.rows]
        return [
            f"patient_{row}{_safe(name, row)}.png"
            for row, name in zip(self.rows, self.names, strict=True)
        ]

    @property
    def identity(self) -> pd.DataFrame:
        """The columns that identify each in a table, h rows."""
        if self.names is None:
            return pd.DataFrame({"row": self.rows})
        return pd.DataFrame({"patient": self.names, "row": self.rows})


def from_test_split(test: SurvivalData, rows: Sequence[int]) -> Subjects:
    """Return the subjects in these places of the test split.

    Raises
    ------
    InputError
        For a place that the split does not have.
    """
    for row in rows:
        if not 0 <= row < len(test):
            raise InputError(f"--rows has {row}; the test split has rows 0 to {len(test) - 1}")
    return Subjects(list(rows), None, test.features[list(rows)])


def from_table(
    path: Path, run: FittedRun, id_column: str | None, ids: Sequence[str]
) -> tuple[Subjects, list[str]]:
    """Read the patients of a table as `read_patients` does; `ids` are those to explain, if given.

    Returns the patients in the order of the table, and notes about the table.

    Raises
    ------
    InputError
        For a table that cannot be read, a name that is not in it, or more than `MOST_PATIENTS`
        where none are named.
    """
    patients, notes = read_patients(path, run, id_column)
    names = patients.names
    if not names:
        raise InputError(f"{path} has no patients to explain")
    if ids:
        _check_ids(path, names, ids, id_column)
    elif len(names) > MOST_PATIENTS:
        raise InputError(
            f"{path} has {len(names)} patients, and explaining one takes seconds; without --ids, "
            f"which names those to explain, at most {MOST_PATIENTS} are"
        )
    kept = [i for i, name in enumerate(names) if not ids or name in ids]
    raw = None if patients.raw is None else patients.raw.iloc[kept]
    subjects = Subjects([i + 1 for i in kept], [names[i] for i in kept], patients.features[kept])
    return subjects._replace(raw=raw), notes


def _check_ids(path: Path, names: list[str], ids: Sequence[str], id_column: str | None) -> None:
    where = f"column '{id_column}' of {path}" if id_column else f"{path}, whose rows are numbered"
    for name in ids:
        if name not in names:
            raise InputError(f"--ids has {name!r}, which is not in {where}{nearest(name, names)}")


def _title(name: str, row: int, *, alone: bool) -> str:
    if not name:
        return f"row {row}"
    return f"patient {name}" if alone else f"patient {name} (row {row})"


def _safe(name: str, row: int) -> str:
    """Return a part of a file's name; the row makes it unique."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "_", name)[:NAME_LENGTH].strip("._-")
    return f"_{plain}" if plain and plain != str(row) else ""
