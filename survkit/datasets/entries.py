"""When subjects of a table come under observation: entries that are refused, and what to know."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.datasets.outcome import read_times, times_between
from survkit.datasets.problems import Problems, in_rows
from survkit.datasets.table_flags import TableFlags
from survkit.datasets.tables import RawTable
from survkit.datasets.values import Markers


def read_entries(
    frame: pd.DataFrame,
    flags: TableFlags,
    missing: Markers,
    decimal: str,
    problems: Problems,
) -> NDArray[np.float64] | None:
    """Return from when each row is observed, float64; None where no column says so.

    Parameters
    ----------
    frame : DataFrame, n rows
        The table, as text, indexed by data row.
    flags : TableFlags
        Its columns.
    missing : Markers
        What counts as missing.
    decimal : str
        The decimal mark.
    problems : Problems
        What is found is added to it.
    """
    if flags.entry_column is None:
        return None
    cells = frame[flags.entry_column]
    if flags.time_column is not None:
        return read_times(cells, missing, decimal, problems)
    if flags.start_column is None:
        return None
    dates = frame[flags.start_column], cells
    return times_between(*dates, missing, str(flags.unit), flags.date_format, problems)


def check_entries(
    entry: NDArray[np.float64],
    time: NDArray[np.float64],
    frame: pd.DataFrame,
    flags: TableFlags,
    problems: Problems,
) -> None:
    """Note rows that come under observation at or after their own time.

    Nobody can be seen to have an event before that, so such a row is an error of the table or of
    its unit. R's `Surv` makes it missing, with a warning.

    Parameters
    ----------
    entry, time : array, shape (n,)
        Entries, 0 for subjects observed from the start, and times of event or censoring.
    frame : DataFrame, n rows
        The table, as text, indexed by data row.
    flags : TableFlags
        Its columns.
    problems : Problems
        What is found is added to it.
    """
    rows = frame.index[(entry > 0) & (entry >= time)]
    if not len(rows):
        return
    start, end = str(flags.entry_column), flags.time_column or flags.end_column
    problems.add(
        f"column '{start}' ({frame[start][rows[0]]}) is not before column '{end}' "
        f"({frame[end][rows[0]]}) {in_rows(list(rows))}; subjects come under observation "
        "before their event or censoring; correct these rows or leave them out of the file"
    )


def late_notes(table: RawTable) -> tuple[str, ...]:
    """Return how many rows come under observation late, as a note of the card; none for none."""
    if table.entry is None:
        return ()
    late = int(np.count_nonzero(table.entry > 0))
    return (
        f"{late:,} of {len(table):,} rows come under observation after time 0; those who had the "
        "event before they could are not in the data.",
    )
