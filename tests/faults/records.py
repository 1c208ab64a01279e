"""Records that are compared with each other, bit for bit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

VARYING = ("timing", "peak_memory_mb", "peak_gpu_memory_mb", "sha256")
"""What a result tells of the process that made it, and its own digest, which covers that."""

GROUP = "g"
"""The group of every run of these tests."""

SMALL = [
    *("--log_dir", "logs", "--group", GROUP, "--mode", "disabled", "--device", "cpu"),
    *("--bootstrap", "20", "--time_bins", "12"),
]
SYNTHETIC = ["--dataset", "synthetic", "--synthetic_rows", "300", *SMALL]
NETWORK = ["--hidden_dim", "8", "--early_stopping_patience", "1000"]


def contents(log_dir: Path) -> dict[str, Any]:
    """Return every file of the records below a folder, without what varies between processes."""
    return {
        str(path.relative_to(log_dir)): _content(path)
        for path in sorted(log_dir.rglob("*"))
        if path.is_file() and path.name != ".lock" and path.parent.name != "launcher"
    }


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Return the files that differ, are missing or should not be there, with keys that differ."""
    differing = sorted(
        name for name in {*found, *expected} if found.get(name) != expected.get(name)
    )
    return [
        f"{name} ({_how(found.get(name), expected.get(name))})"
        if name in expected
        else f"new {name}"
        for name in differing
    ]


def _how(found: Any, expected: Any) -> str:
    if found is None:
        return "missing"
    if not isinstance(found, dict):
        return f"{len(found)} bytes, not {len(expected)}"
    keys = [key for key in {*found, *expected} if found.get(key) != expected.get(key)]
    return f"keys {', '.join(sorted(keys))}"


def copied(source: Path, target: Path) -> Path:
    """Copy a folder and return the copy."""
    shutil.copytree(source, target, symlinks=True)
    return target


def _content(path: Path) -> Any:
    if path.name != "result.json":
        return path.read_bytes()
    result = json.loads(path.read_text("utf-8"))
    return {name: value for name, value in result.items() if name not in VARYING}
