"""Notes on jobs, kept beside their logs: how each ended, where, and by what command.

The note on the log `NAME.log` is `NAME.json`; runs that one process trains share a log, and each
has its note. A job of this machine or of a cluster writes it at its end, a launcher where the job
itself cannot.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from survkit.files import write_bytes
from survkit.launch.jobs import Job, Outcome
from survkit.runs.record_files import read_note as read_note_file
from survkit.types import InputError


def write_note(
    outcome: Outcome, *, place: str, gpu: str | None = None, job_id: str | None = None
) -> None:
    """Note how the runs of a job ended; a full disk costs a warning only.

    `gpu` is the UUID of the GPU that it was given, `job_id` its id on a SLURM cluster.
    """
    for run, ended in zip(outcome.job.runs, outcome.of_runs(), strict=True):
        note = {
            "status": ended.status,
            "note": ended.note,
            "dataset": run.config.dataset,
            "model": run.config.model,
            "seed": run.config.seed,
            "exit_status": ended.exit_status,
            "attempts": ended.attempts,
            "seconds": _rounded(ended.seconds),
            "peak_memory_mb": _rounded(ended.peak_memory_mb),
            "place": place,
            "gpu": gpu,
            "job_id": job_id,
            "log": outcome.job.log.name,
            "command": run.command,
        }
        path = run.log.with_suffix(".json")
        try:
            write_bytes(path, f"{json.dumps(note, indent=2)}\n".encode())
        except InputError as error:
            print(f"warning: {error}", file=sys.stderr)


def read_note(job: Job) -> dict[str, Any]:
    """Return the note on a run; nothing where there is none or it is damaged."""
    try:
        return read_note_file(job.log.with_suffix(".json")) or {}
    except InputError:
        return {}


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)
