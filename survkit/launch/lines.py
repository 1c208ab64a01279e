"""Lines of JSON through pipes, between a launcher and its workers."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Mapping
from typing import Any


class Lines:
    """The lines that arrive at a descriptor.

    Parameters
    ----------
    descriptor : int
        Where they arrive.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.lines: deque[bytes] = deque()
        """Complete lines that nobody has taken yet."""
        self._rest = b""

    def read(self) -> bool:
        """Take what has arrived, or wait for it; return False at the end."""
        content = os.read(self.descriptor, 2**16)
        *lines, self._rest = (self._rest + content).split(b"\n")
        self.lines.extend(lines)
        return bool(content)


def write_line(descriptor: int, content: Mapping[str, Any]) -> bool:
    """Write one line; return False where nobody reads any more."""
    line = memoryview(json.dumps(content).encode() + b"\n")
    try:
        while line:
            line = line[os.write(descriptor, line) :]
    except BrokenPipeError:
        return False
    return True
