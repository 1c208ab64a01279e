"""Tables of text with some cells in bold, as Markdown and as LaTeX."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

_BREAKS = re.compile(r"[ _@]|\u00a0(?=[\[(])")
_BOLD = "textbf:--rwrap;"
_MARKDOWN_SPECIAL = re.compile(r"([\\`*|<])")


@dataclass(frozen=True, eq=False)
class TextTable:
    """A table of text, whose index holds the first column, with sentences below it.

    `bold` tells which cells are in bold, none where it is empty; `words` are the columns of words,
    which are aligned to the left, and numbers to the right.
    """

    caption: str
    text: pd.DataFrame
    bold: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def is_bold(self, row: int, column: int) -> bool:
        """Whether a cell is in bold."""
        return bool(not self.bold.empty and self.bold.iat[row, column])

    @property
    def least_width(self) -> int:
        """The fewest characters that a line can have, broken at spaces and before brackets."""
        columns = [
            [str(self.text.index.name or ""), *map(str, self.text.index)],
            *([str(name), *map(str, self.text[name])] for name in self.text),
        ]
        return sum(1 + max(map(_longest_word, column)) for column in columns)

    def _repr_markdown_(self) -> str:
        """Return what a notebook shows."""
        return to_markdown(self)


def _longest_word(text: str) -> int:
    words = _BREAKS.split(text)
    return max(map(len, words))


def transposed(table: TextTable) -> TextTable:
    """Return a table without columns of words with its rows as columns."""
    text = table.text.T.rename_axis(index="", columns=None)
    return TextTable(table.caption, text, table.bold.T, table.notes)


def to_markdown(table: TextTable) -> str:
    """Return a table as Markdown with its caption above and its notes below."""
    text = table.text
    head = [str(text.index.name or ""), *map(str, text.columns)]
    rules = ["---" if column in table.words else "---:" for column in text.columns]
    lines = [[_escaped(name) for name in head], ["---", *rules]]
    for i, (name, *cells) in enumerate(text.itertuples(name=None)):
        shown = [_escaped(str(cell)) for cell in cells]
        marked = [f"**{c}**" if table.is_bold(i, j) else c for j, c in enumerate(shown)]
        lines.append([_escaped(str(name)), *marked])
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    notes = "".join(f"\n- {_escaped(note)}" for note in table.notes)
    return f"**{_escaped(table.caption)}**\n\n{body}\n{notes}\n"


def to_latex(table: TextTable) -> str:
    r"""Return a table as LaTeX for the package booktabs, its notes below it as paragraphs.

    Needs nothing but `\usepackage{booktabs}`.
    """
    text = table.text.reset_index()  # else the head of the first column has a line of its own
    styler = text.style.format(escape="latex").format_index(escape="latex", axis=1)
    if not table.bold.empty:
        first = np.full((len(text), 1), False)
        bold = np.hstack([first, table.bold.to_numpy(dtype=bool)])
        styler = styler.apply(lambda _: np.where(bold, _BOLD, ""), axis=None)
    body = styler.hide(axis="index").to_latex(
        hrules=True,
        column_format="l" + "".join("l" if c in table.words else "r" for c in table.text),
        position_float="centering",
        caption=_latex_text(table.caption),
    )
    notes = "".join(f"\\par\\smallskip {_latex_text(note)}\n" for note in table.notes)
    return _latex_signs(body).replace("\\end{table}", f"{notes}\\end{{table}}")


def _escaped(text: str) -> str:
    return _MARKDOWN_SPECIAL.sub(r"\\\1", " ".join(text.splitlines()))


def _latex_text(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in text)


def _latex_signs(text: str) -> str:
    """Set signs that LaTeX's plain text lacks, or shows as hyphens, in mathematics."""
    text = re.sub(r"(?<![\w.\\-])-(?=\d)", "$-$", text)
    arrows = {"↑": r"$\uparrow$", "↓": r"$\downarrow$"}
    signs = {"\u00a0": "~", "±": r"$\pm$", **arrows, "<": "$<$", ">": "$>$"}
    return "".join(signs.get(character, character) for character in text)
