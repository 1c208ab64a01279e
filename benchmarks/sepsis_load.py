"""Prints, as JSON, how long the sepsis files take to read: all of them, and from the cache.

python -m benchmarks.sepsis_load --data_dir data

Each figure is taken in a fresh process, with a cache folder of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any


def read(data_dir: Path) -> dict[str, Any]:
    from survkit.datasets.sepsis_files import read_records

    return measure(lambda: len(read_records(data_dir)[0].patient))


def load(data_dir: Path) -> dict[str, Any]:
    from survkit.datasets import load_dataset

    return measure(lambda: load_dataset("sepsis", data_dir=data_dir).card.n)


def measure(work: Any) -> dict[str, Any]:
    started = time.perf_counter()
    patients = work()
    seconds = time.perf_counter() - started
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = kilobytes / (2**20 if sys.platform == "darwin" else 2**10)
    return {"patients": patients, "seconds": round(seconds, 2), "peak_memory_mb": round(peak)}


def in_fresh_process(work: Any, data_dir: Path) -> dict[str, Any]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        result: dict[str, Any] = pool.submit(work, data_dir).result()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data_dir", default=os.environ.get("SURVKIT_DATA_DIR", "data"))
    given = Path(parser.parse_args().data_dir).resolve()
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        (data_dir / "physionet.org").symlink_to(given / "physionet.org")
        figures = {
            "read_cold": in_fresh_process(read, data_dir),
            "read_from_cache": in_fresh_process(read, data_dir),
            "load_dataset_from_cache": in_fresh_process(load, data_dir),
        }
    print(json.dumps({"cpus": os.cpu_count(), **figures}, indent=2))


if __name__ == "__main__":
    main()
