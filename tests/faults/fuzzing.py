"""How the tests with random input call a command, and how many of them there are."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Sequence

from survkit.text import one_line
from survkit.train import main

BESIDE = ("warning: ", "note: ", "known leak: ")
"""How the lines begin that may stand beside the error."""


def num_examples(small: int, full: int) -> int:
    """Return the number of examples: few, or all with SURVKIT_FAULTS=full."""
    return full if os.environ.get("SURVKIT_FAULTS") == "full" else small


def check_train(argv: Sequence[str]) -> int:
    """Run the training command; it must end with 0, or with 2 and one line that says why."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(list(argv))
    # Not splitlines, for which more than "\n" ends a line.
    lines = [line for line in err.getvalue().split("\n") if line and not line.startswith(BESIDE)]
    assert status in (0, 2), (status, argv)
    if status == 2:
        assert len(lines) == 1, lines
        assert lines[0].startswith("survkit.train: error: "), lines
        assert one_line(lines[0]) == lines[0]
        assert len(lines[0]) < 3000, lines
    return status
