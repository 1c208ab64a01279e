"""What is described: every row of a dataset with its outcome, and the groups it is split by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survkit.datasets.assemble import Dataset
from survkit.datasets.csv_table import CsvTable
from survkit.datasets.tables import RawTable, values_of
from survkit.pages.labels import shortened_apart
from survkit.text import nearest
from survkit.types import BoolArray, InputError

MAX_GROUPS = 12
"""More groups make neither a table nor a figure that can be read."""

LONGEST_NAME = 40
"""Characters of a group's name in tables and figures; Table 1 of all rows has the whole name."""

MISSING = "(missing)"


@dataclass(frozen=True, eq=False)
class Groups:
    """The rows' groups.

    Parameters
    ----------
    column : str
        The column that makes them.
    names : tuple of str
        The groups; rows without a value are the last, if there are any.
    codes : array, shape (n,), int64
        Each row's place in `names`.
    num_missing : int
        Rows without a value.
    """

    column: str
    names: tuple[str, ...]
    codes: NDArray[np.int64]
    num_missing: int

    @property
    def num_known(self) -> int:
        """Number of groups that a value makes."""
        return len(self.names) - bool(self.num_missing)

    def rows(self, number: int) -> BoolArray:
        """Which rows a group has."""
        return np.asarray(self.codes == number)


@dataclass(frozen=True, eq=False)
class Cohort:
    """All rows of a dataset, as they are described.

    Parameters
    ----------
    dataset : Dataset or CsvTable
        Where they come from; a table of the user's own is not split for a model.
    time, event : array, shape (n,)
        Times of event or censoring, and whether the event was seen.
    subject_id : array, shape (n,), optional
        The subject of each row, where a subject has several.
    groups : Groups, optional
        What the rows are split by, where a column was named.
    cause : array, shape (n,), int64, optional
        The cause of each event, 1 to C, and 0 for censored rows, where the event has several.
    cause_names : tuple of str
        Their names.
    entry : array, shape (n,), optional
        From when each row is observed, where some come under observation late.
    """

    dataset: Dataset | CsvTable
    time: NDArray[np.float64]
    event: BoolArray
    subject_id: NDArray[np.int64] | None = None
    groups: Groups | None = None
    cause: NDArray[np.int64] | None = None
    cause_names: tuple[str, ...] = ()
    entry: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.time)

    @property
    def raw(self) -> RawTable | None:
        """The table of the source, where there is one."""
        return self.dataset.raw

    @property
    def unit(self) -> str:
        """The unit of the times."""
        return self.dataset.card.time_unit

    @property
    def num_subjects(self) -> int:
        """Number of subjects."""
        return len(self) if self.subject_id is None else len(np.unique(self.subject_id))

    @property
    def repeated(self) -> bool:
        """Whether a subject has several rows."""
        return self.num_subjects < len(self)

    @property
    def duration(self) -> NDArray[np.float64]:
        """For how long each row was observed, shape (n,)."""
        return self.time if self.entry is None else self.time - self.entry

    @property
    def by_cause(self) -> dict[str, BoolArray]:
        """Which rows have an event of each cause; empty where the event has one cause."""
        numbered = enumerate(self.cause_names, 1)
        return {name: np.asarray(self.cause == number) for number, name in numbered}

    @property
    def who(self) -> str:
        """What a row is."""
        return "rows" if self.repeated else "subjects"


def cohort_of(dataset: Dataset | CsvTable, by: str | None = None) -> Cohort:
    """Return all rows of a dataset, in groups where a column is named.

    Raises
    ------
    InputError
        For a column that makes no groups, or a dataset without a table.
    """
    groups = None if by is None else groups_of(dataset, by)
    if (raw := dataset.raw) is not None:
        return Cohort(
            dataset,
            raw.time,
            raw.event,
            raw.subject_id,
            groups,
            raw.cause,
            raw.cause_names,
            raw.entry,
        )
    assert isinstance(dataset, Dataset)
    parts = [part for part in dataset.splits if len(part)]
    ids = [part.subject_id for part in parts if part.subject_id is not None]
    causes = [part.cause for part in parts if part.cause is not None]
    return Cohort(
        dataset,
        np.concatenate([part.time for part in parts]),
        np.concatenate([part.event for part in parts]),
        np.concatenate(ids) if ids else None,
        cause=np.concatenate(causes) if causes else None,
        cause_names=parts[0].cause_names,
    )


def groups_of(dataset: Dataset | CsvTable, by: str) -> Groups:
    """Return the groups that a column's values make.

    Raises
    ------
    InputError
        For an unknown column, one that was left out, one with too many values or with a single
        one, or a dataset without a table.
    """
    if dataset.raw is None:
        raise InputError(
            f"--by names '{by}', but dataset {dataset.name} has no table of columns to split it by"
        )
    features = dataset.raw.features
    if by not in features:
        raise InputError(f"--by names '{by}'{_why_not(dataset, by)}")
    codes, names = values_of(features[by], categorical=by in dataset.raw.categorical)
    if len(names) > MAX_GROUPS:
        raise InputError(
            f"--by names '{by}', which has {len(names):,} different values; at most {MAX_GROUPS} "
            "make a table that can be read"
        )
    num_missing = int((codes < 0).sum())
    if len(names) + bool(num_missing) < 2:
        only = f"the value '{names[0]}' in every row" if names else "no value in any row"
        raise InputError(f"--by names '{by}', which has {only}; two groups are needed")
    if num_missing:
        codes, names = np.where(codes < 0, len(names), codes), [*names, _missing_name(names)]
    return Groups(by, tuple(shortened_apart(names, LONGEST_NAME)), codes, num_missing)


def _missing_name(names: list[str]) -> str:
    """Return the name of the rows without a value, another one where a category has that name."""
    return "(no value)" if MISSING in names else MISSING


def _why_not(dataset: Dataset | CsvTable, by: str) -> str:
    schema = dataset.schema
    if schema is not None and by in (
        schema.event["column"],
        *(schema.time.get(key) for key in ("column", "start", "end", "entry")),
    ):
        return ", which is a column of the outcome; Table 1 is split by the event in any case"
    if (why := dataset.card.dropped_columns.get(by)) is not None:
        return f", which is left out: {why}"
    known = list(map(str, dataset.raw.features)) if dataset.raw is not None else []
    return f"{nearest(by, known)}, but the columns are {', '.join(known)}"
