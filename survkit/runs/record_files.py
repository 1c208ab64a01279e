"""Reads the files of a run's folder, one function a kind of file, and checks what they hold.

Each function returns None where there is no such file. A file of a finished record must be the one
whose digest `result.json` has; an unfinished run has no digests yet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from survkit.checked_files import (
    FILE_LIMIT,
    JSON_LIMIT,
    DamagedError,
    parse_json,
    read_bytes,
    read_json,
)
from survkit.runs.digests import FILES, check_digest, check_own_digest
from survkit.runs.record_schema import (
    wrong_in_epoch,
    wrong_in_flags,
    wrong_in_note,
    wrong_in_result,
)
from survkit.types import InputError

RESULT, CONFIG, HISTORY = "result.json", "config.json", "history.jsonl"

HISTORY_LIMIT = 2**28
"""Largest history, in bytes."""


def read_result(folder: Path) -> dict[str, Any] | None:
    """Return the result of a run; None where it is not finished.

    Raises
    ------
    DamagedError
        Where it is no result, or not what its own digest was made of.
    InputError
        Where it cannot be read.
    """
    path = folder / RESULT
    result = read_json(path)
    if result is not None:
        check_own_digest(result, path)
        _refuse(path, wrong_in_result(result))
    return result


def read_record_file(folder: Path, name: str, limit: int = FILE_LIMIT) -> bytes | None:
    """Return the content of another file of a record, compared with its digest.

    Raises
    ------
    DamagedError
        Where the file differs from its digest, or `result.json` is damaged.
    InputError
        Where it cannot be read, or is larger than `limit` bytes.
    """
    result = read_result(folder)
    content = read_bytes(folder / name, limit)
    if content is not None and result is not None:
        check_digest(content, folder / name, result.get(FILES, {}))
    return content


def read_config(folder: Path) -> dict[str, Any] | None:
    """Return the configuration of a run, finished or not.

    Raises
    ------
    DamagedError
        Where it is no configuration.
    InputError
        Where it cannot be read, or is missing though `result.json` lists it.
    """
    path = folder / CONFIG
    content = read_record_file(folder, CONFIG, JSON_LIMIT)
    if content is None:
        result = read_result(folder)
        if result is not None and CONFIG in result.get(FILES, {}):
            raise InputError(f"{path} is missing")
        return None
    return _config(content, path)


def read_unchecked_config(folder: Path) -> dict[str, Any] | None:
    """Return the configuration of a run whose result is damaged, as `read_config`."""
    path = folder / CONFIG
    content = read_bytes(path, JSON_LIMIT)
    return None if content is None else _config(content, path)


def _config(content: bytes, path: Path) -> dict[str, Any]:
    config = parse_json(content, path)
    _refuse(path, wrong_in_flags(config))
    return config


def read_history(folder: Path) -> list[dict[str, Any]] | None:
    """Return the values of each epoch. A last line that is half written does not count.

    Raises
    ------
    DamagedError
        Naming the first line that holds no epoch.
    InputError
        Where it cannot be read.
    """
    content = read_record_file(folder, HISTORY, HISTORY_LIMIT)
    if content is None:
        return None
    lines = content.split(b"\n")[:-1]
    return [_epoch(line, folder / HISTORY, number) for number, line in enumerate(lines, 1)]


def history_up_to(folder: Path, epoch: int) -> tuple[bytes, str | None]:
    """Return what can be kept of the history of an unfinished run, and what was lost.

    Parameters
    ----------
    folder : Path
        The run's folder.
    epoch : int
        The last epoch that is kept.

    Returns
    -------
    bytes
        The lines of the epochs from 1 to `epoch` that can be read, in their order.
    str or None
        A sentence on the epochs that cannot; None where all are there.
    """
    path, kept = folder / HISTORY, []
    lines = (read_bytes(path, HISTORY_LIMIT) or b"").split(b"\n")
    expected = 1
    for number, line in enumerate(lines, 1):
        try:
            values = _epoch(line, path, number)
        except DamagedError:
            continue
        if expected <= values["epoch"] <= epoch:
            kept.append(line + b"\n")
            expected = values["epoch"] + 1
    lost = epoch - len(kept)
    if lost == 0:
        return b"".join(kept), None
    epochs = "1 of its epochs" if lost == 1 else f"{lost} of its epochs"
    return b"".join(kept), f"{HISTORY} was damaged; {epochs} up to {epoch} cannot be read"


def read_note(path: Path) -> dict[str, Any] | None:
    """Return a launcher's note on a run.

    Raises
    ------
    DamagedError
        Where it is none.
    InputError
        Where it cannot be read.
    """
    note = read_json(path)
    if note is not None:
        _refuse(path, wrong_in_note(note))
    return note


def _epoch(line: bytes, path: Path, number: int) -> dict[str, Any]:
    where = f"line {number}: "
    values = parse_json(line, path, where)
    wrong = wrong_in_epoch(values)
    _refuse(path, wrong and f"{where}{wrong}")
    return values


def _refuse(path: Path, wrong: str | None) -> None:
    if wrong is not None:
        raise DamagedError(path, wrong)
