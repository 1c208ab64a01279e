"""Seconds from a command to its complete records, and their peak memory, as JSON.

python -m benchmarks.command_to_record --data_dir data    # SUPPORT2, and MNIST where it is there
python -m benchmarks.command_to_record --tiny             # a small synthetic dataset

The floor is the import of torch and pandas in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import seconds_of, timing

SUPPORT2 = ["--experiment_args", "args/support2.args"]
FIVE_SEEDS = ["--seeds", "42", "43", "44", "45", "46"]


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="a small dataset, to see that it runs")
    parser.add_argument("--data_dir", help="folder of the real data; without it, synthetic only")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    cases: dict[str, list[str]] = {}
    if arguments.data_dir:
        support2 = [*SUPPORT2, "--data_dir", arguments.data_dir]
        published = [*support2, "--dropout", "0"]
        cases["SUPPORT2 as published, one seed"] = published
        cases["SUPPORT2 as published, five seeds"] = [*published, *FIVE_SEEDS]
        cases["SUPPORT2, one seed"] = support2
        cases["SUPPORT2, five seeds"] = [*support2, *FIVE_SEEDS]
        cases["SUPPORT2, Cox regression"] = [*support2, "--model", "coxph"]
        if Path(arguments.data_dir, "MNIST").is_dir():
            mnist = ["--experiment_args", "args/mnist.args", "--data_dir", arguments.data_dir]
            cases["Survival MNIST, three epochs"] = [*mnist, "--epochs", "3"]
    if arguments.tiny:
        synthetic = ["--dataset", "synthetic", "--synthetic_rows", "300"]
        cases["300 synthetic patients"] = [*synthetic, "--epochs", "2"]
    for what, flags in cases.items():
        repeats = 1 if arguments.tiny else arguments.repeats
        print(json.dumps({"what": what, **measure(flags, repeats)}), flush=True)


def measure(flags: list[str], repeats: int) -> dict[str, Any]:
    """Train that often, each time anew; return seconds, of an epoch too, and peak memory."""
    seconds, memory, epochs = [], [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as log_dir:
            started = time.perf_counter()
            command = [sys.executable, "-m", "survkit.train", *flags, "--log_dir", log_dir]
            subprocess.run(command, check=True, capture_output=True)
            seconds.append(time.perf_counter() - started)
            records = [json.loads(p.read_text()) for p in Path(log_dir).glob("*/*/result.json")]
            memory.append(max(record["peak_memory_mb"] for record in records))
            if records[0]["epochs_trained"]:
                fit = sum(record["timing"]["fit_seconds"] for record in records)
                epochs.append(fit / max(record["epochs_trained"] for record in records))
    imports = [sys.executable, "-c", "import torch, pandas"]
    floor = min(seconds_of(lambda: subprocess.run(imports, check=True), repeats))
    return {
        **timing(seconds, floor),
        **({"epoch_seconds": statistics.median(epochs)} if epochs else {}),
        "peak_memory_mb": max(memory),
    }


if __name__ == "__main__":
    main()
