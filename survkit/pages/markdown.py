"""Names and sentences of a user's table in Markdown: they stay text, on one line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from survkit.pages.labels import one_line

_INLINE = re.compile(
    r"""
    [\\`*|<~$]                     # code, emphasis, cells, HTML, strikethrough, formulas
    | (?<![^\W_])_ | _(?![^\W_])   # emphasis; within a word an underscore is text
    | (?<=\])[(\[]                 # links and pictures
    | &(?=\#?\w+;)                 # entities
    """,
    re.VERBOSE,
)
_OF_LINE = re.compile(
    r"""
    ^\[(?=[^\]]*\]:|[ xX]\](\s|$))       # definitions of links, boxes to tick
    | ^[#>]                              # headings, quotations
    | (?<=\s)\#(?=\#*$)                  # the end of a heading
    | ^[-+](?=\s|$|[-\s]+$)              # items, rules, the underline of a heading
    | ^=(?=[=\s]*$)                      # the underline of a heading
    | (?<=^\d)[.)](?=\s|$)               # numbered items, up to 9 digits
    """
    + "".join(rf"| (?<=^\d{{{digits}}})[.)](?=\s|$)" for digits in range(2, 10)),
    re.VERBOSE,
)
_BACKTICKS = re.compile("`+")


def markdown_text(text: str) -> str:
    """Return text that Markdown shows as it stands: no heading, link, emphasis, cell or HTML."""
    return _OF_LINE.sub(r"\\\g<0>", markdown_cell(text))


def markdown_cell(text: str) -> str:
    """Return text as `markdown_text`, for a cell of a table or within a line."""
    return _INLINE.sub(r"\\\g<0>", one_line(text))


def markdown_code(text: str) -> str:
    """Return text as Markdown's code, between more backticks than it has in a row.

    A vertical bar would end the cell of a table, also in code.
    """
    line = one_line(text).replace("|", r"\|") or " "
    fence = _fence(line, at_least=1)
    blank = " " if "`" in line else ""
    return f"{fence}{blank}{line}{blank}{fence}"


def markdown_block(text: str, language: str) -> str:
    """Return lines of code as a block, which no line of it can end."""
    fence = _fence(text, at_least=3)
    return f"{fence}{language}\n{text}\n{fence}"


def bullets(lines: Iterable[str]) -> list[str]:
    """Return lines as the items of a list."""
    return [f"- {line}" for line in lines]


def markdown_table(header: Sequence[str], rows: Iterable[Iterable[object]]) -> list[str]:
    """Return the lines of a table; its cells must be Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(map(str, cells))} |" for cells in lines]


def _fence(text: str, *, at_least: int) -> str:
    return "`" * max(at_least, 1 + max(map(len, _BACKTICKS.findall(text)), default=0))
