"""From the bytes of a text file to rows of fields: encodings, comments and separators."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from survkit.types import InputError

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
"""The separators that are looked for, and their names."""

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_ROWS = 50
_EXCEL_SEPARATOR = re.compile(r'"?sep=(.)"?\s*')


class Lines(NamedTuple):
    """The header, the other rows and the separator of a text file."""

    header: list[str]
    rows: list[list[str]]
    separator: str


def decode(content: bytes, source: str, encoding: str | None = None) -> tuple[str, str, list[str]]:
    """Return the text of a file, its encoding, and a warning where the encoding is a guess.

    Without `encoding`, a byte order mark decides, then whether the bytes are valid UTF-8. What is
    neither is read as Windows-1252, or as Latin-1 where that fails.

    Raises
    ------
    InputError
        For an unknown encoding, bytes that it does not have, or a file that is not text.
    """
    if encoding is not None:
        try:
            return content.decode(encoding).removeprefix("\ufeff"), encoding, []
        except LookupError:
            raise InputError(
                f"--csv_encoding is '{encoding}', which is unknown; try utf-8, utf-16 or cp1252"
            ) from None
        except UnicodeError as error:
            raise InputError(f"{source} is not {encoding} text: {error}") from None
    for mark, of_mark in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return decode(content, source, of_mark)
    if content.startswith(b"PK\x03\x04"):
        raise InputError(f"{source} is an Excel workbook or a zip file, not text; rename it .xlsx")
    if b"\0" in content:
        raise InputError(
            f"{source} holds zero bytes; if it is UTF-16 text, say --csv_encoding utf-16-le"
        )
    try:
        return content.decode("utf-8"), "utf-8", []
    except UnicodeDecodeError as error:
        return _guess(content, source, error.start)


def _guess(content: bytes, source: str, position: int) -> tuple[str, str, list[str]]:
    """Return text that is not UTF-8 as Windows has it, or where that fails as Latin-1."""
    try:
        guess, text = "cp1252", content.decode("cp1252")
    except UnicodeDecodeError:
        guess, text = "latin-1", content.decode("latin-1")
    word = re.search(r"[^\W\d_]*[^\x00-\x7f][^\W\d_]*", text)
    shown = f" (as in '{word[0]}')" if word else ""
    warning = (
        f"{source} is not UTF-8 (byte {position + 1}); it was read as {guess}, which is a "
        f"guess{shown}; --csv_encoding says otherwise"
    )
    return text, guess, [warning]


def split_lines(text: str, source: str, separator: str | None) -> Lines:
    """Split text into fields without outer spaces; the first row is the header.

    Lines before the header that begin with # are comments, and "sep=;", which Excel writes, names
    the separator. Blank lines are skipped.

    Raises
    ------
    InputError
        For a file without a header, or rows that do not have the header's number of fields.
    """
    lines = io.StringIO(text, newline="").readlines()
    skipped = 0
    while skipped < len(lines):
        line = lines[skipped]
        excel = _EXCEL_SEPARATOR.fullmatch(line)
        if excel and separator is None:
            separator = excel[1]
        elif not excel and line.strip() and not line.startswith("#"):
            break
        skipped += 1
    body = lines[skipped:]
    separator = separator or _find_separator(body)
    try:
        numbered = list(_fields(body, separator, skipped))
    except csv.Error as error:
        raise InputError(f"{source}, {error}") from error
    if not numbered:
        raise InputError(f"{source} is empty; a header line and one line per subject are needed")
    header, rows = _same_length(numbered, source)
    return Lines(header, rows, separator)


def _fields(lines: list[str], separator: str, skipped: int = 0) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, delimiter=separator, strict=True)
    try:
        for fields in reader:
            if fields:
                yield reader.line_num + skipped, [each.strip() for each in fields]
    except csv.Error as error:
        raise csv.Error(f"line {reader.line_num + skipped}: {error}") from error


def _find_separator(lines: list[str]) -> str:
    """Return the separator that splits the first rows into equally many fields, and the most."""
    found, best = ",", (0.0, 1)
    for separator in SEPARATORS:
        try:
            rows = [fields for _, fields in islice(_fields(lines, separator), _SAMPLE_ROWS)]
        except csv.Error:
            continue
        width = len(rows[0]) if rows else 0
        if width < 2:
            continue
        # R's write.table leaves the column of row names without a name in the header.
        same = sum(len(row) in (width, width + 1) for row in rows[1:])
        score = (same / max(len(rows) - 1, 1), width)
        if score > best:
            found, best = separator, score
    return found


def _same_length(
    numbered: list[tuple[int, list[str]]], source: str
) -> tuple[list[str], list[list[str]]]:
    (_, header), *others = numbered
    if others and all(len(fields) == len(header) + 1 for _, fields in others):
        # A separator ends every line but the header, or the row names have no name.
        at_end = all(fields[-1] == "" for _, fields in others)
        header = [*header, ""] if at_end else ["", *header]
    wrong = [(number, fields) for number, fields in others if len(fields) != len(header)]
    if wrong:
        number, fields = wrong[0]
        more = f" ({len(wrong)} such lines)" if len(wrong) > 1 else ""
        raise InputError(
            f"{source}, line {number}: {len(fields)} fields, but the header names "
            f"{len(header)} columns{more}"
        )
    return header, [fields for _, fields in others]
