"""Reads the files of built-in datasets: comma-separated values, exactly and completely."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.types import InputError

MISSING = frozenset({"", "NA", "N/A", "<NA>", "NaN", "nan", "null", "NULL"})
"""Fields that count as missing. None is a word, and stays one."""


def read_csv(path: Path | str) -> pd.DataFrame:
    """Read a comma-separated table with a header line.

    A column whose fields all read as numbers (or are missing) is float64, any other is text.
    Numbers become the nearest double, so a file has the same content on every machine; spaces
    around a field are dropped. InputError for a file that cannot be read, is empty or has no rows,
    repeated column names, or a line whose number of fields differs from the header's.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read {path.absolute()}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: {error}") from error
    header, rows = _fields(path, text)
    repeated = sorted(name for name, count in Counter(header).items() if count > 1)
    if repeated:
        raise InputError(f"{path}: column names must differ; repeated: {', '.join(repeated)}")
    if not rows:
        raise InputError(f"{path} has a header but no rows")
    columns = zip(*rows, strict=True)
    return pd.DataFrame({name: _column(c) for name, c in zip(header, columns, strict=True)})


def _fields(path: Path, text: str) -> tuple[list[str], list[list[str]]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    lines: list[list[str]] = []
    try:
        for fields in reader:
            if not fields:
                continue
            if lines and len(fields) != len(lines[0]):
                raise InputError(
                    f"{path}, line {reader.line_num}: {len(fields)} fields, but the header names "
                    f"{len(lines[0])} columns"
                )
            lines.append([each.strip() for each in fields])
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}") from error
    if not lines:
        raise InputError(f"{path} is empty; a header line and one line per subject are needed")
    return lines[0], lines[1:]


def _column(fields: tuple[str, ...]) -> NDArray[np.float64] | pd.Series:
    try:
        return np.array([np.nan if each in MISSING else _number(each) for each in fields])
    except ValueError:
        return pd.Series([None if each in MISSING else each for each in fields], dtype=object)


def _number(field: str) -> float:
    if "_" in field:
        raise ValueError(field)
    return float(field)
