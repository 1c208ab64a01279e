"""Runs a page of the documentation: its files, its edits and its commands, in their order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

from tests.python_forks import python_that_forks

ROOT = Path(__file__).parents[2]

_VARIES = re.compile(r"\d+\\\.\d+|[0-9a-f]{16}")
"""Numbers with decimals, and the names of runs, in an escaped line."""
_ERROR = re.compile(r"survkit\.\w+: error: ")
_FILE_NAME = re.compile(r"# (\S+)\n")


class Block(NamedTuple):
    """A fenced block of a page: the word after the fence, and its text."""

    kind: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page that have a language."""
    tokens = MarkdownIt().parse(page.read_text("utf-8"))
    return [Block(each.info, each.content) for each in tokens if each.type == "fence" and each.info]


def named_files(page: Path) -> dict[str, str]:
    """Return the files that a page writes, with their text."""
    found = ((_FILE_NAME.match(block.text), block.text) for block in blocks(page))
    return {name[1]: text[name.end() :] for name, text in found if name is not None}


class Checkout:
    """A copy of the code in which a page's instructions are followed.

    A ```` ```diff ```` block edits the file of its first line, a block of any language that
    begins with a file name writes that file, a ```` ```bash ```` block runs, a ```` ```python ````
    block without a file name runs, and a ```` ```text ```` block must be found, line by line and
    in order, in what the last command printed (before any command: in the tables that the
    documentation ships), whatever its decimal numbers are; "..." stands for what is left out. A
    command is expected to fail with status 2 where the block after it shows an error.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.printed = ""
        self.changed: list[Path] = []
        for name in ("survkit", "tests"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", folder)
        (folder / "docs").mkdir()
        for table in (ROOT / "docs").glob("*.csv"):
            shutil.copy(table, folder / "docs")
            self.printed += table.read_text("utf-8")

    def follow(self, page: Path) -> None:
        """Do what a page says, from top to bottom."""
        of_page = blocks(page)
        for block, after in zip(of_page, [*of_page[1:], Block("", "")], strict=True):
            self._do(block, fails=_ERROR.match(after.text) is not None)

    def _do(self, block: Block, *, fails: bool) -> None:
        name = _FILE_NAME.match(block.text)
        text = block.text if name is None else block.text[name.end() :]
        if name is not None:
            self.changed.append(self.folder / name[1])
        if block.kind == "diff":
            self._edit(self.changed[-1], text)
        elif name is not None:
            self.changed[-1].write_text(text, "utf-8")
        elif block.kind == "text":
            self._find(text)
        elif block.kind == "python":
            self._run(["python", "-c", text])
        else:
            assert block.kind == "bash", f"nothing is known of {block.kind}"
            self._run(["bash", "-euo", "pipefail", "-c", text], status=2 if fails else 0)

    def _edit(self, path: Path, diff: str) -> None:
        lines = diff.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] != "+")
        after = "".join(line[1:] for line in lines if line[0] != "-")
        text = path.read_text("utf-8")
        assert text.count(before) == 1, f"not found once in {path.name}:\n{before}"
        path.write_text(text.replace(before, after), "utf-8")

    def _run(self, command: list[str], *, status: int = 0) -> None:
        scripts = Path(sys.executable).parent
        environment = {
            **os.environ,
            "PATH": os.pathsep.join(map(str, (python_that_forks(), scripts, os.environ["PATH"]))),
            "PYTHONPATH": str(self.folder),
            "OMP_NUM_THREADS": "1",
        }
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == status, f"{command[-1]}\n{done.stdout}"
        self.printed = done.stdout

    def _find(self, expected: str) -> None:
        rest = self.printed
        for line in expected.splitlines():
            parts = [r"\s+".join(map(re.escape, part.split())) for part in line.split("...")]
            found = re.search(_VARIES.sub("[0-9a-f.]+", ".*".join(parts)), rest)
            assert found, f"'{line}' is not, or not there, in:\n{self.printed}"
            rest = rest[found.end() :]
