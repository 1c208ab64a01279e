"""The PhysioNet 2019 challenge's file format: many files parsed as one table, one explained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_PHYSIOLOGY = """
    HR O2Sat Temp SBP MAP DBP Resp EtCO2 BaseExcess HCO3 FiO2 pH PaCO2 SaO2 AST BUN Alkalinephos
    Calcium Chloride Creatinine Bilirubin_direct Glucose Lactate Magnesium Phosphate Potassium
    Bilirubin_total TroponinI Hct Hgb PTT WBC Fibrinogen Platelets
"""
NUMERIC = (*_PHYSIOLOGY.split(), "Age")
GENDER = "Gender"
FEATURES = (*NUMERIC, GENDER)
LABEL = "SepsisLabel"
COLUMNS = (*FEATURES, "Unit1", "Unit2", "HospAdmTime", "ICULOS", LABEL)
"""The columns of a file, in their order."""

_HEADER = "|".join(COLUMNS).encode()
_SEPARATORS = len(COLUMNS) - 1


class UnusableFileError(ValueError):
    """One of the parsed files is not as the challenge's are; `find_problems` says which and why."""


def parse(contents: Sequence[bytes]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Parse the contents of files, a header and then one line per hour, as one table.

    Returns the table, shape (37, rows), `FEATURES` and the label as lines, with NaN for missing
    values; and how many of the rows each file has. UnusableFileError where a file has other
    columns, no rows, a line of another length, text in a number, an infinite value, or a label that
    is neither 0 nor 1.
    """
    bodies = [_body(content) for content in contents]
    lengths = np.array([body.count(b"\n") for body in bodies], dtype=np.int64)
    table = _table(b"".join(bodies))
    if table.shape[1] != lengths.sum() or np.isinf(table).any():
        raise UnusableFileError("rows or values are lost")
    if not np.isin(table[-1], (0, 1)).all():
        raise UnusableFileError("a label is neither 0 nor 1")
    return table, lengths


def _body(content: bytes) -> bytes:
    """Return the lines after the header, each of them ended."""
    header, _, body = content.replace(b"\r\n", b"\n").partition(b"\n")
    body = body.rstrip(b"\n") + b"\n"
    # A line cut off in its last field has no label there, which is found in the table.
    if header != _HEADER or body.count(b"|") != _SEPARATORS * body.count(b"\n"):
        raise UnusableFileError("other columns, no rows or a line of another length")
    return body


def _table(body: bytes) -> NDArray[np.float32]:
    import polars as pl

    if not body:
        return np.empty((len(FEATURES) + 1, 0), dtype=np.float32)
    try:
        frame = pl.read_csv(
            body,
            separator="|",
            has_header=False,
            quote_char=None,
            schema=dict.fromkeys(COLUMNS, pl.Float32),
            null_values="NaN",
        )
    except pl.exceptions.PolarsError as error:
        raise UnusableFileError(str(error)) from error
    table = np.empty((len(FEATURES) + 1, frame.height), dtype=np.float32)
    for column, name in enumerate((*FEATURES, LABEL)):
        table[column] = frame[name].fill_null(np.nan).to_numpy()
    table[np.isnan(table)] = np.nan  # one NaN of the many, as the table gets a digest
    return table


def find_problems(contents: Sequence[bytes]) -> list[str | None]:
    """Return what is wrong with each file, None where it can be used.

    Halves are parsed until each part is good or a single file, so that a few bad files among many
    are found at little more than the cost of parsing them all.
    """
    try:
        parse(contents)
    except UnusableFileError as error:
        if len(contents) == 1:
            lines = contents[0].decode("utf-8", "replace").splitlines()
            return [_explanation(lines) or str(error)]
        half = len(contents) // 2
        return find_problems(contents[:half]) + find_problems(contents[half:])
    return [None] * len(contents)


def _explanation(lines: Sequence[str]) -> str | None:
    if not lines:
        return "it is empty"
    header, rows = lines[0].split("|"), lines[1:]
    absent = [name for name in COLUMNS if name not in header]
    if absent:
        return f"it lacks column {', '.join(absent[:5])}{', ...' if len(absent) > 5 else ''}"
    if header != list(COLUMNS):
        return f"its columns are not the challenge's {len(COLUMNS)} in their order"
    if not any(rows):
        return "it has no rows"
    for number, line in enumerate(rows, start=2):
        if what := _line_problem(line):
            last = " (the last one: cut off?)" if number == len(lines) else ""
            return f"line {number}{last}: {what}"
    return None


def _line_problem(line: str) -> str | None:
    fields = line.split("|")
    if len(fields) != len(COLUMNS):
        return f"{len(fields)} fields, not {len(COLUMNS)}"
    for name, field in zip(COLUMNS, fields, strict=True):
        if name == LABEL:
            if field not in ("0", "1", "0.0", "1.0"):
                return f"{name} is {field!r}, not 0 or 1"
        elif not _is_number(field):
            return f"{name} is {field!r}, not a number"
    return None


def _is_number(field: str) -> bool:
    if field == "":
        return True
    try:
        return not np.isinf(float(field))
    except ValueError:
        return False
