"""Command lines as words: which of them are flags, and which values belong to a flag."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise


def looks_like_flag(text: str) -> bool:
    """Whether argparse takes a word for a flag: not a dash alone, nor a negative number."""
    return text.startswith("-") and not re.fullmatch(r"-|-\d+|-\d*\.\d+", text, re.ASCII)


def by_flag(words: Sequence[str]) -> Iterator[list[str]]:
    """Yield each flag with its values; first the words before any flag, if there are such."""
    starts = [i for i, word in enumerate(words) if i == 0 or looks_like_flag(word)]
    for start, end in pairwise([*starts, len(words)]):
        yield list(words[start:end])
