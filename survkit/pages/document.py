"""A page that needs nothing else: sections of sentences, tables and figures as one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import NamedTuple

from survkit.pages.text_tables import TextTable

_TEMPLATE = "page.html.jinja"


class Picture(NamedTuple):
    """A figure as SVG, and the sentence below it."""

    svg: str
    caption: str
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page: sentences, tables, figures, then parts of its own that fold."""

    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[TextTable, ...] = ()
    pictures: tuple[Picture, ...] = ()
    parts: tuple[Section, ...] = ()


class Box(NamedTuple):
    """A warning at the top: its first words, how the sentence goes on, and a list.

    `see` is the title of the section that says more, where there is one.
    """

    words: str
    sentence: str
    items: tuple[str, ...] = ()
    see: str = ""


def render_page(
    title: str,
    sections: Sequence[Section],
    *,
    kind: str,
    facts: Sequence[str] = (),
    boxes: Sequence[Box] = (),
    notes: Sequence[str] = (),
) -> str:
    """Return a page as HTML.

    Parameters
    ----------
    title : str
        What the page is about.
    sections : sequence of Section
        Its parts, in order.
    kind : str
        What the page is ("report"), for the title of the browser's window.
    facts, notes : sequence of str
        Sentences above the sections: facts first, notes in small print after the boxes.
    boxes : sequence of Box
        Warnings that come before everything else.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(files(__package__).joinpath(_TEMPLATE).read_text("utf-8"))
    return template.render(
        title=title, kind=kind, facts=facts, boxes=boxes, notes=notes, sections=sections
    )
