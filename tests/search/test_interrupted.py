"""A search that is killed, and started again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.search.conftest import FLAGS

SECONDS = 240
COX = "--model coxph --trials 4 --no_final"


def ended(folder: Path) -> list[dict[str, Any]]:
    """Return the trials that have ended, from the file that a search may be writing."""
    try:
        tried: list[dict[str, Any]] = json.loads((folder / "tried/search.json").read_text())[
            "tried"
        ]
    except FileNotFoundError:
        return []
    return [trial for trial in tried if trial["ended"]]


def test_a_killed_search_ends_as_one_that_was_not(
    search: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert search(COX, whole) == 0
    command = [sys.executable, "-m", "survkit.search", *FLAGS.split(), *COX.split()]
    process = subprocess.Popen(
        [*command, "--log_dir", str(killed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + SECONDS
    while not ended(killed) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    known = ended(killed)
    assert 1 <= len(known) < 4
    kept = {path: path.stat().st_mtime_ns for path in killed.rglob("result.json")}
    assert search(COX, killed) == 0
    assert ended(killed) == ended(whole)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert f"continuing: {len(known)} of 4 trials" in capsys.readouterr().out


def test_two_searches_in_one_folder_are_one_too_many(
    search: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from filelock import FileLock

    (tmp_path / "tried").mkdir()
    with FileLock(tmp_path / "tried/.search.lock"):
        assert search(COX) == 75
    assert "another process searches in" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"search": {}, "trials": "4"}'])
def test_a_damaged_record_is_refused(
    content: str, search: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tried").mkdir()
    (tmp_path / "tried/search.json").write_text(content)
    assert search(COX) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "search.json" in line
    assert (tmp_path / "tried/search.json").read_text() == content


def test_a_search_needs_both_of_its_files(
    search: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search("--model coxph --trials 1 --no_final") == 0
    for lost, there in (("search.json", "search.journal"), ("search.journal", "search.json")):
        moved = tmp_path / "moved"
        (tmp_path / "tried" / lost).rename(moved)
        capsys.readouterr()
        assert search("--model coxph --trials 2") == 2
        assert f"has {there}, but no {lost}" in capsys.readouterr().err
        assert not (tmp_path / "tried" / lost).exists()
        moved.rename(tmp_path / "tried" / lost)
