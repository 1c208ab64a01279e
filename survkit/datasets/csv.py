"""Any table: an outcome, and features that are found out from what the columns hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Unpack

import numpy as np

from survkit.datasets.assemble import CommonParameters, Dataset, build_dataset
from survkit.datasets.causes import of_interest
from survkit.datasets.csv_table import CsvTable, read_csv
from survkit.datasets.leaks import CONSTANTS, check_leaks, leak_warnings
from survkit.datasets.table_flags import TableFlags


def load_csv(
    *,
    csv_path: Path | str | None,
    time_column: str | None = None,
    event_column: str | None = None,
    categorical_columns: Sequence[str] = (),
    time_unit: str | None = None,
    numeric_columns: Sequence[str] = (),
    drop_columns: Sequence[str] = (),
    id_column: str | None = None,
    group_column: str | None = None,
    event_value: str | None = None,
    causes: Sequence[str] = (),
    censored_values: Sequence[str] = (),
    cause_of_interest: str | None = None,
    start_column: str | None = None,
    end_column: str | None = None,
    entry_column: str | None = None,
    date_format: str | None = None,
    missing_values: Sequence[str] = (),
    csv_separator: str | None = None,
    csv_decimal: Literal["point", "comma"] | None = None,
    csv_encoding: str | None = None,
    **common: Unpack[CommonParameters],
) -> Dataset:
    """Load a table; what its columns hold decides which are numbers and which categories.

    Parameters
    ----------
    csv_path : Path
        The file, with a header line; `read_cells` lists the formats.
    time_column, event_column : str
        The outcome: times of at least 0, and whether the event was seen.
    categorical_columns, numeric_columns, drop_columns : sequence of str
        Columns of categories, of numbers (read by a rule where a cell is none), and to leave out.
    time_unit : str, optional
        Unit of the times, as tables and axes name it; days, weeks, months or years between dates.
    id_column, group_column : str, optional
        What names a row, and the subject of several rows, which splits keep together.
    event_value : str, optional
        The value of the event column that means the event was seen.
    causes, censored_values : sequence of str
        Where events have several causes: values of the event column with their names, such as
        "1=relapse", and the values that mean censored; see `read_causes`.
    cause_of_interest : str, optional
        The one cause whose events count; those of the others are censored.
    start_column, end_column, date_format : str, optional
        Dates that time is measured between, in place of `time_column`, and how they are written
        (as for `datetime.strptime`; ISO 8601 where not given).
    entry_column : str, optional
        Where subjects come under observation late, from when: a time, as in `time_column`, or a
        date, where time is measured between dates.
    missing_values : sequence of str
        Cells that count as missing; `MISSING_VALUES` where none are given.
    csv_separator, csv_decimal, csv_encoding : str, optional
        How the file is written, where that is not found.
    **common
        As in `build_dataset`.

    Raises
    ------
    InputError
        For a file that cannot be read, or with everything in it that cannot be used.
    """
    flags = TableFlags(
        time_column=time_column,
        event_column=event_column,
        start_column=start_column,
        end_column=end_column,
        entry_column=entry_column,
        id_column=id_column,
        group_column=group_column,
        categorical_columns=categorical_columns,
        numeric_columns=numeric_columns,
        drop_columns=drop_columns,
        event_value=event_value,
        causes=causes,
        censored_values=censored_values,
        cause_of_interest=cause_of_interest,
        date_format=date_format,
        time_unit=time_unit,
        missing_values=missing_values,
        csv_separator=csv_separator,
        csv_decimal=csv_decimal,
        csv_encoding=csv_encoding,
    )
    table = read_csv(csv_path, flags)
    dataset = build_dataset(table.raw, table.card, cause_of_interest=cause_of_interest, **common)
    assert dataset.rows is not None
    assert dataset.raw is not None
    checks = check_leaks(dataset.raw, table.schema, dataset.rows.train)
    return replace(
        dataset,
        card=replace(dataset.card, leak_checks=checks),
        warnings=(*table.warnings, *dataset.warnings, *leak_warnings(checks)),
        schema=table.schema,
    )


def table_to_describe(csv_path: Path | str | None, flags: TableFlags) -> CsvTable:
    """Read a table that no model will be trained on.

    It may have no events, no features and no time after 0. The checks for leaks look at all rows,
    and constant columns are named.

    Raises
    ------
    InputError
        For a file that cannot be read, or with everything in it that cannot be used.
    """
    table = read_csv(csv_path, flags, for_model=False)
    if flags.cause_of_interest is not None:
        raw, card, warning = of_interest(table.raw, table.card, flags.cause_of_interest)
        table = replace(table, raw=raw, card=card, warnings=(*table.warnings, warning))
    checks = check_leaks(table.raw, table.schema, np.arange(len(table.raw)))
    constant = [
        f"column '{finding.column}' is constant: {finding.detail}"
        for check in checks
        for finding in check.found
        if check.name == CONSTANTS
    ]
    return replace(
        table,
        card=replace(table.card, leak_checks=checks),
        warnings=(*table.warnings, *constant, *leak_warnings(checks)),
    )
