"""Reads tables of comma-separated values, exactly and completely."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd

from survkit.types import InputError


def read_csv(path: Path | str) -> pd.DataFrame:
    """Read a comma-separated table with a header line.

    Empty fields, NA, NaN, null and None are missing values. Numbers are parsed exactly (the
    nearest double), so that a file has the same content on every machine.

    Raises
    ------
    InputError
        For a file that cannot be read, is empty or has no rows, repeated column names, or a line
        whose number of fields differs from the header's (with its line number).
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read {path.absolute()}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: {error}") from error
    _check_shape(path, text)
    return pd.read_csv(io.StringIO(text), float_precision="round_trip", low_memory=False)


def _check_shape(path: Path, text: str) -> None:
    reader = csv.reader(io.StringIO(text))
    header: list[str] | None = None
    rows = 0
    try:
        for fields in reader:
            if not fields:
                continue
            if header is None:
                header = fields
                continue
            rows += 1
            if len(fields) != len(header):
                raise InputError(
                    f"{path}, line {reader.line_num}: {len(fields)} fields, but the header names "
                    f"{len(header)} columns"
                )
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}") from error
    if header is None:
        raise InputError(f"{path} is empty; a header line and one line a subject are needed")
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise InputError(f"{path}: column names must differ; repeated: {repeated}")
    if rows == 0:
        raise InputError(f"{path} has a header but no rows")
