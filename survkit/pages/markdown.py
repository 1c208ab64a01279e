"""Names and sentences of a user's table in Markdown: they stay text, on one line."""

from __future__ import annotations

import re

from survkit.pages.labels import one_line

_SPECIAL = re.compile(r"[\\`*|<]|(?<!\w)_|_(?!\w)|(?<=\])\(|^#")
_BACKTICKS = re.compile("`+")


def markdown_text(text: str) -> str:
    """Return text that Markdown shows as it stands: no heading, link, emphasis, cell or HTML."""
    return _SPECIAL.sub(r"\\\g<0>", one_line(text))


def markdown_code(text: str) -> str:
    """Return text as Markdown's code, between more backticks than it has in a row.

    A vertical bar would end the cell of a table, also in code.
    """
    line = one_line(text).replace("|", r"\|")
    fence = "`" * (1 + max(map(len, _BACKTICKS.findall(line)), default=0))
    blank = " " if "`" in line else ""
    return f"{fence}{blank}{line}{blank}{fence}"
