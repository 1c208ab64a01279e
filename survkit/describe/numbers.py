"""Numbers as the tables of a description write them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

SPACE = "\N{NO-BREAK SPACE}"
"""Keeps a cell on one line."""

DASH = "\N{EN DASH}"
"""What a cell has where there is no number."""

_DIGITS = 3


_SMALLEST = 1e-4
"""Columns of smaller numbers are written with powers of ten: six decimals would show zeros."""


def number_texts(values: NDArray[np.float64]) -> Callable[[float], str]:
    """Return how to write numbers of a column, so that three digits of its middle half show."""
    size = _typical_size(values)
    if 0 < size < _SMALLEST:
        return lambda value: f"{value:.{_DIGITS}g}"
    return partial(fixed, decimals=decimals_for(values))


def decimals_for(values: NDArray[np.float64]) -> int:
    """Return how many decimals show three digits of the values' middle half, at most six."""
    size = _typical_size(values)
    if size == 0:
        return 0
    return min(max(_DIGITS - 1 - math.floor(math.log10(size)), 0), 6)


def _typical_size(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    size = float(np.abs(np.quantile(known, [0.25, 0.5, 0.75])).max()) if len(known) else 0.0
    return size or float(np.abs(known).max(initial=0.0))


def fixed(value: float, decimals: int, *, separated_from: float = 10_000) -> str:
    """Return a number rounded to `decimals`, without trailing zeros: 63, not 63.0.

    Thousands are separated from 10,000 on, as a number of four digits may be a year.
    """
    text = f"{value:{',' if abs(value) >= separated_from else ''}.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def significant(value: float, digits: int = _DIGITS) -> str:
    """Return a number rounded to `digits` significant digits; whole numbers keep every digit."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    return fixed(value, decimals, separated_from=1000)


def count_text(count: int) -> str:
    """Return a count with separators of thousands."""
    return f"{count:,}"


def share_text(count: int, total: int) -> str:
    """Return a count with its percentage of a total, on one line."""
    return f"{count:,}{SPACE}({percent(count, total)})"


def percent(count: int, total: int) -> str:
    """Return a percentage, with one decimal below 10 % and where it would read 100; or a dash."""
    if total == 0:
        return DASH
    share = 100 * count / total
    if 0 < share < 0.05:
        return "<0.1%"
    if 99.5 <= share < 100:
        return f"{min(share, 99.9):.1f}%"
    return f"{share:.1f}%" if 0 < share < 9.95 else f"{share:.0f}%"
