"""Peak memory, of this process and of others."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from survkit.system import MemoryNeed, check_memory, in_mebibytes, memory_gb, peak_memory_mb
from survkit.types import InputError

MEBIBYTES = 300


@pytest.mark.parametrize(("own", "exceeds"), [(MEBIBYTES, True), (0, False)])
def test_the_peak_of_a_process_is_its_own_and_not_its_parents(own: int, exceeds: bool) -> None:
    block = np.ones(MEBIBYTES * 2**20, np.uint8)
    code = (
        f"block = b'1' * {own} * 2**20\ndel block\n"
        "from survkit.system import peak_memory_mb; print(peak_memory_mb())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert (float(printed) > block.nbytes / 2**20) is exceeds


def test_an_ended_process_has_none() -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    assert peak_memory_mb(process.pid) is None
    assert peak_memory_mb(os.getpid()) == peak_memory_mb()


def test_units() -> None:
    assert in_mebibytes(2**20) == (1 if sys.platform == "darwin" else 2**10)


def test_the_memory_of_a_process_is_at_most_that_of_the_machine() -> None:
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    assert 0 < memory_gb() <= machine
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2 * 10**9, 2 * 10**9))\n"
        "from survkit.system import memory_gb; print(memory_gb())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert float(printed) == min(2.0, memory_gb())


def test_what_needs_too_much_memory_is_refused_with_what_to_lower() -> None:
    need = MemoryNeed(3.0, "four trees", "fewer --rsf_n_estimators need less")
    check_memory(need, 3.0)
    message = "four trees need about 3.00 GB, more than --max_memory_gb 2; fewer --rsf_n_estimators"
    with pytest.raises(InputError, match=message):
        check_memory(need, 2.0)
    with pytest.raises(InputError, match=r"more than the [\d.]+ GB that this machine has; fewer"):
        check_memory(need._replace(gigabytes=1e6))
