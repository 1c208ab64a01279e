"""Seconds from a command to its help, next to those of an empty Python, as JSON.

python -m benchmarks.start_up [--tiny]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from functools import partial

from benchmarks.machine import seconds_of, timing

COMMANDS = ("train", "grid_search", "report", "predict", "explain", "ensemble")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="once each, to see that it runs")
    repeats = 1 if parser.parse_args().tiny else 5
    floor = min(seconds_of(lambda: run("-c", "pass"), repeats))
    for command in COMMANDS:
        help_of = ("-m", f"survkit.{command}", "--help")
        seconds = seconds_of(partial(run, *help_of), repeats)
        row = {"what": " ".join(["python", *help_of]), **timing(seconds, floor)}
        print(json.dumps(row), flush=True)


def run(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
