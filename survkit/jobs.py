"""What a launcher is given and what it answers: training runs as jobs, and how each ended."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple


class Job(NamedTuple):
    """One training run of a sweep.

    Parameters
    ----------
    name : str
        What people call it, as "support2_mixture mtlr seed=42"; unique among the jobs.
    arguments : tuple of str
        The flags of `python -m survkit.train`; all paths in them are absolute.
    folder : Path
        The run's folder, absolute; its last part is the run_id.
    log : Path
        File for all that the run prints, absolute; outside `folder`.
    after : tuple of str
        Names of the jobs that must be done before this one starts.
    """

    name: str
    arguments: tuple[str, ...]
    folder: Path
    log: Path
    after: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether the run's record is there and not damaged, as `RunFolder.result` has it."""
        try:
            result = json.loads((self.folder / "result.json").read_text("utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(result, dict) and "run_id" in result


class Status(StrEnum):
    """How a job ended."""

    DONE = "done"
    SKIPPED = "skipped"  # its record was complete before
    SUBMITTED = "submitted"  # waits or runs on a cluster that is not followed
    FAILED = "failed"
    BLOCKED = "blocked"  # a job that it depends on did not end well
    STOPPED = "stopped"  # the launcher was told to stop


class Outcome(NamedTuple):
    """How a job ended.

    Parameters
    ----------
    job : Job
        The job.
    status : Status
        How it ended.
    seconds : float, optional
        Wall-clock time of its last attempt.
    peak_memory_mb : float, optional
        Largest resident memory of its process, in MiB.
    note : str
        The last line of a failure's log, or another word on the status.
    """

    job: Job
    status: Status
    seconds: float | None = None
    peak_memory_mb: float | None = None
    note: str = ""


def last_line(log: Path) -> str:
    """Return the last line of a log that is not empty, or '' where there is none."""
    try:
        lines = log.read_text("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
