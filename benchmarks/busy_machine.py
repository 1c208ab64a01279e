"""Seconds of several seeds as one stack and one by one, on a quiet and on a busy machine, as JSON.

python -m benchmarks.busy_machine [--tiny] [--repeats 3]

Each is the training command on 500 synthetic rows, from its start to its end. On the busy machine
other processes keep half of the cores busy. The floor is the median of the seeds one by one in the
same condition, so that the ratio says what a stack costs or saves.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.machine import seconds_of, timing

SEEDS = ("42", "43", "44")
COMMAND = (
    *(sys.executable, "-m", "survkit.train"),
    *("--dataset", "synthetic", "--model", "personalized_moe", "--mixture_components", "8"),
    *("--mode", "disabled", "--overwrite", "--early_stopping_patience", "1000"),
)


@contextmanager
def busy_cores(count: int) -> Iterator[None]:
    """Keep as many cores busy as that."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def train(flags: Sequence[str], commands: Sequence[Sequence[str]]) -> None:
    """Run the training command, once for each choice of seeds."""
    with tempfile.TemporaryDirectory() as folder:
        for seeds in commands:
            subprocess.run(
                [*COMMAND, "--log_dir", folder, *flags, *seeds],
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )


def measure(
    *, seeds: Sequence[str], rows: int, epochs: int, repeats: int
) -> Iterator[dict[str, Any]]:
    """Yield a row for the stack and one for the seeds one by one, quiet and busy."""
    flags = ("--synthetic_rows", str(rows), "--epochs", str(epochs))
    stack = [("--seeds", *seeds)]
    alone = [("--seed", seed) for seed in seeds]
    for busy in (0, max((os.cpu_count() or 1) // 2, 1)):
        seconds: dict[str, list[float]] = {"seeds as a stack": [], "seeds one by one": []}
        with busy_cores(busy):
            for _ in range(repeats):  # in pairs, so that a change of load meets both
                for times, commands in zip(seconds.values(), (stack, alone), strict=True):
                    times += seconds_of(lambda commands=commands: train(flags, commands), 1)
        floor = statistics.median(seconds["seeds one by one"])
        for what, times in seconds.items():
            size = {"seeds": len(seeds), "rows": rows, "busy_cores": busy}
            yield {"what": what, **size, **timing(times, floor)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--repeats", type=int, default=3, help="pairs of measurements")
    arguments = parser.parse_args()
    if arguments.tiny:
        rows = measure(seeds=SEEDS[:2], rows=200, epochs=1, repeats=1)
    else:
        rows = measure(seeds=SEEDS, rows=500, epochs=100, repeats=arguments.repeats)
    for row in rows:
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
