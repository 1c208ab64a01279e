"""Reads the small text files that a person writes: args files and sweeps."""

from __future__ import annotations

import stat
from pathlib import Path

from survkit.types import InputError

MAX_BYTES = 2**18
"""Largest file that is read; the sweeps and args files of this project have about a thousand."""

_OPEN_PIPES = ("/dev/fd/", "/dev/stdin", "/proc/")
"""Where a shell puts what `<(command)` writes: those pipes have a writer."""


def read_text(path: Path, what: str) -> str:
    """Return the text of a file.

    Parameters
    ----------
    path : Path
        A regular file, or a pipe that a shell has opened.
    what : str
        What messages call it, such as "the args file".

    Raises
    ------
    InputError
        For a path that is no file, a file that cannot be read or is too large, and what is not
        UTF-8 text.
    """
    content = _read(path, what)
    if len(content) > MAX_BYTES:
        raise InputError(
            f"{what} {path} is larger than {MAX_BYTES // 2**10} KiB; is it the right file?"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{what} {path} is not UTF-8 text (byte {error.start + 1})") from None


def _read(path: Path, what: str) -> bytes:
    kind = ""
    try:
        mode = path.stat().st_mode
        # Another pipe, or a device, may never end.
        if stat.S_ISREG(mode) or str(path).startswith(_OPEN_PIPES):
            with path.open("rb") as file:
                return file.read(MAX_BYTES + 1)
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
    except OSError as error:
        raise InputError(f"cannot read {what} {path}: {error.strerror}") from None
    except ValueError:
        raise InputError(f"cannot read {what} {path}: no path holds a NUL character") from None
    raise InputError(f"cannot read {what} {path}: it is {kind}, not a file")
