"""Every benchmark runs, small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.__main__ import BENCHMARKS, markdown, rows_of
from benchmarks.machine import Rates

ROOT = Path(__file__).parents[2]


def test_all_of_them_run_small(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--tiny", "--output", str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT)
    written = json.loads((tmp_path / "benchmarks.json").read_text())
    assert written["machine"]["cores"] >= 1
    titles = {benchmark.title for benchmark in BENCHMARKS if not benchmark.needs_data}
    assert set(written["results"]) == titles
    assert all(written["results"].values())
    table = (tmp_path / "benchmarks.md").read_text()
    assert all(f"## {title}\n" in table for title in titles)
    for row in written["results"]["Epochs of the heads"]:
        assert row["least"] <= row["seconds"] <= row["most"]
        assert row["floor"] > 0


def test_every_module_is_collected_or_measures_no_speed() -> None:
    modules = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    collected = {benchmark.module for benchmark in BENCHMARKS}
    assert modules - collected == {"__main__", "machine", "bart_coverage"}


def test_nested_results_become_rows() -> None:
    results = {"version": "1", "epoch": {"seconds": 2.0}, "growth": [{"n": 1}, {"n": 2}]}
    rows = list(rows_of(results))
    assert rows == [
        {"what": "epoch", "seconds": 2.0},
        {"what": "growth", "n": 1},
        {"what": "growth", "n": 2},
    ]
    assert "| epoch | 2 |  |" in markdown({}, {"Title": rows})


def test_a_floor_adds_arithmetic_and_memory() -> None:
    assert Rates(flops=10.0, bytes=4.0).floor(flops=20, bytes_moved=2) == 2.5
