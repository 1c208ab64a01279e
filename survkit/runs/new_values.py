"""Notes on values of new patients that a model of the training rows may not know."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from survkit.datasets.preprocessing import Preprocessor
from survkit.datasets.problems import in_rows
from survkit.datasets.schema import Schema
from survkit.datasets.tables import as_numbers
from survkit.datasets.values import Markers, forced_number, number

_ALL_NINES = re.compile(r"-?9+")
_SHOWN = 3


def outside_training(
    frame: pd.DataFrame, rows: Sequence[int], preprocessor: Preprocessor
) -> list[str]:
    """Return a note for each number with values below or above all training rows.

    Parameters
    ----------
    frame : DataFrame, n rows
        Raw features of new patients.
    rows : sequence of int, length n
        Their data rows in the file.
    preprocessor : Preprocessor
        That of the run; one of an earlier version has no ranges, and gives no notes.
    """
    notes = []
    for column in preprocessor.numeric:
        if column.low is None or column.high is None:
            continue
        values = as_numbers(frame[column.name])
        outside = np.flatnonzero((values < column.low) | (values > column.high)).tolist()
        if not outside:
            continue
        texts = list(dict.fromkeys(f"{value:.10g}" for value in values[outside]))
        shown = ", ".join(texts[:_SHOWN]) + (", ..." if len(texts) > _SHOWN else "")
        where = in_rows([rows[i] for i in outside])
        verb = "is" if len(outside) == 1 else "are"
        nines = [text for text in texts if _ALL_NINES.fullmatch(text)]
        hint = f"; if {nines[0]} means unknown, leave the cell empty" if nines else ""
        notes.append(
            f"column '{column.name}': {shown} {where} {verb} outside the training range "
            f"{column.low:.10g} to {column.high:.10g}{hint}"
        )
    return notes


def read_by_rule(cells: pd.DataFrame, schema: Schema, names: Sequence[str]) -> list[str]:
    """Return a note for each column with cells such as <3 that are read as a number by a rule.

    Parameters
    ----------
    cells : DataFrame
        Text, indexed by data row.
    schema : Schema
        How it is read; only columns that training read by the rule can hold such cells.
    names : sequence of str
        The columns that are read.
    """
    missing = Markers(schema.missing_values)
    notes = []
    for column in schema.features:
        if not column.forced or column.name not in names:
            continue
        own = cells[column.name]
        plain = [cell in missing or number(cell, schema.decimal) is not None for cell in own]
        by_rule = own[[not each for each in plain]]
        if by_rule.empty:
            continue
        pairs = [f"{c} becomes {forced_number(c, schema.decimal):.15g}" for c in by_rule.unique()]
        shown = ", ".join(pairs[:_SHOWN]) + (", ..." if len(pairs) > _SHOWN else "")
        notes.append(
            f"column '{column.name}': {shown} {in_rows(list(by_rule.index))}, by the rule of "
            "training"
        )
    return notes
