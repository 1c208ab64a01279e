"""Tables as CSV files that people open in a spreadsheet, where no cell may act as a formula."""

from __future__ import annotations

import csv
import re
from typing import Any, Literal

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SEPARATORS = re.compile(r"[;\t|\r]")


def spreadsheet_csv(table: pd.DataFrame) -> bytes:
    """Return a table without its index as CSV in UTF-8, safe to open in a spreadsheet.

    An apostrophe before a text keeps a spreadsheet from running it as a formula, as OWASP
    recommends ("CSV injection"). It is written before texts, also names of columns, that begin
    with = + - @, their full-width forms, a tab or a line break. Numbers stay numbers, also those
    in a column of text. Where a text contains a semicolon, a tab, a vertical bar or a
    carriage return, every text is quoted: a spreadsheet that separates cells there would
    otherwise read the rest of the text as a cell of its own.

    Parameters
    ----------
    table : DataFrame
        Of any types; what is missing is an empty cell.
    """
    columns = [_safe_column(table.iloc[:, place]) for place in range(table.shape[1])]
    safe = pd.DataFrame(dict(enumerate(columns)))
    header = [str(_safe(name)) for name in table.columns]
    texts = [*header, *(cell for column in columns for cell in column if isinstance(cell, str))]
    separates = any(_SEPARATORS.search(text) for text in texts)
    quoting: Literal[0, 2] = csv.QUOTE_NONNUMERIC if separates else csv.QUOTE_MINIMAL
    return safe.to_csv(index=False, header=header, quoting=quoting).encode()


def _safe_column(column: pd.Series[Any]) -> pd.Series[Any]:
    if is_numeric_dtype(column) or is_bool_dtype(column):
        return column
    return column.astype(object).map(_safe)


def _safe(cell: object) -> object:
    if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell
