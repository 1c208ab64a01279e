"""The process of one chain, and what passes between it and the process that fits the model.

The task comes on standard input, which then stays open: a chain ends when it is closed, and so
with the process that started it, even one that is killed. A byte for every iteration and then the
trees, or why there are none, go to standard output. Nothing is written to any file.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from threading import Thread
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from survkit.bart.chains import ChainProblem, SamplerSettings, sample_chain
from survkit.bart.person_period import TrainingRows
from survkit.types import InputError

ITERATION, TREES, BAD_INPUT, NO_MEMORY = b".", b"T", b"E", b"M"
"""What an answer begins with."""

SIZE_BYTES = 8


def pack_task(problem: ChainProblem, settings: SamplerSettings) -> bytes:
    """Return what a chain is given, except for its seed, as bytes."""
    plain = {"settings": asdict(settings), "rules": problem.rules, "offset": problem.offset}
    rows = {name: x for name, x in problem.rows._asdict().items() if x is not None}
    return _pack(
        {
            "plain": np.array(json.dumps(plain)),
            "features": problem.features,
            "split_prior": problem.split_prior,
            **{f"rows_{name}": array for name, array in rows.items()},
        }
    )


def unpack_task(content: bytes) -> tuple[ChainProblem, SamplerSettings]:
    """Return what was packed."""
    arrays = unpack(content)
    plain = json.loads(str(arrays["plain"]))
    rows = {name: arrays.get(f"rows_{name}") for name in TrainingRows._fields}
    problem = ChainProblem(
        TrainingRows(**rows),  # type: ignore[arg-type]
        arrays["features"],
        tuple(plain["rules"]),
        arrays["split_prior"],
        plain["offset"],
    )
    return problem, SamplerSettings(**plain["settings"])


def unpack(content: bytes) -> dict[str, NDArray[Any]]:
    """Return named arrays from their bytes."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


def _pack(arrays: dict[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def with_size(content: bytes) -> Iterable[bytes]:
    """Return the parts of a message that says how long it is."""
    return len(content).to_bytes(SIZE_BYTES, "big"), content


def main() -> None:
    """Sample the chain whose seed is the argument; what a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    size = int.from_bytes(sys.stdin.buffer.read(SIZE_BYTES), "big")
    content = sys.stdin.buffer.read(size)
    Thread(target=_end_with_standard_input, daemon=True).start()
    try:
        trees = sample_chain(
            *unpack_task(content), int(sys.argv[1]), lambda: _write(answers, ITERATION)
        )
        _write(answers, TREES + _pack(trees))
    except InputError as error:
        _write(answers, BAD_INPUT + str(error).encode())
    except MemoryError:
        _write(answers, NO_MEMORY)


def _end_with_standard_input() -> None:
    os.read(0, 1)  # nothing more is sent
    os._exit(1)


def _write(answers: BinaryIO, content: bytes) -> None:
    try:
        left = memoryview(content)
        while left:
            left = left[answers.write(left) :]
    except BrokenPipeError:  # nobody waits for the chain any more
        os._exit(1)


if __name__ == "__main__":
    main()
