"""Tables of text with some cells in bold, as Markdown and as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from survkit.pages.labels import one_line
from survkit.pages.markdown import markdown_cell, markdown_text

_BREAKS = re.compile(r"[ _@]|\u00a0(?=[\[(])")
_HYPHEN_BEFORE_NUMBER = re.compile(r"(?<![\w.\\-])-(?=\d)")
_MINUS = "\N{MINUS SIGN}"
_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"\u00a0": "~", "±": r"$\pm$", "↑": r"$\uparrow$", "↓": r"$\downarrow$"},
    # Signs that LaTeX's plain text lacks, or shows as others.
    **{"<": "$<$", ">": "$>$", "|": r"\textbar{}", _MINUS: "$-$"},
}


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
    lines = [[markdown_cell(name) for name in head], ["---", *rules]]
    for i, (name, *cells) in enumerate(text.itertuples(name=None)):
        shown = [markdown_cell(str(cell)) for cell in cells]
        marked = [f"**{c}**" if table.is_bold(i, j) else c for j, c in enumerate(shown)]
        lines.append([markdown_cell(str(name)), *marked])
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    notes = "".join(f"\n- {markdown_text(note)}" for note in table.notes)
    return f"**{markdown_text(table.caption)}**\n\n{body}\n{notes}\n"


def to_latex(table: TextTable) -> str:
    r"""Return a table as LaTeX for the package booktabs, its notes below it as paragraphs.

    Needs nothing but `\usepackage{booktabs}`.
    """
    text = table.text
    alignment = "l" + "".join("l" if column in table.words else "r" for column in text)
    rows = []
    for i, (name, *cells) in enumerate(text.itertuples(name=None)):
        shown = [_latex(str(cell)) for cell in cells]
        marked = [f"\\textbf{{{c}}}" if table.is_bold(i, j) else c for j, c in enumerate(shown)]
        rows.append(_latex_row([_latex(str(name)), *marked]))
    lines = [
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{_latex(table.caption)}}}",
        f"\\begin{{tabular}}{{{alignment}}}",
        "\\toprule",
        _latex_row([_latex(str(name)) for name in (text.index.name or "", *text.columns)]),
        "\\midrule",
        *rows,
        "\\bottomrule",
        "\\end{tabular}",
        *(f"\\par\\smallskip {_latex(note)}" for note in table.notes),
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_row(cells: Sequence[str]) -> str:
    # After the end of a row and after a rule, LaTeX reads a bracket or a star as an argument.
    guard = "{}" if cells[0].startswith(("[", "*", "(")) else ""
    return f"{guard}{' & '.join(cells)} \\\\"


def _latex(text: str) -> str:
    """Return text that LaTeX prints as it stands, with a minus sign before numbers."""
    line = _HYPHEN_BEFORE_NUMBER.sub(_MINUS, one_line(text))
    return "".join(_LATEX.get(character, character) for character in line)
