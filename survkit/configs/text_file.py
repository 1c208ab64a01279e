"""Reads the small text files that a person writes: args files and sweeps."""

from __future__ import annotations

import stat
from pathlib import Path

import survkit
from survkit.types import InputError

MAX_BYTES = 2**18
"""Largest file that is read; the sweeps and args files of this project have about a thousand."""

_OPEN_PIPES = ("/dev/fd/", "/dev/stdin", "/proc/")
"""Where a shell puts what `<(command)` writes: those pipes have a writer."""


def shipped_folder() -> Path:
    """Return the folder of the args files and sweeps that come with survkit.

    It is `survkit/args` in an installed package, and `args` beside it in a checkout.
    """
    package = Path(survkit.__file__).parent
    installed = package / "args"
    return installed if installed.is_dir() else package.parent / "args"


def find_file(path: Path, suffix: str) -> Path:
    """Return a file of the user's, or the one of that name that comes with survkit.

    Where there is no such file, "support2", "support2.args" and "args/support2.args" stand for
    survkit's own.

    Parameters
    ----------
    path : Path
        What the user gave.
    suffix : str
        What the name may lack, such as ".args".
    """
    if path.parent not in (Path(), Path("args")) or path.exists():
        return path
    shipped = shipped_folder() / (path.name if path.suffix else f"{path.name}{suffix}")
    return shipped if shipped.is_file() else path


def read_text(path: Path, what: str, *, suffix: str) -> str:
    """Return the text of a file, which may be one that comes with survkit (see `find_file`).

    Parameters
    ----------
    path : Path
        A regular file, or a pipe that a shell has opened.
    what : str
        What messages call it, such as "the args file".
    suffix : str
        How the names of such files end.

    Raises
    ------
    InputError
        For a path that is no file, a file that cannot be read or is too large, and what is not
        UTF-8 text.
    """
    content = _read(find_file(path, suffix), what)
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
