"""What is known of a job on the cluster, kept beside its log, where people look for it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

from survkit.files import write_bytes
from survkit.launch.jobs import Outcome
from survkit.types import InputError


def write_report(outcome: Outcome, job_id: str) -> None:
    """Write `NAME.json` beside the log `NAME.log`; a disk that is full is no reason to stop."""
    report = {
        "status": outcome.status,
        "note": outcome.note,
        "seconds": outcome.seconds,
        "peak_memory_mb": outcome.peak_memory_mb,
        "place": f"SLURM job {job_id}",
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [sys.executable, "-m", "survkit.train", *outcome.job.arguments],
    }
    try:
        path = outcome.job.log.with_suffix(".json")
        write_bytes(path, f"{json.dumps(report, indent=2)}\n".encode())
    except InputError as error:
        print(f"warning: {error}", file=sys.stderr)
