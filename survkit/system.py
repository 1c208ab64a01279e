"""What the machine offers, what a process has used of it, and what is too much for it."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import survkit
from survkit.types import InputError


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


def memory_gb() -> float:
    """Return the memory that this process may use, in GB (10^9 bytes).

    It is what the machine has, or less where a limit of the process or of its control groups (a
    container, a SLURM job) is lower.
    """
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), *_control_group_limits()]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        limits.append(soft)
    return min(limits) / 1e9


def _control_group_limits() -> Iterator[int]:
    root = Path("/sys/fs/cgroup")
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        top = root / controllers
        group = top / path.lstrip("/")
        file = "memory.limit_in_bytes" if controllers else "memory.max"
        for folder in (group, *group.parents):
            with suppress(OSError, ValueError):  # not in this container, or "max"
                yield int((folder / file).read_text())
            if folder == top:
                break


class MemoryNeed(NamedTuple):
    """What a computation is estimated to need.

    Parameters
    ----------
    gigabytes : float
        Memory, in 10^9 bytes.
    what : str
        What needs it, as a plural: "100 trees on 7,283 rows".
    lower : str
        What the person can do: "fewer --rsf_n_estimators need less".
    """

    gigabytes: float
    what: str
    lower: str

    def __str__(self) -> str:
        return f"{self.what} need about {self.gigabytes:,.2f} GB"


def check_memory(need: MemoryNeed, max_memory_gb: float | None = None) -> None:
    """Refuse what needs more memory than there may be, before any of it is taken.

    Parameters
    ----------
    need : MemoryNeed
        The estimate.
    max_memory_gb : float, optional
        Most memory, in GB; what this machine has where not given.

    Raises
    ------
    InputError
        With the estimate, the limit, and what to lower.
    """
    limit = memory_gb() if max_memory_gb is None else max_memory_gb
    if need.gigabytes <= limit:
        return
    if max_memory_gb is None:
        limit_text = f"the {limit:.1f} GB that this machine has"
    else:
        limit_text = f"--max_memory_gb {limit:g}"
    raise InputError(f"{need}, more than {limit_text}; {need.lower}")


def python_environment() -> dict[str, str]:
    """Return an environment in which a Python started anywhere imports this survkit."""
    root = str(Path(survkit.__file__).parent.parent)
    paths = dict.fromkeys([root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))])
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONSAFEPATH": "1",  # a folder "survkit" where the launcher was started is not it
    }
