"""Reads a table of new patients into the inputs of a run's model."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.datasets.cells import read_cells
from survkit.datasets.preprocessing import Preprocessor
from survkit.datasets.problems import Problems
from survkit.datasets.reading import read_csv
from survkit.datasets.schema import Schema
from survkit.datasets.sepsis import one_row_a_subject
from survkit.runs.new_values import outside_training, read_by_rule
from survkit.runs.read import FittedRun
from survkit.types import InputError, SurvivalData


class Patients(NamedTuple):
    """New patients: what identifies them ("row" or a column), who they are, and features (n, p).

    `raw` is what the columns of their table say; None where a patient has several rows.
    """

    identifier: str
    names: list[str]
    features: NDArray[np.float32]
    raw: pd.DataFrame | None = None


class _Table(NamedTuple):
    """Raw columns, the patients' names and data rows, and notes."""

    frame: pd.DataFrame
    names: list[str]
    rows: list[int]
    notes: list[str]


def read_patients(
    path: Path, run: FittedRun, id_column: str | None = None
) -> tuple[Patients, list[str]]:
    """Read a table of the raw columns that a run was trained on, encoded as in training.

    Returns the patients, and notes: what was missing, unseen or out of range in training, in which
    rows, what was read by a rule, and which columns were left aside. A run on a table of the
    user's own has a schema, by which the new table is read: it may have any format, separator and
    order of columns, and columns that training left out. `id_column` names the patients; they are
    numbered from 1 where not given.
    For the sepsis data, where training averages a patient's hours, so are a patient's rows here.
    """
    preprocessor = run.preprocessor
    if preprocessor is None:
        raise InputError(
            f"the run was trained on {run.config['dataset']}, whose features are not made from the "
            "columns of a table"
        )
    needed = preprocessor.columns
    if run.schema is None:
        frame, ids, rows, notes = _read_plain(path, needed, id_column)
    else:
        frame, ids, rows, notes = _read_by_schema(path, run.schema, needed, id_column)
    features, of_values = encode(frame, rows, preprocessor)
    patients = Patients(id_column or "row", ids, features, frame)
    if id_column and run.config["dataset"] == "sepsis" and run.config["single_record"]:
        patients = _one_row_a_patient(patients, preprocessor)
    return patients, [*notes, *of_values]


def encode(
    frame: pd.DataFrame, rows: Sequence[int], preprocessor: Preprocessor
) -> tuple[NDArray[np.float32], list[str]]:
    """Return raw columns as model inputs, with notes on unseen, too large and missing values.

    Parameters
    ----------
    frame : DataFrame, n rows
        Raw features, with every column that the preprocessor needs.
    rows : sequence of int, length n
        Their data rows in their file, for the notes.
    preprocessor : Preprocessor
        That of the run.

    Returns
    -------
    features : array, shape (n, p), float32
    notes : list of str

    Raises
    ------
    InputError
        As `Preprocessor.transform`.
    """
    features, unseen = preprocessor.transform(frame)
    # What is missing in columns where the preprocessor expects it has no note yet.
    counts = frame.isna().sum()
    expected = [*preprocessor.indicators, *(column.name for column in preprocessor.coded)]
    missing = [
        f"column '{name}': missing in {counts[name]} of {len(frame)} rows; treated as in training"
        for name in expected
        if counts[name]
    ]
    return features, [*unseen, *outside_training(frame, rows, preprocessor), *missing]


def _read_plain(path: Path, needed: Sequence[str], id_column: str | None) -> _Table:
    frame = read_csv(path)
    _check_columns(path, list(map(str, frame)), needed, id_column)
    names = _identifiers(path, id_column) if id_column else [str(i + 1) for i in range(len(frame))]
    return _Table(frame, names, list(range(1, len(frame) + 1)), [])


def _read_by_schema(
    path: Path, schema: Schema, needed: Sequence[str], id_column: str | None
) -> _Table:
    cells = read_cells(path)
    frame, notes = cells.frame, list(cells.warnings)
    found = list(map(str, frame))
    # Columns of the training file, and those without a name, which programs add to number rows.
    known = {*schema.left_out, *(column.name for column in schema.columns), *cells.unnamed}
    ignored = [n for n in found if n in known and n not in needed and n != id_column]
    _check_columns(path, [name for name in found if name not in ignored], needed, id_column)
    if ignored:
        plural, them = ("s", "them") if len(ignored) > 1 else ("", "it")
        notes.append(f"column{plural} {', '.join(ignored)} not read: training did not use {them}")
    problems = Problems(str(path))
    read = schema.read(frame, problems, needed)
    problems.check()
    names = list(map(str, frame.index)) if id_column is None else list(frame[id_column])
    notes += read_by_rule(frame, schema, needed)
    return _Table(read, names, list(frame.index), notes)


def _check_columns(
    path: Path, found: Sequence[str], needed: Sequence[str], id_column: str | None
) -> None:
    if id_column is not None and id_column not in found:
        raise InputError(
            f"--id_column names '{id_column}', but the columns of {path} are {', '.join(found)}"
        )
    if id_column in needed:
        raise InputError(f"--id_column names '{id_column}', which is a feature of the run")
    missing = [name for name in needed if name not in found]
    extra = [name for name in found if name not in needed and name != id_column]
    problems = [
        f"{what} column{'s' if len(names) > 1 else ''} {', '.join(names)}"
        for what, names in (("missing", missing), ("extra", extra))
        if names
    ]
    if problems:
        hint = "; --id_column can name one that is not a feature" if extra and not id_column else ""
        raise InputError(
            f"{path}: {' and '.join(problems)}; the run uses {', '.join(needed)}{hint}"
        )


def _identifiers(path: Path, column: str) -> list[str]:
    """Return a column's fields as text, so that 007 stays 007."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = [fields for fields in csv.reader(file) if fields]
    position = [name.strip() for name in header].index(column)
    return [fields[position].strip() for fields in rows]


def _one_row_a_patient(patients: Patients, preprocessor: Preprocessor) -> Patients:
    codes, names = pd.factorize(np.array(patients.names, dtype=object))
    order = np.argsort(codes, kind="stable")
    hours = SurvivalData(
        features=patients.features[order],
        event=np.zeros(len(codes), dtype=np.bool_),
        time=np.zeros(len(codes)),
        categorical=preprocessor.categorical,
        subject_id=codes[order],
    )
    features = one_row_a_subject(hours).features
    return patients._replace(names=list(names), features=features, raw=None)
