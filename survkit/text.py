"""Words for messages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_SHOWN = 60
"""Most characters of a value that a message shows."""

# Control characters, ends of lines and paragraphs, marks that turn the direction of writing, and
# halves of characters, which stand for bytes that are not UTF-8.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def one_line(text: str) -> str:
    """Return text as a message shows it: on one line, with control characters as escapes."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def shown(value: object) -> str:
    """Return a value as Python writes it, on one line; a long one is cut."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole numbers of more than 4,300 digits
        return "a whole number of thousands of digits"
    return cut(text)


def cut(text: str) -> str:
    """Return text as `one_line` does; of a long one the beginning, and how long it is."""
    text = one_line(text)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text):,} characters)"


def count_text(count: int, what: str) -> str:
    """Return a number of things in words: "1 dataset", "3 datasets"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ' (did you mean ...?)' for the known name nearest to a misspelt one, or ''."""
    by_folded: dict[str, str] = {}
    for candidate in known:
        by_folded.setdefault(candidate.casefold(), candidate)
    matches = difflib.get_close_matches(name.casefold(), by_folded, n=1)
    return f" (did you mean {by_folded[matches[0]]}?)" if matches else ""
