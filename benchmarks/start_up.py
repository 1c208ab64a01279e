"""Seconds from a command to its help, next to those of an empty Python, as JSON.

python -m benchmarks.start_up [--tiny]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from typing import Any

COMMANDS = ("train", "grid_search", "report", "predict", "explain", "ensemble")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="once each, to see that it runs")
    repeats = 1 if parser.parse_args().tiny else 5
    floor = min(seconds_of(["-c", "pass"], repeats))
    for command in COMMANDS:
        seconds = seconds_of(["-m", f"survkit.{command}", "--help"], repeats)
        row: dict[str, Any] = {
            "what": f"python -m survkit.{command} --help",
            "seconds": statistics.median(seconds),
            "least": min(seconds),
            "most": max(seconds),
            "floor": floor,
        }
        print(json.dumps(row), flush=True)


def seconds_of(arguments: list[str], repeats: int) -> list[float]:
    """Run Python that often; return the seconds of each time."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - started)
    return seconds


if __name__ == "__main__":
    main()
