"""The BART notebook runs from a fresh kernel."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "bart_rossi.ipynb"


# ipykernel, zmq and asyncio warn of each other.
@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs_small_from_a_fresh_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    from nbclient import NotebookClient

    monkeypatch.setenv("BART_SMALL", "1")
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1]))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=200, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    streams = [output for output in outputs if output["output_type"] == "stream"]
    assert {stream["name"] for stream in streams} == {"stdout"}, "a warning reached the reader"
    assert any("R-hat of survival" in stream["text"] for stream in streams)
    assert len([output for output in outputs if "image/png" in output.get("data", {})]) == 5


def test_the_notebook_is_committed_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
