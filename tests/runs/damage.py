"""Ways in which a file of a record can be damaged; each function takes the file's path.

`ANYHOW` fits every file. `STRUCTURE` has more for each kind, such as valid files with other
content, which nothing but a check of the content notices in a record without digests.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

Damage = Callable[[Path], None]


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def written(content: bytes) -> Damage:
    """Return the damage of other content."""

    def damage(path: Path) -> None:
        path.write_bytes(content)

    return damage


def changed(change: Callable[[bytes], bytes]) -> Damage:
    """Return the damage that a change of the content does."""

    def damage(path: Path) -> None:
        path.write_bytes(change(path.read_bytes()))

    return damage


def folder(path: Path) -> None:
    """Put a folder in place of the file."""
    _remove(path)
    path.mkdir()


def link_loop(path: Path) -> None:
    """Put a link to itself in place of the file."""
    _remove(path)
    path.symlink_to(path.name)


def pipe(path: Path) -> None:
    """Put a named pipe in place of the file; whoever just opens it waits forever."""
    _remove(path)
    os.mkfifo(path)


def device(path: Path) -> None:
    """Put a link to a device that never ends in place of the file."""
    _remove(path)
    path.symlink_to("/dev/zero")


def sparse(path: Path) -> None:
    """Make the file 1 TB long, without a byte on the disk."""
    with path.open("rb+") as file:
        file.truncate(2**40)


def flip(content: bytes, place: float = 0.5, bit: int = 0) -> bytes:
    """Return content with one bit flipped, at a share of its length."""
    changed_bytes = bytearray(content)
    changed_bytes[min(int(place * len(content)), len(content) - 1)] ^= 1 << bit
    return bytes(changed_bytes)


ANYHOW: dict[str, Damage] = {
    "empty": written(b""),
    "half": changed(lambda content: content[: len(content) // 2]),
    "zeros": changed(lambda content: bytes(len(content))),
    "noise": changed(lambda content: np.random.default_rng(0).bytes(len(content))),
    "not UTF-8": written(b'{"a": "\xff\xfe"}\n'),
    "folder": folder,
    "link loop": link_loop,
    "named pipe": pipe,
    "device": device,
    "1 TB": sparse,
}


def _json(content: Any) -> Damage:
    return written(json.dumps(content).encode() + b"\n")


def with_values(**values: Any) -> Damage:
    """Return the damage of other values in a JSON object."""
    return changed(lambda content: json.dumps({**json.loads(content), **values}).encode() + b"\n")


def without(key: str) -> Damage:
    """Return the damage of a key that is missing in a JSON object."""

    def change(content: bytes) -> bytes:
        values = json.loads(content)
        del values[key]
        return json.dumps(values).encode()

    return changed(change)


_NESTED = b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"

_ANY_JSON: dict[str, Damage] = {
    "100,000 brackets": written(_NESTED),
    "50 brackets": written(b'{"epoch": 1, "a": ' + b"[" * 50 + b"]" * 50 + b"}\n"),
    "a list": _json([1]),
    "a number": _json(1),
    "5,000 digits": written(b'{"epoch": ' + b"9" * 5000 + b"}\n"),
    "30 digits": written(b'{"status": "failed", "seed": ' + b"9" * 30 + b"}\n"),
    "null character": written(b'{"status": "a\\u0000b", "model": "a\\u0000b"}\n'),
    "surrogate": written(b'{"status": "\\ud800", "model": "\\ud800"}\n'),
}


def _arrays(**changes: Any) -> Damage:
    """Return the damage of other arrays; None for one that is missing."""

    def damage(path: Path) -> None:
        with np.load(path) as archive:
            arrays = {**dict(archive), **changes}
        kept = {name: array for name, array in arrays.items() if array is not None}
        np.savez_compressed(path, **kept)

    return damage


def _fewer_rows(path: Path) -> None:
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez_compressed(path, **{**arrays, "time": arrays["time"][:-1]})


def _member_flag(content: bytes) -> bytes:
    """Mark every member of a zip archive as encrypted."""
    changed_bytes = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.find(signature)
        while start >= 0:
            changed_bytes[start + offset] |= 1
            start = content.find(signature, start + 4)
    return bytes(changed_bytes)


def _claimed_size(content: bytes) -> bytes:
    """Let the directory of a zip archive claim 4 GB for its first member."""
    start = content.find(b"PK\x01\x02") + 24
    return content[:start] + struct.pack("<I", 2**32 - 2) + content[start + 4 :]


def _deflate_stream(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        first = archive.infolist()[1]
    content = bytearray(path.read_bytes())
    start = first.header_offset + 30 + len(first.filename) + 24
    content[start : start + first.compress_size // 2] = b"\xff" * (first.compress_size // 2)
    path.write_bytes(bytes(content))


def _member(name: str, content: bytes) -> Damage:
    def damage(path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            members = {n: archive.read(n) for n in archive.namelist()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for other, kept in {**members, name: content}.items():
                archive.writestr(other, kept)

    return damage


def _huge_header() -> bytes:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,)}"
    header = header.ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(8)


def _zip_bomb() -> bytes:
    """Return an array of 256 MB of zeros whose header asks for one number."""
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(1))
    return buffer.getvalue() + bytes(2**28)


def _torch(content: Any) -> Damage:
    def damage(path: Path) -> None:
        torch.save(content, path)

    return damage


def _compressed(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _without_weights(path: Path) -> None:
    state = torch.load(path, weights_only=True)
    torch.save({**state, "state": {"model": "mtlr"}}, path)


STRUCTURE: Mapping[str, Mapping[str, Damage]] = {
    "result.json": {
        **_ANY_JSON,
        "no model": without("model"),
        "no test": without("test"),
        "no version": without("survkit_version"),
        "seed of text": with_values(seed="42"),
        "seed of nothing": with_values(seed=None),
        "timing of a list": with_values(timing=[]),
        "metric of text": with_values(test={"loss": "x"}),
        "interval of one": with_values(test_interval={"loss": [1.0]}),
        "leaks of numbers": with_values(known_leaks=[1]),
        "time of a word": with_values(test={"brier@t=x": 0.1}),
        "test of nothing": with_values(
            hazard_ratios=[],
            hazard_ratio_notes=[],
            proportional_hazards=[
                {"feature": None, "statistic": None, "degrees_of_freedom": 1, "p": 0.5}
            ],
        ),
        "unknown calibration": with_values(calibration={"a": 1}),
        "infinite": changed(lambda c: c.replace(b'"peak_memory_mb": ', b'"peak_memory_mb": 1e999')),
    },
    "config.json": {
        **_ANY_JSON,
        "rate of text": with_values(lr="x"),
        "model of a number": with_values(model=3),
        "times of text": with_values(evaluation_times="x"),
        "negative size": with_values(hidden_dim=-1),
        "folder of a list": with_values(data_dir=["a"]),
        "at risk of text": with_values(min_at_risk="many"),
    },
    "history.jsonl": {
        **_ANY_JSON,
        "no epoch": _json({"loss": 1.0}),
        "epoch of text": _json({"epoch": "one"}),
        "loss of text": _json({"epoch": 1, "train_loss": "x", "validation_loss": "x"}),
    },
    "note": {
        **_ANY_JSON,
        "no status": _json({"model": "mtlr"}),
        "status of a list": _json({"status": ["failed"]}),
        "model of a list": _json({"status": "failed", "model": ["mtlr"]}),
        "log of a number": _json({"status": "failed", "log": 3}),
        "note of an object": _json({"status": "failed", "note": {}}),
    },
    "predictions_test.npz": {
        "no times": _arrays(times=None),
        "no survival": _arrays(survival=None),
        "text": _arrays(time=np.array(["a", "b"])),
        "text for times": _arrays(times=np.array(["a", "b"])),
        "fewer rows": _fewer_rows,
        "rising": _arrays(times=np.array([0.0, 1.0]), survival=np.array([[0.1, 0.9]])),
        "not a number": _arrays(times=np.array([0.0, np.nan])),
        "one number": _arrays(event=np.array(1)),
        "encrypted": changed(_member_flag),
        "claims 4 GB": changed(_claimed_size),
        "deflate stream": _deflate_stream,
        "header of 8 PB": _member("times.npy", _huge_header()),
        "zip bomb": _member("times.npy", _zip_bomb()),
        "no array": _member("times.npy", b"text"),
        "member of text": _member("readme.txt", b"text"),
    },
    "checkpoint.pt": {
        "a list": _torch([1]),
        "nothing in it": _torch({}),
        "keys of numbers": _torch({1: 2}),
        "configuration of a list": _torch({"config": [1], "survkit_version": "0.1.0"}),
        "no weights": _without_weights,
        "code": _torch({"config": flip}),
        "encrypted": changed(_member_flag),
        "compressed": _compressed,
        "zip of nothing": written(b"PK\x05\x06" + bytes(18)),
    },
}
"""More damages, by the kind of file; "note" is a launcher's note on a run."""


def damages_of(kind: str) -> dict[str, Damage]:
    """Return all damages of a kind of file by name."""
    return {**ANYHOW, **STRUCTURE.get(kind, {})}
