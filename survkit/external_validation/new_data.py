"""The data that a run is evaluated on, encoded as in its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.datasets import folder_name, load_configured
from survkit.datasets.assemble import Dataset
from survkit.datasets.card import UNKNOWN_UNIT
from survkit.datasets.tables import RawTable
from survkit.runs.metric_text import short_unit
from survkit.runs.patients import encode
from survkit.runs.read import FittedRun
from survkit.types import InputError, SurvivalData

OWN = "test_rows"
"""The name of an evaluation on the run's own test rows."""


@dataclass(frozen=True, eq=False)
class NewData:
    """Subjects with outcomes, as a run's model takes them.

    Parameters
    ----------
    name : str
        A file's name, or that of a dataset.
    folder : str
        The name of the folder of their evaluation.
    data : SurvivalData
        Encoded features and outcomes.
    raw : DataFrame or None
        The raw columns that the run uses, with the rows of `data`; None where the data come from
        no table.
    notes : list of str
        What a reader must know: unseen values, columns not read, an unknown unit.
    columns : DataFrame or None
        All columns that can make subgroups, with the rows of `data`.
    categorical : tuple of str
        Those of them that hold categories.
    """

    name: str
    folder: str
    data: SurvivalData
    raw: pd.DataFrame | None = None
    notes: list[str] = field(default_factory=list)
    columns: pd.DataFrame | None = None
    categorical: tuple[str, ...] = ()

    def subset(self, rows: NDArray[np.int64]) -> NewData:
        """Return some of the rows."""
        raw, columns = (
            None if frame is None else frame.iloc[rows].reset_index(drop=True)
            for frame in (self.raw, self.columns)
        )
        return replace(self, data=self.data.subset(rows), raw=raw, columns=columns)


def check_unit(unit: str | None, run_unit: str, flag: str) -> list[str]:
    """Refuse times in another unit than the run's; return notes where one is not known.

    Parameters
    ----------
    unit : str or None
        The unit of the new times; None where nobody gave it.
    run_unit : str
        That of the run.
    flag : str
        What names the new one, for the message.

    Raises
    ------
    InputError
        Naming both units.
    """
    own = "" if run_unit == UNKNOWN_UNIT else short_unit(run_unit)
    new = "" if unit in (None, UNKNOWN_UNIT) else short_unit(str(unit))
    if own and new and own.casefold() != new.casefold():
        raise InputError(
            f"{flag} is in {new}, and the run's times are in {own}; convert the times to {own} "
            "first, as its predictions stand at them"
        )
    if own and new:
        return []
    if own:
        return [f"the unit of the new times was not given; it is taken to be {own}, as in the run"]
    if new:
        return [f"the unit of the run's times was not given; it is taken to be {new}"]
    return ["the unit of the times was given neither for the run nor for the new data"]


def cause_of_interest(run: FittedRun, given: str | None) -> str | None:
    """Return the one cause whose events count in the new data: the one given, else the run's.

    Raises
    ------
    InputError
        For a run that tells causes apart, or that was trained on another cause.
    """
    own = run.config.get("cause_of_interest")
    if given is not None and run.cause_names:
        raise InputError(
            f"--cause_of_interest is {given}, and the run predicts all of its causes: "
            f"{', '.join(run.cause_names)}"
        )
    if given is not None and own is not None and given != own:
        raise InputError(f"--cause_of_interest is {given}, and the run was trained on {own}")
    return given or (None if own is None else str(own))


def encoded(
    table: RawTable, run: FittedRun, source: str, rows: Sequence[int] | None = None
) -> tuple[SurvivalData, pd.DataFrame, list[str]]:
    """Encode a raw table by a run's preprocessor.

    Parameters
    ----------
    table : RawTable
        Raw columns and outcomes.
    run : FittedRun
        The run.
    source : str
        What the table is called in messages.
    rows : sequence of int, optional
        The data rows in its file; 1 to n where not given.

    Returns
    -------
    SurvivalData
        With the causes of the run, in their order.
    DataFrame
        The raw columns that the run uses.
    list of str
        Notes.

    Raises
    ------
    InputError
        Naming columns that are missing, or causes that the run does not know.
    """
    preprocessor = run.preprocessor
    if preprocessor is None:
        raise InputError(
            f"the run was trained on {run.config['dataset']}, whose features are not made from the "
            f"columns of a table, and {source} is one"
        )
    frame, needed = table.features, preprocessor.columns
    if absent := [name for name in needed if name not in frame]:
        raise InputError(
            f"{source} has no column{'s' * (len(absent) > 1)} {', '.join(absent)}; the run uses "
            f"{', '.join(needed)}, and the columns are {', '.join(map(str, frame))}"
        )
    frame = frame[list(needed)].reset_index(drop=True)
    features, notes = encode(frame, rows or range(1, len(frame) + 1), preprocessor)
    cause, names, of_causes = _causes(table, run)
    data = SurvivalData(
        features=features,
        event=table.event,
        time=table.time,
        feature_names=preprocessor.feature_names,
        categorical=preprocessor.categorical,
        label=table.label,
        true_time=table.true_time,
        subject_id=table.subject_id,
        cause=cause,
        cause_names=names,
        entry=table.entry,
    )
    return data, frame, [*of_causes, *notes]


def _causes(
    table: RawTable, run: FittedRun
) -> tuple[NDArray[np.int64] | None, tuple[str, ...], list[str]]:
    """Return the causes of the new events by the run's numbers, its names of them, and notes."""
    known, found = run.cause_names, table.cause_names
    if not known and not found:
        return None, (), []
    if not known:
        return (
            None,
            (),
            [
                f"the run tells no causes of the event apart, so those of the new data "
                f"({', '.join(found)}) count as one"
            ],
        )
    if not found:
        return (
            None,
            (),
            [
                f"the new data do not tell the causes {', '.join(known)} apart: metrics are of an "
                "event of any cause"
            ],
        )
    if unknown := [name for name in found if name not in known]:
        raise InputError(
            f"the new data have the cause{'s' * (len(unknown) > 1)} {', '.join(unknown)}, and "
            f"those of the run are {', '.join(known)}"
        )
    assert table.cause is not None
    number = np.array([0, *(known.index(name) + 1 for name in found)], dtype=np.int64)
    return number[table.cause], known, []


def from_dataset(configuration: Mapping[str, Any], run: FittedRun, run_unit: str) -> NewData:
    """Load another dataset, all rows of it.

    Parameters
    ----------
    configuration : mapping
        As in `load_configured`.
    run : FittedRun
        The run.
    run_unit : str
        The unit of its times.

    Raises
    ------
    InputError
        For data that cannot be loaded, have no table where the run needs one, or have other
        columns, causes or another unit than the run.
    """
    dataset = load_configured(configuration)
    name = dataset.name
    whole = _from_splits(dataset, run) if dataset.raw is None else None
    notes = check_unit(dataset.card.time_unit, run_unit, f"dataset {name}")
    notes += [f"known leak of {name}: {leak}" for leak in dataset.card.known_leaks]
    if whole is not None:
        return NewData(name, folder_name(name), whole, None, notes)
    assert dataset.raw is not None
    data, raw, of_values = encoded(dataset.raw, run, f"dataset {name}")
    ignored = [str(column) for column in dataset.raw.features if column not in raw]
    if ignored:
        notes.append(f"not read, as training did not use them: {', '.join(ignored)}")
    table = dataset.raw
    columns = subgroup_columns(table.features, table.categorical, table.others)
    return NewData(name, folder_name(name), data, raw, [*notes, *of_values], *columns)


def subgroup_columns(
    features: pd.DataFrame, categorical: Sequence[str], others: pd.DataFrame | None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return all columns that can make subgroups, and those of them that hold categories.

    Parameters
    ----------
    features : DataFrame, n rows
        The columns that a model may use, of which `categorical` hold categories.
    categorical : sequence of str
        Their names.
    others : DataFrame, n rows, optional
        Further columns: numbers, or text, which makes categories.
    """
    known = features.reset_index(drop=True)
    if others is None:
        return known, tuple(categorical)
    texts = [name for name in others if not pd.api.types.is_numeric_dtype(others[name])]
    both = pd.concat([known, others.reset_index(drop=True)], axis=1)
    return both, (*categorical, *map(str, texts))


def _from_splits(dataset: Dataset, run: FittedRun) -> SurvivalData:
    """Return all rows of a dataset without a table, whose features are as the model takes them."""
    own, parts = run.config["dataset"], [part for part in dataset.splits if len(part)]
    if run.preprocessor is not None or dataset.preprocessor is not None or dataset.name != own:
        raise InputError(
            f"dataset {dataset.name} has no table of raw columns that could be encoded as in the "
            f"training of the run, on {own}"
        )
    names = ("features", "event", "time", "label", "true_time", "subject_id", "cause", "entry")
    columns = {name: [getattr(part, name) for part in parts] for name in names}
    whole: dict[str, Any] = {
        name: np.concatenate(values)
        for name, values in columns.items()
        if all(value is not None for value in values)
    }
    first = parts[0]
    return replace(first, **{**dict.fromkeys(names[3:]), **whole})
