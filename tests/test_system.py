"""Peak memory, of this process and of others."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from survkit.system import in_mebibytes, peak_memory_mb

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
