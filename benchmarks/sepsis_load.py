"""Seconds to read the sepsis files, all of them and from the cache, and peak memory, as JSON.

python -m benchmarks.sepsis_load --data_dir data

Each time is taken in a fresh process, with a cache folder of its own. The floor is the bytes of the
files, or of the cache, copied once.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from benchmarks.machine import measured_rates, timing
from survkit.system import peak_memory_mb

REPEATS = 3


class Reading(NamedTuple):
    """What reading took."""

    patients: int
    seconds: float
    peak_memory_mb: float | None


def read(data_dir: Path) -> Reading:
    from survkit.datasets.sepsis_files import read_records

    return measure(lambda: len(read_records(data_dir)[0].patient))


def load(data_dir: Path) -> Reading:
    from survkit.datasets import load_dataset

    return measure(lambda: load_dataset("sepsis", data_dir=data_dir).card.n)


def measure(work: Callable[[], int]) -> Reading:
    started = time.perf_counter()
    patients = work()
    return Reading(patients, time.perf_counter() - started, peak_memory_mb())


def in_fresh_process(work: Callable[[Path], Reading], data_dir: Path) -> Reading:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, data_dir).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data_dir", default=os.environ.get("SURVKIT_DATA_DIR", "data"))
    records = Path(parser.parse_args().data_dir).resolve() / "physionet.org"
    found: dict[str, list[Reading]] = {}
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            data_dir = Path(folder)
            (data_dir / "physionet.org").symlink_to(records)
            for what, work in (
                ("read all files", read),
                ("read the cache of them", read),
                ("load the dataset, from the cache", load),
            ):
                found.setdefault(what, []).append(in_fresh_process(work, data_dir))
            cached = size_of(data_dir / "cache")
    rates = measured_rates()
    for what, readings in found.items():
        moved = size_of(records) if what == "read all files" else cached
        row = {
            "what": what,
            "patients": readings[0].patients,
            **timing([reading.seconds for reading in readings], rates.floor(bytes_moved=moved)),
            "peak_memory_mb": max(reading.peak_memory_mb or 0 for reading in readings),
        }
        print(json.dumps(row), flush=True)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
