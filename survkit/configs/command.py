"""How every command ends: 0 done, 2 bad input, 130 interrupted; no traceback for what users do."""

from __future__ import annotations

import sys
from collections.abc import Callable

from survkit.types import InputError

BAD_INPUT = 2
INTERRUPTED = 130


def run_command(prog: str, command: Callable[[], object]) -> int:
    """Run a command and return its exit status, with errors of the input printed, not raised."""
    try:
        command()
    except InputError as error:
        print(f"{prog}: error: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print(f"{prog}: interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    return 0
