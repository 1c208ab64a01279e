"""What this machine can do, and how times are stated: next to a floor in its rates."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

PACKAGES = ("numpy", "scikit-learn", "scikit-survival", "torch")
MATRIX, VECTOR = 512, 2**24


class Rates(NamedTuple):
    """What one thread reaches.

    Parameters
    ----------
    flops : float
        Operations a second, of products of single-precision matrices.
    bytes : float
        Bytes a second, read and written, of copies that no cache holds.
    """

    flops: float
    bytes: float

    def floor(self, *, flops: float = 0.0, bytes_moved: float = 0.0) -> float:
        """Return the seconds that so many operations or bytes take at least, on one thread."""
        return max(flops / self.flops, bytes_moved / self.bytes)


def timing(seconds: Sequence[float], floor: float) -> dict[str, float]:
    """Return the median and the spread of times, their floor and the ratio of the median to it."""
    median = statistics.median(seconds)
    return {
        "seconds": median,
        "least": min(seconds),
        "most": max(seconds),
        "floor": floor,
        "ratio": median / floor,
    }


def seconds_of(work: Callable[[], object], repeats: int) -> list[float]:
    """Return the seconds of each of several times."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return seconds


def measured_rates() -> Rates:
    """Measure the rates, which takes a second."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    a, b = torch.rand(MATRIX, MATRIX), torch.rand(MATRIX, MATRIX)
    source, target = np.ones(VECTOR, np.float32), np.zeros(VECTOR, np.float32)
    rates = Rates(
        2 * MATRIX**3 / min(seconds_of(lambda: torch.mm(a, b), 20)),
        2 * source.nbytes / min(seconds_of(lambda: np.copyto(target, source), 20)),
    )
    torch.set_num_threads(threads)
    return rates


def describe() -> dict[str, Any]:
    """Return what a reader must know of the machine and the versions."""
    rates = measured_rates()
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "gflops_one_thread": round(rates.flops / 1e9, 1),
        "gbytes_per_second": round(rates.bytes / 1e9, 1),
        "load_at_start": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
