"""The example of a draft of TRIPOD+AI in the documentation is the one that its command writes."""

from __future__ import annotations

import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from survkit.runs import tripod_ai
from survkit.train import main
from tests.docs.worked_page import ROOT, blocks


@pytest.mark.slow
def test_the_example_is_what_the_command_writes(tmp_path: Path) -> None:
    of_page = blocks(ROOT / "docs" / "estimators.md")
    ((command, example),) = (
        (before.text, block.text) for before, block in pairwise(of_page) if block.kind == "markdown"
    )
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "survkit.train"]
    assert main([*words[3:], "--mode", "disabled", "--log_dir", str(tmp_path)]) == 0
    (path,) = tmp_path.glob(f"*/*/{tripod_ai.FILE}")
    rest = path.read_text()
    for line in filter(None, example.splitlines()):
        expected = line.removesuffix(" ...")
        assert expected in rest
        rest = rest.partition(expected)[2]
