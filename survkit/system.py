"""What the machine offers and what a process has used of it."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import survkit


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory_mb(pid: int | None = None) -> float | None:
    """Return the largest resident memory of a running process, in MiB.

    Linux keeps it in the process's status. Its account of resources (ru_maxrss) would not do: it
    starts at the size of the parent, so a small run of a large launcher would look large.

    Parameters
    ----------
    pid : int, optional
        The process; this one by default. Of another one, None is returned where it has ended or
        the system does not say.
    """
    try:
        lines = Path(f"/proc/{'self' if pid is None else pid}/status").read_text().splitlines()
    except OSError:
        lines = []
    kibibytes = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    if kibibytes:
        return kibibytes[0] / 2**10
    if pid is None:
        return in_mebibytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return None


def in_mebibytes(ru_maxrss: int) -> float:
    """Return a resident size of the operating system's account in MiB; its unit differs."""
    return ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def python_environment() -> dict[str, str]:
    """Return an environment in which a Python started anywhere imports this survkit."""
    root = str(Path(survkit.__file__).parent.parent)
    paths = dict.fromkeys([root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))])
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONSAFEPATH": "1",  # a folder "survkit" where the launcher was started is not it
    }
