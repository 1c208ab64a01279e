"""Reads files that may be damaged: regular files of bounded size, JSON objects and npz archives.

Sizes are checked before anything is unpacked, so that a damaged file costs a message and neither
memory nor time.
"""

from __future__ import annotations

import json
import math
import os
import stat
import zipfile
import zlib
from collections.abc import Container
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from survkit.types import InputError

JSON_LIMIT = 2**26
"""Largest JSON file, in bytes."""

FILE_LIMIT = 2**34
"""Largest file of arrays or weights, in bytes."""

DEPTH_LIMIT = 40
"""Deepest nesting of lists and objects in JSON."""

MEMBER_LIMIT = 100
"""Most arrays of an archive."""

_DEFLATE_LIMIT = 1032  # deflate packs no more than this many bytes into one
_HEADER_LIMIT = 10_000
_LONGEST_REASON = 300
_NUMBERS = "bifu"


class DamagedError(InputError):
    """A file does not hold what it should."""

    def __init__(self, path: Path, why: str) -> None:
        said = " ".join(why.split())  # other libraries write several lines
        super().__init__(f"{path} is damaged: {said[:_LONGEST_REASON]}")


def read_bytes(path: Path, limit: int = FILE_LIMIT) -> bytes | None:
    """Return the content of a file; None where there is none.

    Raises
    ------
    InputError
        For a folder, a named pipe or a device, a file that may not be read, or a file of more
        than `limit` bytes.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise DamagedError(path, f"it has {size:,} bytes, more than {limit:,}")
            return file.read(size)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except MemoryError:
        raise InputError(f"cannot read {path}: it does not fit into memory") from None


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file to read its bytes.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        Where there is no such file.
    InputError
        For a folder, a named pipe or a device, or a file that may not be read.
    """
    try:
        file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115
    except (FileNotFoundError, NotADirectoryError):
        raise
    except IsADirectoryError:
        raise InputError(f"cannot read {path}: it is a folder") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise InputError(f"cannot read {path}: {_reason(error)}") from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise InputError(f"cannot read {path}: it is no regular file")
    return file


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a named pipe would wait for a writer


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def read_json(path: Path, limit: int = JSON_LIMIT) -> dict[str, Any] | None:
    """Return the JSON object in a file; None where there is no file.

    Raises
    ------
    DamagedError
        As `parse_json`.
    InputError
        As `read_bytes`.
    """
    content = read_bytes(path, limit)
    return None if content is None else parse_json(content, path)


def parse_json(content: bytes, path: Path, where: str = "") -> dict[str, Any]:
    """Return the JSON object in the content of a file.

    Parameters
    ----------
    content : bytes
        UTF-8 text.
    path : Path
        The file, for messages.
    where : str
        The part of the file, for messages, such as "line 3: ".

    Raises
    ------
    DamagedError
        For text that is not JSON in UTF-8, that is nested deeper than `DEPTH_LIMIT`, that holds
        null characters, halves of surrogate pairs or integers beyond 64 bits, or no object.
    """
    try:
        value = json.loads(content.decode("utf-8"))
        _check_plain(value, DEPTH_LIMIT)
    except UnicodeDecodeError as error:
        raise DamagedError(path, f"{where}byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise DamagedError(path, f"{where}it is nested too deep") from None
    except ValueError as error:
        raise DamagedError(path, f"{where}{error if content else 'it is empty'}") from None
    if not isinstance(value, dict):
        raise DamagedError(path, f"{where}it holds no JSON object")
    return value


def _check_plain(value: Any, depth: int) -> None:
    """Refuse what JSON allows and other parts of a program choke on."""
    if isinstance(value, str):
        value.encode()
        if "\0" in value:
            raise ValueError("a text holds a null character")
    elif isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError("an integer is beyond 64 bits")
    elif isinstance(value, dict | list):
        if depth == 0:
            raise RecursionError
        for item in value:
            _check_plain(item, depth - 1)
        for item in value.values() if isinstance(value, dict) else ():
            _check_plain(item, depth - 1)


def parse_arrays(
    file: BinaryIO, path: Path, *, limit: int = FILE_LIMIT, kinds: Container[str] = _NUMBERS
) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz archive by name.

    Parameters
    ----------
    file : binary file
        The archive, open to be read.
    path : Path
        Its name, for messages.
    limit : int
        Most bytes that all arrays may take in memory; a larger archive is not unpacked.
    kinds : container of str
        The kinds of arrays that are allowed, as in `numpy.dtype.kind`: numbers by default. Python
        objects never are.

    Raises
    ------
    DamagedError
        For anything else, a wrong checksum, and sizes that the file or the shapes belie.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            _check_members(members, limit)
            return {
                member.filename.removesuffix(".npy"): _read_array(archive, member, kinds)
                for member in members
            }
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DamagedError(path, str(error) or type(error).__name__) from None
    except (NotImplementedError, RuntimeError, SyntaxError, TypeError, MemoryError) as error:
        # A method of compression or a header that nobody wrote on purpose.
        raise DamagedError(path, f"{type(error).__name__}: {error}") from None


def _check_members(members: list[zipfile.ZipInfo], limit: int) -> None:
    names = [member.filename for member in members]
    if len(names) > MEMBER_LIMIT or len(set(names)) < len(names):
        raise ValueError(f"its {len(names)} members are more than {MEMBER_LIMIT}, or share a name")
    for member in members:
        check_member(member)
    total = sum(member.file_size for member in members)
    if total > limit:
        raise ValueError(f"unpacked it would have {total:,} bytes, more than {limit:,}")


def check_member(member: zipfile.ZipInfo) -> None:
    """Refuse a member of a zip archive that is encrypted or cannot have the size that it claims.

    Raises
    ------
    ValueError
        Naming the member.
    """
    stored = member.compress_type == zipfile.ZIP_STORED
    largest = member.compress_size * (1 if stored else _DEFLATE_LIMIT)
    if member.flag_bits & 1:
        raise ValueError(f"its member {member.filename!r} is encrypted")
    if not stored and member.compress_type != zipfile.ZIP_DEFLATED:
        raise ValueError(f"its member {member.filename!r} is compressed in an unknown way")
    if member.file_size > largest:
        raise ValueError(
            f"its member {member.filename!r} claims {member.file_size:,} bytes, and the file holds "
            f"{largest:,} at most"
        )


def _read_array(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, kinds: Container[str]
) -> NDArray[Any]:
    name = member.filename
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"its array {name!r} has an unknown format")
        read = np.lib.format.read_array_header_1_0
        if version == (2, 0):
            read = np.lib.format.read_array_header_2_0
        shape, fortran_order, dtype = read(stream, max_header_size=_HEADER_LIMIT)
        if dtype.hasobject or dtype.kind not in kinds:
            raise ValueError(f"its array {name!r} is of type {dtype}, not of numbers")
        size, held = math.prod(shape) * dtype.itemsize, member.file_size - stream.tell()
        if size != held or min(shape, default=0) < 0:
            raise ValueError(
                f"its array {name!r} should have {size:,} bytes for shape {shape}, and has {held:,}"
            )
        # Reading past the end makes the archive compare the checksum.
        content = stream.read(size + 1)
    if not size:
        return np.empty(shape, dtype)
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran_order else "C")
    return array.copy(order="K")
