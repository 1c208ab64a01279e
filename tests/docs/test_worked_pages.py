"""The quick start and the pages on extending survkit, followed as they stand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.worked_page import ROOT, Checkout

pytestmark = pytest.mark.slow

PAGES = [
    "quick_start",
    "gallery",
    "own_data",
    "subgroups",
    "external_validation",
    "conformal",
    "decision_curves",
    "verdict",
    "add_dataset",
    "add_head",
    "add_cluster",
    "add_sweep",
    "explain",
]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_works_as_it_stands(page: str, tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    checkout.follow(ROOT / "docs" / f"{page}.md")
    modules = [path for path in checkout.changed if path.suffix == ".py"]
    for command in (["check"], ["format", "--check"]):
        if modules:
            ruff = [sys.executable, "-m", "ruff", *command, *modules]
            subprocess.run(ruff, cwd=tmp_path, check=True)


def test_a_page_that_went_stale_is_noticed(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    page = tmp_path / "page.md"
    for text, message in (
        ("```diff\n# survkit/text.py\n no such line\n+new\n```\n", "not found once"),
        ("```bash\necho one\n```\n```text\ntwo\n```\n", "'two' is not"),
        ("```bash\nfalse\n```\n", "false"),
        ("```bash\ntrue\n```\n```text\nsurvkit.train: error: none\n```\n", "true"),
        ("```python\nimport survkit.nothing\n```\n", "No module named"),
    ):
        page.write_text(text)
        with pytest.raises(AssertionError, match=message):
            checkout.follow(page)
