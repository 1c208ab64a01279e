"""What the tests of faults share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.commands import Forks, forks


@pytest.fixture(scope="session")
def commands() -> Iterator[Forks]:
    """Commands that run in forks."""
    with forks() as server:
        yield server
