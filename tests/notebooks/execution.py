"""Executes notebooks in fresh kernels, and tells what they show."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


class Shown:
    """What an executed notebook shows."""

    def __init__(self, notebook: nbformat.NotebookNode) -> None:
        self.outputs: list[dict[str, Any]] = [
            output for cell in notebook.cells for output in cell.get("outputs", [])
        ]

    def of(self, kind: str) -> list[str]:
        """Every output of a MIME type."""
        data = [output.get("data", {}) for output in self.outputs]
        return [content[kind] for content in data if kind in content]

    @property
    def figures(self) -> int:
        """The number of figures."""
        return len(self.of("image/png"))

    @property
    def printed(self) -> str:
        """What was printed, where nothing but the standard output was used: no warnings."""
        streams = [output for output in self.outputs if output["output_type"] == "stream"]
        errors = [stream["text"] for stream in streams if stream["name"] != "stdout"]
        assert not errors, f"a warning reached the reader: {errors}"
        return "".join(stream["text"] for stream in streams)

    @property
    def error(self) -> str:
        """What it shows of the exception that ended it, '' where it ran to its end."""
        errors = [output for output in self.outputs if output["output_type"] == "error"]
        return "\n".join(errors[0]["traceback"]) if errors else ""

    def tables(self, caption: str) -> list[list[dict[str, str]]]:
        """Return the rows of each table whose caption begins so, by the heads of the columns.

        Footnote marks are left out of the heads.
        """
        texts = [text for text in self.of("text/markdown") if text.startswith(f"**{caption}")]
        return list(map(_rows, texts))

    def table(self, caption: str) -> list[dict[str, str]]:
        """Return the rows of the only table whose caption begins so."""
        (rows,) = self.tables(caption)
        return rows


def _rows(text: str) -> list[dict[str, str]]:
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip().strip("*") for cell in line] for line in lines]
    heads = [re.sub(r" \[\w+\]$", "", head) for head in cells[0]]
    return [dict(zip(heads, row, strict=True)) for row in cells[2:]]


def read_notebook(name: str) -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def execute(name: str, *, then: str = "", may_end: bool = False, **environment: str) -> Shown:
    """Run a notebook in a fresh kernel under environment variables.

    `then` is code for one more cell at its end; `may_end` lets an exception end it.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebook = read_notebook(name)
    notebook.cells.append(nbformat.v4.new_code_cell(then))
    client = NotebookClient(
        notebook,
        timeout=200,
        kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOKS)}},
    )
    path = {"PYTHONPATH": str(NOTEBOOKS.parent), "OMP_NUM_THREADS": "1"}
    try:
        client.execute(env={**os.environ, **path, **environment})
    except CellExecutionError:
        if not may_end:
            raise
    return Shown(notebook)
