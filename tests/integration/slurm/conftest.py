"""A real SLURM cluster for all tests of this folder, and sweeps to run on it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.integration.slurm.cluster import cancel_everything, missing_programs, running_cluster


@pytest.fixture(scope="session")
def _cluster() -> Iterator[None]:
    if absent := missing_programs():
        reason = f"needs SLURM (slurm-wlm and munge); not on the path: {', '.join(absent)}"
        if os.environ.get("SURVKIT_REQUIRE_SLURM"):
            pytest.fail(reason)
        pytest.skip(reason)
    with running_cluster() as variables, pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(autouse=True)
def _empty_cluster(_cluster: None) -> Iterator[None]:
    yield
    cancel_everything(dict(os.environ))
    assert subprocess.check_output(["squeue", "--noheader"]) == b""
