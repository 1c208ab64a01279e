"""Figures as SVG that takes the colours of the page around it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from survkit.pages.palette import COLOURS, GREY
from survkit.pages.quiet import without_layout_warnings

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be searched, and takes the page's colour
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": GREY,
    "xtick.color": GREY,
    "xtick.labelcolor": "black",
    "ytick.color": GREY,
    "ytick.labelcolor": "black",
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_BLUE = COLOURS[0]
_GROUP_ID = re.compile(r' id="[A-Za-z0-9.]+_\d+"')
_FURNITURE = re.compile(r"<metadata>.*?</metadata>|<style.*?</style>", re.DOTALL)


def draw_svg(draw: Callable[..., object], *, width: float, height: float, label: str) -> str:
    """Return what a function draws on the axes it is given, as an SVG element for a page.

    It is given the axes by the keyword `axes`; sizes are in inches. Black becomes the colour of
    the text around the figure, and blue `--blue` of the page, which can be lighter on a dark page.
    `label` says what the figure shows to people who cannot see it, and must be unique in the page.
    """
    svg = _drawn(draw, width, height, label, transparent=True)
    svg = _GROUP_ID.sub("", _FURNITURE.sub("", svg[svg.index("<svg") :]))
    svg = svg.replace("#000000", "currentColor").replace(_BLUE.lower(), "var(--blue)")
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)


def svg_file(draw: Callable[..., object], *, width: float, height: float, label: str) -> bytes:
    """Return what `draw_svg` draws as the content of a file, on white."""
    return _drawn(draw, width, height, label, transparent=False).encode()


def _drawn(
    draw: Callable[..., object], width: float, height: float, label: str, *, transparent: bool
) -> str:
    with mpl.rc_context(_STYLE | {"svg.hashsalt": label}):  # names of parts, unique in the page
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(axes=figure.add_subplot())
        buffer = io.StringIO()
        with without_layout_warnings():
            figure.savefig(buffer, format="svg", transparent=transparent, metadata={"Date": None})
    return buffer.getvalue()


def height_with_legend(entries: int) -> float:
    """Return the height in inches of a figure with a legend of two columns below it."""
    return 3.9 + 0.19 * ((entries + 1) // 2)
