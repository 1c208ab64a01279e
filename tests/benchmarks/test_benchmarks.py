"""Every benchmark runs, small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, main, markdown
from benchmarks.machine import Rates, timing
from tests.python_forks import python_that_forks

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture
def python(monkeypatch: pytest.MonkeyPatch) -> str:
    """A python that need not import what is heavy; it runs the scripts of the benchmarks too."""
    path = str(python_that_forks() / "python")
    monkeypatch.setattr(sys, "executable", path)
    monkeypatch.chdir(ROOT)
    return path


def test_all_of_them_run_small(
    tmp_path: Path, python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--tiny", "--output", str(tmp_path)])
    main()
    written = json.loads((tmp_path / "benchmarks.json").read_text())
    assert written["machine"]["cores"] >= 1
    titles = {benchmark.title for benchmark in BENCHMARKS if not benchmark.needs_data}
    assert set(written["results"]) == titles
    assert all(written["results"].values())
    table = (tmp_path / "benchmarks.md").read_text()
    assert all(f"## {title}\n" in table for title in titles)
    for rows in written["results"].values():
        for row in rows:
            assert row["least"] <= row["seconds"] <= row["most"]
            assert 0 < row["floor"] == pytest.approx(row["seconds"] / row["ratio"])


def test_every_module_is_collected_or_measures_no_speed() -> None:
    modules = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    collected = {benchmark.module for benchmark in BENCHMARKS}
    others = {
        "__main__",
        "machine",
        "bart_coverage",
        "bart_rossi",
        "competing_truth",
        "conformal_coverage",
        "dependent_censoring",
        "sepsis_search",
        "subgroup_level",
        "time_grids",
    }
    assert modules - collected == others


def test_dependent_censoring_runs_small(python: str) -> None:
    command = [python, "-m", "benchmarks.dependent_censoring", "--tiny"]
    table = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout
    assert table.count("|") == 12 * 7


def test_a_table_shows_the_spread_of_times() -> None:
    row = {"what": "epoch", "rows": 7283, **timing([2.0, 3.0, 4.5], 0.25)}
    table = markdown({}, {"Title": [row, {"what": "other"}]})
    assert "| what | rows | seconds | floor | ratio |" in table
    assert "| epoch | 7,283 | 3 (2 to 4.5) | 0.25 | 12 |" in table
    assert "| other |  |  |  |  |" in table


def test_a_floor_is_that_of_arithmetic_or_of_memory() -> None:
    rates = Rates(flops=10.0, bytes=4.0)
    assert rates.floor(flops=20, bytes_moved=2) == 2.0
    assert rates.floor(flops=20, bytes_moved=12) == 3.0
