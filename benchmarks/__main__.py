"""Runs the benchmarks, each in a process of its own, and writes one JSON and one Markdown table.

python -m benchmarks --data_dir data --output results    # all, on a quiet machine
python -m benchmarks --tiny --output results             # small sizes: that none of them is broken
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.machine import describe


class Benchmark(NamedTuple):
    """A module of this folder that prints rows, a line of JSON each.

    Parameters
    ----------
    title : str
        What it is about.
    module : str
        Its name.
    flags, tiny : tuple of str
        Its flags, at full size and small.
    takes_data : bool
        Whether it is given --data_dir.
    needs_data : bool
        Whether it is left out without one.
    """

    title: str
    module: str
    flags: tuple[str, ...] = ()
    tiny: tuple[str, ...] = ("--tiny",)
    takes_data: bool = False
    needs_data: bool = False


BENCHMARKS = (
    Benchmark("Start-up", "start_up"),
    Benchmark("From command to record", "command_to_record", takes_data=True),
    Benchmark("Epochs of the heads", "training_speed"),
    Benchmark("Several seeds on a busy machine", "busy_machine"),
    Benchmark("Large data", "large_data"),
    Benchmark("Evaluation", "evaluation_speed"),
    Benchmark("SurvLIME", "survlime_speed", tiny=("--what", "many", "--repetitions=1", "--rows=2")),
    Benchmark("SurvSHAP(t)", "survshap_speed"),
    Benchmark(
        "BART",
        "bart_speed",
        tiny=(
            "--no-rossi",
            "--backends=stochtree",
            "--subjects=50",
            "--tune=5",
            "--draws=5",
            "--sweeps=1",
        ),
    ),
    Benchmark(
        "Random survival forest", "rsf_memory", tiny=("--rows=300", "--columns=10", "--trees=2")
    ),
    Benchmark("Sepsis files", "sepsis_load", takes_data=True, needs_data=True),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="small sizes, in a minute")
    parser.add_argument("--data_dir", help="folder of the real data, for what needs it")
    parser.add_argument("--only", nargs="+", choices=[b.module for b in BENCHMARKS])
    parser.add_argument("--output", default=".", help="folder for benchmarks.json and .md")
    arguments = parser.parse_args()
    chosen = [
        benchmark
        for benchmark in BENCHMARKS
        if (not arguments.only or benchmark.module in arguments.only)
        and (arguments.data_dir or not benchmark.needs_data)
    ]
    machine = describe()
    results = {}
    for benchmark in chosen:
        started = time.perf_counter()
        results[benchmark.title] = run(benchmark, arguments.tiny, arguments.data_dir)
        print(f"{benchmark.title}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    folder = Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"machine": machine, "results": results}, indent=2)
    (folder / "benchmarks.json").write_text(f"{text}\n")
    (folder / "benchmarks.md").write_text(markdown(machine, results))
    print(folder / "benchmarks.md")


def run(benchmark: Benchmark, tiny: bool, data_dir: str | None) -> list[dict[str, Any]]:
    """Run a benchmark and return the rows that it prints, a line of JSON each."""
    command = [sys.executable, "-m", f"benchmarks.{benchmark.module}"]
    command += benchmark.tiny if tiny else benchmark.flags
    command += ["--data_dir", data_dir] if benchmark.takes_data and data_dir else []
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(line) for line in text.splitlines()]


def markdown(machine: Mapping[str, Any], results: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Return the machine and a table for each benchmark."""
    parts = ["# Benchmarks", "\n".join(f"- {name}: {value}" for name, value in machine.items())]
    for title, rows in results.items():
        shown_rows = [with_spread(row) for row in rows]
        columns = [
            name
            for name in dict.fromkeys(name for row in shown_rows for name in row)
            if not any(isinstance(row.get(name), list) for row in shown_rows)
        ]
        cells = [[column.replace("_", " ") for column in columns], ["---"] * len(columns)]
        cells += [[shown(row.get(column)) for column in columns] for row in shown_rows]
        table = "\n".join(f"| {' | '.join(row)} |" for row in cells)
        parts += [f"## {title}", table]
    return "\n\n".join(parts) + "\n"


def with_spread(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with the median, the least and the most seconds in one cell."""
    if "least" not in row:
        return dict(row)
    seconds, least, most = (shown(row[name]) for name in ("seconds", "least", "most"))
    spread = seconds if least == most else f"{seconds} ({least} to {most})"
    return {
        name: spread if name == "seconds" else value
        for name, value in row.items()
        if name not in ("least", "most")
    }


def shown(value: Any) -> str:
    """Return a cell: numbers with two significant digits after the first, large ones in full."""
    if value is None:
        return ""
    if isinstance(value, float) and abs(value) < 100:
        return f"{value:.3g}"
    return f"{value:,.0f}" if isinstance(value, float | int) else str(value)


if __name__ == "__main__":
    main()
