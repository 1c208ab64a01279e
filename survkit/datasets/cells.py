"""A table file of any format as cells of text; what they mean is decided elsewhere."""

from __future__ import annotations

import gzip
import re
import zlib
from collections import Counter
from datetime import date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from survkit.datasets.problems import in_rows
from survkit.datasets.text_files import SEPARATORS, decode, split_lines
from survkit.types import InputError

TEXT_ENDINGS = (".csv", ".tsv", ".txt")

_BINARY = {
    ".parquet": ("read_parquet", "pyarrow"),
    ".xlsx": ("read_excel", "openpyxl"),
    ".sav": ("read_spss", "pyreadstat"),
    ".dta": ("read_stata", "pandas"),
    ".sas7bdat": ("read_sas", "pandas"),
}
"""Other formats: the function of pandas that reads one, and the library that it needs."""

_UNNAMED = re.compile(r"(Unnamed: \d+)?")


class Cells(NamedTuple):
    """The cells of a table, as text without outer spaces.

    `frame` is indexed by data row, counted from 1. `unnamed` are the names given to columns that
    have none. `separator` and `encoding` are None for formats that have none.
    """

    frame: pd.DataFrame
    unnamed: tuple[str, ...]
    separator: str | None
    encoding: str | None
    warnings: tuple[str, ...]


def read_cells(
    path: Path | str, *, separator: str | None = None, encoding: str | None = None
) -> Cells:
    """Read a table of text, or of a format that pandas reads.

    Rows without any value are left out, with a warning where they are not at the end; so are
    columns with neither a name nor a value.

    Parameters
    ----------
    path : Path
        A file ending in .csv, .tsv or .txt (each also with .gz), .parquet, .xlsx, .sav, .dta or
        .sas7bdat; any other ending counts as text.
    separator : str, optional
        One of ``, ; |``, a tab, or their names; found where not given.
    encoding : str, optional
        As Python names it; found where not given.

    Raises
    ------
    InputError
        For a file that cannot be read or has no rows, or columns of the same name.
    """
    path = Path(path)
    mark = _separator(separator)
    if path.suffix.lower() in _BINARY:
        header, rows = _read_binary(path)
        return _cells(path, header, rows, None, None, [])
    text, encoding, warnings = decode(_content(path), str(path), encoding)
    lines = split_lines(text, str(path), mark)
    return _cells(path, lines.header, lines.rows, lines.separator, encoding, warnings)


def _separator(given: str | None) -> str | None:
    if given is None:
        return None
    names = {**{name: mark for mark, name in SEPARATORS.items()}, "\\t": "\t"}
    mark = names.get(given, given)
    if mark not in SEPARATORS:
        raise InputError(
            f"--csv_separator is {given!r}; it must be one of {', '.join(SEPARATORS.values())}"
        )
    return mark


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix.lower() == ".gz" else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"cannot read {path.absolute()}: {error}") from error
    except OSError as error:
        raise InputError(f"cannot read {path.absolute()}: {error.strerror or error}") from error


def _read_binary(path: Path) -> tuple[list[str], list[list[str]]]:
    function, library = _BINARY[path.suffix.lower()]
    if not path.is_file():
        raise InputError(f"cannot read {path.absolute()}: No such file")
    if find_spec(library) is None:
        raise InputError(
            f"{path}: files ending in {path.suffix} need the package {library}; install it with "
            f"pip install {library}, or save the table as CSV"
        )
    try:
        frame: pd.DataFrame = getattr(pd, function)(path)
    except Exception as error:  # each format has its own errors
        raise InputError(f"cannot read {path.absolute()}: {error}") from error
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index(names=[str(name or "") for name in frame.index.names])
    columns = [[_text(value) for value in frame.iloc[:, j]] for j in range(frame.shape[1])]
    return [str(name).strip() for name in frame.columns], [list(r) for r in zip(*columns)]  # noqa: B905


def _text(value: Any) -> str:
    """Return a stored value as a CSV file would show it: whole numbers without a point."""
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").strip()
    if isinstance(value, datetime):
        midnight = value.time() == datetime.min.time()
        return (value.date() if midnight else value).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return ""
        return str(int(value)) if float(value).is_integer() else repr(float(value))
    return str(value).strip()


def _cells(
    path: Path,
    header: list[str],
    rows: list[list[str]],
    separator: str | None,
    encoding: str | None,
    warnings: list[str],
) -> Cells:
    nameless = [j for j, name in enumerate(header) if _UNNAMED.fullmatch(name)]
    empty = {j for j in nameless if not any(row[j] for row in rows)}
    kept = [j for j in range(len(header)) if j not in empty]
    names = [f"unnamed_{j + 1}" if j in nameless else header[j] for j in kept]
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise InputError(f"{path}: column names must differ; repeated: {', '.join(repeated)}")
    # A single column has no separators, so that an empty cell of it is a missing value.
    numbered = [(i, row) for i, row in enumerate(rows, 1) if any(row) or len(names) == 1]
    if not numbered:
        raise InputError(f"{path} has a header but no rows")
    kept_rows = [i for i, _ in numbered]
    transposed = list(zip(*(row for _, row in numbered), strict=True))
    left_out = sorted(set(range(1, kept_rows[-1])) - set(kept_rows))
    if left_out:
        warnings = [*warnings, f"{path}: no column has a value {in_rows(left_out)}; left out"]
    frame = pd.DataFrame(
        {name: transposed[j] for name, j in zip(names, kept, strict=True)},
        index=kept_rows,
        dtype=object,
    )
    unnamed = tuple(name for name, j in zip(names, kept, strict=True) if j in nameless)
    return Cells(frame, unnamed, separator, encoding, tuple(warnings))
