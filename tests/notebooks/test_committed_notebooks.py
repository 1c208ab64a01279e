"""What holds for every notebook as it is committed."""

from __future__ import annotations

import re

import pytest

from survkit.experiments import SWEEPS
from tests.notebooks.execution import NOTEBOOKS, read_notebook

EVERY = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
REPORT = [
    "expert_sensitivity",
    "metrics_table",
    "mnist_synthetic_clustering_fixed",
    "mnist_synthetic_clustering_personalized",
    "support2_routing_analysis",
]


@pytest.mark.parametrize("name", EVERY)
def test_a_notebook_has_no_outputs_and_any_kernel_of_python_3(name: str) -> None:
    notebook = read_notebook(name)
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("name", EVERY)
def test_a_notebook_is_named_where_users_read(name: str) -> None:
    pages = [NOTEBOOKS.parent / "README.md", *(NOTEBOOKS.parent / "docs").glob("*.md")]
    assert any(f"{name}.ipynb" in page.read_text("utf-8") for page in pages)


@pytest.mark.parametrize("name", REPORT)
def test_a_notebook_on_runs_holds_no_logic_and_no_plotting(name: str) -> None:
    source = "\n".join(
        cell.source for cell in read_notebook(name).cells if cell.cell_type == "code"
    )
    assert not re.search(r"^ *(def|class) ", source, re.MULTILINE)
    assert "matplotlib" not in source
    assert len(source.splitlines()) < 80


@pytest.mark.parametrize("name", REPORT)
def test_by_default_a_notebook_reads_what_the_shipped_sweeps_write(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("SURVKIT_LOG_DIR", "SURVKIT_GROUP"):
        monkeypatch.delenv(variable, raising=False)
    settings: dict[str, object] = {}
    exec(read_notebook(name).cells[1].source, settings)
    groups = settings.get("GROUPS", [settings.get("GROUP")])
    assert set(groups) <= set(SWEEPS)
    assert (NOTEBOOKS / str(settings["LOG_DIR"])).resolve() == NOTEBOOKS.parent / "logs"
