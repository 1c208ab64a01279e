"""Names from a user's table as labels: on one line, short enough, and no formula."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"

_SPACES = re.compile(r"[^\S\u00a0\u202f]+")
_INVISIBLE = "\N{ZERO WIDTH SPACE}"


def one_line(text: str) -> str:
    """Return text with each run of spaces, line breaks and control characters as one space.

    Spaces at which a line may not break stay.
    """
    return _SPACES.sub(" ", "".join(" " if _is_control(c) else c for c in text)).strip()


def display_width(text: str) -> int:
    """Return how many columns a text takes on a screen: two for each wide character."""
    return sum(_character_width(c) for c in text)


def shortened(text: str, width: int) -> str:
    """Return text on one line, cut to a display width with an ellipsis as its last character."""
    line = one_line(text)
    if display_width(line) <= width:
        return line
    return f"{_start(line, width - 1).rstrip()}{ELLIPSIS}"


def shortened_apart(texts: Sequence[str], width: int) -> list[str]:
    """Return each text shortened to a display width, so that different texts stay different.

    Texts that begin alike are cut in the middle. Those that are still the same get their place
    in the list, counted from 1.
    """
    ends_cut = [shortened(text, width) for text in texts]
    count = Counter(ends_cut)
    cut = [
        short if count[short] == 1 else _middle_cut(one_line(text), width)
        for short, text in zip(ends_cut, texts, strict=True)
    ]
    count = Counter(cut)
    return [
        short if count[short] == 1 else _numbered(text, place, width)
        for place, (short, text) in enumerate(zip(cut, texts, strict=True), start=1)
    ]


def matplotlib_text(text: str) -> str:
    r"""Return text that matplotlib draws as it stands.

    A dollar begins no formula (`$a$` would be italic, `$\frac{$` an error), and a leading
    underscore does not keep a label out of the legend.
    """
    plain = text.replace("$", r"\$")
    return f"{_INVISIBLE}{plain}" if plain.startswith("_") else plain


def label(text: str, width: int) -> str:
    """Return a name as a label of a figure: on one line, shortened, and no formula."""
    return matplotlib_text(shortened(text, width))


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs")


def _character_width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _start(text: str, width: int) -> str:
    taken = 0
    for place, character in enumerate(text):
        taken += _character_width(character)
        if taken > width:
            return text[:place]
    return text


def _middle_cut(line: str, width: int) -> str:
    if display_width(line) <= width:
        return line
    end = _start(line[::-1], (width - 1) // 2)[::-1].lstrip()
    return f"{_start(line, width - 1 - display_width(end)).rstrip()}{ELLIPSIS}{end}"


def _numbered(text: str, place: int, width: int) -> str:
    number = f" ({place})"
    return shortened(text, width - len(number)) + number
