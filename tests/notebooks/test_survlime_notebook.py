"""The SurvLIME notebook runs from a fresh kernel."""

from __future__ import annotations

import pytest

from tests.notebooks.execution import execute

pytestmark = pytest.mark.slow


# ipykernel, zmq and asyncio warn of each other.
@pytest.mark.filterwarnings("ignore")
def test_it_runs_small_from_a_fresh_kernel() -> None:
    shown = execute("survlime_experiments", SURVLIME_SMALL="1")
    assert not shown.error
    assert shown.figures == 3
