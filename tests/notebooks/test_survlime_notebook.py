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
    assert shown.printed == ""
    assert shown.figures == 4
    # Tables 1 to 3, 4, 5, 6 to 8 and 9 stand beside the printed values, and 10 with its difference.
    tables = [text for text in shown.of("text/plain") if "difference" in text]
    assert len(tables) == 6
    assert sum("printed" in text for text in tables) == 6
    # Two digits of table 7 do not depend on the explanations.
    assert "0.6678" in tables[3]
