"""Ways in which a file of a record is damaged, each a function of its path."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

Damage = Callable[[Path, Path], object]
"""Damages the file at the first path; at the second is the same file of another run."""


def _truncated(path: Path, other: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _empty(path: Path, other: Path) -> None:
    path.write_bytes(b"")


def _flipped(path: Path, other: Path) -> None:
    content = bytearray(path.read_bytes())
    place = random.Random(str(path.name)).randrange(8 * len(content))
    content[place // 8] ^= 1 << place % 8
    path.write_bytes(content)


def _folder(path: Path, other: Path) -> None:
    path.unlink()
    path.mkdir()


def _link_loop(path: Path, other: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _fifo(path: Path, other: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _not_utf8(path: Path, other: Path) -> None:
    path.write_bytes(b"\xff\xfe\x80" + path.read_bytes())


def _nested(path: Path, other: Path) -> None:
    path.write_bytes(b"[" * 100_000)


def _wrong_types(path: Path, other: Path) -> None:
    """Replace every value by one of another type, in the format of the file."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            names = list(archive)
        np.savez(path, **dict.fromkeys(names, np.array("text")))
    elif path.suffix == ".pt":
        state = torch.load(path, weights_only=True)
        path.write_bytes(_saved({name: [name] for name in state}))
    else:
        try:
            lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
            wrong = [{name: [name] for name in line} for line in lines]
        except (ValueError, TypeError):
            wrong = [{name: [name] for name in _read_object(path)}]
        path.write_text("\n".join(map(json.dumps, wrong)))


def _missing_keys(path: Path, other: Path) -> None:
    if path.suffix == ".npz":
        np.savez(path, **{"nothing": np.zeros(1)})
    else:
        path.write_bytes(_saved({}) if path.suffix == ".pt" else b"{}")


def _of_another_run(path: Path, other: Path) -> None:
    shutil.copyfile(other, path)


def _appended(path: Path, other: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\x00{garbage\n" * 10)


def _no_permission(path: Path, other: Path) -> None:
    path.chmod(0)


def _removed(path: Path, other: Path) -> None:
    path.unlink()


DAMAGES: dict[str, Damage] = {
    "truncated": _truncated,
    "empty": _empty,
    "one bit flipped": _flipped,
    "a folder": _folder,
    "a link loop": _link_loop,
    "a pipe": _fifo,
    "not UTF-8": _not_utf8,
    "deeply nested": _nested,
    "wrong types": _wrong_types,
    "missing keys": _missing_keys,
    "of another run": _of_another_run,
    "garbage appended": _appended,
    "no permission": _no_permission,
    "removed": _removed,
}


def _saved(state: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _read_object(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError:
        return {"text": None}
    return content if isinstance(content, dict) else {"list": None}
