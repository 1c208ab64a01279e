"""Results of runs that tests write without training, and changes to those of runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from survkit.runs.digests import FILES, OWN, with_digests


def small_result(**changes: Any) -> dict[str, Any]:
    """Return the content of a `result.json` with no more than what every record has."""
    texts = dict.fromkeys(("run_id", "dataset", "model", "group", "evaluation"), "x")
    counts = dict.fromkeys(("epochs_trained", "best_epoch", "num_parameters", "seed"), 1)
    nothing = {name: {} for name in ("validation", "test", "test_details", "test_interval")}
    return {
        **{**texts, **counts, **nothing},
        **{"data_sha256": "0", "survkit_version": "0.0.9", "known_leaks": []},
        **{"peak_memory_mb": 1.0, "timing": {"total_seconds": 1.0}},
        **changes,
    }


def finish(folder: Path, **changes: Any) -> None:
    """Make the folder of a run one with a result."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(small_result(**changes)))


def result_of(folder: Path) -> dict[str, Any]:
    """Return the result of a run without its digests."""
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return {key: value for key, value in result.items() if key not in (FILES, OWN)}


def change(
    folder: Path,
    result: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
) -> None:
    """Give a run's files other content (all of it), as if the run had been recorded so."""
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    content = result_of(folder) if result is None else dict(result)
    (folder / "result.json").write_text(json.dumps(with_digests(content, folder)))
