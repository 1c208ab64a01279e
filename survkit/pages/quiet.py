"""Keeps matplotlib's own warnings from people who only asked for a figure."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_layout_warnings() -> Iterator[None]:
    """Draw without warnings of characters the font lacks (drawn as boxes) and of little room."""
    with warnings.catch_warnings():
        for message in ("Glyph .* missing", ".*constrained_layout not applied", "Tight layout"):
            warnings.filterwarnings("ignore", message=message)
        yield
